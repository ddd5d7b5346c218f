// The page of the difference: two profiles, each as shares of its own samples.

import { app } from "./app.js";
import { bar, fill, make } from "./dom.js";
import { count, place, plain, sharePercent, signedPercent } from "./words.js";

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
  fill(diffPanel, make("h2", {}, "Diff"),
    make("p", { class: "lead" }, `${plain(diff.before.title)} (${count(diff.before.samples)} samples) against ${plain(diff.after.title)} (${count(diff.after.samples)} samples). Shares are of the samples of each.`),
    ...changedFindings(diff.findings ?? {}),
    functionTable(diff));
}

/** @param {any} findings */
function changedFindings(findings) {
  const kinds = /** @type {[string, string][]} */ ([["new", "New findings"], ["fixed", "Fixed findings"], ["same", "Findings in both"]]);
  return kinds.filter(([kind]) => findings[kind]?.length).map(([kind, title]) =>
    make("section", { class: `changed ${kind}` }, make("h3", {}, `${title} (${findings[kind].length})`), make("ul", {}, ...findings[kind].map((/** @type {string} */ words) => make("li", {}, plain(String(words)))))));
}

/** @param {any} diff */
function functionTable(diff) {
  const share = (/** @type {number} */ samples, /** @type {any} */ side) => samples / Math.max(side.samples, 1);
  const all = diff.functions.map((/** @type {any} */ one) => {
    const [before, after] = [share(one.before.self, diff.before), share(one.after.self, diff.after)];
    const total = share(one.after.total, diff.after) - share(one.before.total, diff.before);
    const kind = one.before.total === 0 ? "new" : one.after.total === 0 ? "gone" : "";
    return { one, before, after, change: after - before, total, kind };
  });
  all.sort((/** @type {any} */ one, /** @type {any} */ other) => Math.abs(other.change) - Math.abs(one.change));
  const most = Math.max(1e-9, ...all.map((/** @type {any} */ row) => Math.abs(row.change)));
  const rows = all.slice(0, MOST_DELTAS).map((/** @type {any} */ row) => make("tr", { class: row.change > 0 ? "more" : row.change < 0 ? "less" : "" },
    make("td", { class: "change" }, signedPercent(row.change)), make("td", {}, bar(Math.abs(row.change) / most)), make("td", {}, sharePercent(row.before)), make("td", {}, sharePercent(row.after)), make("td", {}, signedPercent(row.total)),
    make("th", { scope: "row" }, plain(row.one.name), row.kind ? make("span", { class: "chip" }, row.kind) : null, " ", make("span", { class: "faint" }, place(row.one.file, row.one.line, 2)))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "functions" }, make("table", { class: "deltas" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col", "aria-sort": "descending" }, "self changed"), make("td", {}), ...["before", "after", "total changed", "function"].map((words) => make("th", { scope: "col" }, words)))),
    make("tbody", {}, ...rows)));
}
