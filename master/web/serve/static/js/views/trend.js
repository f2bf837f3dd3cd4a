// All runs of a scenario, in order of time.
import {get} from "../api.js";
import {Chart} from "../chart.js";
import {fill, h, show} from "../dom.js";
import {number, UNKNOWN, wallClock} from "../format.js";
import {SortedTable} from "../table.js";
const label = series => series.method === null ? "all requests" : `${series.method} ${series.name}`.trim();
export async function open({query, go, current}) {
  const {runs} = await get("/api/runs");
  if (!current()) return;
  const scenarios = [...new Set(runs.filter(run => run.state === "ended" && run.scenario).map(run => run.scenario))].sort();
  const wanted = query.get("scenario") ?? scenarios[0];
  const choose = h("select", {onchange: event => go(`/trend?scenario=${encodeURIComponent(event.target.value)}`)}, scenarios.map(name => h("option", {selected: name === wanted}, name)));
  const place = h("div", {}, h("p", {class: "dim"}, wanted ? "The runs are read." : "No run has ended yet."));
  show("Trend", h("h1", {}, "Trend"), scenarios.length ? h("div", {class: "bar"}, h("label", {}, "Scenario ", choose)) : null, place);
  if (!wanted) return;
  let trend;
  try { trend = await get(`/api/trend?scenario=${encodeURIComponent(wanted)}`); } catch (error) { fill(place, h("p", {}, error.message)); return; }
  if (!current()) return;
  const chart = h("div", {});
  const draw = series => {
    const one = new Chart(`${label(series)}: ${series.metric}`, "by run", [{name: "value", key: "value", color: "--blue"}]);
    fill(chart, one.figure);
    one.set(series.values.map((value, at) => ({offset_s: at, span_s: 1, value})), series.changes.map(change => ({offset_s: change.run})));
  };
  const table = new SortedTable("Metrics", [
    {name: "endpoint", cell: series => h("button", {type: "button", onclick: () => draw(series)}, label(series)), value: label, kind: "name"}, {name: "metric", cell: series => series.metric},
    {name: "now", value: series => series.level, cell: series => number(series.level), kind: "number"},
    {name: "changes", value: series => series.changes.length, cell: series => series.changes.map(change => h("div", {class: `word ${change.outcome === "worse" ? "broken" : "ok"}`}, `${trend.runs[change.run].name}: ${number(change.before)} → ${number(change.after)} ${change.outcome}`))},
  ], {sort: 3, down: true});
  const used = new SortedTable("Runs", [{name: "run", cell: run => h("a", {href: `/runs/${encodeURIComponent(run.name)}`}, run.name)}, {name: "began", cell: run => wallClock(run.started_at)}, {name: "verdict", cell: run => run.verdict ?? UNKNOWN}, {name: "left out", cell: run => run.left_out ?? "", kind: "wide"}], {sort: 1});
  fill(place, chart, h("h2", {}, "Metrics"), table.element, h("h2", {}, "Runs"), used.element);
  table.set(trend.series); used.set(trend.runs);
  const first = trend.series.find(series => series.changes.length) ?? trend.series[0];
  if (first) draw(first);
}
