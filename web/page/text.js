// Lines of source: columns, marks on expressions, excerpts.

import { make } from "./dom.js";
import { plain } from "./words.js";

/** A column of bytes in UTF-8 as a position in the line. @param {string | null} line @param {number} column */
export function toCharacters(line, column) {
  if (line === null) return column;
  let bytes = 0;
  let at = 0;
  for (const letter of line) {
    if (bytes >= column) break;
    const code = letter.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += letter.length;
  }
  return at;
}

/**
 * A line with expressions marked. What is inside another stands out from it.
 * @param {string} line @param {{ from: number, to: number, state: number }[]} marks positions in the line
 * @returns {(Node | string)[]}
 */
export function marked(line, marks) {
  const states = new Int8Array(line.length).fill(-1);
  const sorted = [...marks].sort((one, other) => other.to - other.from - (one.to - one.from));
  for (const mark of sorted) states.fill(mark.state, Math.max(0, mark.from), Math.max(0, mark.to));
  const parts = /** @type {(Node | string)[]} */ ([]);
  for (let at = 0; at < line.length; ) {
    let end = at;
    while (end < line.length && states[end] === states[at]) end += 1;
    const words = plain(line.slice(at, end).replace(/\t/g, "    "));
    parts.push(states[at] < 0 ? words : make("span", { class: `mark m${states[at]}` }, words));
    at = end;
  }
  return parts;
}

/** Lines around a place. @param {string[]} text @param {any} at */
export function excerpt(text, at) {
  const [from, to] = [Math.max(1, at.line - 2), Math.min(text.length, at.line + 2)];
  const lines = [];
  for (let line = from; line <= to; line += 1) {
    const isIt = line === at.line;
    const letters = text[line - 1] ?? "";
    const sameLine = (at.end_line ?? at.line) === at.line;
    const marks = isIt && at.column ? [{ from: at.column - 1, to: sameLine && at.end_column ? at.end_column - 1 : letters.length, state: 2 }] : [];
    lines.push(make("span", { class: isIt ? "it" : "" }, make("span", { class: "number" }, String(line).padStart(5), "  "), ...marked(letters, marks), "\n"));
  }
  return make("pre", { class: "excerpt", tabindex: 0, "aria-label": `line ${at.line}` }, ...lines);
}
