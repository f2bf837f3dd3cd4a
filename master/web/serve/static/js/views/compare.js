// Two runs beside each other.
import {get} from "../api.js";
import {h, show} from "../dom.js";
import {number, UNKNOWN, wallClock} from "../format.js";
import {SortedTable} from "../table.js";
const FIGURES = [["rate_per_s", "rate, /s"], ["error_share", "failed, %"], ["p50_ms", "p50, ms"], ["p95_ms", "p95, ms"], ["p99_ms", "p99, ms"]];
export async function open({query, current}) {
  const a = query.get("a") ?? "", b = query.get("b") ?? "";
  show("Compare", h("h1", {}, "Comparing …"), h("p", {class: "dim"}, "The runs are read."));
  const found = await get(`/api/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`);
  if (!current()) return;
  const factor = key => key === "error_share" ? 100 : 1;
  const cell = (row, key) => {
    const figure = row[key];
    const change = figure.change === null ? "" : ` (${figure.change > 0 ? "+" : ""}${number(100 * figure.change, 2)} %)`;
    return h("span", {class: {worse: "word broken", better: "word ok"}[figure.outcome] ?? "", title: figure.unknown_because || (figure.change_low === null ? "" : `between ${number(100 * figure.change_low, 2)} % and ${number(100 * figure.change_high, 2)} %`)},
      `${number(figure.baseline && figure.baseline * factor(key))} → ${number(figure.run && figure.run * factor(key))}${change} ${figure.outcome}`);
  };
  const table = new SortedTable("Figures", [
    {name: "endpoint", value: row => row.name, cell: row => row.all ? h("b", {}, "all requests") : `${row.method} ${row.name}`, kind: "name"},
    ...FIGURES.map(([key, name]) => ({name, value: row => row[key].change, cell: row => cell(row, key), kind: "number"})),
  ]);
  const run = (label, each) => h("div", {}, h("div", {class: "name"}, label), h("div", {}, h("a", {href: `/runs/${encodeURIComponent(label === "baseline" ? a : b)}`}, each.run_id)), h("div", {class: "dim"}, `${wallClock(each.started_at)}, ${each.verdict}`));
  show("Compare", h("h1", {}, "Two runs"), h("p", {}, h("span", {class: `word ${{worse: "broken", better: "ok", same: "ok"}[found.outcome] ?? "unknown"}`}, found.outcome), " ", found.reason),
    h("div", {class: "facts"}, run("baseline", found.baseline), run("run", found.run)), [...found.not_comparable, ...found.notes].map(text => h("p", {}, text)),
    found.overall ? table.element : null, found.method ? h("p", {class: "dim"}, `All intervals hold together with a confidence of ${number(100 * found.method.confidence)} %.`) : null,
    [["Only in the baseline", found.only_in_baseline], ["Only in the run", found.only_in_run]].filter(([, names]) => names.length).map(([title, names]) => h("p", {}, `${title}: ${names.join(", ")}`)));
  if (found.overall) table.set([{...found.overall, all: true, name: UNKNOWN}, ...found.endpoints]);
}
