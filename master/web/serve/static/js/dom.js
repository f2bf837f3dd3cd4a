// Elements from plain descriptions. Text always becomes a text node, so that no name of a node or endpoint can be markup.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}
export const fill = (place, ...children) => { place.replaceChildren(...children.flat().filter(child => child !== null && child !== undefined && child !== false)); return place; };
const main = document.getElementById("main");
export function show(title, ...children) {
  document.title = title ? `${title} · piswarm` : "piswarm";
  fill(main, ...children);
}
let hiding;
export function notice(text) {
  const place = document.getElementById("notice");
  place.textContent = text;
  place.hidden = !text;
  clearTimeout(hiding);
  if (text) hiding = setTimeout(() => { place.hidden = true; }, 12000);
}
