// A flame graph on a canvas: draws the visible part, and moves a focus through it by keys.

import { announce, make } from "./dom.js";
import { colour, colourOf, fitted, heatStep, onFrame, prepare } from "./canvas.js";
import { NO_PYTHON, Tree, firstAt } from "./tree.js";
import { plain } from "./words.js";

/** Height of a row in CSS pixels. */
const ROW = 18;
const MINIMAP = 36;
/** Blocks below this width have no colour of their own. */
const THIN = 1.5;

/** @typedef {{ name: (id: number) => string, module: (id: number) => string, dimmed: (id: number) => boolean, isFound: (id: number) => boolean,
 *   mix: ((id: number) => Float64Array) | null, say: (id: number) => string, details: (id: number | null) => void,
 *   zoomed: (id: number) => void, picked: (id: number) => void, colour: string, isFlame: boolean }} Looks */

/** One graph with its minimap. */
export class Graph {
  /** @param {string} label @param {boolean} hasMap */
  constructor(label, hasMap) {
    this.tree = new Tree();
    this.looks = /** @type {Looks | null} */ (null);
    this.focus = -1;
    this.hover = -1;
    this.zoom = -1;
    this.isGrounded = false;
    /** The outline for the minimap. */
    this.shapes = { tree: this.tree, width: -1, rows: /** @type {[number, number][][]} */ ([]) };
    this.canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { "aria-hidden": "true" }));
    this.map = /** @type {HTMLCanvasElement | null} */ (hasMap ? make("canvas", { class: "map", "aria-hidden": "true" }) : null);
    this.space = make("div", { class: "space" }, this.canvas);
    this.scroller = make(
      "div",
      { class: "graph", role: "application", tabindex: 0, "aria-label": label, "aria-roledescription": "flame graph" },
      this.space,
    );
    this.element = make("div", { class: "graph-with-map" }, this.map, this.scroller);
    this.draw = onFrame(() => this.drawNow());
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  listen() {
    this.scroller.addEventListener("scroll", () => this.draw());
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.scroller.addEventListener("focus", () => {
      if (this.focus < 0) this.focus = this.zoom >= 0 ? this.zoom : (this.tree.childrenOf(-1)[0] ?? -1);
      this.tell();
    });
    this.scroller.addEventListener("blur", () => this.draw());
    this.canvas.addEventListener("mousemove", (event) => this.point(this.at(event)));
    this.canvas.addEventListener("mouseleave", () => this.point(-1));
    this.canvas.addEventListener("click", (event) => {
      const id = this.at(event);
      if (id < 0) return;
      this.focus = id;
      this.zoomTo(id === this.zoom ? this.tree.parent[id] : id);
    });
    this.scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.map?.addEventListener("click", (event) => {
      const x = (event.offsetX / (this.map?.clientWidth || 1)) * this.tree.width;
      const row = this.tree.rows[Math.min(3, this.tree.rows.length - 1)] ?? [];
      this.zoomTo(row.find((id) => x >= this.tree.x[id] && x < this.tree.x[id] + this.tree.weight(id)) ?? -1);
    });
  }

  /** Shows a tree; focus and zoom stay at the same path. @param {Tree} tree @param {Looks} looks */
  show(tree, looks) {
    const [zoom, focus, hover] = [this.zoom, this.focus, this.hover].map((id) => this.tree.pathOf(id));
    this.tree = tree;
    this.looks = looks;
    this.hover = hover.length ? tree.find(hover) : -1;
    this.zoom = zoom.length ? tree.find(zoom) : -1;
    this.focus = focus.length ? tree.find(focus) : -1;
    this.draw();
  }

  /** What of the tree is in view, in samples. @returns {[number, number]} */
  window() {
    return this.zoom < 0 ? [0, this.tree.width] : [this.tree.x[this.zoom], this.tree.weight(this.zoom)];
  }

  /** @param {number} id */
  zoomTo(id) {
    this.zoom = id;
    this.looks?.zoomed(id);
    this.draw();
    this.reveal(id);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const under = this.at(event);
    if (event.deltaY > 0) this.zoomTo(this.zoom < 0 ? -1 : this.tree.parent[this.zoom]);
    else if (under >= 0) this.zoomTo(this.stepTowards(under));
  }

  /** The node one step below the zoom on the way to another. @param {number} id */
  stepTowards(id) {
    let at = id;
    while (this.tree.parent[at] !== this.zoom && this.tree.parent[at] >= 0) at = this.tree.parent[at];
    return this.tree.parent[at] === this.zoom ? at : id;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { tree } = this;
    const flips = this.looks?.isFlame;
    const [up, down] = flips ? ["ArrowDown", "ArrowUp"] : ["ArrowUp", "ArrowDown"];
    const at = this.focus;
    let next = at;
    if (event.key === up) next = at >= 0 && tree.parent[at] >= 0 ? tree.parent[at] : at;
    else if (event.key === down) next = tree.childrenOf(at)[0] ?? at;
    else if (event.key === "ArrowLeft") next = this.sibling(-1);
    else if (event.key === "ArrowRight") next = this.sibling(1);
    else if (event.key === "Home") next = tree.childrenOf(-1)[0] ?? -1;
    else if (event.key === "Enter") {
      if (at >= 0) this.zoomTo(at);
    } else if (event.key === "Escape" || event.key === "Backspace") {
      if (this.zoom < 0) return;
      this.zoomTo(tree.parent[this.zoom]);
    } else if (event.key === " ") {
      if (at >= 0) this.looks?.picked(at);
    } else return;
    event.preventDefault();
    this.focus = next;
    this.tell();
  }

  /** @param {number} step */
  sibling(step) {
    const all = this.tree.childrenOf(this.focus < 0 ? -1 : this.tree.parent[this.focus]);
    const at = all.indexOf(this.focus) + step;
    return all[Math.max(0, Math.min(all.length - 1, at))] ?? this.focus;
  }

  /** Says and shows what has the focus. */
  tell() {
    if (this.focus >= 0 && this.looks) {
      announce(this.looks.say(this.focus));
      this.looks.details(this.focus);
      this.reveal(this.focus);
    }
    this.draw();
  }

  /** @param {number} id */
  point(id) {
    if (id === this.hover) return;
    this.hover = id;
    this.looks?.details(id >= 0 ? id : this.focus >= 0 ? this.focus : null);
    this.draw();
  }

  /** @param {number} depth */
  yOf(depth) {
    return this.looks?.isFlame ? this.height() - (depth + 1) * ROW : depth * ROW;
  }

  /** A flame stands on the ground, also where it is low. */
  height() {
    return Math.max(this.tree.rows.length * ROW, this.scroller.clientHeight);
  }

  /** Scrolls a node into view. @param {number} id */
  reveal(id) {
    if (id < 0) return;
    const y = this.yOf(this.tree.depth[id]);
    const { scrollTop, clientHeight } = this.scroller;
    if (y < scrollTop) this.scroller.scrollTop = y;
    else if (y + ROW > scrollTop + clientHeight) this.scroller.scrollTop = y + ROW - clientHeight;
  }

  /** @param {MouseEvent} event */
  at(event) {
    const y = event.offsetY + this.scroller.scrollTop;
    const depth = Math.floor((this.looks?.isFlame ? this.height() - y : y) / ROW);
    const row = this.tree.rows[depth];
    if (!row) return -1;
    const [from, span] = this.window();
    const x = from + (event.offsetX / (this.canvas.clientWidth || 1)) * span;
    const found = row[firstAt(row, this.tree.x, x + 1e-9) - 1];
    return found !== undefined && x < this.tree.x[found] + this.tree.weight(found) ? found : -1;
  }

  drawNow() {
    const { scroller, tree } = this;
    const [width, height] = [scroller.clientWidth, scroller.clientHeight];
    if (!this.looks || width === 0) return;
    this.space.style.height = `${this.height()}px`;
    // A flame is looked at from the ground.
    if (this.looks.isFlame && !this.isGrounded && tree.rows.length > 0) scroller.scrollTop = this.height();
    this.isGrounded = this.looks.isFlame && tree.rows.length > 0;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const context = prepare(this.canvas, width, height);
    const top = scroller.scrollTop;
    const [from, span] = this.window();
    const scale = span > 0 ? width / span : 0;
    for (let depth = 0; depth < tree.rows.length; depth += 1) {
      const y = this.yOf(depth) - top;
      if (y > -ROW && y < height) this.drawRow(context, tree.rows[depth], y, from, scale, width);
    }
    this.drawMap();
  }

  /** @param {CanvasRenderingContext2D} context @param {number[]} row @param {number} y
   * @param {number} from @param {number} scale @param {number} width */
  drawRow(context, row, y, from, scale, width) {
    const { tree } = this;
    let at = Math.max(0, firstAt(row, tree.x, from) - 1);
    // Thin neighbours are one block: thousands of them would take long and tell nothing.
    let [thinFrom, thinTo] = [-1, -1];
    const drawThin = () => {
      context.fillStyle = colour("thin");
      if (thinTo > thinFrom) context.fillRect(thinFrom, y, thinTo - thinFrom, ROW - 1);
      [thinFrom, thinTo] = [-1, -1];
    };
    while (at < row.length) {
      const id = row[at];
      const left = Math.max(0, (tree.x[id] - from) * scale);
      if (left >= width) break;
      const right = Math.min(width, (tree.x[id] + tree.weight(id) - from) * scale);
      at += 1;
      if (right - left >= THIN || id === this.focus || this.looks?.isFound(id)) {
        if (right > left) this.drawBlock(context, id, left, y, Math.max(right - left, 1));
        continue;
      }
      if (left > thinTo + 1) drawThin();
      if (thinFrom < 0) thinFrom = left;
      thinTo = Math.max(thinTo, right);
      // Thinner than a pixel: on to the last that begins in this pixel.
      if (right - left < 1) at = Math.max(at, firstAt(row, tree.x, from + (Math.floor(right) + 1) / scale) - 1);
    }
    drawThin();
  }

  /** @param {CanvasRenderingContext2D} context @param {number} id @param {number} x @param {number} y @param {number} wide */
  drawBlock(context, id, x, y, wide) {
    const looks = /** @type {Looks} */ (this.looks);
    const isPicked = id === this.focus && document.activeElement === this.scroller;
    context.globalAlpha = looks.dimmed(id) ? 0.35 : 1;
    context.fillStyle = this.fillOf(id);
    const gap = wide > 3 ? 1 : 0;
    context.fillRect(x, y, wide - gap, ROW - 1);
    if (looks.mix && wide > 2) this.drawMix(context, looks.mix(id), x, y + ROW - 5, wide - gap);
    context.globalAlpha = 1;
    if (wide > 26) {
      context.fillStyle = colour(looks.dimmed(id) ? "faint" : "text");
      context.fillText(fitted(context, plain(looks.name(id)), wide - 8), x + 4, y + (looks.mix ? 7 : 9));
    }
    if (isPicked || id === this.hover) {
      context.strokeStyle = colour(isPicked ? "focus" : "text");
      context.lineWidth = isPicked ? 2 : 1;
      context.strokeRect(x + 1, y + 1, Math.max(wide - gap - 2, 1), ROW - 3);
    }
  }

  /** @param {number} id */
  fillOf(id) {
    const looks = /** @type {Looks} */ (this.looks);
    if (this.tree.key[id] === NO_PYTHON || looks.colour === "state") return colour("block");
    if (looks.colour === "heat") return colour(`heat${heatStep(this.tree.weight(id) / (this.tree.width || 1))}`);
    return colourOf(looks.module(id));
  }

  /** @param {CanvasRenderingContext2D} context @param {Float64Array} mix @param {number} x @param {number} y @param {number} wide */
  drawMix(context, mix, x, y, wide) {
    const all = mix.reduce((one, other) => one + other, 0);
    let at = x;
    mix.forEach((samples, state) => {
      const part = all > 0 ? (samples / all) * wide : 0;
      context.fillStyle = colour(`state${state}`);
      context.fillRect(at, y, part, 4);
      at += part;
    });
  }

  drawMap() {
    if (!this.map || this.map.hidden) return;
    const { tree, map } = this;
    const width = map.clientWidth;
    const context = prepare(map, width, MINIMAP);
    const scale = tree.width > 0 ? width / tree.width : 0;
    context.fillStyle = colour("mapblock");
    const rows = tree.rows.length || 1;
    const high = Math.max(1, Math.min(6, MINIMAP / rows));
    for (let depth = 0; depth < tree.rows.length && depth * high < MINIMAP; depth += 1) {
      const y = this.looks?.isFlame ? MINIMAP - (depth + 1) * high : depth * high;
      for (const [from, to] of this.shapeOf(depth, width)) context.fillRect(from * scale, y, (to - from) * scale, high);
    }
    const [from, span] = this.window();
    context.strokeStyle = colour("focus");
    context.lineWidth = 2;
    context.strokeRect(from * scale + 1, 1, Math.max(span * scale - 2, 2), MINIMAP - 2);
  }

  /** Where a row has blocks, in samples; gaps that cannot be seen are closed. @param {number} depth @param {number} width */
  shapeOf(depth, width) {
    const { tree, shapes } = this;
    if (shapes.tree !== tree || shapes.width !== width) this.shapes = { tree, width, rows: [] };
    const known = this.shapes.rows[depth];
    if (known) return known;
    const gap = (tree.width / (width || 1)) * 0.5;
    const parts = /** @type {[number, number][]} */ ([]);
    for (const id of tree.rows[depth]) {
      const last = parts[parts.length - 1];
      const [from, to] = [tree.x[id], tree.x[id] + tree.weight(id)];
      if (last && from <= last[1] + gap) last[1] = to;
      else parts.push([from, to]);
    }
    this.shapes.rows[depth] = parts;
    return parts;
  }
}
