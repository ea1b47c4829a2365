/** Masks of a mock model: smooth blobs around the prompts. */
import { zlibSync } from "fflate";

const SIDE = 256;

/** Radius of a click's blob for each candidate, as a share of the shorter side. */
const SHARES = [0.09, 0.19, 0.32];

/** @param {any[]} prompts @returns {number} */
export const choiceOf = (prompts) =>
  [...prompts].reverse().find(({ type }) => type === "choice")?.index ?? 1;

/** @param {{ x: number, y: number, label: number }} point @param {number} x @param {number} y @param {number} reach */
function blob(point, x, y, reach) {
  const angle = Math.atan2(y - point.y, x - point.x);
  const radius =
    reach * (point.label ? 1 : 0.5) * (1 + 0.12 * Math.sin(3 * angle) + 0.05 * Math.sin(7 * angle));
  return 1 - Math.hypot(x - point.x, y - point.y) / radius;
}

/** @param {any} p @param {number} x @param {number} y @param {number} reach @returns {[number, boolean][]} values, and whether they add */
function valuesOf(p, x, y, reach) {
  if (p.type === "point") return [[blob(p, x, y, reach), p.label === 1]];
  if (p.type === "scribble") {
    const step = Math.max(1, Math.floor(p.points.length / 8));
    const points = p.points.filter(
      (/** @type {any} */ _, /** @type {number} */ k) => k % step === 0,
    );
    return points.map((/** @type {[number, number]} */ [px, py]) => [
      blob({ x: px, y: py, label: p.label }, x, y, reach / 3),
      p.label === 1,
    ]);
  }
  if (p.type !== "box") return [];
  const [rx, ry] = [(p.x1 - p.x0) / 2, (p.y1 - p.y0) / 2];
  return [[1 - Math.hypot((x - p.x0 - rx) / rx, (y - p.y0 - ry) / ry), true]];
}

/** @type {Map<string, ReturnType<typeof makeMask>>} */
const made = new Map();

/**
 * @param {any[]} prompts
 * @param {{ width: number, height: number }} image
 */
export function maskOnWire(prompts, image) {
  const key = JSON.stringify([prompts, image.width, image.height]);
  const mask = made.get(key) ?? makeMask(prompts, image);
  made.set(key, mask);
  return mask;
}

/** @param {any[]} prompts @param {{ width: number, height: number }} image */
function makeMask(prompts, { width, height }) {
  const logits = new Int8Array(SIDE * SIDE);
  const reach = Math.min(width, height) * SHARES[choiceOf(prompts)];
  for (let at = 0; at < logits.length; at++) {
    const x = (((at % SIDE) + 0.5) * width) / SIDE;
    const y = ((Math.floor(at / SIDE) + 0.5) * height) / SIDE;
    let value = -1;
    for (const prompt of prompts) {
      for (const [v, adds] of valuesOf(prompt, x, y, reach))
        value = adds ? Math.max(value, v) : Math.min(value, -v);
    }
    logits[at] = Math.max(-127, Math.min(127, Math.round(value * 127)));
  }
  const strokes = prompts
    .filter(({ type }) => type === "stroke")
    .map(({ points, radius, label }) => ({ points, radius, label }));
  return {
    kind: "logits",
    width: SIDE,
    height: SIDE,
    data: new DataView(zlibSync(new Uint8Array(logits.buffer)).buffer),
    strokes,
  };
}
