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

/** @typedef {{ from: number, to: number, kind: number }} Token a keyword, string, comment, number or defined name, in this order */

/** @type {WeakMap<number[], Map<number, Token[]>>} */
const tokensKnown = new WeakMap();

/** What words of a file's lines are. @param {{ tokens?: number[] } | undefined} file @returns {Map<number, Token[]>} */
export function tokensOf(file) {
  const numbers = file?.tokens ?? [];
  const known = tokensKnown.get(numbers);
  if (known) return known;
  const lines = new Map();
  let line = 1;
  for (let at = 0; at < numbers.length; at += 4) {
    line += numbers[at];
    const tokens = lines.get(line) ?? [];
    lines.set(line, tokens);
    tokens.push({ from: numbers[at + 1], to: numbers[at + 1] + numbers[at + 2], kind: numbers[at + 3] });
  }
  tokensKnown.set(numbers, lines);
  return lines;
}

/**
 * A line with expressions marked and its words coloured. What is inside another stands out from it.
 * @param {string} line @param {{ from: number, to: number, state: number }[]} marks positions in the line
 * @param {Token[]} [tokens]
 * @returns {(Node | string)[]}
 */
export function marked(line, marks, tokens = []) {
  const states = new Int8Array(line.length).fill(-1);
  const kinds = new Int8Array(line.length).fill(-1);
  for (const token of tokens) kinds.fill(token.kind, token.from, token.to);
  const sorted = [...marks].sort((one, other) => other.to - other.from - (one.to - one.from));
  for (const mark of sorted) states.fill(mark.state, Math.max(0, mark.from), Math.max(0, mark.to));
  const parts = /** @type {(Node | string)[]} */ ([]);
  for (let at = 0; at < line.length; ) {
    let end = at;
    while (end < line.length && states[end] === states[at] && kinds[end] === kinds[at]) end += 1;
    const words = plain(line.slice(at, end).replace(/\t/g, "    "));
    const classes = [states[at] < 0 ? "" : `mark m${states[at]}`, kinds[at] < 0 ? "" : `t${kinds[at]}`].filter(Boolean);
    parts.push(classes.length === 0 ? words : make("span", { class: classes.join(" ") }, words));
    at = end;
  }
  return parts;
}

/** Lines of a file around a place. @param {any} file @param {any} at */
export function excerpt(file, at) {
  const text = /** @type {string[]} */ (file.text);
  const [from, to] = [Math.max(1, at.line - 2), Math.min(text.length, at.line + 2)];
  const lines = [];
  for (let line = from; line <= to; line += 1) {
    const isIt = line === at.line;
    const letters = text[line - 1] ?? "";
    const sameLine = (at.end_line ?? at.line) === at.line;
    const marks = isIt && at.column ? [{ from: at.column - 1, to: sameLine && at.end_column ? at.end_column - 1 : letters.length, state: 2 }] : [];
    lines.push(make("span", { class: isIt ? "it" : "" }, make("span", { class: "number" }, String(line).padStart(5), "  "), ...marked(letters, marks, tokensOf(file).get(line)), "\n"));
  }
  return make("pre", { class: "excerpt", tabindex: 0, "aria-label": `line ${at.line}` }, ...lines);
}
