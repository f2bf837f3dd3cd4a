// Lines over time on a canvas. Lines differ by dash as well as by colour; values under the pointer, or under the arrow keys, are in the caption.
import {h} from "./dom.js";
import {duration, number, UNKNOWN} from "./format.js";
const DASH = {solid: [], dashed: [6, 4], dotted: [2, 3]};
const LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 20, HEIGHT = 170;

export class Chart {
  // `lines`: [{name, key, color: a custom property of the style sheet, style: solid, dashed or dotted}]; rows are objects with offset_s, span_s and the keys.
  constructor(title, unit, lines) {
    this.title = title; this.unit = unit; this.lines = lines; this.rows = []; this.events = []; this.at = null;
    this.canvas = h("canvas", {height: HEIGHT, tabindex: "0", role: "img"});
    this.values = lines.map(line => h("span", {class: "number"}, UNKNOWN));
    this.when = h("span", {class: "dim"});
    const keys = lines.map((line, place) => {
      const key = h("span", {class: `key ${line.style ?? "solid"}`}, `${line.name} `, this.values[place]);
      key.style.setProperty("--line", `var(${line.color})`);
      return key;
    });
    this.figure = h("figure", {}, h("figcaption", {}, h("b", {}, title), h("span", {class: "dim"}, unit), ...keys, this.when), this.canvas);
    this.canvas.addEventListener("pointermove", event => this.point(this.rowAt(event.offsetX)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("keydown", event => this.step(event));
    new ResizeObserver(() => this.draw()).observe(this.figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }
  set(rows, events = []) { this.rows = rows; this.events = events; this.draw(); }
  step(event) {
    const by = {ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -Infinity, End: Infinity}[event.key];
    if (!by || !this.rows.length) return;
    event.preventDefault();
    this.point(Math.min(this.rows.length - 1, Math.max(0, (this.at ?? this.rows.length - 1) + by)));
  }
  point(at) { if (at !== this.at) { this.at = at; this.draw(); } }
  rowAt(x) {
    if (!this.rows.length) return null;
    const [start, end] = this.range(), width = this.canvas.clientWidth - LEFT - RIGHT;
    const second = start + (x - LEFT) / width * (end - start);
    let low = 0, high = this.rows.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.rows[middle].offset_s <= second) low = middle; else high = middle - 1; }
    return low;
  }
  range() { const last = this.rows[this.rows.length - 1]; return [this.rows[0]?.offset_s ?? 0, Math.max((last?.offset_s ?? 0) + (last?.span_s ?? 1), (this.rows[0]?.offset_s ?? 0) + 10)]; }
  draw() {
    const {canvas} = this, ratio = devicePixelRatio || 1, width = canvas.clientWidth || 300;
    canvas.width = width * ratio; canvas.height = HEIGHT * ratio; canvas.style.height = `${HEIGHT}px`;
    const pen = canvas.getContext("2d"), style = getComputedStyle(canvas), color = name => style.getPropertyValue(name) || "gray";
    const resolve = name => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
    const probe = this.probe ??= this.figure.appendChild(h("i", {class: "hidden", "aria-hidden": "true"}));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = "11px system-ui, sans-serif";
    const [start, end] = this.range(), top = nice(Math.max(...this.lines.map(line => largest(this.rows, line.key)), 0));
    const x = second => LEFT + (second - start) / (end - start) * (width - LEFT - RIGHT);
    const y = value => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    pen.strokeStyle = resolve("--edge"); pen.fillStyle = resolve("--dim"); pen.lineWidth = 1;
    pen.textAlign = "right"; pen.textBaseline = "middle";
    for (let part = 0; part <= 4; part++) {
      const at = y(top * part / 4);
      pen.beginPath(); pen.moveTo(LEFT, at); pen.lineTo(width - RIGHT, at); pen.stroke();
      pen.fillText(number(top * part / 4, 2), LEFT - 5, at);
    }
    pen.textBaseline = "alphabetic";
    for (const part of [0, .25, .5, .75, 1]) {
      pen.textAlign = part === 0 ? "left" : part === 1 ? "right" : "center";
      pen.fillText(duration(start + (end - start) * part), x(start + (end - start) * part), HEIGHT - 6);
    }
    pen.setLineDash([2, 3]); pen.strokeStyle = resolve("--dim");
    for (const event of this.events) { if (event.offset_s >= start && event.offset_s <= end) { pen.beginPath(); pen.moveTo(x(event.offset_s), TOP); pen.lineTo(x(event.offset_s), HEIGHT - BOTTOM); pen.stroke(); } }
    const step = Math.max(1, Math.floor(this.rows.length / (2 * width)));
    for (const line of this.lines) {
      pen.setLineDash(DASH[line.style ?? "solid"]); pen.strokeStyle = resolve(line.color); pen.lineWidth = 1.7; pen.beginPath();
      let drawn = false;
      for (let place = 0; place < this.rows.length; place += step) {
        const row = this.rows[place], value = row[line.key];
        if (value === null || value === undefined) { drawn = false; continue; }
        const worst = step === 1 ? value : Math.max(...this.rows.slice(place, place + step).map(each => each[line.key] ?? 0));
        if (drawn) pen.lineTo(x(row.offset_s), y(worst)); else pen.moveTo(x(row.offset_s), y(worst));
        drawn = true;
      }
      pen.stroke();
    }
    pen.setLineDash([]);
    const shown = this.rows[this.at ?? this.rows.length - 1];
    if (this.at !== null && shown) { pen.strokeStyle = resolve("--text"); pen.lineWidth = 1; pen.beginPath(); pen.moveTo(x(shown.offset_s), TOP); pen.lineTo(x(shown.offset_s), HEIGHT - BOTTOM); pen.stroke(); }
    this.lines.forEach((line, place) => { this.values[place].textContent = number(shown?.[line.key]); });
    this.when.textContent = shown && this.at !== null ? `at ${duration(shown.offset_s)}` : "";
    canvas.setAttribute("aria-label", `${this.title}, ${this.unit}: ${this.lines.map((line, place) => `${line.name} ${this.values[place].textContent}`).join(", ")}`);
  }
}
function largest(rows, key) { let found = 0; for (const row of rows) if (row[key] > found) found = row[key]; return found; }
function nice(value) {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(factor => factor * size).find(each => each >= value * 1.02) ?? 10 * size;
}
