// The page of the flame graph: layouts, search, focus, colours, and the table that says the same.

import { app, baseWord, functionSums, isSelected, matching, runningStates, selection, shareWords, statesOf, weights } from "./app.js";
import { announce, byId, choice, fill, make, toggle } from "./dom.js";
import { Graph } from "./graph.js";
import { get, set } from "./state.js";
import { NO_PYTHON, Tree, calls, inOrder, sandwich } from "./tree.js";
import { treeTable } from "./treetable.js";
import { passing, sum } from "./weights.js";
import { STATES, count, counted, percent, place, plain } from "./words.js";

/** @typedef {import("./graph.js").Looks} Looks */

/** Functions that the sandwich offers at most. */
const MOST_FUNCTIONS = 500;

/** @type {{ main: Graph, callers: Graph } | null} */
let graphs = null;
/** What the graph was made of, so that it is not made again for nothing. */
let madeOf = "";
/** @type {Uint8Array | null} */
let found = null;

/** Builds the page once. @param {HTMLElement} panel */
export function startFlame(panel) {
  graphs = { callers: new Graph("Callers", false), main: new Graph("Flame graph", true) };
  const search = /** @type {HTMLInputElement} */ (
    make("input", { type: "search", id: "flame-search", placeholder: "function or file", autocomplete: "off", spellcheck: "false" })
  );
  search.addEventListener("input", () => set({ search: search.value }));
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
  });
  fill(
    panel,
    make("h2", { class: "hidden" }, "Flame graph"),
    make("div", { class: "tools", id: "flame-tools" }),
    make("div", { class: "tools" },
      make("label", { class: "choice" }, "Search ", search),
      make("button", { type: "button", onclick: () => nextMatch(-1) }, "Previous"),
      make("button", { type: "button", onclick: () => nextMatch(1) }, "Next"),
      make("output", { id: "flame-matches", for: "flame-search" })),
    make("nav", { id: "flame-path", "aria-label": "Zoom" }),
    make("div", { id: "flame-side" }),
    make("div", { id: "flame-graphs" }, graphs.callers.element, graphs.main.element),
    make("div", { id: "flame-table" }),
    make("div", { id: "flame-details", class: "details" }),
    make("p", { class: "keys" }, "Arrows: caller, callee, neighbours. Enter zooms, Escape goes back, Space focuses a function. Ctrl with the wheel zooms."),
  );
}

function options() {
  return {
    by: /** @type {"function" | "line"} */ (get("by")),
    collapse: get("recursion") === "collapse",
    focus: get("focus") === "" ? -1 : Number(get("focus")),
    drop: new Set(get("drop") === "" ? [] : get("drop").split(",").map(Number)),
  };
}

/** Draws what is chosen. */
export function drawFlame() {
  if (!graphs) return;
  drawTools();
  const layout = get("layout");
  const search = /** @type {HTMLInputElement} */ (byId("flame-search"));
  if (search.value !== get("search")) search.value = get("search");
  found = get("search") === "" ? null : matching(get("search"));
  const isTable = get("table") !== "";
  byId("flame-graphs").hidden = isTable;
  byId("flame-table").hidden = !isTable;
  byId("flame-side").hidden = layout !== "sandwich";
  graphs.callers.element.hidden = layout !== "sandwich";
  if (graphs.main.map) graphs.main.map.hidden = layout === "sandwich";
  const key = [weights().key, layout, get("by"), get("recursion"), get("focus"), get("drop"), get("pick")].join("|");
  if (key !== madeOf) {
    madeOf = key;
    makeTrees(layout);
  }
  graphs.main.show(graphs.main.tree, looks(graphs.main, layout !== "sandwich" && get("direction") === "flame"));
  graphs.callers.show(graphs.callers.tree, looks(graphs.callers, true));
  const wanted = get("zoom");
  if (wanted !== zoomWords(graphs.main)) graphs.main.zoom = wanted === "" ? -1 : graphs.main.tree.find(wanted.split(".").map((part) => parseInt(part, 36)));
  graphs.main.draw();
  byId("flame-graphs").dataset.samples = String(graphs.main.tree.width);
  drawMatches();
  drawPath();
  if (isTable) treeTable(byId("flame-table"), graphs.main.tree, nameOf(graphs.main), () => weights().all);
  if (layout === "sandwich") drawSide();
  const told = [graphs.main, graphs.callers].find((graph) => graph.hover >= 0) ?? graphs.main;
  details(told)(told.hover >= 0 ? told.hover : told.focus >= 0 ? told.focus : null);
}

