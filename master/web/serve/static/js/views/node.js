// One node over time, and what happened to it.
import {get} from "../api.js";
import {Chart} from "../chart.js";
import {h, show} from "../dom.js";
import {duration, number} from "../format.js";
import {SortedTable} from "../table.js";
export async function open({parts: [id, name], current}) {
  const place = encodeURIComponent(id), node = await get(`/api/runs/${place}/nodes/${encodeURIComponent(name)}`);
  if (!current()) return;
  const rows = node.rows.map(row => Object.fromEntries(node.fields.map((field, at) => [field, row[at]]))).map(row => ({...row, span_s: 1, mhz: row.frequency_hz === null ? null : row.frequency_hz / 1e6}));
  const charts = [
    new Chart("Temperature", "°C", [{name: "processor", key: "temperature_c", color: "--red"}]),
    new Chart("Use", "%", [{name: "CPU", key: "cpu_percent", color: "--blue"}, {name: "memory", key: "memory_percent", color: "--orange", style: "dashed"}]),
    new Chart("Clock", "MHz", [{name: "measured", key: "mhz", color: "--purple"}]),
  ];
  const events = new SortedTable("Events", [{name: "at", value: row => row.offset_s, cell: row => duration(row.offset_s), kind: "number"}, {name: "what", cell: row => row.kind}, {name: "", cell: row => row.detail, kind: "wide"}], {down: true});
  const facts = node.facts ? Object.entries({model: node.facts.model, cores: number(node.facts.cpu_count), memory: `${number(node.facts.memory_bytes / 2 ** 30)} GiB`, system: node.facts.os, kernel: node.facts.kernel, piswarm: node.facts.piswarm}) : [];
  show(`${name}`, h("h1", {}, h("a", {href: `/runs/${place}/fleet`}, id), `: ${name}`), h("div", {class: "facts"}, facts.map(([key, value]) => h("div", {}, h("div", {class: "name"}, key), h("div", {}, value)))),
    h("div", {class: "charts"}, charts.map(chart => chart.figure)), h("h2", {}, "Events"), node.events.length ? events.element : h("p", {class: "dim"}, "Nothing happened to it."));
  for (const chart of charts) chart.set(rows, node.events);
  events.set(node.events);
}
