// One run: where it stands, as it goes on or as it ended.
import {follow, get, loadSession, post} from "../api.js";
import {Chart} from "../chart.js";
import {fill, h, notice, show} from "../dom.js";
import {duration, ms, number, percent, perSecond, UNKNOWN, wallClock} from "../format.js";
import {SortedTable} from "../table.js";
export async function open({parts: [id], current}) {
  const run = await get(`/api/runs/${encodeURIComponent(id)}`), session = await loadSession();
  if (!current()) return;
  const rows = run.rows.map(row => named(run.fields, row)), events = run.events;
  const place = encodeURIComponent(id), head = h("div", {"aria-live": "polite"}), facts = h("div", {class: "facts"}), link = h("p", {class: "dim"});
  const openModel = rows.some(row => row.offered_per_s !== null);
  const charts = [
    [new Chart("Requests", "per second", [{name: "finished", key: "rate_per_s", color: "--blue"}, {name: "failed", key: "errors_per_s", color: "--red", style: "dashed"},
      ...(openModel ? [{name: "offered", key: "offered_per_s", color: "--dim", style: "dotted"}, {name: "missed", key: "missed_per_s", color: "--orange", style: "dotted"}] : [])])],
    [new Chart("Latency", "ms, fit nodes", [{name: "p50", key: "p50_ms", color: "--blue", style: "dotted"}, {name: "p95", key: "p95_ms", color: "--orange", style: "dashed"}, {name: "p99", key: "p99_ms", color: "--purple"}])],
    [new Chart("Users", "", [{name: "run", key: "users", color: "--green"}])],
  ].flat();
  const rules = new SortedTable("Thresholds and checks", [
    {name: "threshold or check", value: row => row.rule, cell: row => row.rule, kind: "name"},
    {name: "holds", value: row => row.ok === null ? null : Number(row.ok), cell: row => h("span", {class: `word ${row.ok === null ? "unknown" : row.ok ? "ok" : "broken"}`}, row.ok === null ? "unknown" : row.ok ? "holds" : "broken")},
    {name: "observed", value: row => row.observed, cell: row => row.observed_text, kind: "number"},
    {name: "", value: row => row.message, cell: row => row.ok === true ? "" : row.message, kind: "wide"},
  ], {sort: 1});
  const happened = new SortedTable("Events", [
    {name: "at", value: row => row.offset_s, cell: row => duration(row.offset_s), kind: "number"}, {name: "what", cell: row => row.kind},
    {name: "node", cell: row => row.node ? h("a", {href: `/runs/${place}/nodes/${encodeURIComponent(row.node)}`}, row.node) : ""}, {name: "", cell: row => row.detail, kind: "wide"},
  ], {down: true, max: 200});
  const none = h("p", {class: "dim"}, "Nothing happened yet.");
  const stop = h("button", {type: "button", hidden: true, onclick: async () => { if (confirm("End this run now? It ends in order, and is judged by what was measured.")) { stop.disabled = true; await post(`/api/runs/${place}/stop`).catch(error => notice(error.message)); stop.disabled = false; } }}, "Stop");
  const resume = h("button", {type: "button", hidden: true, onclick: () => post(`/api/runs/${place}/resume`).then(() => location.reload(), error => notice(error.message))}, "Resume");
  show(id, h("h1", {}, id), head, h("div", {class: "bar"}, h("a", {href: `/runs/${place}/fleet`}, "Fleet"), run.report ? h("a", {href: `/runs/${place}/report`, target: "_blank", rel: "noopener"}, "Report") : null, stop, resume), link,
    facts, h("div", {class: "charts"}, charts.map(chart => chart.figure)), h("h2", {}, "Thresholds and checks"), rules.element, h("h2", {}, "Events"), none, happened.element);
  let state = run.state;
  function draw() {
    // Of the last seconds while it is on, of the whole run afterwards.
    const latest = state.verdict === null ? rows.slice(-5) : rows, sum = key => latest.reduce((all, row) => all + (row[key] ?? 0) * row.span_s, 0), span = latest.reduce((all, row) => all + row.span_s, 0) || 1;
    const last = rows[rows.length - 1], over = state.verdict !== null, result = run.result, interim = state.interim;
    const verdict = over ? state.verdict : interim?.verdict;
    fill(head, h("p", {}, h("span", {class: `word ${verdict ?? ""}`}, verdict ? (over ? verdict : `${verdict} so far`) : "nothing is judged yet"), " ", over ? result?.reason ?? "" : interim?.reason ?? ""));
    const all = over && result ? result.requests : {total: sum("rate_per_s"), failed: sum("errors_per_s")}, failed = all.total ? 100 * all.failed / all.total : 0;
    const said = over && result ? {rate: result.requests.rate_per_s ?? result.requests.rate, p: result.latency_ms} : null;
    const value = (name, text) => h("div", {}, h("div", {class: "name"}, name), h("div", {class: "value"}, text));
    fill(facts, value("stage", state.stage ?? UNKNOWN), value("on", duration(state.offset_s)), over ? value("began", wallClock(state.started_at)) : value("left", duration(interim?.left_s)),
      value(over ? "users at most" : "users", number(over && result ? result.users.peak : state.users)), value("requests", perSecond(said ? said.rate : sum("rate_per_s") / span)), value("failed", percent(failed)),
      value("p50", ms(said ? said.p.p50 : last?.p50_ms)), value("p95", ms(said ? said.p.p95 : last?.p95_ms)), value("p99", ms(said ? said.p.p99 : last?.p99_ms)), openModel ? value("missed", perSecond(sum("missed_per_s") / span)) : null,
      value("nodes", Object.entries(state.nodes).map(([name, count]) => `${count} ${name}`).join(", ") || UNKNOWN));
    link.textContent = !over && state.silent_s > 10 ? `Nothing was written for ${duration(state.silent_s)}: its controller is gone, or held up.` : "";
    resume.hidden = !(session.control && !over && state.silent_s > 10);
    stop.hidden = over || !session.control;
    for (const chart of charts) chart.set(rows, events.filter(event => event.kind !== "capacity"));
    rules.set([...(interim?.thresholds ?? []), ...(interim?.validity ?? [])]);
    happened.set(events);
    none.hidden = events.length > 0; happened.element.hidden = !events.length;
  }
  draw();
  if (state.verdict !== null) return null;
  const leave = follow(id, run.position, {
    update(update) { for (const row of update.rows) rows.push(named(run.fields, row)); while (rows.length > 20000) rows.shift(); events.push(...update.events); state = update.state; if (!document.hidden) draw(); },
    end() { get(`/api/runs/${place}`).then(ended => { Object.assign(run, ended); rows.splice(0, rows.length, ...ended.rows.map(row => named(ended.fields, row))); events.splice(0, events.length, ...ended.events); state = ended.state; draw(); }).catch(error => notice(error.message)); },
    fault(text) { notice(text); },
    state(connected) { link.textContent = connected ? "" : "Not connected; trying again …"; },
  });
  const visible = () => { if (!document.hidden) draw(); };
  document.addEventListener("visibilitychange", visible);
  return () => { leave(); document.removeEventListener("visibilitychange", visible); };
}
const named = (fields, row) => Object.fromEntries(fields.map((name, place) => [name, row[place]]));
