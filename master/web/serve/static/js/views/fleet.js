// All nodes of a run: a heat map by rack, and a table.
import {get} from "../api.js";
import {fill, h, show} from "../dom.js";
import {degrees, number, percent, UNKNOWN} from "../format.js";
import {SortedTable} from "../table.js";
const CONDITIONS = [["throttled", "throttled"], ["under_voltage", "under-voltage"], ["frequency_capped", "clock capped"], ["soft_limited", "soft limit"]];
const held = row => CONDITIONS.filter(([key]) => row[key]).map(([, name]) => name);
const OUT = new Set(["lost", "gone", "quarantined"]);
// From cool to hot, by lightness as well as by colour (inferno); text on it is chosen for contrast.
const STEPS = ["#160b39", "#420a68", "#6a176e", "#932667", "#bc3754", "#dd513a", "#f37819", "#fca50a"];
const METRICS = {
  temperature: {name: "temperature", from: 40, to: 85, value: row => row.temperature_c, text: degrees},
  cpu: {name: "CPU", from: 0, to: 100, value: row => row.cpu_percent, text: percent},
  memory: {name: "memory", from: 0, to: 100, value: row => row.memory_percent, text: percent},
  users: {name: "users", from: 0, to: null, value: row => row.users, text: value => number(value)},
  held: {name: "throttling", from: 0, to: 4, value: row => row.throttled === null ? null : held(row).length, text: (_, row) => held(row).join(", ") || "none"},
};
export async function open({parts: [id], go, current}) {
  const place = encodeURIComponent(id), path = `/api/runs/${place}/nodes`;
  let fleet = await get(path);
  if (!current()) return;
  const metric = h("select", {onchange: () => draw()}, Object.entries(METRICS).map(([key, each]) => h("option", {value: key}, each.name)));
  const search = h("input", {type: "search", placeholder: "name, rack or state", oninput: () => draw()});
  const count = h("span", {class: "dim", "aria-live": "polite"}), map = h("div", {class: "map"}), scale = h("div", {class: "scale"});
  const node = row => h("a", {href: `/runs/${place}/nodes/${encodeURIComponent(row.node)}`}, row.node);
  const table = new SortedTable("Nodes", [
    {name: "node", value: row => row.node, cell: node}, {name: "rack", value: row => row.rack, cell: row => row.rack ?? UNKNOWN},
    {name: "state", value: row => row.state, cell: row => h("span", {class: OUT.has(row.state) ? "word broken" : ""}, row.state ?? UNKNOWN)},
    {name: "temperature", value: row => row.temperature_c, cell: row => degrees(row.temperature_c), kind: "number"},
    {name: "held back by", value: row => row.throttled === null ? null : held(row).length, cell: row => row.throttled === null ? UNKNOWN : held(row).join(", ")},
    {name: "CPU", value: row => row.cpu_percent, cell: row => percent(row.cpu_percent), kind: "number"}, {name: "memory", value: row => row.memory_percent, cell: row => percent(row.memory_percent), kind: "number"},
    {name: "clock", value: row => row.frequency_hz, cell: row => row.frequency_hz === null ? UNKNOWN : `${number(row.frequency_hz / 1e6)} MHz`, kind: "number"},
    {name: "users", value: row => row.users, cell: row => number(row.users), kind: "number"}, {name: "carries", value: row => row.capacity, cell: row => number(row.capacity), kind: "number"},
    {name: "model", value: row => row.model, cell: row => row.model ?? UNKNOWN},
  ], {sort: 3, down: true, max: 500});
  show(`${id}: fleet`, h("h1", {}, h("a", {href: `/runs/${place}`}, id), ": fleet"),
    h("div", {class: "bar"}, h("label", {}, "Show ", metric), h("label", {}, "Only ", search), count), scale, map, h("h2", {}, "Nodes"), table.element);
  function draw() {
    const each = METRICS[metric.value], words = search.value.toLowerCase();
    const rows = fleet.nodes.filter(row => [row.node, row.rack, row.state].some(text => text?.toLowerCase().includes(words)) || !words);
    const to = each.to ?? Math.max(1, ...rows.map(row => each.value(row) ?? 0));
    count.textContent = `${rows.length} of ${fleet.nodes.length} nodes`;
    fill(scale, h("span", {}, `${each.name}: ${number(each.from)}`), STEPS.map(color => { const step = h("i"); step.style.backgroundColor = color; return step; }), h("span", {}, number(to)), h("span", {class: "dim"}, "× out of service, ? unknown, ! held back"));
    const racks = new Map();
    for (const row of rows) racks.set(row.rack ?? "", [...(racks.get(row.rack ?? "") ?? []), row]);
    fill(map, [...racks].map(([rack, members]) => h("section", {"aria-label": rack || "nodes"}, rack ? h("h2", {}, rack) : null, h("div", {class: "cells"}, members.map(row => {
      const value = each.value(row), out = OUT.has(row.state), text = `${row.node}: ${row.state ?? "unknown"}, ${each.name} ${value === null ? "unknown" : each.text(value, row)}`;
      const cell = h("button", {type: "button", class: "cell", title: text, "aria-label": text, onclick: () => go(`/runs/${place}/nodes/${encodeURIComponent(row.node)}`)}, out ? "×" : value === null ? "?" : held(row).length ? "!" : "");
      if (!out && value !== null) {
        const step = Math.min(STEPS.length - 1, Math.max(0, Math.floor((value - each.from) / (to - each.from) * STEPS.length)));
        cell.style.backgroundColor = STEPS[step]; cell.style.color = step > 4 ? "#000" : "#fff";
      }
      return cell;
    })))));
    table.set(rows);
  }
  draw();
  if (fleet.verdict !== null) return null;
  const timer = setInterval(async () => {
    if (document.hidden || map.contains(document.activeElement)) return;
    try { fleet = await get(path); if (current()) draw(); if (fleet.verdict !== null) clearInterval(timer); } catch { /* the next look tells */ }
  }, 2000);
  return () => clearInterval(timer);
}
