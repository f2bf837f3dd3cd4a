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
      if (Array.isArray(part)) return typeof part[0] === "number" || part[0] === null ? part : part.map(replace);
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
    for (const key of ["xaxis", "yaxis", "yaxis2"]) if (layout[key]) layout[key] = { ...base, ...layout[key] };
    Object.assign(layout.xaxis, timeTicks(widthPx - layout.margin.l), { range: [...shown], ticks: "outside", ticklen: 4 });
    if (chart.id === "latency" && logarithmic) {
      Object.assign(layout.yaxis, { type: "log", tickvals: LOG_TICKS, ticktext: LOG_TICKS.map((tick) => tick.toLocaleString("en")) });
      delete layout.yaxis.range;
    }
    layout.annotations = gapLabels(chart, layout);
    return layout;
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
      showTooltip(hover.event, [[moment(start), stageAt(start)], [chart.nodes[row], value === null ? "not known" : quantity(value, chart.unit)]]);
      return;
    }
    const { x0, dx } = chart.data[0];
    const index = Math.round((point.x - x0) / dx);
    showCursor(point.x);
    showTooltip(hover.event, [
      [moment(point.x), stageAt(point.x)],
      ...chart.data.map((trace) => [trace.name, quantity(trace.y[index], chart.unit)]),
    ]);
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
  for (const chart of report.charts) {
    draw(chart);
    const element = document.getElementById(chart.id);
    element.on("plotly_hover", (hover) => onHover(chart, hover));
    element.on("plotly_unhover", hideCursor);
    element.on("plotly_relayout", onRelayout);
  }
  document.querySelectorAll("[data-log]").forEach((button) => {
    button.addEventListener("click", () => {
      logarithmic = !logarithmic;
      button.setAttribute("aria-pressed", String(logarithmic));
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
  addEventListener("scroll", hideCursor, { passive: true });
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
