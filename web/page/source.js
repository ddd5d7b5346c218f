// The page of the source: what each line weighs, in what state its expressions are, and why.

import { app, baseWord, lineSums, running, shareWords, weights, worseOf } from "./app.js";
import { heatStep } from "./canvas.js";
import { announce, bar, byId, choice, fill, make } from "./dom.js";
import { siteTable } from "./sites.js";
import { get, set } from "./state.js";
import { marked, toCharacters, tokensOf } from "./text.js";
import { neighbours, sum } from "./weights.js";
import { STATES, count, counted, percent, place, plain, shortPath, stateIndex } from "./words.js";

/** Longer texts show only what is near a line with a weight or a state. */
const WHOLE_LINES = 2500;
const AROUND = 12;
/** Callers and callees of a line that are offered. */
const MOST_LINKS = 6;

let drawn = "";
let drawnFile = -1;
/** The line that is told, and whether a pointer only visits it. */
let told = { line: -1, isVisit: false };

/** @param {HTMLElement} panel */
export function startSource(panel) {
  fill(
    panel,
    make("h2", { class: "hidden" }, "Source"),
    make("nav", { id: "files", "aria-label": "Files" }),
    make("div", { id: "source-main" },
      make("div", { class: "tools", id: "source-tools" }),
      make("div", { class: "source-split" },
        make("div", { id: "code", class: "code", role: "region", "aria-label": "Lines" }),
        make("div", { id: "strip", "aria-hidden": "true" })),
      make("div", { id: "line-details", class: "details", role: "region", "aria-label": "Instructions of the line" })),
  );
  byId("code").addEventListener("keydown", keyInCode);
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (get("tab") !== "source" || isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "[") stepFinding(-1);
    else if (event.key === "]") stepFinding(1);
  });
}

/** The file that is shown: the chosen, that of the first finding, or the hottest. */
function currentFile() {
  if (get("file") !== "") return Number(get("file"));
  const first = app.profile.findings?.findings?.[0]?.hurts?.[0]?.place.file;
  const at = app.profile.files.findIndex((file) => file.path === first);
  return at >= 0 ? at : (hottestFiles()[0]?.file ?? -1);
}

/** Files with the samples that end in them, the hottest first. */
function hottestFiles() {
  const { own } = lineSums();
  const { lines, files } = app.profile;
  const sums = new Float64Array(files.length);
  for (let line = 0; line < lines.line.length; line += 1) sums[lines.file[line]] += sum(own, line);
  const all = files.map((file, at) => ({ file: at, path: file.path, own: sums[at], library: file.library }));
  return all.filter((one) => one.own > 0).sort((one, other) => other.own - one.own || (one.path < other.path ? -1 : 1));
}

/** Lines of a file that have a weight: own and total. @param {number} file @returns {Map<number, [number, number]>} */
function weightsOfFile(file) {
  const sums = lineSums();
  const { lines } = app.profile;
  const found = new Map();
  for (let at = 0; at < lines.line.length; at += 1) {
    if (lines.file[at] === file && sum(sums.total, at) > 0) found.set(lines.line[at], [sum(sums.own, at), sum(sums.total, at)]);
  }
  return found;
}

/** Sites of a file by line. @param {number} file @returns {Map<number, import("./profile.js").Site[]>} */
function sitesOfFile(file) {
  const { functions, sites } = app.profile;
  const found = new Map();
  for (const site of sites) {
    if (functions.file[site.function] !== file) continue;
    const line = found.get(site.line) ?? [];
    found.set(site.line, line);
    line.push(site);
  }
  return found;
}

/** Draws the page anew if it would look different. */
export function drawSource() {
  const file = currentFile();
  const key = [weights().key, file, get("show")].join("|");
  const isSame = file === drawnFile;
  if (key !== drawn) {
    drawn = key;
    drawnFile = file;
    redraw(file, isSame);
  }
  const wanted = Number(get("line"));
  if (wanted > 0 && told.line !== wanted && !(isSame && told.isVisit)) goTo(wanted);
  else if (told.line < 0) tellLine(-1, false);
}

/** Draws all; what is looked at in the same file stays. @param {number} file @param {boolean} isSame */
function redraw(file, isSame) {
  const code = byId("code");
  const [scroll, before] = [code.scrollTop, told];
  const focused = document.activeElement?.closest("#code tr")?.getAttribute("data-line");
  told = { line: -1, isVisit: false };
  drawFiles(file);
  drawSourceTools(file);
  drawCode(file, isSame);
  if (!isSame) return;
  code.scrollTop = scroll;
  if (before.line > 0) tellLine(before.line, before.isVisit);
  if (focused) /** @type {HTMLElement | null} */ (code.querySelector(`tr[data-line="${Number(focused)}"]`))?.focus({ preventScroll: true });
}

