// The document: tables that only grow, and samples by slot and thread.
//
// All of it was counted before it came here. What is worked out here are indices of it (which line is
// which, where recursion begins), never a weight.

/** @typedef {{ slot: number, thread: number, runs: number[] }} Slot */
/** @typedef {{ function: number, offset: number, line: number, column: number, end_column: number,
 *   opcode: string, family: string, name: string, state: string, cache: unknown, counter: unknown,
 *   looks: unknown, cause?: string }} Site */

/** Bits of the kind of a run. */
export const KIND = { state: 3, gc: 4, gil: 8, dropped: 16 };

/** Columns of the tables that are columns. */
const COLUMNS = {
  functions: ["name", "file", "line"],
  frames: ["function", "line", "column", "end_line", "end_column", "offset"],
  stacks: ["parent", "frame"],
};
/** What comes whole whenever it comes. */
const WHOLE = ["title", "slowpath", "meta", "findings", "diff", "processes", "threads", "events"];

/** Rises with every change of any profile, so that what was worked out can be told to be old. */
let changes = 0;

/** A profile as the page knows it. */
export class Profile {
  version = (changes += 1);
  title = "";
  slowpath = "";
  meta = /** @type {Record<string, any>} */ ({});
  processes = /** @type {any[]} */ ([]);
  threads = /** @type {any[]} */ ([]);
  files = /** @type {any[]} */ ([]);
  events = /** @type {any[]} */ ([]);
  functions = { name: /** @type {string[]} */ ([]), file: /** @type {number[]} */ ([]), line: /** @type {number[]} */ ([]) };
  frames = {
    function: /** @type {number[]} */ ([]), line: /** @type {number[]} */ ([]), column: /** @type {number[]} */ ([]),
    end_line: /** @type {number[]} */ ([]), end_column: /** @type {number[]} */ ([]), offset: /** @type {number[]} */ ([]),
  };
  stacks = { parent: /** @type {number[]} */ ([]), frame: /** @type {number[]} */ ([]) };
  slotNs = 1;
  slots = /** @type {Map<string, Slot>} */ (new Map());
  sites = /** @type {Site[]} */ ([]);
  siteAt = /** @type {Map<number, Site>} */ (new Map());
  findings = /** @type {any} */ (null);
  diff = /** @type {any} */ (null);
  /** Per stack: whether no caller is the same function, the same line. */
  isFirstFunction = /** @type {boolean[]} */ ([]);
  isFirstLine = /** @type {boolean[]} */ ([]);
  lineOfFrame = /** @type {number[]} */ ([]);
  lines = { file: /** @type {number[]} */ ([]), line: /** @type {number[]} */ ([]) };
  lineIds = /** @type {Map<number, number>} */ (new Map());

  /** How much of each table is here. @returns {Record<string, number>} */
  lengths() {
    return {
      processes: this.processes.length,
      threads: this.threads.length,
      files: this.files.length,
      functions: this.functions.name.length,
      frames: this.frames.line.length,
      stacks: this.stacks.parent.length,
    };
  }

  /** Whether a part continues what is here. @param {any} part */
  fits(part) {
    const here = this.lengths();
    return Object.entries(part.from ?? {}).every(([table, length]) => here[table] === length);
  }

  /** Takes a whole document or the next part of one. @param {any} part */
  add(part) {
    this.version = changes += 1;
    for (const name of WHOLE) {
      if (part[name] !== undefined) /** @type {any} */ (this)[name] = part[name];
    }
    append(this.files, part.files);
    for (const [file, text, tokens] of part.texts ?? []) if (this.files[file]) Object.assign(this.files[file], { text, tokens });
    for (const [table, columns] of Object.entries(COLUMNS)) {
      for (const column of columns) append(/** @type {any} */ (this)[table][column], part[table]?.[column]);
    }
    if (part.slots) this.addSlots(part);
    if (part.sites) {
      this.sites = part.sites;
      this.siteAt = new Map(this.sites.map((site) => [site.function * 4194304 + site.offset, site]));
    }
    this.index();
  }

  /** A slot that comes again replaces itself in all threads. @param {any} part */
  addSlots(part) {
    const { length_ns, first, runs } = part.slots;
    this.slotNs = length_ns;
    const again = new Set(runs.map((/** @type {Slot} */ slot) => slot.slot));
    for (const [key, slot] of this.slots) {
      if (again.has(slot.slot) || (slot.slot >= 0 && slot.slot < (first ?? 0))) this.slots.delete(key);
    }
    for (const slot of runs) this.slots.set(`${slot.slot}.${slot.thread}`, slot);
  }

  /** The lines and the beginnings of recursion of what is new. */
  index() {
    const { frames, stacks, functions } = this;
    for (let frame = this.lineOfFrame.length; frame < frames.line.length; frame += 1) {
      const file = functions.file[frames.function[frame]];
      const key = (file + 1) * 16777216 + Math.max(frames.line[frame], 0);
      let line = this.lineIds.get(key);
      if (line === undefined) {
        line = this.lines.file.push(file) - 1;
        this.lines.line.push(frames.line[frame]);
        this.lineIds.set(key, line);
      }
      this.lineOfFrame.push(line);
    }
    for (let stack = this.isFirstLine.length; stack < stacks.parent.length; stack += 1) {
      const frame = stacks.frame[stack];
      const wanted = [frames.function[frame], this.lineOfFrame[frame]];
      let [first, firstLine] = [true, true];
      for (let at = stacks.parent[stack]; at >= 0 && (first || firstLine); at = stacks.parent[at]) {
        first &&= frames.function[stacks.frame[at]] !== wanted[0];
        firstLine &&= this.lineOfFrame[stacks.frame[at]] !== wanted[1];
      }
      this.isFirstFunction.push(first);
      this.isFirstLine.push(firstLine);
    }
  }

  /** The number of slots, the newest included. */
  slotCount() {
    let last = -1;
    for (const slot of this.slots.values()) last = Math.max(last, slot.slot);
    return last + 1;
  }

  /** The function of a stack's innermost frame. @param {number} stack */
  functionOf(stack) {
    return this.frames.function[this.stacks.frame[stack]];
  }

  /** @param {number} fn */
  fileOf(fn) {
    return this.files[this.functions.file[fn]] ?? { path: "", library: true, text: null };
  }

  /** @param {number} fn @param {number} offset */
  site(fn, offset) {
    return this.siteAt.get(fn * 4194304 + offset) ?? null;
  }
}

/** @param {any[]} table @param {any[] | undefined} rows */
function append(table, rows) {
  for (const row of rows ?? []) table.push(row);
}

/** The document that the page holds, or that it is told where to ask for. @returns {Promise<any>} */
export async function wholeDocument() {
  const holder = document.getElementById("document");
  if (holder?.dataset.from) {
    const answer = await fetch(holder.dataset.from);
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    return answer.json();
  }
  const letters = atob(holder?.textContent?.trim() ?? "");
  const packed = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) packed[at] = letters.charCodeAt(at);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  holder?.remove();
  return new Response(stream).json();
}
