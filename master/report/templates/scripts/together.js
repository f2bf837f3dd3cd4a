// A few nodes side by side: lines for heat, clock and users, and a lane for each node's throttling flags.
const KNOWN_SHIFT = 4; // conditions: what holds in the low bits, what is known above them
const LANES = ["--free", "--capped", "--throttled", "--under-voltage"];

// Which conditions hold by name, true, false or null for unknown; null where there is no sample.
function conditionsAt(chart, node, index) {
  const flags = fleet.conditions[node][index];
  if (flags === null) return null;
  return Object.fromEntries(chart.names.map((name, at) => {
    const bit = chart.bits[at];
    return [name, (flags >> KNOWN_SHIFT) & bit ? Boolean(flags & bit) : null];
  }));
}

function laneOf(conditions) {
  if (conditions === null) return null;
  if (conditions["under-voltage"]) return 3;
  if (conditions["throttled"]) return 2;
  const values = Object.values(conditions);
  if (values.includes(true)) return 1;
  return values.includes(null) ? null : 0;
}

function conditionWords(conditions) {
  if (conditions === null) return "no sample";
  const entries = Object.entries(conditions);
  const holding = entries.filter(([, holds]) => holds).map(([name]) => name);
  const unknown = entries.filter(([, holds]) => holds === null).map(([name]) => name);
  if (unknown.length === entries.length) return "throttling not known";
  return [...holding, ...(unknown.length ? [`not known: ${unknown.join(", ")}`] : [])].join("; ") || "no throttling flag";
}

// Spans in which some of the nodes shown were under one condition; the more of them, the stronger.
function shades(chart, name, bottom) {
  const found = [];
  for (let index = 0; index < fleet.length; index += 1) {
    const many = chart.shown.filter((node) => { const conditions = conditionsAt(chart, node, index); return conditions !== null && conditions[name]; }).length;
    const start = fleet.start + index * fleet.step, last = found[found.length - 1];
    if (!many) continue;
    if (last && last.x1 === start && last.many === many) last.x1 = start + fleet.step;
    else found.push({ x0: start, x1: start + fleet.step, many });
  }
  return found.map(({ x0, x1, many }) => ({
    type: "rect", layer: "below", xref: "x", yref: "paper", x0, x1, y0: bottom, y1: 1, line: { width: 0 },
    fillcolor: `--${name}`, opacity: 0.1 + 0.22 * many / chart.shown.length,
  }));
}

// The values between two that are not known, through which no line goes.
function aloneAmong(values) {
  const known = (index) => (values[index] ?? null) !== null;
  return [...values.keys()].filter((index) => known(index) && !known(index - 1) && !known(index + 1));
}

// Where a line has its symbol: a few times, and at other moments than other lines, for nodes often do the same.
const MARKS = 5;

function marksOn(values, offset) {
  const at = Array.from({ length: MARKS }, (_, mark) => Math.floor(((mark + offset) / MARKS) * values.length));
  return at.filter((index, mark) => (values[index] ?? null) !== null && index !== at[mark - 1]);
}

// Lines for the nodes shown in panels above each other, and a lane for each below them.
function composeTogether(chart) {
  const { panel, between, lane, top, bottom } = chart.sizes;
  const lanesPx = lane * chart.shown.length, insidePx = chart.panels.length * (panel + between) + lanesPx;
  const element = document.getElementById(chart.id);
  element.style.height = `${top + insidePx + bottom}px`;
  const layout = { ...chart.plain, shapes: [...chart.plain.shapes], margin: { ...chart.plain.margin } };
  const grey = { type: "rect", layer: "below", xref: "x", yref: "paper", line: { width: 0 }, fillcolor: "--missing" };
  layout.shapes.push({ ...grey, x0: report.start, x1: report.end, y0: 0, y1: lanesPx / insidePx });
  const lanesEnd = (lanesPx + between) / insidePx;
  layout.shapes.push(...shades(chart, "throttled", lanesEnd), ...shades(chart, "under-voltage", lanesEnd));
  layout.shapes.push({
    type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: chart.throttles_from_c, y1: chart.throttles_from_c,
    line: { width: 1, dash: "dot", color: "--throttled" },
  });
  const names = chart.shown.map((node) => fleet.nodes[node]);
  const short = names.map((name) => (name.length > 12 ? `…${name.slice(-11)}` : name));
  layout.margin.l = Math.max(layout.margin.l, 14 + 7 * Math.max(0, ...short.map((name) => name.length)));
  const time = { x0: fleet.start + fleet.step / 2, dx: fleet.step, hoverinfo: "none" };
  chart.titles = [];
  chart.data = chart.panels.flatMap(({ rows, title, steps, known }, number) => {
    const key = number ? `yaxis${number + 1}` : "yaxis";
    const low = (lanesPx + between + (chart.panels.length - 1 - number) * (panel + between)) / insidePx;
    layout[key] = { ...layout[key], domain: [low, low + panel / insidePx] };
    chart.titles.push({
      text: known ? title : `${title}: not known of any node`, x: 0, y: low + panel / insidePx, xref: "paper", yref: "paper",
      xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 12 },
    });
    return chart.shown.flatMap((node, at) => {
      const values = fleet.rows[rows][node];
      const trace = { type: "scatter", yaxis: number ? `y${number + 1}` : "y" }, color = `--node-${chart.colors.get(node)}`;
      const line = {
        ...time, ...trace, mode: "lines", name: names[at], y: values, line: { color, width: 1.75, shape: steps ? "hvh" : "linear" },
      };
      const points = (indexes, marker) => ({
        ...trace, mode: "markers", x: indexes.map((index) => time.x0 + index * time.dx), y: indexes.map((index) => values[index]),
        hoverinfo: "skip", marker: { color, ...marker },
      });
      const alone = aloneAmong(values), marked = marksOn(values, at / chart.shown.length);
      return [
        line, ...(alone.length ? [points(alone, { size: 4 })] : []),
        ...(marked.length ? [points(marked, { size: SYMBOL_PX, symbol: symbolOf(chart, node)[0] })] : []),
      ];
    });
  });
  chart.titles.push({
    text: "throttling", x: 0, y: lanesPx / insidePx, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom",
    showarrow: false, font: { size: 12 },
  });
  const lanes = chart.shown.map((node) => fleet.conditions[node].map((_, index) => laneOf(conditionsAt(chart, node, index))));
  const last = LANES.length - 1;
  chart.data.push({
    ...time, type: "heatmap", z: lanes, zmin: -0.5, zmax: last + 0.5, showscale: false, ygap: 3, yaxis: "y4", hoverongaps: true,
    colorscale: LANES.flatMap((color, at) => [[at / (last + 1), color], [(at + 1) / (last + 1), color]]),
  });
  layout.yaxis4 = {
    ...layout.yaxis4, domain: [0, lanesPx / insidePx], tickvals: [...names.keys()],
    ticktext: short.map((name) => name.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)),
  };
  chart.layout = layout;
}

const TOGETHER = { names: () => fleet.nodes, compose: composeTogether };
