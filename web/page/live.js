// The live page: takes parts of the document as they come, and says when none come any more.

import { app } from "./app.js";
import { announce, byId, fill, make, toggle } from "./dom.js";
import { clock } from "./words.js";

/** After this long without a word the page says that it is stale. */
const STALE_MS = 3000;
/** Between two attempts to connect. */
const RETRY_MS = 1000;
/** A screen reader hears of new numbers at most this often. */
const SPEAK_MS = 10000;

let stream = /** @type {EventSource | null} */ (null);
let number = 0;
let heardAt = 0;
let triedAt = 0;
let spokenAt = 0;
let isFrozen = false;
let hasEnded = false;
/** Parts that came while the view was frozen. @type {any[]} */
let waiting = [];
let changed = () => {};

/** Connects, and stays connected. @param {() => void} onChanged */
export function startLive(onChanged) {
  changed = onChanged;
  app.isLive = true;
  heardAt = Date.now();
  fill(byId("live"),
    make("span", { id: "pulse", role: "status" }, "connecting"),
    toggle("Freeze", false, freeze),
    make("button", { type: "button", onclick: reset }, "Reset"),
    make("button", { type: "button", onclick: save }, "Save"));
  byId("live").hidden = false;
  connect();
  setInterval(watch, 500);
}

/** @param {boolean} on */
function freeze(on) {
  isFrozen = on;
  if (!on) {
    const parts = waiting;
    waiting = [];
    for (const part of parts) if (!take(part)) break;
    changed();
  }
  pulse();
}

function connect() {
  triedAt = Date.now();
  stream?.close();
  const mine = new EventSource(`api/live?after=${number}`);
  stream = mine;
  mine.onmessage = (event) => {
    if (mine === stream) heard(JSON.parse(event.data));
  };
  mine.onerror = () => {
    if (mine !== stream) return;
    mine.close();
    stream = null;
  };
}

/** @param {any} part */
function heard(part) {
  heardAt = Date.now();
  const hasNews = Object.keys(part).some((key) => key !== "number" && key !== "from");
  if (hasNews && isFrozen) {
    // A new whole document makes everything before it needless.
    if (isWhole(part)) waiting = [];
    waiting.push(part);
    number = part.number;
    // What waits is bounded: after that the view begins anew when it goes on.
    if (waiting.length > 2400) {
      waiting = [];
      number = 0;
    }
  } else if (hasNews && take(part)) changed();
  pulse();
}

/** @param {any} part */
function isWhole(part) {
  return Object.values(part.from ?? {}).every((length) => length === 0);
}

/** @param {any} part @returns {boolean} whether it fitted */
function take(part) {
  if (isWhole(part)) app.profile.clear();
  if (!app.profile.fits(part)) {
    number = 0;
    connect();
    return false;
  }
  app.profile.add(part);
  number = part.number;
  hasEnded = Boolean(part.meta?.ended ?? hasEnded);
  if (Date.now() - spokenAt > SPEAK_MS && !isFrozen) {
    spokenAt = Date.now();
    announce(`${app.profile.meta.samples ?? 0} samples, ${app.profile.findings?.findings?.length ?? 0} findings`);
  }
  return true;
}

function watch() {
  const now = Date.now();
  const isStale = now - heardAt > STALE_MS && !hasEnded;
  if ((isStale || stream === null) && now - triedAt > (isStale ? STALE_MS : RETRY_MS) && !hasEnded) connect();
  pulse();
}

function pulse() {
  const isStale = Date.now() - heardAt > STALE_MS && !hasEnded;
  const ended = app.profile.meta.ended;
  const words = hasEnded ? (typeof ended === "string" ? ended : "process ended") : isStale ? `stale since ${clock(heardAt)}` : isFrozen ? "frozen" : "live";
  const place = byId("pulse");
  if (place.textContent !== words) place.textContent = words;
  place.className = hasEnded || isStale ? "bad" : isFrozen ? "held" : "good";
}

/** @param {string} what @returns {Promise<any>} */
async function post(what) {
  const answer = await fetch(`api/${what}`, { method: "POST", headers: { "X-Slowpath": "1" } });
  const words = await answer.text();
  if (!answer.ok) throw new Error(words || answer.statusText);
  try {
    return JSON.parse(words);
  } catch {
    return { path: words };
  }
}

async function reset() {
  await report(post("reset"), () => "Counts were reset.");
}

async function save() {
  await report(post("save"), (answer) => (answer.error ? `Not saved: ${answer.error}` : `Saved as ${answer.path ?? "a file"}.`));
}

/** @param {Promise<any>} work @param {(answer: any) => string} words */
async function report(work, words) {
  let said = "";
  try {
    said = words(await work);
  } catch (error) {
    said = `That failed: ${error instanceof Error ? error.message : error}`;
  }
  byId("note").textContent = said;
}
