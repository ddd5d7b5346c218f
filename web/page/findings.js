// The opening page: what is slow, what causes it, what a fix would save.

import { app, isSelected, running, weights } from "./app.js";
import { fill, icon, make } from "./dom.js";
import { excerpt, toCharacters } from "./text.js";
import { get, set } from "./state.js";
import { count, counted, percent, place, plain, sharePercent, shareRange } from "./words.js";

/** @typedef {any} Finding */

/** @type {HTMLElement | null} */
let panel = null;
let findingsDrawn = "none";
let judged = /** @type {any} */ (undefined);
const opened = /** @type {Set<string>} */ (new Set());

/** @param {HTMLElement} element */
export function startFindings(element) {
  panel = element;
}

/** Draws the page anew if it would look different. */
export function drawFindings() {
  const { findings } = app.profile;
  const key = `${isSelected() ? weights().key : ""}|${opened.has(get("finding")) ? "" : get("finding")}`;
  if (!panel || (key === findingsDrawn && findings === judged)) return;
  findingsDrawn = key;
  judged = findings;
  if (get("finding") !== "") opened.add(get("finding"));
  const focused = document.activeElement?.closest("[data-key]")?.getAttribute("data-key");
  const folded = new Set([...panel.querySelectorAll("details[open]")].map((it) => it.getAttribute("data-key")));
  const all = app.profile.findings;
  fill(panel, make("h2", {}, "Findings"), ...(all ? page(all) : [make("p", { class: "empty" }, "Nothing was judged: the recording has no evidence, or advice was turned off.")]));
  for (const details of panel.querySelectorAll("details")) {
    if (folded.has(details.getAttribute("data-key"))) details.setAttribute("open", "");
  }
  if (focused) /** @type {HTMLElement | null} */ (panel.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {any} all */
function page(all) {
  const findings = all.findings ?? [];
  const samples = all.samples?.value ?? 0;
  const joint = all.joint_saving?.time;
  const first = findings.length === 0
    ? make("p", { class: "empty" }, nothing(all))
    : make("p", { class: "lead" }, counted(findings.length, "finding"), ", ", joint && findings.length > 1 ? `fixing all saves ${shareRange(joint.low, joint.high)} of ${counted(samples, "sample")} (they share time, so this is no sum)` : `of ${counted(samples, "sample")}`, ".");
  const note = isSelected() ? make("p", { class: "note" }, "Savings are of the whole recording. How much of each is in the selection stands with its places.") : null;
  return [
    first,
    note,
    make("ol", { class: "findings" }, ...findings.map((/** @type {Finding} */ finding) => row(finding))),
    folded("minor", "Below the floor of saving, samples or evidence", all.minor ?? [], (/** @type {Finding} */ finding) => row(finding)),
    ...verdicts(all.verdicts ?? []),
  ];
}

/** @param {any} all */
function nothing(all) {
  const looked = (all.verdicts ?? []).filter((/** @type {any} */ it) => it.verdict === "clear" || it.verdict === "found").length;
  if (looked === 0) return "Collecting: nothing can be judged yet.";
  return `Nothing to fix: ${counted(looked, "rule")} looked and found nothing that costs enough.`;
}

/** @param {string} key @param {string} title @param {any[]} items @param {(item: any) => Node} draw */
function folded(key, title, items, draw) {
  if (items.length === 0) return null;
  return make("details", { class: "fold", "data-key": key }, make("summary", {}, `${title} (${items.length})`), make("ul", { class: "findings" }, ...items.map(draw)));
}

/** @param {any[]} all */
function verdicts(all) {
  const kinds = /** @type {[string, string, "pass" | "unsure"][]} */ ([
    ["clear", "Passed", "pass"], ["cannot_tell", "Could not tell", "unsure"], ["not_applicable", "Do not hold on this version or build", "unsure"],
  ]);
  return kinds.map(([kind, title, sign]) => folded(kind, title, all.filter((one) => one.verdict === kind), (one) =>
    make("li", { class: "verdict" }, icon(sign), make("span", {}, `${one.rule} ${plain(one.name)}`), one.reason ? make("span", { class: "faint" }, ` ${plain(one.reason)}`) : null)));
}

/** How much it weighs: by what a fix saves. @param {Finding} finding @returns {"high" | "medium" | "low"} */
function severity(finding) {
  const share = finding.saving?.time?.value ?? 0;
  return share >= 0.1 ? "high" : share >= 0.03 ? "medium" : "low";
}

/** @param {Finding} finding */
function row(finding) {
  const id = String(finding.id);
  const isOpen = opened.has(id);
  const body = make("div", { class: "finding-body", hidden: !isOpen });
  if (isOpen) fill(body, ...evidence(finding));
  const [hurt, cause] = [finding.hurts?.[0], finding.causes?.[0]];
  const time = finding.saving?.time ?? {};
  const level = severity(finding);
  const head = make("button", { type: "button", class: "finding-head", "aria-expanded": String(isOpen), "data-key": id },
    make("span", { class: `severity ${level}` }, icon(level), make("span", { class: "hidden" }, `${level} impact: `)),
    make("span", { class: "saving" }, make("strong", {}, shareRange(time.low ?? 0, time.high ?? 0)), make("span", { class: "faint base" }, "of samples")),
    make("span", { class: "what" },
      make("span", { class: "title" }, plain(finding.title ?? "")),
      make("span", {}, plain(finding.fix?.text ?? "")),
      make("span", { class: "where" }, hurt ? placeOf(hurt.place) : "", cause ? ` \u2013 caused (${cause.label}) by ${placeOf(cause.place)}` : "",
        ` \u2013 ${finding.rule}, confidence ${finding.confidence}${finding.state_text ? `, ${plain(finding.state_text)}` : ""}`)));
  head.addEventListener("click", () => {
    const next = head.getAttribute("aria-expanded") !== "true";
    head.setAttribute("aria-expanded", String(next));
    body.hidden = !next;
    if (next) opened.add(id);
    else opened.delete(id);
    if (next) fill(body, ...evidence(finding));
    set({ finding: next ? id : "" });
  });
  return make("li", { class: "finding", "data-finding": id }, make("h3", {}, head), body);
}

/** @param {any} at */
function placeOf(at) {
  return `${place(at.path ?? at.file ?? "", at.line ?? null)}${at.function ? ` ${plain(at.function)}` : ""}`;
}

/** @param {Finding} finding */
function evidence(finding) {
  const diff = (finding.fix?.diff ?? []).map((/** @type {string} */ line) =>
    make(line.startsWith("-") ? "del" : line.startsWith("+") ? "ins" : "span", {}, plain(line), "\n"));
  const cause = finding.causes?.[0];
  return [
    make("section", {}, make("h4", {}, "Fix"),
      diff.length ? make("pre", { class: "diff", tabindex: 0, "aria-label": "slow and better code" }, ...diff) : null,
      finding.fix?.risk ? make("p", { class: "faint" }, `Mind: ${plain(finding.fix.risk)}`) : null),
    make("section", {}, make("h4", {}, "Where it hurts"), hurts(finding)),
    finding.hurts?.[0] ? source(finding.hurts[0].place) : null,
    make("section", {}, make("h4", {}, "Why"), chain(finding), cause ? source(cause.place) : null),
    make("section", {}, make("h4", {}, "What a fix would save"), make("p", {}, saving(finding)), make("p", { class: "faint" }, `Applies: ${plain(finding.applies ?? "")}.`)),
    make("section", {}, make("h4", {}, "Verify"), make("p", {}, "Make the change in a copy, then:"),
      make("pre", { tabindex: 0, "aria-label": "commands" }, `slowpath verify ${finding.id} --with COPY -- CMD\nslowpath explain ${finding.rule}`)),
  ];
}

/** @param {Finding} finding */
function saving(finding) {
  const { time = {}, ceiling = {} } = finding.saving ?? {};
  return `${shareRange(time.low ?? 0, time.high ?? 0)}, likeliest ${sharePercent(time.value ?? 0)}; ${sharePercent(ceiling.value ?? 0)} of the time is spent there, ${counted(finding.samples?.value ?? 0, "sample")} of ${count(time.n ?? 0)}. Based on ${plain(finding.basis ?? "")}.`;
}

/** @param {Finding} finding */
function hurts(finding) {
  const words = ["place", "expression", "state", "samples", "share", ...(isSelected() ? ["in selection"] : []), ""];
  const rows = (finding.hurts ?? []).map((/** @type {any} */ hurt) => make("tr", {},
    make("th", { scope: "row" }, sourceLink(hurt.place)),
    make("td", {}, make("code", {}, plain(hurt.expression ?? ""))),
    make("td", { class: "words" }, plain(hurt.state ?? "")),
    make("td", {}, count(hurt.samples?.value ?? 0)),
    make("td", {}, sharePercent(hurt.share?.value ?? 0)),
    isSelected() ? make("td", {}, inSelection(hurt.place)) : null,
    make("td", {}, flameLink(hurt.place))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "places" }, make("table", { class: "places" },
    make("thead", {}, make("tr", {}, ...words.map((word) => (word ? make("th", { scope: "col" }, word) : make("td", {}))))),
    make("tbody", {}, ...rows)));
}

/** Samples that run at an expression, of those that are selected. @param {any} at */
function inSelection(at) {
  const { profile } = app;
  const { frames, functions } = profile;
  const running_ = running();
  let samples = 0;
  for (let frame = 0; frame < frames.line.length; frame += 1) {
    if (frames.line[frame] !== at.line || functions.name[frames.function[frame]] !== at.function) continue;
    const file = profile.fileOf(frames.function[frame]);
    if (file.path !== at.file) continue;
    const column = frames.column[frame] < 0 ? null : toCharacters(file.text?.[at.line - 1] ?? null, frames.column[frame]) + 1;
    if (column === (at.column ?? null)) samples += running_[frame];
  }
  return `${count(samples)}, ${percent(samples, weights().all)}`;
}

/** @param {any} at */
function fileIndex(at) {
  return app.profile.files.findIndex((file) => file.path === at.file);
}

/** @param {any} at */
function sourceLink(at) {
  const file = fileIndex(at);
  if (file < 0) return placeOf(at);
  return make("button", { type: "button", class: "link", onclick: () => set({ tab: "source", file: String(file), line: String(at.line ?? "") }, { step: true }) }, placeOf(at));
}

/** @param {any} at */
function flameLink(at) {
  if (!at.function) return "";
  return make("button", { type: "button", class: "link", "aria-label": `${plain(at.function)} in the flame graph`, onclick: () => set({ tab: "flame", search: at.function, zoom: "", focus: "" }, { step: true }) }, "flame graph");
}

/** @param {any} at */
function source(at) {
  const file = app.profile.files[fileIndex(at)];
  return file?.text && at.line ? excerpt(file, at) : null;
}

/** From the cause to what it does. @param {Finding} finding */
function chain(finding) {
  const causes = (finding.causes ?? []).map((/** @type {any} */ cause) => make("li", {},
    make("strong", {}, `caused (${cause.label}) `), sourceLink(cause.place), " ", make("code", {}, plain(cause.statement ?? "")),
    cause.symbol ? ` changes ${plain(cause.symbol)}` : "", cause.how ? `: ${plain(cause.how)}` : ""));
  const reasons = (finding.why ?? []).map((/** @type {any} */ reason) => make("li", {}, make("span", { class: "level" }, `${reason.level} `), plain(reason.text)));
  if (causes.length === 0) causes.push(make("li", {}, "What caused it is not known."));
  return make("ol", { class: "chain" }, ...causes, ...reasons);
}
