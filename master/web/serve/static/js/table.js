// A table whose columns can be sorted, by pointer or keyboard. Unknown values come last either way.
import {fill, h} from "./dom.js";
const natural = new Intl.Collator("en", {numeric: true});
export class SortedTable {
  // `columns`: [{name, value: row => what it is sorted by, cell: row => text or element, kind: "number" or a class}]
  constructor(caption, columns, {sort = 0, down = false, max = 1000, onrow = null} = {}) {
    this.columns = columns; this.by = sort; this.down = down; this.max = max; this.rows = []; this.onrow = onrow;
    this.heads = columns.map((column, place) => h("th", {scope: "col", class: column.kind === "number" ? "number" : ""},
      h("button", {type: "button", onclick: () => this.sortBy(place)}, column.name)));
    this.body = h("tbody");
    this.rest = h("p", {class: "dim"});
    this.element = h("div", {}, h("div", {class: "scroll high", tabindex: "0", role: "region", "aria-label": caption},
      h("table", {}, h("caption", {class: "hidden"}, caption), h("thead", {}, h("tr", {}, ...this.heads)), this.body)), this.rest);
    this.mark();
  }
  sortBy(place) { this.down = place === this.by ? !this.down : this.columns[place].kind === "number"; this.by = place; this.mark(); this.set(this.rows); }
  mark() { this.heads.forEach((head, place) => { if (place === this.by) head.setAttribute("aria-sort", this.down ? "descending" : "ascending"); else head.removeAttribute("aria-sort"); }); }
  set(rows) {
    this.rows = rows;
    const {value, cell} = this.columns[this.by], of = value ?? cell, sign = this.down ? -1 : 1;
    const known = rows.filter(row => of(row) !== null && of(row) !== undefined), unknown = rows.filter(row => of(row) === null || of(row) === undefined);
    known.sort((one, other) => sign * (typeof of(one) === "number" && typeof of(other) === "number" ? of(one) - of(other) : natural.compare(String(of(one)), String(of(other)))));
    const shown = [...known, ...unknown].slice(0, this.max);
    fill(this.body, shown.map(row => h("tr", {}, this.columns.map(column => h("td", {class: column.kind ?? ""}, column.cell(row))))));
    this.rest.textContent = rows.length > shown.length ? `and ${rows.length - shown.length} more` : "";
  }
}
