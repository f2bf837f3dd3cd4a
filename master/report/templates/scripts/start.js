// What is packed into the page is unpacked, and drawn.
async function unpacked(id) {
  const element = document.getElementById(id), packed = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(packed.length);
  for (let index = 0; index < packed.length; index += 1) bytes[index] = packed.charCodeAt(index);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function run(text) {
  const script = document.createElement("script");
  script.textContent = text; // the page's policy allows it by its hash
  document.head.append(script);
}

function wire() {
  document.querySelectorAll("[data-log]").forEach((button) => {
    button.addEventListener("click", () => {
      logarithmic = !logarithmic;
      for (const other of document.querySelectorAll("[data-log]")) other.setAttribute("aria-pressed", String(logarithmic));
      drawAll();
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    requestAnimationFrame(drawAll);
  });
  // Plotly tells of a hover only where it is at another point than before, and would be silent at the one that is hidden now.
  addEventListener("scroll", () => {
    if (tooltip.hidden) return;
    hideCursor();
    for (const chart of report.charts) if (chart.isWired) Plotly.Fx.unhover(document.getElementById(chart.id));
  }, { passive: true });
}

// Paper shows everything: what is folded is opened, and all is drawn for its width before it is printed.
function printing(on) {
  document.documentElement.classList.toggle("print", on);
  document.querySelectorAll(on ? "details:not([open])" : "details.opened").forEach((details) => {
    details.open = on;
    details.classList.toggle("opened", on);
  });
  if (!report) return;
  if (on) report.charts.forEach(draw);
  else drawAll();
}

async function start() {
  const [data, plotly] = await Promise.all(["data", "plotly"].map(unpacked));
  const found = JSON.parse(data);
  run(plotly);
  fleet = found.fleet;
  fleet.length = fleet.conditions.length ? fleet.conditions[0].length : 0;
  shown = [found.start, found.end];
  report = found;
  for (const chart of report.charts) {
    if (chart.kind === "map") chart.data[0].z = fleet.rows[chart.id];
    if (chart.kind in CHOSEN) prepareChosen(chart);
  }
  wire();
  drawAll();
  drawWhenSeen();
}

addEventListener("beforeprint", () => printing(true));
addEventListener("afterprint", () => printing(false));
if (document.getElementById("data")) {
  start().catch((error) => {
    document.getElementById("no-charts").hidden = false;
    throw error;
  });
}
