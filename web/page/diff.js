// The page of the difference: two profiles, each as shares of its own samples.

import { app } from "./app.js";
import { bar, fill, make } from "./dom.js";
import { counted, plain, seconds, sharePercent, shareRange, shortPath, signedPercent } from "./words.js";

/** @type {HTMLElement | null} */
let diffPanel = null;
let diffDrawn = /** @type {any} */ (undefined);

/** Rows that are shown at most. */
const MOST_DELTAS = 500;

/** @param {HTMLElement} element */
export function startDiff(element) {
  diffPanel = element;
}

export function drawDiff() {
  const { diff } = app.profile;
  if (!diffPanel || diff === diffDrawn) return;
  diffDrawn = diff;
  if (!diff) {
    fill(diffPanel, make("h2", {}, "Diff"), make("p", { class: "empty" }, "Nothing is compared."));
    return;
  }
  const [before, after] = diff.titles.map((/** @type {string} */ title) => plain(title));
  fill(diffPanel, make("h2", {}, "Diff"),
    make("p", { class: "lead" }, `${before} (${baseOf(diff.before)}) against ${after} (${baseOf(diff.after)}). Shares are of the weight of each.`),
    ...changedFindings(diff.findings),
    functionTable(diff));
}

/** What the shares of one side are of. @param {any} base */
function baseOf({ metric, weight }) {
  const sum = weight.running + weight.waiting_for_gil + weight.idle;
  return metric === "samples" ? counted(sum, "sample") : `${seconds(sum)} of CPU time`;
}

/** @param {any[] | undefined} changes missing where one side holds nothing to judge */
function changedFindings(changes) {
  if (!changes) return [make("p", { class: "empty" }, "One of the recordings holds nothing to judge: record both with advice.")];
  const range = (/** @type {any} */ saving) => shareRange(saving.low, saving.high);
  const words = (/** @type {any} */ { change, id, title, before, after }) => {
    const name = `${plain(id)} ${plain(title)}`;
    if (change === "new") return `${name}: saves ${range(after)}`;
    if (change === "fixed") return `${name}: would have saved ${range(before)}`;
    if (change === "changed") return `${name}: saves ${range(after)}, before ${range(before)}`;
    return `${name}: its rule could not look again`;
  };
  const kinds = /** @type {[string, string][]} */ ([["new", "New findings"], ["fixed", "Fixed findings"], ["changed", "Changed findings"], ["cannot_tell", "Cannot be told"]]);
  const sections = kinds.map(([kind, title]) => {
    const all = changes.filter((one) => one.change === kind);
    return all.length === 0 ? null : make("section", { class: `changed ${kind}` }, make("h3", {}, `${title} (${all.length})`), make("ul", {}, ...all.map((one) => make("li", {}, words(one)))));
  });
  return changes.length > 0 ? sections : [make("p", { class: "empty" }, "No finding is new, fixed or changed.")];
}

/** @param {any} diff */
function functionTable(diff) {
  const all = diff.functions.map((/** @type {any} */ one) => {
    const kind = one.total_before === 0 ? "new" : one.total_after === 0 ? "gone" : "";
    return { one, before: one.own_before, after: one.own_after, change: one.own_after - one.own_before, total: one.total_after - one.total_before, kind };
  });
  all.sort((/** @type {any} */ one, /** @type {any} */ other) => Math.abs(other.change) - Math.abs(one.change));
  const most = Math.max(1e-9, ...all.map((/** @type {any} */ row) => Math.abs(row.change)));
  const rows = all.slice(0, MOST_DELTAS).map((/** @type {any} */ row) => make("tr", { class: row.change > 0 ? "more" : row.change < 0 ? "less" : "" },
    make("td", { class: "change" }, signedPercent(row.change)), make("td", {}, bar(Math.abs(row.change) / most)), make("td", {}, sharePercent(row.before)), make("td", {}, sharePercent(row.after)), make("td", {}, signedPercent(row.total)),
    make("th", { scope: "row" }, plain(row.one.name), row.kind ? make("span", { class: "chip" }, row.kind) : null, " ", make("span", { class: "faint" }, shortPath(row.one.file)))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "functions" }, make("table", { class: "deltas" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col", "aria-sort": "descending" }, "self changed"), make("td", {}), ...["before", "after", "total changed", "function"].map((words) => make("th", { scope: "col" }, words)))),
    make("tbody", {}, ...rows)));
}