/** @param {string} layout */
function makeTrees(layout) {
  if (!graphs) return;
  const how = options();
  const [main, callers] = [graphs.main, graphs.callers];
  /** @param {Graph} graph @param {Tree} tree */
  const put = (graph, tree) => graph.show(tree, looks(graph, false));
  if (layout === "time") put(main, inOrder(app.profile, selection(), how));
  else if (layout === "sandwich") {
    const both = sandwich(app.profile, weights(), how, picked());
    put(main, both.callees);
    put(callers, both.callers);
  } else put(main, calls(app.profile, weights(), how));
}

/** The function in the middle of the sandwich: the chosen, or else the hottest. */
function picked() {
  if (get("pick") !== "") return Number(get("pick"));
  return hottest()[0] ?? -1;
}

/** Functions with a weight, the largest self weight first. */
function hottest() {
  const { own, total } = functionSums();
  const all = app.profile.functions.name.map((_, fn) => fn).filter((fn) => sum(total, fn) > 0);
  return all.sort((one, other) => sum(own, other) - sum(own, one) || sum(total, other) - sum(total, one) || one - other);
}

/** @param {Graph} graph @param {number} id @returns {number} -1 without Python code */
function functionOf(graph, id) {
  const frame = graph.tree.frame[id];
  return frame >= 0 ? app.profile.frames.function[frame] : -1;
}

/** @param {Graph} graph */
function nameOf(graph) {
  return (/** @type {number} */ id) => {
    const fn = functionOf(graph, id);
    if (fn < 0) return "no Python code";
    const name = app.profile.functions.name[fn];
    if (get("by") !== "line") return name;
    return `${name}:${Math.max(0, app.profile.frames.line[graph.tree.frame[id]])}`;
  };
}

/** @param {Graph} graph @param {boolean} isFlame @returns {Looks} */
function looks(graph, isFlame) {
  const name = nameOf(graph);
  const words = get("colour");
  const states = words === "state" ? mixesOf(graph) : null;
  return {
    name,
    isFlame,
    colour: words,
    module: (id) => (functionOf(graph, id) < 0 ? "" : app.profile.fileOf(functionOf(graph, id)).path),
    isFound: (id) => found !== null && found[functionOf(graph, id)] === 1,
    dimmed: (id) => found !== null && found[functionOf(graph, id)] !== 1,
    mix: states ? (id) => states.slice(id * STATES.length, (id + 1) * STATES.length) : null,
    say: (id) => {
      const fn = functionOf(graph, id);
      const states = fn < 0 ? "" : statesOf(fn);
      return `${plain(name(id))}, ${percent(graph.tree.weight(id), weights().all)} ${baseWord()}${states ? `, ${states}` : ""}`;
    },
    details: details(graph),
    zoomed: () => set({ zoom: graph === graphs?.main ? zoomWords(graph) : get("zoom") }, { step: true }),
    picked: (id) => set({ focus: String(functionOf(graph, id)), zoom: "" }, { step: true }),
  };
}

/** @param {Graph} graph */
function zoomWords(graph) {
  return graph.tree.pathOf(graph.zoom).map((key) => key.toString(36)).join(".");
}

/** @type {WeakMap<Tree, Float64Array>} */
const mixes = new WeakMap();

