// Trees of calls and of callers, and the order of time, made of weighted stacks.

import { KIND } from "./profile.js";
import { addSplit, selects, sum } from "./weights.js";

/** @typedef {import("./profile.js").Profile} Profile */
/** @typedef {import("./weights.js").Weights} Weights */
/** @typedef {{ by: "function" | "line", collapse: boolean, focus: number, drop: Set<number> }} Options */

/** What a node without Python code and a node of a thread are called by. */
export const NO_PYTHON = -1;

/** More nodes than this are not made in the order of time: slots are then merged. */
const MOST_IN_ORDER = 400000;

/** Nodes in columns; a parent stands before its children. */
export class Tree {
  constructor() {
    /** Function or line, or [`NO_PYTHON`]. @type {number[]} */
    this.key = [];
    /** @type {number[]} */
    this.parent = [];
    /** @type {number[]} */
    this.depth = [];
    /** Some frame of the node, to find its function and its place. @type {number[]} */
    this.frame = [];
    /** @type {number[]} */
    this.ownParts = [];
    this.own = new Float64Array(0);
    this.total = new Float64Array(0);
    /** How wide a node is and where it begins, in samples. */
    this.sums = new Float64Array(0);
    this.x = new Float64Array(0);
    this.width = 0;
    /** Nodes of each depth from left to right. @type {number[][]} */
    this.rows = [];
    /** Nodes by parent and key: a hash table of ids, counted from 1. */
    this.places = new Int32Array(0);
    this.known = 0;
    this.isOrdered = false;
    this.isMerged = false;
  }

  /** @param {number} parent @param {number} key @param {number} frame */
  push(parent, key, frame) {
    const id = this.key.push(key) - 1;
    this.parent.push(parent);
    this.frame.push(frame);
    this.depth.push(parent < 0 ? 0 : this.depth[parent] + 1);
    this.ownParts.push(0, 0, 0);
    return id;
  }

  /** The child with this key, made if there is none. @param {number} parent @param {number} key @param {number} frame */
  child(parent, key, frame) {
    if (this.known * 2 >= this.places.length) this.grow();
    const at = this.placeOf(parent, key);
    if (this.places[at] === 0) {
      this.places[at] = this.push(parent, key, frame) + 1;
      this.known += 1;
    }
    return this.places[at] - 1;
  }

  /** Where a node is in the hash table, or where it would be. @param {number} parent @param {number} key */
  placeOf(parent, key) {
    const mask = this.places.length - 1;
    let hash = Math.imul(parent + 1, 0x9e3779b1) ^ Math.imul(key + 2, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const id = this.places[at] - 1;
      if (id < 0 || (this.parent[id] === parent && this.key[id] === key)) return at;
    }
  }

  grow() {
    const before = this.places;
    this.places = new Int32Array(Math.max(1024, before.length * 2));
    for (const entry of before) {
      if (entry > 0) this.places[this.placeOf(this.parent[entry - 1], this.key[entry - 1])] = entry;
    }
  }

  /** @param {number} id @param {ArrayLike<number>} from @param {number} at */
  give(id, from, at) {
    for (let state = 0; state < 3; state += 1) this.ownParts[id * 3 + state] += from[at * 3 + state];
  }

  /** Totals from the leaves up, then places: the largest first, or in the order in which they came. */
  finish() {
    this.own = Float64Array.from(this.ownParts);
    this.ownParts = [];
    this.places = new Int32Array(0);
    this.total = this.own.slice();
    for (let id = this.key.length - 1; id >= 0; id -= 1) {
      if (this.parent[id] >= 0) addSplit(this.total, this.parent[id], this.total, id);
    }
    this.arrange();
    return this;
  }

  /** Rows from the root on: children stand below their parent, the heaviest first. */
  arrange() {
    const count = this.key.length;
    const sums = new Float64Array(count);
    const [firstChild, next] = [new Int32Array(count).fill(-1), new Int32Array(count).fill(-1)];
    let row = /** @type {number[]} */ ([]);
    for (let id = count - 1; id >= 0; id -= 1) {
      sums[id] = sum(this.total, id);
      if (sums[id] === 0) continue;
      const parent = this.parent[id];
      if (parent < 0) row.push(id);
      else {
        next[id] = firstChild[parent];
        firstChild[parent] = id;
      }
    }
    this.sums = sums;
    this.x = new Float64Array(count);
    this.rows = [];
    this.width = this.line(row.reverse(), 0, 0);
    while (row.length > 0) {
      this.rows.push(row);
      const below = /** @type {number[]} */ ([]);
      for (const id of row) {
        const from = below.length;
        for (let child = firstChild[id]; child >= 0; child = next[child]) below.push(child);
        this.line(below, from, this.x[id]);
      }
      row = below;
    }
  }

