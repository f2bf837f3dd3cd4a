// The list of runs.
import {get} from "../api.js";
import {h, show} from "../dom.js";
import {duration, wallClock} from "../format.js";
import {SortedTable} from "../table.js";
export async function open({go, current}) {
  const chosen = new Set();
  const compare = h("button", {type: "button", disabled: true, onclick: () => { const [a, b] = [...chosen]; go(`/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`); }}, "Compare the two chosen");
  const choose = row => h("input", {type: "checkbox", "aria-label": `choose ${row.id}`, checked: chosen.has(row.id), disabled: row.state !== "ended", onchange: event => {
    if (event.target.checked) chosen.add(row.id); else chosen.delete(row.id);
    compare.disabled = chosen.size !== 2;
  }});
  const table = new SortedTable("Runs", [
    {name: "", value: () => null, cell: choose},
    {name: "run", value: row => row.id, cell: row => h("a", {href: `/runs/${encodeURIComponent(row.id)}`}, row.id), kind: "name"},
    {name: "verdict", value: row => row.verdict ?? row.state, cell: row => h("span", {class: `word ${row.verdict ?? ""}`}, row.verdict ?? row.state)},
    {name: "began", value: row => row.started_at && Date.parse(row.started_at), cell: row => wallClock(row.started_at)},
    {name: "took", value: row => row.duration_s, cell: row => duration(row.duration_s), kind: "number"},
    {name: "why", value: row => row.reason, cell: row => row.reason ?? "", kind: "wide"},
    {name: "report", value: () => null, cell: row => row.state === "ended" && row.verdict ? h("a", {href: `/runs/${encodeURIComponent(row.id)}/report`, target: "_blank", rel: "noopener"}, "report") : ""},
  ], {sort: 3, down: true});
  async function load() {
    const {runs} = await get("/api/runs");
    if (!current()) return;
    if (!table.element.isConnected) show("Runs", h("h1", {}, "Runs"), runs.length ? h("div", {class: "bar"}, compare) : h("p", {}, "There is no run yet. ", h("code", {}, "piswarm run configs/scenarios/swarm.yml --local 20 --users 40 --duration 15s"), " makes one."), runs.length ? table.element : null);
    table.set(runs);
  }
  await load();
  const timer = setInterval(() => { if (!document.hidden && !chosen.size) load().catch(() => {}); }, 5000);
  return () => clearInterval(timer);
}
