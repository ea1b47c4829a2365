/**
 * Where the stretches of a lane lie on a strip of pixels: never more than the strip has pixels, however
 * many planes there are.
 *
 * @typedef {import("./timeline.js").Run} Run
 * @typedef {import("./timeline.js").RunState} RunState
 * @typedef {{ from: number, to: number, state: RunState }} Stretch pixels
 */

/** If a pixel covers several planes, the state that comes last in this list is shown. @type {readonly RunState[]} */
const PRECEDENCE = ["tracked", "absent", "stale", "doubtful"];

/** @param {number} plane @param {number} count of all planes @param {number} width of the strip @returns {number} where the plane begins */
export const planeToX = (plane, count, width) => (plane / count) * width;

/** @param {number} x @param {number} count of all planes @param {number} width of the strip @returns {number} */
export const xToPlane = (x, count, width) =>
  Math.min(Math.max(Math.floor((x / width) * count), 0), count - 1);

/**
 * @param {readonly Run[]} runs
 * @param {number} count of all planes
 * @param {number} width whole pixels
 * @returns {Stretch[]} in whole pixels, ascending; each is at least one pixel wide
 */
export function stretchesOf(runs, count, width) {
  /** 0: nothing, else one more than the place in PRECEDENCE. */
  const pixels = new Uint8Array(width);
  for (const [start, stop, state] of runs) {
    const from = Math.min(Math.round(planeToX(start, count, width)), width - 1);
    const to = Math.max(Math.round(planeToX(Math.min(stop, count), count, width)), from + 1);
    const rank = PRECEDENCE.indexOf(state) + 1;
    for (let x = from; x < to; x++) pixels[x] = Math.max(pixels[x], rank);
  }
  /** @type {Stretch[]} */
  const found = [];
  for (let from = 0, to = 1; to <= width; to++) {
    if (pixels[to] === pixels[from]) continue;
    if (pixels[from]) found.push({ from, to, state: PRECEDENCE[pixels[from] - 1] });
    from = to;
  }
  return found;
}
