// Header and the page about the recording: how well it went, what it cannot tell, how to read it.

import { app, baseWord, isSelected, selection, weights } from "./app.js";
import { byId, fill, make } from "./dom.js";
import { get, set } from "./state.js";
import { threadName } from "./timeline.js";
import { clock, count, counted, percent, plain } from "./words.js";

/** @type {HTMLElement | null} */
let aboutPanel = null;

/** @param {HTMLElement} element */
export function startAbout(element) {
  aboutPanel = element;
}

/** @param {number} hz */
function rate(hz) {
  return `${count(Math.round(hz))} Hz`;
}

/** The line of facts that is always in view. */
export function drawHeader() {
  const { profile } = app;
  const { meta } = profile;
  document.title = `${profile.title || "profile"} – slowpath`;
  byId("target").textContent = plain(profile.title || "profile");
  byId("target").title = plain(profile.title);
  const first = profile.processes[0];
  const python = first ? `Python ${plain(first.python)}${first.build?.length ? ` ${plain(first.build.join(" "))}` : ""}` : "";
  const samples = meta.samples ?? 0;
  const facts = [
    python,
    `${meta.mode ?? "?"} mode`,
    `${rate(meta.rate_achieved_hz ?? 0)} of ${rate(meta.rate_wanted_hz ?? 0)}`,
    counted(samples, "sample"),
    `failed ${percent(meta.dropped ?? 0, samples)}`,
    `torn ${percent(meta.retried ?? 0, samples)}`,
    `missed ${count(meta.missed ?? 0)}`,
    `${(meta.duration_s ?? 0).toFixed(1)} s`,
  ];
  fill(byId("facts"), ...facts.filter(Boolean).map((words) => make("span", {}, words)));
  const warnings = [...(meta.warnings ?? [])];
  fill(byId("warnings"), ...warnings.map((words) => make("p", {}, plain(words))));
  drawSelection();
}

/** Which threads and times are counted, and how much that is. */
function drawSelection() {
  const { profile } = app;
  const now = weights();
  const { from, to } = selection();
  const words = [`${counted(now.all, "sample")}${isSelected() ? ` selected, ${percent(now.all, allSamples())} of all` : ""}`];
  if (now.dropped > 0) words.push(`${count(now.dropped)} dropped`);
  byId("selected").textContent = words.join("; ");
  byId("selected").dataset.samples = String(now.all);
  const select = /** @type {HTMLSelectElement} */ (byId("threads"));
  const options = [["", "all threads"], ...profile.threads.map((_, at) => [String(at), threadName(at)])];
  if (get("threads").includes(",")) options.push([get("threads"), `${get("threads").split(",").length} threads`]);
  if (select.options.length !== options.length || document.activeElement !== select) {
    fill(select, ...options.map(([value, name]) => make("option", { value }, plain(name))));
  }
  select.value = get("threads");
  const range = from === null && to === null ? null : `${get("from") || "0"} s to ${get("to") || "the end"}${get("to") ? " s" : ""}`;
  fill(byId("time"), range ? make("button", { type: "button", class: "chip", onclick: () => set({ from: "", to: "" }) }, `${range} – clear`) : null);
}

function allSamples() {
  const { meta } = app.profile;
  return Math.max(0, (meta.samples ?? 0) - (meta.dropped ?? 0));
}

export function drawAbout() {
  if (!aboutPanel) return;
  const { profile } = app;
  const { meta } = profile;
  const now = weights();
  const facts = /** @type {[string, string][]} */ ([
    ["Recorded", meta.started_ms ? `${new Date(meta.started_ms).toISOString().slice(0, 10)} ${clock(meta.started_ms)}` : "?"],
    ["slowpath", profile.slowpath],
    ["Mode", `${meta.mode ?? "?"}${meta.blocking ? ", the program was held for each sample" : ""}${meta.gc ? ", garbage collections are frames" : ""}`],
    ["Rate", `${rate(meta.rate_achieved_hz ?? 0)} reached, ${rate(meta.rate_wanted_hz ?? 0)} wanted`],
    ["Time", `${(meta.duration_s ?? 0).toFixed(2)} s`],
    ["Samples", count(meta.samples ?? 0)],
    ["Without a consistent stack", `${count(meta.dropped ?? 0)}, in no share`],
    ["Read more than once", count(meta.retried ?? 0)],
    ["Not taken in time", count(meta.missed ?? 0)],
    ["Counted here", `${count(now.all)} ${baseWord()}: running ${count(now.base[0])}, waiting for the GIL ${count(now.base[1])}, idle ${count(now.base[2])}`],
    ["Collecting garbage", counted(now.gc, "sample")],
  ]);
  const processes = profile.processes.map((one) => make("li", {}, `${one.pid}: Python ${plain(one.python)} ${plain((one.build ?? []).join(" "))} – ${plain(one.command ?? "")}`));
  fill(aboutPanel,
    make("h2", {}, "About this profile"),
    make("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
    make("h3", {}, "Processes"), make("ul", {}, ...processes),
    make("h3", {}, "What the numbers cannot say"),
    make("ul", {}, ...(meta.limits ?? []).map((/** @type {string} */ words) => make("li", {}, plain(words)))),
    ...howToRead());
}

function howToRead() {
  const lines = [
    "A sample is one look at one thread. A sample counts once per function and line, recursion included.",
    "Self is what ends there, total what passes there. Every share names what it is a share of.",
    "Running, waiting for the GIL and idle stay apart; samples of instructions are running samples only.",
    "The state of an instruction is read from the interpreter's own caches, never guessed from samples: ● specialised, ◔ warming, ◌ backed off, ✖ deopted, · not specialisable, ? unknown.",
    "A cause is exact where it was observed, static where it is a fact of the code, and likely where it is inferred. A saving is a range that holds in nine of ten cases.",
  ];
  const keys = [
    ["Tabs", "arrows"], ["Flame graph", "arrows move, Enter zooms, Escape goes back, Space focuses"], ["Source", "arrows move, [ and ] step through the findings"],
    ["Timeline", "arrows move, Shift with arrows chooses a range, Escape clears it"], ["Live", "the buttons in the header: freeze, reset, save"],
  ];
  return [
    make("h3", {}, "How to read it"), make("ul", {}, ...lines.map((words) => make("li", {}, words))),
    make("h3", {}, "Keys"), make("dl", { class: "facts" }, ...keys.flatMap(([where, what]) => [make("dt", {}, where), make("dd", {}, what)])),
  ];
}
