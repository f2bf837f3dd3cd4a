// What the page shows, and how a value of it is written. All files of this folder are one function, so that they share these names.
const tooltip = document.getElementById("tooltip");
const touch = matchMedia("(hover: none)").matches;
let report = null; // what the figures are made of, once it is unpacked
let fleet = null; // the part of it that is of each node
let shown = [0, 0]; // the span of time that all charts show, in seconds
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
    if (Array.isArray(part)) return typeof part[1] !== "string" && (typeof part[0] === "number" || part[0] === null) ? part : part.map(replace);
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, key === "z" ? inner : replace(inner)]));
  };
  return replace(value);
}
