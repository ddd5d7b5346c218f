// The flame graph as a table of a tree, for those who read or listen.

import { make, fill } from "./dom.js";
import { sum } from "./weights.js";
import { count, percent, plain } from "./words.js";

/** Rows that are made at most; what is below can be opened one by one. */
const MOST_ROWS = 400;

/** Paths that are open, so that an update leaves them so. @type {Set<string>} */
const open = new Set();

/**
 * @param {HTMLElement} place @param {import("./tree.js").Tree} tree
 * @param {(id: number) => string} name @param {() => number} base
 */
export function treeTable(place, tree, name, base) {
  const focused = document.activeElement?.closest("tr")?.getAttribute("data-path");
  const body = make("tbody", {});
  const again = () => treeTable(place, tree, name, base);
  for (const row of visible(tree).slice(0, MOST_ROWS)) body.append(rowOf(tree, row, name, base(), again));
  body.addEventListener("keydown", (event) => keyInTable(event, body));
  fill(place, make("table", { role: "treegrid", "aria-label": "Calls" },
    make("thead", {}, make("tr", {}, ...["function", "total", "self", "samples"].map((words) => make("th", { scope: "col" }, words)))),
    body));
  const rows = /** @type {HTMLElement[]} */ ([...body.children]);
  const current = rows.find((row) => row.dataset.path === focused);
  (current ?? rows[0])?.setAttribute("tabindex", "0");
  if (current) current.focus();
}

/** @typedef {{ id: number, path: string, hasMore: boolean }} Row */

/** Rows that show, from the top: the way down the heaviest calls is open at first. @param {import("./tree.js").Tree} tree */
function visible(tree) {
  /** @type {Row[]} */
  const rows = [];
  if (open.size === 0) openHeavy(tree);
  const walk = (/** @type {number} */ parent, /** @type {string} */ above) => {
    for (const id of tree.childrenOf(parent)) {
      if (rows.length >= MOST_ROWS) return;
      const path = `${above}/${tree.key[id]}`;
      const hasMore = tree.childrenOf(id).length > 0;
      rows.push({ id, path, hasMore });
      if (open.has(path)) walk(id, path);
    }
  };
  walk(-1, "");
  return rows;
}

/** Opens the way to where most of the time goes, as long as one call has most of it. @param {import("./tree.js").Tree} tree */
function openHeavy(tree) {
  let path = "";
  for (let at = tree.childrenOf(-1)[0], deep = 0; at !== undefined && deep < 40; deep += 1) {
    path += `/${tree.key[at]}`;
    open.add(path);
    const next = tree.childrenOf(at)[0];
    if (next === undefined || tree.weight(next) * 2 < tree.weight(at)) break;
    at = next;
  }
}

/** @param {import("./tree.js").Tree} tree @param {Row} row @param {(id: number) => string} name
 * @param {number} base @param {() => void} again */
function rowOf(tree, row, name, base, again) {
  const { id, path, hasMore } = row;
  const isOpen = open.has(path);
  const flip = () => {
    if (!open.delete(path)) open.add(path);
    again();
  };
  const label = make("td", { role: "rowheader" }, make("span", { class: "twist", "aria-hidden": "true" }, hasMore ? (isOpen ? "−" : "+") : " "), plain(name(id)));
  label.style.paddingLeft = `${Math.min(tree.depth[id], 40) * 12 + 4}px`;
  const element = make(
    "tr",
    { "data-path": path, tabindex: -1, "aria-level": tree.depth[id] + 1, "aria-expanded": hasMore ? String(isOpen) : null },
    label,
    make("td", {}, percent(sum(tree.total, id), base)),
    make("td", {}, percent(sum(tree.own, id), base)),
    make("td", {}, count(sum(tree.total, id))),
  );
  if (hasMore) element.addEventListener("click", flip);
  element.addEventListener("flip", flip);
  return element;
}

/** @param {KeyboardEvent} event @param {HTMLElement} body */
function keyInTable(event, body) {
  const rows = /** @type {HTMLElement[]} */ ([...body.children]);
  const row = /** @type {HTMLElement | null} */ (document.activeElement?.closest("tr") ?? null);
  if (!row) return;
  const at = rows.indexOf(row);
  const isOpen = row.getAttribute("aria-expanded");
  let next = at;
  if (event.key === "ArrowDown") next = at + 1;
  else if (event.key === "ArrowUp") next = at - 1;
  else if (event.key === "Home") next = 0;
  else if (event.key === "End") next = rows.length - 1;
  else if ((event.key === "ArrowRight" && isOpen === "false") || (event.key === "ArrowLeft" && isOpen === "true") || event.key === "Enter") {
    row.focus();
    if (isOpen !== null) row.dispatchEvent(new Event("flip"));
    event.preventDefault();
    return;
  } else if (event.key === "ArrowLeft") {
    const level = Number(row.getAttribute("aria-level"));
    while (next > 0 && Number(rows[next].getAttribute("aria-level")) >= level) next -= 1;
  } else return;
  event.preventDefault();
  rows.forEach((one) => (one.tabIndex = -1));
  const chosen = rows[Math.max(0, Math.min(rows.length - 1, next))];
  chosen.tabIndex = 0;
  chosen.focus();
}
