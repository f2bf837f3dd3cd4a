// The server's API. Whatever goes wrong becomes an Error whose message is for people.
let session = null;
export async function loadSession() { return session ??= await get("/api/session"); }
export async function get(path) { return await read(await reach(path)); }
export async function post(path, body) {
  const {csrf} = await loadSession();
  return await read(await reach(path, {method: "POST", headers: {"X-CSRF-Token": csrf}, body: JSON.stringify(body ?? {})}));
}
async function reach(path, options) {
  let answer;
  try { answer = await fetch(path, options); } catch { throw new Error("The server does not answer. Is piswarm serve still running?"); }
  if (answer.status === 401) { location.href = "/login"; }
  return answer;
}
async function read(answer) {
  let content;
  try { content = await answer.json(); } catch { throw new Error(`The server's answer is none (status ${answer.status}).`); }
  if (!answer.ok) throw new Error([content.error, content.hint].filter(Boolean).join("\n"));
  return content;
}
// Follows a run from `position` on: calls `on.update` once a second, `on.end` when it is over, `on.state` with whether it is connected. Returns what stops it.
export function follow(id, position, on) {
  const source = new EventSource(`/api/runs/${encodeURIComponent(id)}/stream?position=${encodeURIComponent(position)}`);
  source.addEventListener("open", () => on.state?.(true));
  source.addEventListener("update", event => on.update(JSON.parse(event.data)));
  source.addEventListener("end", event => { source.close(); on.end(JSON.parse(event.data)); });
  source.addEventListener("fault", event => { source.close(); on.fault(event.data); });
  source.addEventListener("error", () => on.state?.(false));
  return () => source.close();
}