  /** Lines up the nodes of a row from `from` on, beginning at `x`. @param {number[]} row @param {number} from @param {number} x */
  line(row, from, x) {
    if (!this.isOrdered && row.length - from > 1) {
      const some = row.slice(from).sort((one, other) => this.sums[other] - this.sums[one] || one - other);
      some.forEach((id, at) => (row[from + at] = id));
    }
    for (let at = from; at < row.length; at += 1) {
      this.x[row[at]] = x;
      x += this.sums[row[at]];
    }
    return x;
  }

  /** Children with a weight, from left to right. @param {number} id -1 for the roots */
  childrenOf(id) {
    const row = this.rows[id < 0 ? 0 : this.depth[id] + 1] ?? [];
    if (id < 0) return row;
    const from = firstAt(row, this.x, this.x[id]);
    const end = this.x[id] + this.weight(id);
    const found = [];
    for (let at = from; at < row.length && this.x[row[at]] < end; at += 1) {
      if (this.parent[row[at]] === id) found.push(row[at]);
    }
    return found;
  }

  /** @param {number} id */
  weight(id) {
    return this.sums[id] ?? 0;
  }

  /** Keys from the root to a node. @param {number} id */
  pathOf(id) {
    const path = [];
    for (let at = id; at >= 0; at = this.parent[at]) path.unshift(this.key[at]);
    return path;
  }

  /** The node at the end of a path, or the last that is still there. @param {number[]} path */
  find(path) {
    let at = -1;
    for (const key of path) {
      const next = this.childrenOf(at).find((child) => this.key[child] === key);
      if (next === undefined) break;
      at = next;
    }
    return at;
  }
}

