// The page of the time line: a track per thread, and the choice of threads and of a range.

import { app, baseWord, secondsOfSlot, selection } from "./app.js";
import { colour, fitted, onFrame, prepare } from "./canvas.js";
import { announce, byId, fill, make } from "./dom.js";
import { KIND } from "./profile.js";
import { get, set } from "./state.js";
import { count, counted, percent, place, plain, seconds } from "./words.js";

const TRACK = 34;
/** The track of what concerns no thread in particular. */
const EVENTS = 20;
const AXIS = 18;
const NAMES = 132;
const MOST_EVENTS = 200;
const PARTS = ["running", "waiting", "idle", "gc", "dropped"];
const WORDS = ["running", "waiting for the GIL", "idle", "collecting garbage", "dropped"];

/** Slot where the keyboard stands, and where a range began. */
let cursor = 0;
let anchor = /** @type {number | null} */ (null);
let areEventsOpen = false;
let scroller = /** @type {HTMLElement | null} */ (null);
const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { "aria-hidden": "true" }));
const draw = onFrame(drawTracks);

/** @param {HTMLElement} panel */
export function startTimeline(panel) {
  scroller = make("div", { class: "tracks", role: "application", tabindex: 0, "aria-label": "Time line", "aria-roledescription": "time line" }, canvas);
  scroller.addEventListener("keydown", keyInTime);
  scroller.addEventListener("focus", () => draw());
  scroller.addEventListener("blur", () => draw());
  new ResizeObserver(() => draw()).observe(scroller);
  listenToDrag();
  fill(
    panel,
    make("h2", { class: "hidden" }, "Timeline"),
    make("p", { class: "legend" }, ...PARTS.map((part, at) => make("span", { class: "swatch" }, swatch(part), WORDS[at])), make("span", { class: "swatch" }, make("span", { class: "tick", "aria-hidden": "true" }), "event")),
    scroller,
    make("div", { class: "tools", id: "range" }),
    make("p", { class: "keys" }, "Drag over the tracks to choose a range for every page. By keys: arrows move, Shift with arrows chooses, Escape clears."),
    make("div", { id: "thread-table" }),
    make("div", { id: "events" }),
  );
}

/** @param {string} part */
function swatch(part) {
  return make("span", { class: `box ${part}`, "aria-hidden": "true" });
}

/** Samples of a slot's runs: running, waiting, idle, of those collecting garbage, dropped. @param {number[]} runs @param {number[]} into */
function addRuns(runs, into) {
  for (let at = 0; at < runs.length; at += 3) {
    const [kind, samples] = [runs[at + 1], runs[at + 2]];
    if (kind & KIND.dropped) into[4] += samples;
    else if (kind & KIND.gc) {
      into[3] += samples;
    } else into[kind & KIND.state] += samples;
  }
  return into;
}

/** Slots in view: a live page shows the last that are kept. */
function bounds() {
  let [first, last] = [Infinity, 0];
  for (const slot of app.profile.slots.values()) {
    if (slot.slot < 0) continue;
    first = Math.min(first, slot.slot);
    last = Math.max(last, slot.slot + 1);
  }
  return { first: Number.isFinite(first) ? first : 0, last: Math.max(last, 1) };
}

export function drawTimeline() {
  draw();
  drawRange();
  drawThreads();
  drawEvents();
}

function widthOfNames() {
  return Math.min(NAMES, canvas.clientWidth * 0.28);
}

function drawTracks() {
  if (!scroller || scroller.clientWidth === 0) return;
  const { profile } = app;
  const threads = profile.threads.length;
  const below = threads * TRACK + (hasCommonEvents() ? EVENTS : 0);
  const [width, height] = [scroller.clientWidth, below + AXIS];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = prepare(canvas, width, height);
  const { first, last } = bounds();
  const names = widthOfNames();
  const each = (width - names) / (last - first);
  const most = mostInSlot();
  const chosen = selection();
  for (const slot of profile.slots.values()) {
    if (slot.slot >= 0) drawSlot(context, slot, names + (slot.slot - first) * each, each, most);
  }
  profile.threads.forEach((_, at) => {
    const isOn = !chosen.threads || chosen.threads.has(at);
    context.fillStyle = colour(isOn ? "text" : "faint");
    context.fillText(fitted(context, plain(threadName(at)), names - 10), 4, at * TRACK + TRACK / 2);
    context.fillStyle = colour("line");
    context.fillRect(0, (at + 1) * TRACK - 1, width, 1);
  });
  if (hasCommonEvents()) {
    context.fillStyle = colour("text");
    context.fillText(fitted(context, "all threads", names - 10), 4, threads * TRACK + EVENTS / 2);
  }
  for (const event of profile.events) drawEvent(context, event, names, first, each);
  drawAxis(context, names, each, first, last, below);
  drawChosen(context, names, each, first, last, below);
}

/** Whether there are events without a thread. */
function hasCommonEvents() {
  return app.profile.events.some((event) => event.thread === null);
}

