// Latencies by percentile; each nine is as wide as the one before.
const DISTRIBUTION = { names: (chart) => chart.names, compose: composeDistribution };

const MARKED_PERCENTS = [50, 90, 95, 99, 99.9, 99.99];

function composeDistribution(chart) {
  const place = (percent) => 1 / (1 - percent / 100);
  const line = (row, rows, percents, dash) => ({
    type: "scatter", mode: dash ? "lines" : "lines+markers", name: chart.names[row], x: percents.map(place), y: rows[row], hoverinfo: dash ? "skip" : "none",
    line: { color: `--node-${chart.colors.get(row)}`, width: dash ? 1.25 : 1.75, dash },
    marker: {
      color: `--node-${chart.colors.get(row)}`, symbol: symbolOf(chart, row)[0], opacity: 1,
      size: percents.map((percent) => (MARKED_PERCENTS.includes(percent) ? SYMBOL_PX : 0)),
    },
  });
  const { baseline } = chart;
  const before = baseline ? chart.shown.filter((row) => baseline.rows[row]) : [];
  chart.data = [
    ...chart.shown.map((row) => line(row, chart.rows, chart.percents)),
    ...before.map((row) => line(row, baseline.rows, baseline.percents, "dash")),
  ];
}

// On a phone p95 has no room beside p90.
function onTwoLogScales(layout, widthPx) {
  const { tickvals, ticktext } = layout.xaxis, kept = [...tickvals.keys()].filter((at) => widthPx > 500 || ticktext[at] !== "p95");
  Object.assign(layout.xaxis, { tickangle: 0, tickvals: kept.map((at) => tickvals[at]), ticktext: kept.map((at) => ticktext[at]) });
  Object.assign(layout.yaxis, LOG_SCALE);
  return layout;
}

function percentName(percent) {
  return `p${Number(percent.toFixed(percent < 99 ? 1 : 4))}`;
}

function distributionRows(chart, index) {
  const { baseline } = chart;
  const before = (row) => (baseline && baseline.rows[row] ? `, baseline ${quantity(baseline.rows[row][index], chart.unit)}` : "");
  const values = chart.shown.map((row) => [chart.names[row], quantity(chart.rows[row][index], chart.unit) + before(row)]);
  return [[percentName(chart.percents[index]), ""], ...values];
}