/** @param {number} chosen */
function drawFiles(chosen) {
  const all = weights().all;
  const files = hottestFiles();
  if (chosen >= 0 && !files.some((one) => one.file === chosen) && app.profile.files[chosen]) {
    files.push({ file: chosen, path: app.profile.files[chosen].path, own: 0, library: app.profile.files[chosen].library });
  }
  const item = (/** @type {typeof files[0]} */ one) => make("li", {}, make("button", {
    type: "button", class: "file", "aria-current": one.file === chosen ? "true" : null, title: plain(one.path),
    onclick: () => set({ file: String(one.file), line: "" }, { step: true }),
  }, make("span", { class: "share" }, percent(one.own, all)), bar(one.own / (all || 1)), fileName(one.path)));
  const [own, library] = [files.filter((one) => !one.library), files.filter((one) => one.library)];
  const group = (/** @type {string} */ title, /** @type {typeof files} */ some) => (some.length ? [make("h3", {}, title), make("ul", {}, ...some.slice(0, 200).map(item))] : []);
  fill(byId("files"), ...group(`Files, self ${baseWord()}`, own), ...group("Libraries", library));
}

/** The name of a file, and where it lies. @param {string} path */
function fileName(path) {
  const [folder, name] = shortPath(path || "no file", 2).replace(/^…\//, "").split(/\/(?=[^/]*$)/);
  return make("span", { class: "path" }, name ?? folder, name ? make("span", { class: "faint" }, ` ${folder}`) : null);
}

/** @param {number} file */
function drawSourceTools(file) {
  const path = app.profile.files[file]?.path ?? "no file";
  const key = `${path}|${get("show")}`;
  if (byId("source-tools").dataset.key === key) return;
  byId("source-tools").dataset.key = key;
  fill(byId("source-tools"),
    make("strong", { class: "path", title: plain(path) }, shortPath(path, 4)),
    choice("Show", [["both", "samples and states"], ["samples", "samples"], ["states", "states"]], get("show"), (show) => set({ show })),
    make("button", { type: "button", onclick: () => stepFinding(-1) }, "[ Finding before"),
    make("button", { type: "button", onclick: () => stepFinding(1) }, "Finding after ]"),
    get("show") === "samples" ? null : make("span", { class: "legend faint" }, ...STATES.slice(0, 4).map((state, at) => make("span", { class: `mark m${at}` }, state.word))));
}

/** @param {number} file @param {boolean} isSame */
function drawCode(file, isSame) {
  const text = app.profile.files[file]?.text ?? null;
  const [own, sites] = [weightsOfFile(file), sitesOfFile(file)];
  const most = [...own.values()].reduce((all, [self]) => Math.max(all, self), 1);
  const shown = linesToShow(text, own, sites);
  const rows = /** @type {HTMLElement[]} */ ([]);
  const names = text ? new Map() : functionsOfFile(file);
  const tokens = tokensOf(app.profile.files[file]);
  let before = 0;
  for (const line of shown) {
    if (line > before + 1 && before > 0 && text) rows.push(make("tr", { class: "gap" }, make("td", { colspan: 5 }, `… ${counted(line - before - 1, "line")} without samples or states`)));
    rows.push(lineRow(line, text ? (text[line - 1] ?? "") : null, own.get(line), sites.get(line) ?? [], most, names.get(line), tokens.get(line)));
    before = line;
  }
  const show = get("show");
  const table = make("table", { class: show },
    make("caption", { class: "hidden" }, `Lines with samples, ${baseWord()}`),
    make("thead", {}, make("tr", {}, ...["self", "total", "state", "line", "code"].map((words) => make("th", { scope: "col", class: words }, words)))),
    make("tbody", {}, ...rows));
  fill(byId("code"), text ? null : make("p", { class: "empty" }, withoutText(file)), rows.length ? table : make("p", { class: "empty" }, "No line of this file has samples in the selection."));
  const focusable = /** @type {HTMLElement[]} */ ([...byId("code").querySelectorAll("tr[data-line]")]);
  const hottest = focusable.find((row) => row.dataset.line === (get("line") || hottestLine(own)));
  (hottest ?? focusable[0])?.setAttribute("tabindex", "0");
  drawStrip(shown, own, most, text?.length ?? shown.at(-1) ?? 1);
  if (!isSame && get("line") === "" && hottest) requestAnimationFrame(() => scrollTo(hottest));
  focusable.find((row) => row.dataset.line === get("line"))?.classList.add("it");
}

/** @param {Map<number, [number, number]>} own */
function hottestLine(own) {
  const best = [...own].sort((one, other) => other[1][0] - one[1][0])[0];
  return String(best?.[0] ?? "");
}

/** @param {number} file */
function withoutText(file) {
  const path = app.profile.files[file]?.path ?? "";
  if (path === "" || path.startsWith("<")) return "This code has no source file.";
  return "The source is not shown: it was left out, could not be read, or may not be read.";
}

/** @param {string[] | null} text @param {Map<number, unknown>} own @param {Map<number, unknown>} sites */
function linesToShow(text, own, sites) {
  const weighed = [...new Set([...own.keys(), ...sites.keys()])].filter((line) => line > 0).sort((one, other) => one - other);
  if (!text) return weighed;
  if (text.length <= WHOLE_LINES) return text.map((_, at) => at + 1);
  const near = new Set(weighed.flatMap((line) => Array.from({ length: AROUND * 2 + 1 }, (_, at) => line - AROUND + at)));
  return [...near].filter((line) => line > 0 && line <= text.length).sort((one, other) => one - other);
}

/** @param {number} line @param {string | null} text @param {[number, number] | undefined} weight
 * @param {import("./profile.js").Site[]} sites @param {number} most @param {string} [names] @param {import("./text.js").Token[]} [tokens] */
function lineRow(line, text, weight, sites, most, names, tokens) {
  const all = weights().all;
  const [self, total] = weight ?? [0, 0];
  const marks = text === null ? [] : sites.filter((site) => site.column >= 0).map((site) => ({
    from: toCharacters(text, site.column), to: endOf(site, text), state: stateIndex(site.state),
  }));
  const state = sites.map((site) => stateIndex(site.state)).reduce((one, other) => worseOf(one, other), /** @type {number | undefined} */ (undefined));
  const row = make("tr", { "data-line": line, "data-self": self, "data-total": total, tabindex: -1 },
    make("td", { class: `self h${heatStep(self / most)}` }, self > 0 ? percent(self, all) : ""),
    make("td", { class: "total" }, total > 0 ? percent(total, all) : ""),
    make("td", { class: "state" }, ...stateWords(sites, state)),
    make("th", { scope: "row", class: "line" }, String(line)),
    make("td", { class: "code" }, ...(text === null ? [plain(names ?? "")] : marked(text, marks, tokens))));
  row.addEventListener("mouseenter", () => tellLine(line, true));
  row.addEventListener("focus", () => tellLine(line, false));
  row.addEventListener("click", () => {
    set({ line: String(line), file: String(currentFile()) });
    row.focus();
  });
  return row;
}

/** @param {any} site @param {string} text */
function endOf(site, text) {
  const isHere = site.end_line === undefined || site.end_line < 0 || site.end_line === site.line;
  return isHere && site.end_column >= 0 ? toCharacters(text, site.end_column) : text.length;
}

/** @param {import("./profile.js").Site[]} sites @param {number | undefined} state */
function stateWords(sites, state) {
  if (state === undefined) return [];
  const one = STATES[state];
  const counts = STATES.map((_, at) => sites.filter((site) => stateIndex(site.state) === at).length);
  const mix = make("span", { class: "mix", "aria-hidden": "true" }, ...counts.map((part, at) => {
    const piece = make("span", { class: `b${at}` });
    piece.style.flexGrow = String(part);
    return piece;
  }));
  return [mix, make("span", { class: `state s${state}` }, make("span", { "aria-hidden": "true" }, one.sign), make("span", { class: "word" }, ` ${one.word}`))];
}

/** Names of the functions on each line of a file. @param {number} file @returns {Map<number, string>} */
function functionsOfFile(file) {
  const { functions, frames } = app.profile;
  const names = new Map();
  for (let frame = 0; frame < frames.line.length; frame += 1) {
    const fn = frames.function[frame];
    if (functions.file[fn] === file) names.set(frames.line[frame], (names.get(frames.line[frame]) ?? new Set()).add(functions.name[fn]));
  }
  return new Map([...names].map(([line, some]) => [line, [...some].join(", ")]));
}

/** Where the weight of the file is, beside the scroll bar. @param {number[]} shown @param {Map<number, [number, number]>} own @param {number} most @param {number} lines */
function drawStrip(shown, own, most, lines) {
  const marks = shown.filter((line) => (own.get(line)?.[0] ?? 0) > 0).map((line) => {
    const mark = make("span", { class: `h${heatStep((own.get(line)?.[0] ?? 0) / most)}` });
    mark.style.top = `${((line - 1) / Math.max(lines, 1)) * 100}%`;
    mark.addEventListener("click", () => set({ line: String(line), file: String(currentFile()) }));
    return mark;
  });
  fill(byId("strip"), ...marks);
}

/** Tells a line: its weights and its instructions. @param {number} line @param {boolean} isVisit */
function tellLine(line, isVisit) {
  told = { line, isVisit };
  const file = currentFile();
  if (line < 0) {
    fill(byId("line-details"), make("p", { class: "faint" }, "Point at a line, or move to it with the arrows, to see its instructions."));
    return;
  }
  const [self, total] = weightsOfFile(file).get(line) ?? [0, 0];
  const sites = sitesOfFile(file).get(line) ?? [];
  const about = (app.profile.findings?.findings ?? []).filter((/** @type {any} */ finding) =>
    [...finding.hurts, ...finding.causes].some((/** @type {any} */ it) => it.place.file === app.profile.files[file]?.path && it.place.line === line));
  fill(
    byId("line-details"),
    make("p", {}, make("strong", {}, place(app.profile.files[file]?.path ?? "", line)), ` self ${shareWords(self)}; total ${shareWords(total)}`),
    ...about.map((/** @type {any} */ finding) => make("p", {}, make("button", { type: "button", class: "link", onclick: () => set({ tab: "findings", finding: finding.id }, { step: true }) }, `${finding.rule} ${plain(finding.title)}`))),
    ...wayIn(file, line),
    sites.length ? siteTable(sites, running()) : make("p", { class: "faint" }, "No instruction of this line was looked at."),
  );
  if (!isVisit) {
    const states = STATES.map((state, at) => [state.word, sites.filter((site) => stateIndex(site.state) === at).length]).filter(([, many]) => Number(many) > 0);
    announce(`line ${line}, self ${percent(self, weights().all)}${states.map(([word, many]) => `, ${count(Number(many))} ${word}`).join("")}`);
  }
}

/** Links to where a line was called from and to what it called. @param {number} file @param {number} line */
function wayIn(file, line) {
  const { lines, files, functions } = app.profile;
  const at = lines.line.findIndex((one, index) => one === line && lines.file[index] === file);
  if (at < 0) return [];
  const { callers, callees } = neighbours(app.profile, weights(), at);
  const link = (/** @type {string} */ words, /** @type {number} */ samples, /** @type {number} */ inFile, /** @type {number} */ to) => [" ",
    make("button", { type: "button", class: "link", onclick: () => set({ tab: "source", file: String(inFile), line: to > 0 ? String(to) : "" }, { step: true }) }, words),
    make("span", { class: "faint" }, ` ${percent(samples, weights().all)}`)];
  const from = callers.slice(0, MOST_LINKS).flatMap(([one, samples]) => link(place(files[lines.file[one]]?.path ?? "", lines.line[one]), samples, lines.file[one], lines.line[one]));
  const to = callees.slice(0, MOST_LINKS).flatMap(([fn, samples]) => link(plain(functions.name[fn]), samples, functions.file[fn], functions.line[fn]));
  return [from.length ? make("p", { class: "way" }, "called from", ...from) : null, to.length ? make("p", { class: "way" }, "calls", ...to) : null];
}

/** @param {number} line */
function goTo(line) {
  const row = /** @type {HTMLElement | null} */ (byId("code").querySelector(`tr[data-line="${line}"]`));
  byId("code").querySelectorAll("tr.it").forEach((it) => it.classList.remove("it"));
  tellLine(line, false);
  if (!row) return;
  byId("code").querySelectorAll('tr[tabindex="0"]').forEach((it) => it.setAttribute("tabindex", "-1"));
  row.setAttribute("tabindex", "0");
  row.classList.add("it");
  requestAnimationFrame(() => scrollTo(row));
}

/** @param {HTMLElement} row */
function scrollTo(row) {
  const code = byId("code");
  const top = row.offsetTop - code.clientHeight / 2;
  if (row.offsetTop < code.scrollTop || row.offsetTop > code.scrollTop + code.clientHeight - 40) code.scrollTop = top;
}

/** @param {KeyboardEvent} event */
function keyInCode(event) {
  const rows = /** @type {HTMLElement[]} */ ([...byId("code").querySelectorAll("tr[data-line]")]);
  const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (at < 0) return;
  const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -at, End: rows.length });
  if (event.key === "Enter") set({ line: rows[at].dataset.line ?? "", file: String(currentFile()) }, { step: true });
  else if (event.key === "Escape") tellLine(-1, false);
  else if (event.key in steps) {
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + steps[event.key]))];
    rows[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  } else return;
  event.preventDefault();
}

/** To the next place that a finding names. @param {number} step */
function stepFinding(step) {
  const places = (app.profile.findings?.findings ?? []).flatMap((/** @type {any} */ finding) => finding.hurts.map((/** @type {any} */ hurt) => hurt.place));
  const known = places.map((/** @type {any} */ at) => `${app.profile.files.findIndex((file) => file.path === at.file)}:${at.line}`);
  const distinct = [...new Set(known)].filter((one) => !one.startsWith("-1"));
  if (distinct.length === 0) return;
  const at = distinct.indexOf(`${currentFile()}:${get("line")}`);
  const next = distinct[(at + step + distinct.length) % distinct.length] ?? distinct[0];
  const [file, line] = next.split(":");
  set({ file, line }, { step: true });
}
