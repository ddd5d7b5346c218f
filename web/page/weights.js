// Adds up the samples of a selection: threads and a range of slots.
//
// The same rules as the reports: a sample counts once per function and per line, recursion included;
// dropped samples are in no base; running, waiting and idle stay apart.

import { KIND } from "./profile.js";

/** @typedef {import("./profile.js").Profile} Profile */
/** @typedef {{ threads: Set<number> | null, from: number | null, to: number | null }} Selection */
/** Three weights per entry: running, waiting for the GIL, idle. @typedef {Float64Array} Splits */
/** @typedef {{ base: number[], all: number, dropped: number, gc: number, noPython: number[],
 *   own: Splits, total: Splits, key: string }} Weights */

/** Whether a slot of a thread is selected. @param {import("./profile.js").Slot} slot @param {Selection} selection */
export function selects(slot, selection) {
  if (selection.threads && !selection.threads.has(slot.thread)) return false;
  if (selection.from === null && selection.to === null) return true;
  return slot.slot >= (selection.from ?? 0) && slot.slot < (selection.to ?? Infinity);
}

/** @param {Selection} selection */
function keyOf(selection) {
  const threads = selection.threads ? [...selection.threads].sort().join(",") : "all";
  return `${threads}/${selection.from}/${selection.to}`;
}

/** @type {Weights | null} */
let kept = null;

/** What is selected, by stack. @param {Profile} profile @param {Selection} selection @returns {Weights} */
export function weigh(profile, selection) {
  const key = `${profile.version}/${keyOf(selection)}`;
  if (kept?.key === key) return kept;
  const stacks = profile.stacks.parent.length;
  const own = new Float64Array(stacks * 3);
  const weights = { base: [0, 0, 0], all: 0, dropped: 0, gc: 0, noPython: [0, 0, 0], own, total: own, key };
  for (const slot of profile.slots.values()) {
    if (!selects(slot, selection)) continue;
    for (let at = 0; at < slot.runs.length; at += 3) {
      const [stack, kind, samples] = [slot.runs[at], slot.runs[at + 1], slot.runs[at + 2]];
      const state = kind & KIND.state;
      if (kind & KIND.dropped) {
        weights.dropped += samples;
        continue;
      }
      if (kind & KIND.gc) weights.gc += samples;
      weights.base[state] += samples;
      if (stack < 0) weights.noPython[state] += samples;
      else own[stack * 3 + state] += samples;
    }
  }
  weights.all = weights.base[0] + weights.base[1] + weights.base[2];
  // A parent stands before its children, so the sums go backwards.
  const total = own.slice();
  for (let stack = stacks - 1; stack >= 0; stack -= 1) {
    const parent = profile.stacks.parent[stack];
    if (parent >= 0) addSplit(total, parent, total, stack);
  }
  weights.total = total;
  kept = weights;
  return weights;
}

/** @param {Splits} to @param {number} at @param {Splits} from @param {number} source */
export function addSplit(to, at, from, source) {
  to[at * 3] += from[source * 3];
  to[at * 3 + 1] += from[source * 3 + 1];
  to[at * 3 + 2] += from[source * 3 + 2];
}

/** All states of an entry together. @param {Splits} splits @param {number} at */
export function sum(splits, at) {
  return splits[at * 3] + splits[at * 3 + 1] + splits[at * 3 + 2];
}

/** @typedef {{ own: Splits, total: Splits }} Sums */

/** By function. @param {Profile} profile @param {Weights} weights @returns {Sums} */
export function byFunction(profile, weights) {
  const functions = profile.functions.name.length;
  return byPlace(profile, weights, functions, (frame) => profile.frames.function[frame], profile.isFirstFunction);
}

/** By line, as `profile.lines` numbers them. @param {Profile} profile @param {Weights} weights @returns {Sums} */
export function byLine(profile, weights) {
  const lines = profile.lines.line.length;
  return byPlace(profile, weights, lines, (frame) => profile.lineOfFrame[frame], profile.isFirstLine);
}

/**
 * @param {Profile} profile @param {Weights} weights @param {number} places
 * @param {(frame: number) => number} placeOf @param {boolean[]} isFirst @returns {Sums}
 */
function byPlace(profile, weights, places, placeOf, isFirst) {
  const sums = { own: new Float64Array(places * 3), total: new Float64Array(places * 3) };
  for (let stack = 0; stack < profile.stacks.parent.length; stack += 1) {
    const place = placeOf(profile.stacks.frame[stack]);
    addSplit(sums.own, place, weights.own, stack);
    if (isFirst[stack]) addSplit(sums.total, place, weights.total, stack);
  }
  return sums;
}

/** Samples that run at each frame, which is an instruction. @param {Profile} profile @param {Weights} weights */
export function runningByFrame(profile, weights) {
  const running = new Float64Array(profile.frames.line.length);
  for (let stack = 0; stack < profile.stacks.parent.length; stack += 1) {
    running[profile.stacks.frame[stack]] += weights.own[stack * 3];
  }
  return running;
}

/**
 * Samples in which any of these functions is on the stack, each counted once.
 * @param {Profile} profile @param {Weights} weights @param {boolean[] | Uint8Array} wanted
 */
export function passing(profile, weights, wanted) {
  const { parent } = profile.stacks;
  const inside = new Uint8Array(parent.length);
  let samples = 0;
  for (let stack = 0; stack < parent.length; stack += 1) {
    if (parent[stack] >= 0 && inside[parent[stack]]) inside[stack] = 1;
    else if (wanted[profile.functionOf(stack)]) {
      inside[stack] = 1;
      samples += sum(weights.total, stack);
    }
  }
  return samples;
}

/**
 * What a line was called from and what it called, the heaviest first. A sample counts once for the outermost
 * time that the line is on its stack.
 * @param {Profile} profile @param {Weights} weights @param {number} line as `profile.lines` numbers them
 * @returns {{ callers: [number, number][], callees: [number, number][] }} lines and functions with their samples
 */
export function neighbours(profile, weights, line) {
  const { parent, frame } = profile.stacks;
  const callers = new Map();
  const callees = new Map();
  const add = (/** @type {Map<number, number>} */ to, /** @type {number} */ key, /** @type {number} */ stack) => {
    to.set(key, (to.get(key) ?? 0) + sum(weights.total, stack));
  };
  for (let stack = 0; stack < parent.length; stack += 1) {
    const caller = parent[stack];
    if (caller < 0) continue;
    if (profile.lineOfFrame[frame[stack]] === line && profile.isFirstLine[stack]) add(callers, profile.lineOfFrame[frame[caller]], stack);
    if (profile.lineOfFrame[frame[caller]] === line && profile.isFirstLine[caller]) add(callees, profile.functionOf(stack), stack);
  }
  const heaviest = (/** @type {Map<number, number>} */ from) => [...from].filter(([, samples]) => samples > 0).sort((one, other) => other[1] - one[1] || one[0] - other[0]);
  return { callers: heaviest(callers), callees: heaviest(callees) };
}
