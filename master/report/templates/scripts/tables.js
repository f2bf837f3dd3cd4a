// Tables that are sorted by a click.
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