function mostInSlot() {
  let most = 1;
  for (const slot of app.profile.slots.values()) {
    if (slot.slot < 0) continue;
    let all = 0;
    for (let at = 2; at < slot.runs.length; at += 3) all += slot.runs[at];
    most = Math.max(most, all);
  }
  return most;
}

/** @param {CanvasRenderingContext2D} context @param {import("./profile.js").Slot} slot
 * @param {number} x @param {number} each @param {number} most */
function drawSlot(context, slot, x, each, most) {
  const parts = addRuns(slot.runs, [0, 0, 0, 0, 0]);
  let y = (slot.thread + 1) * TRACK - 2;
  for (const part of [0, 3, 1, 2, 4]) {
    const high = (parts[part] / most) * (TRACK - 5);
    if (high === 0) continue;
    context.fillStyle = colour(PARTS[part]);
    context.fillRect(x, y - high, Math.max(each, 0.7) + 0.3, high);
    y -= high;
  }
}

/** @param {CanvasRenderingContext2D} context @param {any} event @param {number} names @param {number} first @param {number} each */
function drawEvent(context, event, names, first, each) {
  const x = names + (event.time_ns / app.profile.slotNs - first) * each;
  if (x < names) return;
  const [top, high] = event.thread === null ? [app.profile.threads.length * TRACK + 3, EVENTS - 6] : [event.thread * TRACK, 6];
  context.fillStyle = colour("event");
  context.fillRect(x, top, 1.5, high);
}

/** @param {CanvasRenderingContext2D} context @param {number} names @param {number} each @param {number} first @param {number} last @param {number} y */
function drawAxis(context, names, each, first, last, y) {
  const span = ((last - first) * app.profile.slotNs) / 1e9;
  const wanted = span / Math.max(2, (last - first) * each / 90);
  const unit = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((value) => value >= wanted) ?? unit;
  const begin = (first * app.profile.slotNs) / 1e9;
  context.fillStyle = colour("faint");
  for (let at = Math.ceil(begin / step) * step; at < begin + span; at += step) {
    const x = names + ((at * 1e9) / app.profile.slotNs - first) * each;
    context.fillRect(x, y, 1, 4);
    context.fillText(`${Number(at.toFixed(6))} s`, x + 3, y + 10);
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} names @param {number} each @param {number} first @param {number} last @param {number} high */
function drawChosen(context, names, each, first, last, high) {
  const { from, to } = selection();
  if (from !== null || to !== null) {
    const [left, right] = [(from ?? first) - first, (to ?? last) - first].map((slot) => names + Math.max(0, slot) * each);
    context.fillStyle = colour("veil");
    context.fillRect(names, 0, Math.max(0, left - names), high);
    context.fillRect(right, 0, Math.max(0, canvas.clientWidth - right), high);
    context.fillStyle = colour("focus");
    context.fillRect(left - 1, 0, 2, high);
    context.fillRect(right - 1, 0, 2, high);
  }
  if (document.activeElement === scroller) {
    context.fillStyle = colour("focus");
    context.fillRect(names + (Math.max(cursor, first) - first) * each, 0, Math.max(1, each), high);
  }
}

/** @param {MouseEvent} event */
function slotUnder(event) {
  const { first, last } = bounds();
  const names = widthOfNames();
  const share = (event.clientX - canvas.getBoundingClientRect().left - names) / (canvas.clientWidth - names);
  return Math.max(first, Math.min(last, first + share * (last - first)));
}

function listenToDrag() {
  let begun = /** @type {number | null} */ (null);
  canvas.addEventListener("pointerdown", (event) => {
    begun = slotUnder(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (begun !== null) chooseRange(begun, slotUnder(event));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (begun !== null && Math.abs(slotUnder(event) - begun) < 0.2) set({ from: "", to: "" });
    begun = null;
  });
}

/** @param {number} one @param {number} other */
function chooseRange(one, other) {
  const from = Math.floor(Math.min(one, other));
  const to = Math.max(from + 1, Math.ceil(Math.max(one, other)));
  set({ from: secondsOfSlot(from), to: secondsOfSlot(to) });
}

/** @param {KeyboardEvent} event */
function keyInTime(event) {
  const { first, last } = bounds();
  const far = Math.max(1, Math.round((last - first) / 20));
  const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, PageUp: -far, PageDown: far, Home: -last, End: last });
  if (event.key === "Escape") {
    anchor = null;
    set({ from: "", to: "" });
    announce("Whole time");
  } else if (event.key in steps) {
    if (event.shiftKey) anchor ??= cursor;
    else anchor = null;
    cursor = Math.max(first, Math.min(last - 1, cursor + steps[event.key]));
    if (anchor !== null) chooseRange(Math.min(anchor, cursor), Math.max(anchor, cursor) + 1);
    announce(anchor === null ? `${secondsOfSlot(cursor)} s` : `${get("from")} to ${get("to")} s`);
  } else return;
  event.preventDefault();
  draw();
}

/** @param {number} at */
export function threadName(at) {
  const thread = app.profile.threads[at];
  const many = app.profile.processes.length > 1 ? `${app.profile.processes[thread.process]?.pid} ` : "";
  return `${many}${thread.name || `thread ${thread.native_id}`}`;
}