/** Samples of each state below each node. @param {Graph} graph */
function mixesOf(graph) {
  const known = mixes.get(graph.tree) ?? mixesOfTree(graph.tree);
  mixes.set(graph.tree, known);
  return known;
}

/** @param {Tree} tree */
function mixesOfTree(tree) {
  const states = runningStates();
  const parts = new Float64Array(tree.key.length * STATES.length);
  for (let id = tree.key.length - 1; id >= 0; id -= 1) {
    if (tree.frame[id] >= 0) parts[id * STATES.length + states[tree.frame[id]]] += tree.own[id * 3];
    if (tree.parent[id] < 0) continue;
    for (let state = 0; state < STATES.length; state += 1) parts[tree.parent[id] * STATES.length + state] += parts[id * STATES.length + state];
  }
  return parts;
}

/** @param {Graph} graph */
function details(graph) {
  return (/** @type {number | null} */ id) => {
    if (id === null || graph.tree.key[id] === undefined) {
      fill(byId("flame-details"), make("p", {}, `${counted(graph.tree.width, "sample")} in view${graph.tree.isOrdered ? ", one thread after the other" : ""}${graph.tree.isMerged ? "; too many changes to draw them all: within a slot, equal stacks stand together" : ""}.`));
      return;
    }
    const fn = functionOf(graph, id);
    const { own, total } = graph.tree;
    const line = fn < 0 ? null : graph.tree.key[id] === NO_PYTHON ? null : get("by") === "line" ? app.profile.frames.line[graph.tree.frame[id]] : app.profile.functions.line[fn];
    const where = fn < 0 ? "" : place(app.profile.fileOf(fn).path, line, 3);
    fill(
      byId("flame-details"),
      make("p", {}, make("strong", {}, plain(nameOf(graph)(id))), " ", make("span", { class: "faint" }, where)),
      make("p", {}, `total ${shareWords(sum(total, id))}; self ${shareWords(sum(own, id))}`),
      make("p", { class: "faint" }, `running ${count(total[id * 3])}, waiting for the GIL ${count(total[id * 3 + 1])}, idle ${count(total[id * 3 + 2])}`,
        fn >= 0 && statesOf(fn) ? `; ${statesOf(fn)}` : ""),
      fn < 0 ? null : make("p", { class: "actions" },
        make("button", { type: "button", onclick: () => set({ focus: String(fn), zoom: "" }, { step: true }) }, "Focus"),
        make("button", { type: "button", onclick: () => set({ drop: [...options().drop, fn].join(","), zoom: "" }, { step: true }) }, "Leave out"),
        make("button", { type: "button", onclick: () => set({ layout: "sandwich", pick: String(fn), zoom: "" }, { step: true }) }, "Callers"),
        make("button", { type: "button", onclick: () => set({ tab: "source", file: String(app.profile.functions.file[fn]), line: String(line ?? "") }, { step: true }) }, "Source")),
    );
  };
}

function drawTools() {
  const names = app.profile.functions.name;
  const how = options();
  const key = ["layout", "direction", "by", "colour", "recursion", "table", "focus", "drop"].map(get).join("|");
  const tools = byId("flame-tools");
  // An open choice must not close because numbers came.
  if (tools.dataset.key === key) return;
  tools.dataset.key = key;
  fill(
    tools,
    choice("Layout", [["heavy", "left-heavy"], ["time", "time order"], ["sandwich", "sandwich"]], get("layout"), (layout) => set({ layout, zoom: "" }, { step: true })),
    choice("Root", [["icicle", "on top"], ["flame", "at the bottom"]], get("direction"), (direction) => set({ direction })),
    choice("Merge by", [["function", "function"], ["line", "line"]], get("by"), (by) => set({ by, zoom: "" })),
    choice("Colour", [["module", "module"], ["heat", "heat"], ["state", "state"]], get("colour"), (colour) => set({ colour })),
    toggle("Collapse recursion", how.collapse, (on) => set({ recursion: on ? "collapse" : "", zoom: "" })),
    toggle("As a table", get("table") !== "", (on) => set({ table: on ? "1" : "" })),
    how.focus >= 0 ? make("button", { type: "button", class: "chip", onclick: () => set({ focus: "", zoom: "" }) }, `Focus: ${plain(names[how.focus] ?? "?")} – clear`) : null,
    ...[...how.drop].map((fn) => make("button", { type: "button", class: "chip", onclick: () => set({ drop: [...how.drop].filter((it) => it !== fn).join(","), zoom: "" }) }, `Without ${plain(names[fn] ?? "?")} – clear`)),
    get("colour") === "state" ? make("span", { class: "legend" }, ...STATES.map((state, at) => make("span", { class: `state s${at}` }, `${state.sign} ${state.word}`))) : null,
  );
}

