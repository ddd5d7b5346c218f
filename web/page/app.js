// What every page works with: the profile, what is selected of it, and sums that are asked for often.

import { get } from "./state.js";
import { Profile } from "./profile.js";
import { byFunction, byLine, runningByFrame, weigh } from "./weights.js";
import { STATES, counted, percent, stateIndex } from "./words.js";

/** @typedef {import("./weights.js").Selection} Selection */

export const app = { profile: new Profile(), isLive: false };

/** Threads and slots that are selected. @returns {Selection} */
export function selection() {
  const threads = get("threads");
  return {
    threads: threads ? new Set(threads.split(",").map(Number)) : null,
    from: slotAt(get("from")),
    to: slotAt(get("to")),
  };
}

/** @param {string} words seconds @returns {number | null} */
function slotAt(words) {
  const value = Number(words);
  return words === "" || !Number.isFinite(value) ? null : Math.round((value * 1e9) / app.profile.slotNs);
}

/** Seconds at which a slot begins, without needless digits. @param {number} slot */
export function secondsOfSlot(slot) {
  return String(Number(((slot * app.profile.slotNs) / 1e9).toFixed(6)));
}

export function isSelected() {
  return get("threads") !== "" || get("from") !== "" || get("to") !== "";
}

/** What shares are shares of, in words. */
export function baseWord() {
  return isSelected() ? "of selection" : "of samples";
}

export function weights() {
  return weigh(app.profile, selection());
}

/** @template T @param {(profile: Profile, weights: import("./weights.js").Weights) => T} make */
function remembered(make) {
  let key = "";
  let value = /** @type {T | null} */ (null);
  return () => {
    const now = weights();
    if (value === null || key !== now.key) {
      value = make(app.profile, now);
      key = now.key;
    }
    return /** @type {T} */ (value);
  };
}

export const functionSums = remembered(byFunction);
export const lineSums = remembered(byLine);
export const running = remembered(runningByFrame);

/** For each function, in how many of its lines the worst state is which. */
const lineStates = remembered((profile) => {
  /** @type {Map<number, Map<number, number>>} */
  const worst = new Map();
  for (const site of profile.sites) {
    const lines = worst.get(site.function) ?? new Map();
    worst.set(site.function, lines);
    lines.set(site.line, worseOf(lines.get(site.line), stateIndex(site.state)));
  }
  return worst;
});

/** Which of two states matters more. @param {number | undefined} one @param {number} other */
export function worseOf(one, other) {
  const rank = [2, 3, 4, 5, 1, 0];
  return one === undefined || rank[other] > rank[one] ? other : one;
}

/** `2 deopted lines, 1 backed off line` or nothing. @param {number} fn */
export function statesOf(fn) {
  const counts = new Array(STATES.length).fill(0);
  for (const state of lineStates().get(fn)?.values() ?? []) counts[state] += 1;
  const words = [3, 2, 1, 0].filter((state) => counts[state] > 0);
  return words.map((state) => counted(counts[state], `${STATES[state].word} line`)).join(", ");
}

/** Samples that run in each state, by the instruction they stand at. @returns {Float64Array} one entry per frame and state */
export const runningStates = remembered((profile, now) => {
  const { frames } = profile;
  const states = new Uint8Array(frames.line.length);
  for (let frame = 0; frame < states.length; frame += 1) {
    const site = frames.offset[frame] < 0 ? null : profile.site(frames.function[frame], frames.offset[frame]);
    states[frame] = site ? stateIndex(site.state) : STATES.length - 1;
  }
  return Object.assign(states, { key: now.key });
});

/** `120 samples, 34.0% of selection`. @param {number} samples */
export function shareWords(samples) {
  return `${counted(samples, "sample")}, ${percent(samples, weights().all)} ${baseWord()}`;
}

/** Functions whose name or file has this text. @param {string} text @returns {Uint8Array} */
export function matching(text) {
  const { functions, files } = app.profile;
  const wanted = text.toLowerCase();
  const inFile = files.map((file) => file.path.toLowerCase().includes(wanted));
  const found = new Uint8Array(functions.name.length);
  for (let fn = 0; fn < found.length; fn += 1) {
    if (functions.name[fn].toLowerCase().includes(wanted) || inFile[functions.file[fn]]) found[fn] = 1;
  }
  return found;
}
