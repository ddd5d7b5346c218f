// Starts the page: tabs, theme, and one redraw for every change of data or choice.

import { drawAbout, drawHeader, startAbout } from "./about.js";
import { app } from "./app.js";
import { forgetColours, isDark, onFrame } from "./canvas.js";
import { drawDiff, startDiff } from "./diff.js";
import { byId, fill, icon, make, rove } from "./dom.js";
import { drawFindings, startFindings } from "./findings.js";
import { drawFlame, startFlame } from "./flame.js";
import { startLive } from "./live.js";
import { wholeDocument } from "./profile.js";
import { drawSource, startSource } from "./source.js";
import { get, onChange, readAddress, set } from "./state.js";
import { drawTimeline, startTimeline } from "./timeline.js";

/** Name, words, how it begins and how it is drawn. @type {[string, string, (panel: HTMLElement) => void, () => void][]} */
const TABS = [
  ["findings", "Findings", startFindings, drawFindings],
  ["flame", "Flame graph", startFlame, drawFlame],
  ["source", "Source", startSource, drawSource],
  ["timeline", "Timeline", startTimeline, drawTimeline],
  ["diff", "Diff", startDiff, drawDiff],
  ["about", "About", startAbout, drawAbout],
];

/** When the last drawing ended, and how long it took. */
let last = { end: 0, cost: 0 };

const redrawAll = onFrame(() => {
  const begun = performance.now();
  const tab = TABS.some(([name]) => name === get("tab")) ? get("tab") : "findings";
  byId("tab-diff").hidden = app.profile.diff === null;
  for (const [name, , , draw] of TABS) {
    const isIt = name === tab;
    byId(`tab-${name}`).setAttribute("aria-selected", String(isIt));
    byId(`tab-${name}`).tabIndex = isIt ? 0 : -1;
    byId(name).hidden = !isIt;
    if (isIt) draw();
  }
  drawHeader();
  document.body.dataset.ready = tab;
  last = { end: performance.now(), cost: performance.now() - begun };
});

/** Drawing takes at most a fifth of the time. */
const REST = 4;

/** New numbers wait while a button of the mouse is down: a click must meet what it was meant for. */
function redrawWhenFree() {
  const wait = last.end + last.cost * REST - performance.now();
  if (isPressed) hasNews = true;
  else if (wait <= 0) redrawAll();
  else if (!isWaiting) {
    isWaiting = true;
    setTimeout(() => {
      isWaiting = false;
      redrawWhenFree();
    }, wait);
  }
}

let isWaiting = false;

let isPressed = false;
let hasNews = false;

function startPointer() {
  addEventListener("pointerdown", () => (isPressed = true), true);
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => setTimeout(() => {
      isPressed = false;
      if (hasNews) redrawAll();
      hasNews = false;
    }), true);
  }
}

function startTabs() {
  const buttons = TABS.map(([name, words]) => make("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": name, "aria-selected": "false", onclick: () => set({ tab: name }, { step: true }),
  }, words));
  fill(byId("tabs"), ...buttons);
  byId("tabs").addEventListener("keydown", (event) => {
    const shown = buttons.filter((button) => !button.hidden);
    rove(event, shown, { back: ["ArrowLeft"], on: ["ArrowRight"] })?.click();
  });
  for (const [name, , start] of TABS) {
    const panel = make("section", { id: name, role: "tabpanel", "aria-labelledby": `tab-${name}`, hidden: true });
    byId("main").append(panel);
    start(panel);
  }
}

function startTheme() {
  const button = byId("theme");
  fill(button, icon("theme"), make("span", { class: "hidden" }, "Dark"));
  const use = (/** @type {string | null} */ theme) => {
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
    forgetColours();
    button.setAttribute("aria-checked", String(isDark()));
    redrawAll();
  };
  // A file may have no storage; the choice then holds until it is closed.
  const stored = () => {
    try {
      return localStorage.getItem("slowpath-theme");
    } catch {
      return null;
    }
  };
  use(stored());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => use(null));
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("slowpath-theme", next);
    } catch {
      // See above.
    }
    use(next);
  });
}

async function start() {
  const holder = document.getElementById("document");
  const first = holder?.dataset.tab ?? "findings";
  startTabs();
  startPointer();
  byId("threads").addEventListener("change", (event) => set({ threads: /** @type {HTMLSelectElement} */ (event.target).value }));
  byId("skip").addEventListener("click", () => byId("main").focus());
  onChange(redrawAll);
  readAddress(first);
  addEventListener("hashchange", () => readAddress(first));
  addEventListener("popstate", () => readAddress(first));
  startTheme();
  const whole = await wholeDocument();
  app.profile.add(whole);
  if (whole.live) startLive(whole, redrawWhenFree);
  redrawAll();
}

start().catch((error) => {
  byId("warnings").textContent = `The page could not be read: ${error instanceof Error ? error.message : error}`;
  throw error;
});
