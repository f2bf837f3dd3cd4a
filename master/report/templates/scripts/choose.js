// Lines of which the reader chooses a few, each with a colour that it keeps as long as it is shown.
const CHOSEN = { together: TOGETHER, distribution: DISTRIBUTION };

// What tells lines apart where colours don't: a symbol on the line, by the number of its colour, and the same beside its name.
const SYMBOLS = [["circle", "●"], ["square", "■"], ["diamond", "◆"], ["cross", "✚"], ["triangle-up", "▲"], ["triangle-down", "▼"]];
const SYMBOL_PX = 7;

function symbolOf(chart, row) {
  return SYMBOLS[(chart.colors.get(row) - 1) % SYMBOLS.length];
}

function choose(chart) {
  const { names, compose } = CHOSEN[chart.kind];
  for (const row of [...chart.colors.keys()]) if (!chart.shown.includes(row)) chart.colors.delete(row);
  const taken = [...chart.colors.values()];
  const free = Array.from({ length: chart.most }, (_, at) => at + 1).filter((color) => !taken.includes(color));
  for (const row of chart.shown) if (!chart.colors.has(row)) chart.colors.set(row, free.shift());
  compose(chart);
  const change = (rows) => {
    chart.shown = rows;
    choose(chart);
    draw(chart);
  };
  document.getElementById(`${chart.id}-keys`).replaceChildren(...chart.shown.map((row) => {
    const item = document.createElement("li"), line = document.createElement("span"), remove = document.createElement("button");
    line.className = "symbol";
    line.style.color = `var(--node-${chart.colors.get(row)})`;
    line.textContent = symbolOf(chart, row)[1];
    line.ariaHidden = "true";
    remove.type = "button";
    remove.className = "screen";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `take ${names(chart)[row]} out`);
    remove.hidden = chart.shown.length === 1;
    remove.addEventListener("click", () => change(chart.shown.filter((other) => other !== row)));
    item.append(line, names(chart)[row], remove);
    return item;
  }));
  const select = document.getElementById(`${chart.id}-add`);
  const full = chart.shown.length >= chart.most;
  const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
  const rest = [...names(chart).keys()].filter((row) => !chart.shown.includes(row));
  select.disabled = full || !rest.length;
  select.replaceChildren(option(full ? `${chart.most} at most` : "…", ""), ...rest.map((row) => option(names(chart)[row], row)));
  select.onchange = () => {
    if (select.value !== "") change([...chart.shown, Number(select.value)]);
  };
}

function prepareChosen(chart) {
  Object.assign(chart, { plain: chart.layout, colors: new Map() });
  choose(chart);
}
