// What the canvases share: sizes, colours as the theme has them, text that fits.

/** @type {Map<string, string>} */
const known = new Map();

/** A colour of the style sheet as it is now. @param {string} name */
export function colour(name) {
  let value = known.get(name);
  if (!value) {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    value = getComputedStyle(probe).color;
    probe.remove();
    known.set(name, value);
  }
  return value;
}

/** The theme changed. */
export function forgetColours() {
  known.clear();
  ofTexts.clear();
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** @type {Map<string, string>} */
const ofTexts = new Map();

/** A calm colour of its own for a text. @param {string} text */
export function colourOf(text) {
  const chosen = ofTexts.get(text) ?? hashed(text);
  ofTexts.set(text, chosen);
  return chosen;
}

/** @param {string} text */
function hashed(text) {
  let hash = 0;
  for (let at = 0; at < text.length; at += 1) hash = (hash * 31 + text.charCodeAt(at)) | 0;
  const hue = ((hash >>> 0) * 47) % 360;
  return isDark() ? `hsl(${hue} 32% 27%)` : `hsl(${hue} 48% 84%)`;
}

/** The step of the heat ramp for a share of the largest. @param {number} share */
export function heatStep(share) {
  if (share <= 0) return 0;
  return Math.max(1, Math.min(5, Math.ceil(Math.sqrt(share) * 5)));
}

/**
 * Makes the pixels of a canvas fit its place, and hands out its context in CSS pixels.
 * @param {HTMLCanvasElement} canvas @param {number} width @param {number} height
 */
export function prepare(canvas, width, height) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  return context;
}

/** As much of a text as fits. @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
export function fitted(context, text, width) {
  if (text.length * 4 < width && context.measureText(text).width <= width) return text;
  const each = context.measureText("n").width || 6;
  const letters = Math.floor(width / each) - 1;
  return letters < 2 ? "" : text.length <= letters ? text : `${text.slice(0, letters)}…`;
}

/** Calls once per frame at most. @param {() => void} draw */
export function onFrame(draw) {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      draw();
    });
  };
}
