"use strict";
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const tooltip = document.getElementById("tooltip");
  const noModebar = { responsive: false, displayModeBar: false, showTips: false, doubleClick: "reset" };
  const TICK_STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000];
  const LOG_TICKS = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  const TICK_ROOM_PX = 70;
  const GAP = "no controller";
  const GAP_LENGTH_PX = 88, GAP_LINE_PX = 20; // of its label
  const touch = matchMedia("(hover: none)").matches;
  let shown = [report.start, report.end];
  let logarithmic = false;
  const fleet = report.fleet;
  const KNOWN_SHIFT = 4; // conditions: what holds in the low bits, what is known above them
  const LANES = ["--free", "--capped", "--throttled", "--under-voltage"];

  function unpacked(row) {
    return row.flatMap((entry) => (Array.isArray(entry) ? Array(entry[1]).fill(entry[0]) : [entry]));
  }

  function moment(second, withHours) {
    const whole = Math.floor(second), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const two = (number) => String(number).padStart(2, "0");
    return hours || withHours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  function quantity(value, unit) {
    if (value === null || value === undefined) return "–";
    const text = value.toLocaleString("en", value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
    return unit === "/s" || !unit ? text + unit : `${text} ${unit}`;
  }

  function themed(value) {
    const style = getComputedStyle(document.documentElement);
    const replace = (part) => {
      if (typeof part === "string") return part.startsWith("--") ? style.getPropertyValue(part).trim() : part;
      if (Array.isArray(part)) return typeof part[1] !== "string" && (typeof part[0] === "number" || part[0] === null) ? part : part.map(replace);
      if (part === null || typeof part !== "object") return part;
      return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, key === "z" ? inner : replace(inner)]));
    };
    return replace(value);
  }

  function timeTicks(widthPx) {
    const [from, to] = shown;
    const most = Math.max(2, Math.floor(widthPx / TICK_ROOM_PX));
    const step = TICK_STEPS_S.find((candidate) => (to - from) / candidate <= most) || 864000;
    const values = [];
    for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) values.push(tick);
    const label = (tick) => (step >= 3600 ? `${tick / 3600} h` : moment(tick, report.end >= 3600));
    return { tickvals: values, ticktext: values.map(label) };
  }

  // Each gap's label, upright where it is narrow, and none where there is no room. It is at the end of what is seen of the gap,
  // for in the beginning users still ran.
  function gapLabels(chart, layout) {
    const [from, to] = shown;
    const widthPx = layout.width - layout.margin.l - layout.margin.r;
    const heightPx = layout.height - layout.margin.t - layout.margin.b;
    const style = themed({ text: "--text", below: chart.kind === "map" ? "--page" : "--gap" });
    return report.gaps.flatMap(([start, end]) => {
      const left = Math.max(start, from), right = Math.min(end, to);
      const roomPx = ((right - left) / (to - from)) * widthPx;
      const upright = roomPx < GAP_LENGTH_PX;
      if (roomPx < GAP_LINE_PX || (upright && heightPx < GAP_LENGTH_PX)) return [];
      return [{
        text: GAP, x: right, y: 1, xref: "x", yref: "paper", xanchor: "right", yanchor: "top", showarrow: false,
        xshift: -2, yshift: -2, textangle: upright ? -90 : 0, font: { color: style.text, size: 12 }, bgcolor: style.below,
      }];
    });
  }

  function layoutOf(chart, element) {
    const style = themed({ text: "--quiet", grid: "--grid", rule: "--rule" });
    const layout = themed(chart.layout);
    const widthPx = element.clientWidth;
    const base = { color: style.text, gridcolor: style.grid, zerolinecolor: style.rule, linecolor: style.rule };
    layout.width = widthPx;
    layout.height = element.clientHeight;
    layout.paper_bgcolor = "rgba(0,0,0,0)";
    layout.plot_bgcolor = layout.plot_bgcolor || "rgba(0,0,0,0)";
    layout.font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: style.text };
    layout.dragmode = touch ? false : "zoom";
    for (const key of ["xaxis", "yaxis", "yaxis2", "yaxis3", "yaxis4"]) if (layout[key]) layout[key] = { ...base, ...layout[key] };
    Object.assign(layout.xaxis, timeTicks(widthPx - layout.margin.l), { range: [...shown], ticks: "outside", ticklen: 4 });
    if (chart.log && logarithmic) {
      Object.assign(layout.yaxis, { type: "log", tickvals: LOG_TICKS, ticktext: LOG_TICKS.map((tick) => tick.toLocaleString("en")) });
      delete layout.yaxis.range;
    }
    layout.annotations = [...(chart.titles || []), ...gapLabels(chart, layout)];
    return layout;
  }

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

  // Lines for the nodes shown in panels above each other, and a lane for each below them.
  function compose(chart) {
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
      return chart.shown.map((node, at) => {
        const values = fleet.rows[rows][node];
        const alone = (value, index) => value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null;
        return {
          ...time, type: "scatter", mode: "lines+markers", name: names[at], y: values, yaxis: number ? `y${number + 1}` : "y",
          line: { color: `--node-${chart.colors.get(node)}`, width: 1.75, shape: steps ? "hvh" : "linear" },
          marker: { color: `--node-${chart.colors.get(node)}`, size: values.map((value, index) => (alone(value, index) ? 4 : 0)) },
        };
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

  function choose(chart) {
    for (const node of [...chart.colors.keys()]) if (!chart.shown.includes(node)) chart.colors.delete(node);
    const taken = [...chart.colors.values()];
    const free = Array.from({ length: chart.most }, (_, at) => at + 1).filter((color) => !taken.includes(color));
    for (const node of chart.shown) if (!chart.colors.has(node)) chart.colors.set(node, free.shift());
    compose(chart);
    document.getElementById("together-keys").replaceChildren(...chart.shown.map((node) => {
      const item = document.createElement("li"), line = document.createElement("span"), remove = document.createElement("button");
      line.className = "swatch";
      line.style.background = `var(--node-${chart.colors.get(node)})`;
      remove.type = "button";
      remove.className = "screen";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `take ${fleet.nodes[node]} out`);
      remove.hidden = chart.shown.length === 1;
      remove.addEventListener("click", () => {
        chart.shown = chart.shown.filter((other) => other !== node);
        choose(chart);
        draw(chart);
      });
      item.append(line, fleet.nodes[node], remove);
      return item;
    }));
    const select = document.getElementById("together-add");
    const full = chart.shown.length >= chart.most;
    select.disabled = full;
    const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
    const rest = [...fleet.nodes.keys()].filter((node) => !chart.shown.includes(node));
    select.replaceChildren(option(full ? `${chart.most} at most` : "…", ""), ...rest.map((node) => option(fleet.nodes[node], node)));
  }

  function draw(chart) {
    const element = document.getElementById(chart.id);
    const layout = layoutOf(chart, element);
    const data = themed(chart.data);
    for (const trace of data) if (trace.colorbar) trace.colorbar.len = Math.min(240, layout.width - layout.margin.l - 40);
    return Plotly.react(element, data, layout, noModebar);
  }

  function drawAll() {
    hideCursor();
    report.charts.forEach(draw);
  }

  function hideCursor() {
    tooltip.hidden = true;
    document.querySelectorAll(".cursor").forEach((line) => line.remove());
  }

  function showCursor(second) {
    for (const chart of report.charts) {
      const element = document.getElementById(chart.id);
      const axis = element._fullLayout.xaxis, size = element._fullLayout._size;
      const left = axis._offset + axis.l2p(second);
      let line = element.querySelector(":scope > .cursor");
      if (!line) {
        line = document.createElement("div");
        line.className = "cursor";
        element.append(line);
      }
      line.style.left = `${left}px`;
      line.style.top = `${size.t}px`;
      line.style.height = `${size.h}px`;
      line.hidden = left < size.l - 1 || left > size.l + size.w + 1;
    }
  }

  // Text is set as text: names come from outside.
  function showTooltip(event, rows) {
    tooltip.replaceChildren(...rows.map((cells) => {
      const row = document.createElement("div");
      row.append(...cells.map((cell) => Object.assign(document.createElement("span"), { textContent: cell })));
      return row;
    }));
    tooltip.hidden = false;
    const left = event.clientX + 16 + tooltip.offsetWidth > innerWidth ? event.clientX - 16 - tooltip.offsetWidth : event.clientX + 16;
    tooltip.style.left = `${Math.max(4, left)}px`;
    tooltip.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - tooltip.offsetHeight - 4))}px`;
  }

  function stageAt(second) {
    if (report.gaps.some(([start, end]) => start <= second && second < end)) return GAP;
    const begun = report.stages.filter(([start]) => start <= second);
    return begun.length ? begun[begun.length - 1][1] : "";
  }

  function onHover(chart, hover) {
    const point = hover.points[0];
    if (!point || !hover.event) return;
    if (chart.kind === "map") {
      const [row, column] = point.pointNumber;
      const trace = chart.data[0], start = trace.x0 + (column - 0.5) * trace.dx;
      const value = trace.z[row][column];
      showCursor(start + trace.dx / 2);
      const text = value === null ? "not known" : chart.id === "clock" ? clockText(row, value) : quantity(value, chart.unit);
      showTooltip(hover.event, [[moment(start), stageAt(start)], [fleet.nodes[row], text]]);
      return;
    }
    const { x0, dx } = chart.data[0];
    const index = Math.round((point.x - x0) / dx);
    showCursor(point.x);
    if (chart.kind === "together") {
      const start = x0 + (index - 0.5) * dx;
      showTooltip(hover.event, [[moment(start), stageAt(start)], ...chart.shown.flatMap((node) => togetherRows(chart, node, index))]);
      return;
    }
    showTooltip(hover.event, [
      [moment(point.x), stageAt(point.x)],
      ...chart.data.map((trace) => [trace.name, quantity(trace.y[index], chart.unit)]),
    ]);
  }

  function togetherRows(chart, node, index) {
    const values = chart.panels.map(({ rows, unit, name }) => {
      const value = fleet.rows[rows][node][index];
      return value === null ? `${name} not known` : rows === "clock" ? clockText(node, value) : quantity(value, unit);
    });
    return [[fleet.nodes[node], values.join(" · ")], ["", conditionWords(conditionsAt(chart, node, index))]];
  }

  function clockText(node, percent) {
    return `${percent} % (${quantity((fleet.full_hz[node] * percent) / 1e11, "GHz")})`;
  }

  function onRelayout(change) {
    if ("xaxis.range[0]" in change) shown = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    else if ("xaxis.range" in change) shown = change["xaxis.range"];
    else if (change["xaxis.autorange"]) shown = [report.start, report.end];
    else return;
    drawAll();
  }

  function value(row, column) {
    const cell = row.cells[column];
    if (!cell.classList.contains("n")) return cell.textContent.toLowerCase();
    return "value" in cell.dataset ? Number(cell.dataset.value) : -Infinity;
  }

  function sort(heading) {
    const column = heading.cellIndex, body = heading.closest("table").tBodies[0];
    const numeric = heading.classList.contains("n");
    const before = heading.getAttribute("aria-sort");
    const ascending = before ? before === "descending" : !numeric;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...body.rows].sort((one, two) => {
      const a = value(one, column), b = value(two, column);
      return (a < b ? -1 : a > b ? 1 : 0) * (ascending ? 1 : -1);
    });
    body.append(...rows);
  }

  document.querySelectorAll(".sortable th button").forEach((button) => {
    button.addEventListener("click", () => sort(button.closest("th")));
  });
  for (const name of Object.keys(fleet.rows)) fleet.rows[name] = fleet.rows[name].map(unpacked);
  fleet.conditions = fleet.conditions.map(unpacked);
  fleet.length = fleet.conditions.length ? fleet.conditions[0].length : 0;
  for (const chart of report.charts) {
    if (chart.kind === "map") chart.data[0].z = fleet.rows[chart.id];
    if (chart.kind === "together") {
      Object.assign(chart, { plain: chart.layout, colors: new Map() });
      choose(chart);
      const select = document.getElementById("together-add");
      select.addEventListener("change", () => {
        if (select.value === "") return;
        chart.shown = [...chart.shown, Number(select.value)];
        choose(chart);
        draw(chart);
      });
    }
    draw(chart);
    const element = document.getElementById(chart.id);
    element.on("plotly_hover", (hover) => onHover(chart, hover));
    element.on("plotly_unhover", hideCursor);
    element.on("plotly_relayout", onRelayout);
  }
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
    for (const chart of report.charts) Plotly.Fx.unhover(document.getElementById(chart.id));
  }, { passive: true });
  const printing = (on) => () => {
    document.documentElement.classList.toggle("print", on);
    document.querySelectorAll(on ? "details:not([open])" : "details.opened").forEach((details) => {
      details.open = on;
      details.classList.toggle("opened", on);
    });
    drawAll();
  };
  addEventListener("beforeprint", printing(true));
  addEventListener("afterprint", printing(false));
})();
