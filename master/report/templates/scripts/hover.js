// The line through all charts at the moment that is pointed at, and what they show there.
function hideCursor() {
  tooltip.hidden = true;
  document.querySelectorAll(".cursor").forEach((line) => line.remove());
}

function showCursor(second) {
  for (const chart of report.charts.filter((each) => each.isWired && each.kind !== "distribution")) {
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
  if (chart.kind === "distribution") {
    showTooltip(hover.event, distributionRows(chart, point.pointNumber));
    return;
  }
  if (chart.kind === "events") {
    showCursor(point.x);
    showTooltip(hover.event, eventRows(chart, point.pointNumber, point.x));
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

function eventRows(chart, index, second) {
  const [events, texts] = chart.marks[index], kind = chart.kinds[chart.data[0].y[index]];
  const more = events > texts.length ? [["", `and ${events - texts.length} more`]] : [];
  return [[kind, stageAt(second)], ...texts, ...more];
}

function clockText(node, percent) {
  return `${percent} % (${quantity((fleet.full_hz[node] * percent) / 1e11, "GHz")})`;
}

