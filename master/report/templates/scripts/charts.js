// Charts, each drawn when it comes in sight, or before that while the page has nothing else to do.
const NO_MODEBAR = { responsive: false, displayModeBar: false, showTips: false, doubleClick: "reset" };
const TICK_STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000];
const LOG_TICKS = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
const LOG_SCALE = { type: "log", tickvals: LOG_TICKS, ticktext: LOG_TICKS.map((tick) => tick.toLocaleString("en")) };
const TICK_ROOM_PX = 70;
const GAP = "no controller";
const GAP_LENGTH_PX = 88, GAP_LINE_PX = 20; // of its label
const NEAR_PX = 300; // beyond the window, so that a chart is there before the reader is
const stale = new Set(); // charts that are not drawn as they should be
let isDrawingSoon = false;

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
  layout.dragmode = touch || chart.kind === "distribution" ? false : "zoom";
  for (const key of ["xaxis", "yaxis", "yaxis2", "yaxis3", "yaxis4"]) if (layout[key]) layout[key] = { ...base, ...layout[key] };
  Object.assign(layout.xaxis, { ticks: "outside", ticklen: 4 });
  if (chart.kind === "distribution") return onTwoLogScales(layout, widthPx);
  Object.assign(layout.xaxis, timeTicks(widthPx - layout.margin.l), { range: [...shown] });
  if (chart.log && logarithmic) {
    Object.assign(layout.yaxis, LOG_SCALE);
    delete layout.yaxis.range;
  }
  layout.annotations = [...(chart.titles || []), ...gapLabels(chart, layout)];
  return layout;
}

function draw(chart) {
  const element = document.getElementById(chart.id);
  const layout = layoutOf(chart, element);
  const data = themed(chart.data);
  for (const trace of data) if (trace.colorbar) trace.colorbar.len = Math.min(240, layout.width - layout.margin.l - 40);
  Plotly.react(element, data, layout, NO_MODEBAR);
  stale.delete(chart);
  if (chart.isWired) return;
  chart.isWired = true;
  element.on("plotly_hover", (hover) => onHover(chart, hover));
  element.on("plotly_unhover", hideCursor);
  element.on("plotly_relayout", onRelayout);
}

function isInSight(chart) {
  const box = document.getElementById(chart.id).getBoundingClientRect();
  return box.bottom > -NEAR_PX && box.top < innerHeight + NEAR_PX;
}

// Those in sight at once, the others one by one; `data-charts` of the page says when there is none left.
function drawAll() {
  hideCursor();
  for (const chart of report.charts) stale.add(chart);
  document.documentElement.dataset.charts = "drawing";
  report.charts.filter(isInSight).forEach(draw);
  drawSoon();
}

function drawSoon() {
  if (!stale.size) document.documentElement.dataset.charts = "drawn";
  if (!stale.size || isDrawingSoon) return;
  isDrawingSoon = true;
  const drawNext = () => {
    isDrawingSoon = false;
    const next = report.charts.find((chart) => stale.has(chart));
    if (next) draw(next);
    drawSoon();
  };
  // A page that is pointed at and shows nothing new is never called idle by some browsers.
  if (window.requestIdleCallback) requestIdleCallback(drawNext, { timeout: 100 });
  else setTimeout(drawNext);
}

function drawWhenSeen() {
  const charts = new Map(report.charts.map((chart) => [document.getElementById(chart.id), chart]));
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting && stale.has(charts.get(target))) draw(charts.get(target));
  }, { rootMargin: `${NEAR_PX}px` });
  for (const element of charts.keys()) observer.observe(element);
}

function onRelayout(change) {
  if ("xaxis.range[0]" in change) shown = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
  else if ("xaxis.range" in change) shown = change["xaxis.range"];
  else if (change["xaxis.autorange"]) shown = [report.start, report.end];
  else return;
  drawAll();
}