/** The search whose result was told: new numbers of the same search are not told again. */
let announced = "";

/** How many functions match, and in what share of the samples one of them is on the stack. */
function drawMatches() {
  if (!found) {
    byId("flame-matches").textContent = "";
    return;
  }
  const { total } = functionSums();
  const functions = found.reduce((all, isIt, fn) => all + (isIt && sum(total, fn) > 0 ? 1 : 0), 0);
  const samples = passing(app.profile, weights(), found);
  const words = `${counted(functions, "function")}, ${shareWords(samples)}`;
  byId("flame-matches").textContent = words;
  if (get("search") !== announced) announce(words);
  announced = get("search");
}

/** Moves the focus to the next block that matches, in the order of depth and place. @param {number} step */
function nextMatch(step) {
  if (!graphs || !found) return;
  const graph = graphs.main;
  const all = graph.tree.rows.flat().filter((id) => found?.[functionOf(graph, id)] === 1);
  if (all.length === 0) return;
  const at = all.indexOf(graph.focus);
  graph.focus = all[(at + step + all.length) % all.length];
  graph.tell();
}

/** The way back out of a zoom. */
function drawPath() {
  if (!graphs) return;
  const graph = graphs.main;
  const ids = [];
  for (let at = graph.zoom; at >= 0; at = graph.tree.parent[at]) ids.unshift(at);
  const step = (/** @type {string} */ words, /** @type {number} */ id) =>
    make("button", { type: "button", class: "crumb", "aria-current": id === graph.zoom ? "true" : null, onclick: () => graph.zoomTo(id) }, words);
  const shown = ids.length > 6 ? [...ids.slice(0, 2), ...ids.slice(-3)] : ids;
  fill(byId("flame-path"), step(isSelected() ? "selection" : "all", -1), ...shown.map((id) => step(plain(nameOf(graph)(id)), id)));
}

/** The functions to choose from in the sandwich. */
function drawSide() {
  const { own, total } = functionSums();
  const all = weights().all;
  const chosen = picked();
  const rows = hottest().slice(0, MOST_FUNCTIONS).map((fn) => {
    const name = make("button", { type: "button", class: "link", onclick: () => set({ pick: String(fn), zoom: "" }, { step: true }) }, plain(app.profile.functions.name[fn]));
    const [self, passed] = [sum(own, fn), sum(total, fn)];
    const row = { "aria-current": fn === chosen ? "true" : null, "data-function": fn, "data-self": self, "data-total": passed, title: `self ${count(self)}, total ${counted(passed, "sample")}` };
    return make("tr", row, make("td", {}, percent(self, all)), make("td", {}, percent(passed, all)), make("th", { scope: "row" }, name));
  });
  fill(byId("flame-side"), make("table", {},
    make("caption", {}, `Functions, ${baseWord()}`),
    make("thead", {}, make("tr", {}, make("th", { scope: "col", "aria-sort": "descending" }, "self"), make("th", { scope: "col" }, "total"), make("th", { scope: "col" }, "function"))),
    make("tbody", {}, ...rows)));
}
