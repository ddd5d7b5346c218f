// Numbers and names as people read them.

/** Words and signs of the states, in their order everywhere. */
export const STATES = [
  { key: "specialised", sign: "●", word: "specialised" },
  { key: "warming", sign: "◔", word: "warming" },
  { key: "backed_off", sign: "◌", word: "backed off" },
  { key: "deopted", sign: "✖", word: "deopted" },
  { key: "not_specialisable", sign: "·", word: "not specialisable" },
  { key: "unknown", sign: "?", word: "unknown" },
];

/** The position of a state's word in [`STATES`]. @param {string | null | undefined} word */
export function stateIndex(word) {
  const key = String(word ?? "").trim().replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase().replace(/[\s-]+/g, "_");
  const at = STATES.findIndex((state) => state.key === key);
  return at < 0 ? STATES.length - 1 : at;
}

/** @param {number} value */
export function count(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @param {number} value @param {string} noun */
export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A share of `base` in percent. @param {number} part @param {number} base */
export function percent(part, base) {
  return sharePercent(base > 0 ? part / base : 0);
}

/** As the reports have it: what is not nothing never reads as 0.0, what is not all never as 100.0. @param {number} share */
export function sharePercent(share) {
  return `${shareDigits(share)}%`;
}

/** @param {number} share from 0 to 1 */
export function shareDigits(share) {
  const value = share * 100;
  if (value <= 0) return "0.0";
  if (value < 0.05) return "<0.1";
  return value >= 99.95 && value < 100 ? "99.9" : value.toFixed(1);
}

/** A change of a share, with its sign. @param {number} change */
export function signedPercent(change) {
  const digits = (Math.abs(change) * 100).toFixed(1);
  return `${change < 0 ? "\u2212" : "+"}${digits}%`;
}

/** A range of shares: `5.5-16.2%`. @param {number} low @param {number} high */
export function shareRange(low, high) {
  const [from, to] = [shareDigits(low), shareDigits(high)];
  return from === to ? `${to}%` : `${from}\u2013${to}%`;
}

/** @param {number} ns */
export function seconds(ns) {
  const value = ns / 1e9;
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

/** A name that is safe to show: control and direction characters are made visible. @param {string} text */
export function plain(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** The end of a path, which tells most. @param {string} path @param {number} [parts] */
export function shortPath(path, parts = 2) {
  const all = plain(path).split("/");
  return all.length > parts + 1 ? `…/${all.slice(-parts).join("/")}` : all.join("/");
}

/** `models.py:41`. @param {string} path @param {number | null} line */
export function place(path, line, parts = 1) {
  const name = path ? shortPath(path, parts).replace(/^…\//, "") : "no file";
  return line !== null && line > 0 ? `${name}:${line}` : name;
}

/** @param {number} ms since 1970 */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}
