// The live page: takes parts of the document as they come, and says when none come any more.

import { app } from "./app.js";
import { announce, byId, fill, make, toggle } from "./dom.js";
import { Profile, wholeDocument } from "./profile.js";
import { clock, plain } from "./words.js";

/** After this long without a word the page says that it is stale. */
const STALE_MS = 3000;
/** Between two attempts to connect. */
const RETRY_MS = 1000;
/** A screen reader hears of new numbers at most this often. */
const SPEAK_MS = 10000;
/** Parts that are kept while the view is frozen: ten minutes of them. */
const MOST_WAITING = 2400;

let stream = /** @type {EventSource | null} */ (null);
let number = 0;
let heardAt = 0;
let triedAt = 0;
let spokenAt = 0;
let isFrozen = false;
/** Parts that came while the view was frozen. @type {any[]} */
let waiting = [];
let changed = () => {};

/** Goes on where a document ends, and stays connected. @param {any} whole @param {() => void} onChanged */
export function startLive(whole, onChanged) {
  changed = onChanged;
  app.isLive = true;
  number = whole.number ?? 0;
  heardAt = Date.now();
  fill(byId("live"),
    make("span", { id: "pulse", role: "status" }, "live"),
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
    if (parts.every(take)) changed();
    else beginAnew();
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
  // The browser would connect again by itself, but to where the page was at first.
  mine.onerror = () => {
    if (mine !== stream) return;
    mine.close();
    stream = null;
  };
}

/** @param {any} part */
function heard(part) {
  heardAt = Date.now();
  number = part.number ?? number;
  if (isFrozen) {
    if (isWhole(part)) waiting = [];
    waiting.push(part);
    // What waits is bounded: beyond that the view begins anew when it goes on.
    if (waiting.length > MOST_WAITING) waiting = [{ from: { stacks: -1 } }];
  } else if (take(part)) changed();
  else beginAnew();
  pulse();
}

/** Whether everything begins anew with it. @param {any} part */
function isWhole(part) {
  return Object.values(part.from ?? {}).every((length) => length === 0);
}

/** @param {any} part @returns {boolean} whether it fitted */
function take(part) {
  if (isWhole(part)) app.profile = new Profile();
  else if (!app.profile.fits(part)) return false;
  const { profile } = app;
  profile.add(part);
  if (Date.now() - spokenAt > SPEAK_MS && !isFrozen) {
    spokenAt = Date.now();
    announce(`${profile.meta.samples ?? 0} samples, ${profile.findings?.findings?.length ?? 0} findings`);
  }
  return true;
}

/** Takes the whole document: what is here does not belong to what comes. */
async function beginAnew() {
  stream?.close();
  stream = null;
  triedAt = Date.now();
  try {
    const whole = await wholeDocument();
    app.profile = new Profile();
    app.profile.add(whole);
    number = whole.number ?? 0;
    heardAt = Date.now();
    connect();
    changed();
  } catch {
    // Tried again by `watch`, and told as stale meanwhile.
  }
}

function watch() {
  const quiet = Date.now() - heardAt;
  const wait = quiet > STALE_MS ? STALE_MS : RETRY_MS;
  if ((quiet > STALE_MS || stream === null) && Date.now() - triedAt > wait && !app.profile.meta.ended) connect();
  pulse();
}

function pulse() {
  const { ended } = app.profile.meta;
  const isStale = Date.now() - heardAt > STALE_MS && !ended;
  const words = ended ? plain(String(ended)) : isStale ? `stale since ${clock(heardAt)}` : isFrozen ? "frozen" : "live";
  const place = byId("pulse");
  if (place.textContent !== words) place.textContent = words;
  place.className = ended || isStale ? "bad" : isFrozen ? "held" : "good";
}

/** @param {string} what */
async function post(what) {
  const answer = await fetch(`api/${what}`, { method: "POST" });
  if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
  return answer;
}

async function reset() {
  await report(post("reset"), async () => "Counts were reset.");
}

async function save() {
  await report(post("save"), async (answer) => {
    const named = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "profile.slowpath";
    const link = /** @type {HTMLAnchorElement} */ (make("a", { download: named, href: URL.createObjectURL(await answer.blob()) }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return `Saved as ${named}.`;
  });
}

/** @param {Promise<Response>} work @param {(answer: Response) => Promise<string>} words */
async function report(work, words) {
  let said = "";
  try {
    said = await words(await work);
  } catch (error) {
    said = `That failed: ${error instanceof Error ? error.message : error}`;
  }
  byId("note").textContent = said;
}
