// Tables: sorted by the buttons in their headings, and cut where they are long.
// Rows of a sortable table that are shown at first, as in the style sheet; the button below it shows the others.
const SHOWN_ROWS = 25;
const statusLine = document.getElementById("status");
const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };

function value(row, column) {
  const cell = row.cells[column];
  if (!cell) return -Infinity;
  if (!cell.classList.contains("n")) return cell.textContent;
  return "value" in cell.dataset ? Number(cell.dataset.value) : -Infinity;
}

function sort(heading) {
  const column = heading.cellIndex, body = heading.closest("table").tBodies[0];
  const numeric = heading.classList.contains("n");
  const before = heading.getAttribute("aria-sort");
  const ascending = before ? before === "descending" : !numeric;
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const words = new Intl.Collator("en", { numeric: true });
  const keyed = [...body.rows].map((row) => [value(row, column), row]);
  keyed.sort(([a], [b]) => (numeric ? (a < b ? -1 : a > b ? 1 : 0) : words.compare(a, b)) * (ascending ? 1 : -1));
  body.append(...keyed.map(([, row]) => row));
  const order = numeric ? (ascending ? "smallest first" : "largest first") : (ascending ? "from A to Z" : "from Z to A");
  statusLine.textContent = `Sorted by ${heading.textContent}, ${order}`;
}

// What is far more than a screen is cut, and the whole of it is a button away.
function cut(table) {
  const number = table.tBodies[0].rows.length;
  if (number <= SHOWN_ROWS) return;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "toggle screen" });
  const what = table.parentElement.getAttribute("aria-label").toLowerCase();
  const show = (all) => {
    table.classList.toggle("cut", !all);
    button.textContent = all ? "Show fewer" : `Show all ${number.toLocaleString("en")} ${what}`;
    button.setAttribute("aria-expanded", String(all));
  };
  button.addEventListener("click", () => show(table.classList.contains("cut")));
  show(false);
  table.parentElement.after(button);
}

// On a narrow screen rows are shown as cards, for which some browsers forget that they are a table.
function keepRoles(table) {
  table.setAttribute("role", ROLES.TABLE);
  for (const part of [table.tHead, ...table.tBodies]) {
    part.setAttribute("role", ROLES[part.tagName]);
    for (const row of part.rows) {
      row.setAttribute("role", ROLES.TR);
      for (const cell of row.cells) cell.setAttribute("role", ROLES[cell.tagName] || (part === table.tHead ? "columnheader" : "rowheader"));
    }
  }
}

document.querySelectorAll(".sortable").forEach((table) => {
  table.tHead.querySelectorAll("th button").forEach((button) => {
    button.addEventListener("click", () => sort(button.closest("th")));
  });
  cut(table);
});
const narrow = matchMedia("(max-width: 1100px)");
const roles = () => narrow.matches && document.querySelectorAll(".stacked").forEach(keepRoles);
narrow.addEventListener("change", roles);
roles();