/** The first of a row that begins at `x` or later. @param {number[]} row @param {Float64Array} xs @param {number} x */
export function firstAt(row, xs, x) {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[row[middle]] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {Profile} profile @param {Options} options @returns {(frame: number) => number} */
function keyBy(profile, options) {
  const { frames, lineOfFrame } = profile;
  return options.by === "line" ? (frame) => lineOfFrame[frame] : (frame) => frames.function[frame];
}

/** The node of every stack, as far as it is wanted: -1 above the focus, -2 where it is left out.
 * @param {Profile} profile @param {Tree} tree @param {Options} options @param {boolean} named whether roots are shared */
function nodesOfStacks(profile, tree, options, named = true) {
  const { parent, frame } = profile.stacks;
  const nodes = new Int32Array(parent.length);
  const key = keyBy(profile, options);
  for (let stack = 0; stack < parent.length; stack += 1) {
    const above = parent[stack] < 0 ? -1 : nodes[parent[stack]];
    const fn = profile.frames.function[frame[stack]];
    if (above === -2 || options.drop.has(fn)) {
      nodes[stack] = -2;
      continue;
    }
    const isOutside = above === -1 && options.focus >= 0 && fn !== options.focus;
    const place = key(frame[stack]);
    if (isOutside) nodes[stack] = -1;
    else if (options.collapse && above >= 0 && tree.key[above] === place) nodes[stack] = above;
    else nodes[stack] = named ? tree.child(above, place, frame[stack]) : 0;
  }
  return nodes;
}

/** What calls what. @param {Profile} profile @param {Weights} weights @param {Options} options */
export function calls(profile, weights, options) {
  const tree = new Tree();
  const nodes = nodesOfStacks(profile, tree, options);
  for (let stack = 0; stack < nodes.length; stack += 1) {
    if (nodes[stack] >= 0) tree.give(nodes[stack], weights.own, stack);
  }
  addNoPython(tree, weights, options);
  return tree.finish();
}

/** @param {Tree} tree @param {Weights} weights @param {Options} options */
function addNoPython(tree, weights, options) {
  if (options.focus < 0 && weights.noPython.some((samples) => samples > 0)) {
    tree.give(tree.child(-1, NO_PYTHON, -1), weights.noPython, 0);
  }
}

/**
 * Who calls a function, and whom it calls, from the outermost time it is on a stack: both trees weigh
 * as much as its total.
 * @param {Profile} profile @param {Weights} weights @param {Options} options @param {number} fn
 */
export function sandwich(profile, weights, options, fn) {
  const callees = calls(profile, weights, { ...options, focus: fn });
  const callers = new Tree();
  const { parent, frame } = profile.stacks;
  const key = keyBy(profile, options);
  const alive = nodesOfStacks(profile, callers, { ...options, focus: -1 }, false);
  const left = remaining(profile, weights, alive);
  for (let stack = 0; stack < parent.length; stack += 1) {
    const isIt = profile.frames.function[frame[stack]] === fn && profile.isFirstFunction[stack];
    if (!isIt || alive[stack] === -2 || sum(left, stack) === 0) continue;
    let node = -1;
    for (let at = stack; at >= 0; at = parent[at]) {
      const place = key(frame[at]);
      if (!(options.collapse && node >= 0 && callers.key[node] === place)) node = callers.child(node, place, frame[at]);
    }
    callers.give(node, left, stack);
  }
  return { callees, callers: callers.finish() };
}

/** Totals of stacks without what is left out. @param {Profile} profile @param {Weights} weights @param {Int32Array} alive */
function remaining(profile, weights, alive) {
  const left = weights.own.slice();
  for (let stack = alive.length - 1; stack >= 0; stack -= 1) {
    if (alive[stack] === -2) left.fill(0, stack * 3, stack * 3 + 3);
    else if (profile.stacks.parent[stack] >= 0) addSplit(left, profile.stacks.parent[stack], left, stack);
  }
  return left;
}

/**
 * Calls in the order of time, one thread after the other. Where that would be too many blocks, the
 * order within a slot is given up.
 * @param {Profile} profile @param {import("./weights.js").Selection} selection @param {Options} options
 */
export function inOrder(profile, selection, options) {
  const slots = [...profile.slots.values()].filter((slot) => selects(slot, selection));
  slots.sort((one, other) => one.thread - other.thread || one.slot - other.slot);
  const names = new Tree();
  const nodes = nodesOfStacks(profile, names, options);
  return order(slots, names, nodes, options, false) ?? order(slots, names, nodes, options, true) ?? new Tree();
}

/** @param {import("./profile.js").Slot[]} slots @param {Tree} names @param {Int32Array} nodes
 * @param {Options} options @param {boolean} merge */
function order(slots, names, nodes, options, merge) {
  const tree = new Tree();
  tree.isOrdered = true;
  tree.isMerged = merge;
  let open = /** @type {number[]} */ ([]);
  let thread = -1;
  const path = /** @type {number[]} */ ([]);
  for (const slot of slots) {
    if (slot.thread !== thread) open = [];
    thread = slot.thread;
    for (const [stack, kind, samples] of runsOf(slot, merge)) {
      if (kind & KIND.dropped || (stack >= 0 && nodes[stack] < 0) || (stack < 0 && options.focus >= 0)) continue;
      path.length = 0;
      if (stack >= 0) for (let at = nodes[stack]; at >= 0; at = names.parent[at]) path.push(at);
      path.reverse();
      if (stack < 0) path.push(NO_PYTHON);
      let same = 0;
      while (same < path.length && same < open.length && named(tree, names, open[same], path[same])) same += 1;
      open.length = same;
      for (let at = same; at < path.length; at += 1) {
        const name = path[at];
        open.push(tree.push(open[at - 1] ?? -1, name < 0 ? NO_PYTHON : names.key[name], name < 0 ? -1 : names.frame[name]));
      }
      tree.ownParts[open[open.length - 1] * 3 + (kind & KIND.state)] += samples;
      if (!merge && tree.key.length > MOST_IN_ORDER) return null;
    }
  }
  return tree.finish();
}

/** @param {Tree} tree @param {Tree} names @param {number} node @param {number} name */
function named(tree, names, node, name) {
  return tree.key[node] === (name < 0 ? NO_PYTHON : names.key[name]);
}

/** @param {import("./profile.js").Slot} slot @param {boolean} merge */
function runsOf(slot, merge) {
  const runs = [];
  for (let at = 0; at < slot.runs.length; at += 3) runs.push([slot.runs[at], slot.runs[at + 1], slot.runs[at + 2]]);
  if (merge) runs.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return runs;
}