function drawRange() {
  const field = (/** @type {string} */ name, /** @type {string} */ words) => {
    const input = /** @type {HTMLInputElement} */ (make("input", { type: "number", step: "any", min: 0, inputmode: "decimal", value: get(name) }));
    input.addEventListener("change", () => set({ [name]: input.value }));
    return make("label", { class: "choice" }, words, " ", input, " s");
  };
  if (byId("range").contains(document.activeElement)) return;
  const clear = make("button", { type: "button", onclick: () => set({ from: "", to: "" }) }, "Whole time");
  fill(byId("range"), field("from", "From"), field("to", "to"), clear,
    make("span", { class: "faint" }, `in steps of ${seconds(app.profile.slotNs)}`));
}

/** Threads with what they did, and a box to count them. */
function drawThreads() {
  const chosen = selection();
  const parts = app.profile.threads.map(() => [0, 0, 0, 0, 0]);
  const inRange = { threads: null, from: chosen.from, to: chosen.to };
  for (const slot of app.profile.slots.values()) {
    const isIn = (inRange.from === null && inRange.to === null) || (slot.slot >= (inRange.from ?? 0) && slot.slot < (inRange.to ?? Infinity));
    if (isIn && parts[slot.thread]) addRuns(slot.runs, parts[slot.thread]);
  }
  const focused = document.activeElement instanceof HTMLInputElement ? document.activeElement.dataset.thread : undefined;
  const rows = parts.map((part, at) => {
    const all = part[0] + part[1] + part[2] + part[3];
    const box = make("input", { type: "checkbox", "data-thread": at, onchange: () => flipThread(at), "aria-label": `count ${plain(threadName(at))}` });
    /** @type {HTMLInputElement} */ (box).checked = !chosen.threads || chosen.threads.has(at);
    const only = make("button", { type: "button", onclick: () => set({ threads: String(at) }) }, "only");
    return make("tr", {}, make("td", {}, box), make("th", { scope: "row" }, plain(threadName(at))),
      ...[0, 1, 2, 3].map((which) => make("td", {}, percent(part[which], all))), make("td", {}, count(part[4])), make("td", {}, count(all)), make("td", {}, only));
  });
  fill(byId("thread-table"), make("table", {},
    make("caption", {}, `Threads; shares of the thread${baseWord() === "of selection" ? " in the range" : ""}`),
    make("thead", {}, make("tr", {}, ...["count", "thread", "running", "waits for GIL", "idle", "garbage", "dropped", "samples", ""].map((words) => (words ? make("th", { scope: "col" }, words) : make("td", {}))))),
    make("tbody", {}, ...rows)));
  if (focused !== undefined) /** @type {HTMLElement | null} */ (byId("thread-table").querySelector(`[data-thread="${Number(focused)}"]`))?.focus();
}

/** @param {number} at */
function flipThread(at) {
  const all = app.profile.threads.map((_, index) => index);
  const chosen = selection().threads ?? new Set(all);
  if (!chosen.delete(at)) chosen.add(at);
  set({ threads: chosen.size === 0 || chosen.size === all.length ? "" : [...chosen].sort((one, other) => one - other).join(",") });
}

/** Lists what happened in the chosen range. */
function drawEvents() {
  const { from, to } = selection();
  const { slotNs } = app.profile;
  const events = app.profile.events.filter((event) => event.time_ns >= (from ?? 0) * slotNs && event.time_ns < (to ?? Infinity) * slotNs);
  if (events.length === 0) {
    fill(byId("events"), make("p", { class: "faint" }, "No events were seen."));
    return;
  }
  const shown = events.slice(-MOST_EVENTS);
  const rows = shown.map((event) => make("tr", {}, make("td", {}, seconds(event.time_ns)), make("td", {}, event.thread === null ? "" : plain(threadName(event.thread))),
    make("td", {}, event.kind), make("td", {}, placeOfEvent(event)), make("td", { class: "words" }, plain(event.text))));
  const details = /** @type {HTMLDetailsElement} */ (make("details", {}, make("summary", {}, counted(events.length, "event")),
    shown.length < events.length ? make("p", { class: "faint" }, `The last ${shown.length}; choose a range for earlier ones.`) : null,
    make("table", {}, make("thead", {}, make("tr", {}, ...["time", "thread", "kind", "where", "what"].map((words) => make("th", { scope: "col" }, words)))), make("tbody", {}, ...rows))));
  details.open = areEventsOpen;
  details.addEventListener("toggle", () => {
    areEventsOpen = details.open;
  });
  fill(byId("events"), details);
}

/** @param {any} event */
function placeOfEvent(event) {
  const { functions, files } = app.profile;
  if (event.function < 0 || functions.file[event.function] === undefined) return "";
  const file = functions.file[event.function];
  const go = () => set({ tab: "source", file: String(file), line: event.line > 0 ? String(event.line) : "" }, { step: true });
  return make("button", { type: "button", class: "link", onclick: go }, place(files[file]?.path ?? "", event.line, 1));
}
