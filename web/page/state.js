// What is looked at. It lives in the fragment of the address, so that a link or a reload shows the same.

/** @typedef {Record<string, string>} Choices */

/** What holds when the address does not say. */
export const DEFAULTS = /** @type {Choices} */ ({
  tab: "findings",
  threads: "",
  from: "",
  to: "",
  finding: "",
  layout: "heavy",
  direction: "icicle",
  by: "function",
  colour: "module",
  recursion: "",
  focus: "",
  drop: "",
  search: "",
  zoom: "",
  pick: "",
  table: "",
  file: "",
  line: "",
  show: "both",
});

/** @type {Choices} */
let chosen = { ...DEFAULTS };
/** @type {((changed: Set<string>) => void)[]} */
const listeners = [];

/** @param {string} name */
export function get(name) {
  return chosen[name] ?? "";
}

/** Reads the address; what it does not know it leaves alone. @param {string} firstTab */
export function readAddress(firstTab) {
  DEFAULTS.tab = firstTab;
  const next = { ...DEFAULTS };
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (name in next && value.length < 4096) next[name] = value;
  }
  change(next);
}

/**
 * Chooses, and writes it into the address.
 * @param {Choices} changes @param {{ step?: boolean }} [how] a step can be gone back
 */
export function set(changes, how = {}) {
  const next = { ...chosen, ...changes };
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(next)) {
    if (value !== DEFAULTS[name] || name === "tab") words.set(name, value);
  }
  const hash = `#${words}`;
  if (hash !== location.hash) {
    if (how.step) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
  }
  change(next);
}

/** @param {Choices} next */
function change(next) {
  const changed = new Set(Object.keys(next).filter((name) => next[name] !== chosen[name]));
  chosen = next;
  if (changed.size > 0) listeners.forEach((listener) => listener(changed));
}

/** @param {(changed: Set<string>) => void} listener */
export function onChange(listener) {
  listeners.push(listener);
}
