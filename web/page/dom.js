// Elements, icons, and what is said to screen readers.
//
// Text from a profile becomes text nodes and nothing else: a function named like markup stays a name.

const SVG = "http://www.w3.org/2000/svg";

/** Outlines of the icons, in a square of 16. */
const ICONS = {
  high: "M8 1.5 15 14H1Z M8 6v3.6 M8 11.4v.9",
  medium: "M8 1.5 14.5 8 8 14.5 1.5 8Z M8 5v4 M8 10.4v.9",
  low: "M8 2a6 6 0 1 0 .01 0Z M8 7.4v3.6 M8 4.8v.9",
  pass: "M3 8.5 6.5 12 13 4.5",
  unsure: "M5.5 6a2.5 2.5 0 1 1 2.5 2.6v1.4 M8 12v.9",
  theme: "M8 2a6 6 0 1 0 .01 0Z M8 2v12a6 6 0 0 0 0-12Z",
  pause: "M5 3v10 M11 3v10",
};

/**
 * An element with attributes, listeners (`onclick` and the like are functions) and children.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  fill(element, ...children);
  return element;
}

const FOCUSABLE = "button, input, select, summary, [tabindex]";

/**
 * Replaces what an element holds; what had the focus has it again.
 * @param {Element} element
 * @param {...(Node | string | number | null | undefined | false)} children
 */
export function fill(element, ...children) {
  const kept = children.filter((child) => child !== null && child !== undefined && child !== false);
  const active = document.activeElement;
  const at = active && active !== element && element.contains(active) ? [...element.querySelectorAll(FOCUSABLE)].indexOf(active) : -1;
  element.replaceChildren(...kept.map((child) => (child instanceof Node ? child : String(child))));
  const next = at < 0 ? null : /** @type {HTMLElement | undefined} */ (element.querySelectorAll(FOCUSABLE)[at]);
  if (next && next.tagName === active?.tagName) next.focus({ preventScroll: true });
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", "aria-hidden": "true", class: "icon" })) {
    svg.setAttribute(key, value);
  }
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button that is on or off.
 * @param {string} label @param {boolean} on @param {(on: boolean) => void} changed
 */
export function toggle(label, on, changed) {
  const button = make("button", { type: "button", role: "switch", "aria-checked": String(on) }, label);
  button.addEventListener("click", () => {
    const next = button.getAttribute("aria-checked") !== "true";
    button.setAttribute("aria-checked", String(next));
    changed(next);
  });
  return button;
}

/**
 * A labelled choice of one.
 * @param {string} label @param {[string, string][]} options value and words
 * @param {string} chosen @param {(value: string) => void} changed
 */
export function choice(label, options, chosen, changed) {
  const select = /** @type {HTMLSelectElement} */ (
    make("select", {}, ...options.map(([value, words]) => make("option", { value }, words)))
  );
  select.value = chosen;
  select.addEventListener("change", () => changed(select.value));
  return make("label", { class: "choice" }, label, " ", select);
}

/**
 * A bar of a share, drawn behind nothing: the number stands beside it.
 * @param {number} share from 0 to 1
 */
export function bar(share) {
  const inner = make("span", {});
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return make("span", { class: "bar", "aria-hidden": "true" }, inner);
}

let lastSaid = "";

/** Tells a screen reader; the same words twice are said once. @param {string} words */
export function announce(words) {
  if (words === lastSaid) return;
  lastSaid = words;
  byId("said").textContent = words;
}

/**
 * Arrow keys move within a group of controls of which one is in the tab order.
 * @param {KeyboardEvent} event @param {HTMLElement[]} items
 * @param {{ back: string[], on: string[] }} keys
 * @returns {HTMLElement | null} the item that has the focus now
 */
export function rove(event, items, keys) {
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  let next = -1;
  if (keys.back.includes(event.key)) next = at - 1;
  else if (keys.on.includes(event.key)) next = at + 1;
  else if (event.key === "Home") next = 0;
  else if (event.key === "End") next = items.length - 1;
  else return null;
  event.preventDefault();
  next = Math.max(0, Math.min(items.length - 1, next));
  items.forEach((item, index) => (item.tabIndex = index === next ? 0 : -1));
  items[next]?.focus();
  return items[next] ?? null;
}
