// Numbers and times as people read them; what is unknown is a dash.
export const UNKNOWN = "–";
const known = value => value !== null && value !== undefined && Number.isFinite(value);
export function number(value, digits = 3) {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(size >= 100 ? 3 : digits)));
}
export const ms = value => known(value) ? `${number(value)} ms` : UNKNOWN;
export const perSecond = value => known(value) ? `${number(value)}/s` : UNKNOWN;
export const percent = value => known(value) ? `${number(value)} %` : UNKNOWN;
export const degrees = value => known(value) ? `${value.toFixed(1)} °C` : UNKNOWN;
export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const s = Math.max(0, Math.round(seconds)), two = value => String(value).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
export function wallClock(text) {
  const at = new Date(text ?? NaN);
  return Number.isNaN(at.getTime()) ? UNKNOWN : `${at.toLocaleString("en-GB", {dateStyle: "medium", timeStyle: "short"})} ${zone}`;
}
