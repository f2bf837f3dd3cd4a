// Which view belongs to the address, and going from one to another without loading the page anew.
import {loadSession, post} from "./api.js";
import {h, notice, show} from "./dom.js";
const VIEWS = [
  [/^\/$/, () => import("./views/runs.js")],
  [/^\/runs\/([^/]+)$/, () => import("./views/run.js")],
  [/^\/runs\/([^/]+)\/fleet$/, () => import("./views/fleet.js")],
  [/^\/runs\/([^/]+)\/nodes\/([^/]+)$/, () => import("./views/node.js")],
  [/^\/start$/, () => import("./views/start.js")],
  [/^\/compare$/, () => import("./views/compare.js")],
  [/^\/trend$/, () => import("./views/trend.js")],
];
let leave = () => {}, turn = 0;
export function go(path) { history.pushState(null, "", path); open(true); }
async function open(moved) {
  const mine = ++turn;
  leave(); leave = () => {};
  const found = VIEWS.map(([pattern, load]) => [location.pathname.match(pattern), load]).find(([match]) => match);
  if (!found) { show("Not found", h("p", {}, "There is no such page. ", h("a", {href: "/"}, "To the runs."))); return; }
  for (const link of document.querySelectorAll("header nav a")) { if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current"); }
  try {
    const view = await found[1]();
    if (mine !== turn) return;
    const left = await view.open({parts: found[0].slice(1).map(decodeURIComponent), query: new URLSearchParams(location.search), go, current: () => mine === turn});
    if (mine === turn) leave = left ?? leave; else left?.();
  } catch (error) { if (mine === turn) show("", h("h1", {}, "That did not work"), h("p", {}, error.message), h("p", {}, h("a", {href: "/"}, "To the runs"))); }
  if (moved && mine === turn) document.getElementById("main").focus();
}
document.addEventListener("click", event => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || link.target || link.hasAttribute("download") || event.ctrlKey || event.metaKey || event.shiftKey || event.button || link.getAttribute("href").endsWith("/report")) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", () => open(true));
addEventListener("unhandledrejection", event => notice(event.reason?.message ?? "That did not work."));
loadSession().then(session => {
  document.getElementById("nav-start").hidden = !session.control;
  document.getElementById("who").textContent = session.name ?? "";
  const out = document.getElementById("sign-out");
  out.hidden = session.name === null;
  out.addEventListener("click", async () => { await post("/api/logout"); location.href = "/login"; });
}).catch(error => notice(error.message));
open(false);
