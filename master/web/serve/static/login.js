// Signs in and goes to the page.
const form = document.getElementById("login"), fault = document.getElementById("fault");
form.addEventListener("submit", async event => {
  event.preventDefault();
  fault.textContent = "";
  const {name, password} = Object.fromEntries(new FormData(form));
  try {
    const answer = await fetch("/api/login", {method: "POST", body: JSON.stringify({name, password})});
    if (answer.ok) { location.href = "/"; return; }
    fault.textContent = (await answer.json()).error;
  } catch { fault.textContent = "The server does not answer."; }
});
