// The instructions of a line.

import { app } from "./app.js";
import { make } from "./dom.js";
import { STATES, count, counted, plain, stateIndex } from "./words.js";

/** @typedef {import("./profile.js").Site} Site */

/** @param {Site[]} sites @param {Float64Array} running samples by frame */
export function siteTable(sites, running) {
  const samples = samplesOf(sites, running);
  const rows = sites.map((site, at) => {
    const state = stateIndex(site.state);
    return make("tr", {},
      make("th", { scope: "row" }, make("code", {}, plain(site.opcode))),
      make("td", { class: "words" }, plain(site.name ?? "")),
      make("td", { class: `state s${state}` }, `${STATES[state].sign} ${STATES[state].word}`),
      make("td", { class: "words" }, plain(fieldsOf(site.cache))),
      make("td", { class: "words" }, plain(fieldsOf(site.counter))),
      make("td", {}, count(samples[at])),
      make("td", {}, count(Number(site.looks) || 0)),
      make("td", {}, String(site.offset)));
  });
  const words = ["instruction", "name", "state", "cache", "counter", "samples", "looks", "offset"];
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": counted(sites.length, "instruction") },
    make("table", { class: "sites" },
      make("thead", {}, make("tr", {}, ...words.map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, ...rows)));
}

/** Samples that run at each site. @param {Site[]} sites @param {Float64Array} running */
function samplesOf(sites, running) {
  const { frames } = app.profile;
  const at = new Map(sites.map((site, index) => [site.function * 4194304 + site.offset, index]));
  const samples = new Array(sites.length).fill(0);
  for (let frame = 0; frame < frames.line.length; frame += 1) {
    const index = at.get(frames.function[frame] * 4194304 + frames.offset[frame]);
    if (index !== undefined) samples[index] += running[frame];
  }
  return samples;
}

/** What a cache holds, as words. @param {unknown} value @returns {string} */
export function fieldsOf(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, field]) => `${name} ${fieldsOf(field)}`).join(", ");
}
