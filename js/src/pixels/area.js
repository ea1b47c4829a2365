/**
 * How many image pixels each object has: exact, and counted in small portions when the browser is idle.
 *
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Corners} Corners
 * @typedef {{ mask: Mask, above: readonly Mask[], image: Size, bounds: Corners, row: number, count: number }} Job
 */
import { intersection } from "./geometry.js";
import { boundsOf, countLogits, rasterize } from "./mask.js";

/** Image pixels that are counted in one portion: about two milliseconds. */
const PORTION = 250_000;

/** How many times as many if the mask consists of logits alone. */
const PLAIN = 6;

/** Milliseconds that are spent counting without a break. */
const BUDGET = 8;

/** Milliseconds after which a count that was not requested again is dropped: its mask is outdated. */
const STALE = 2000;

/**
 * @param {Mask} mask
 * @param {readonly Mask[]} above masks whose pixels are left out
 * @param {Size} image
 * @returns {Job | null} null when there is nothing to count
 */
function jobOf(mask, above, image) {
  const bounds = boundsOf(mask, image);
  if (!bounds) return null;
  const near = above.filter((other) => {
    const box = boundsOf(other, image);
    return box && intersection(box, bounds);
  });
  return { mask, above: near, image, bounds, row: bounds.y0, count: 0 };
}

/** Count some rows. @param {Job} job @returns {Job} */
function advance(job) {
  const { mask, above, image, bounds, row } = job;
  const plain =
    mask.base?.kind === "logits" && !mask.strokes.length && !above.length ? mask.base : null;
  const rows = Math.max(1, Math.floor(((plain ? PLAIN : 1) * PORTION) / (bounds.x1 - bounds.x0)));
  const window = { ...bounds, y0: row, y1: Math.min(row + rows, bounds.y1) };
  if (plain)
    return { ...job, row: window.y1, count: job.count + countLogits(plain, image, window) };
  const placement = { image, left: 0, top: 0, ...image };
  const { inside } = rasterize(mask, placement, undefined, window);
  for (const other of above) {
    const cover = rasterize(other, placement, undefined, window).inside;
    for (let at = 0; at < inside.length; at++) inside[at] &= ~cover[at];
  }
  let count = job.count;
  for (let at = 0; at < inside.length; at++) count += inside[at];
  return { ...job, row: window.y1, count };
}

/**
 * @param {Mask} mask
 * @param {readonly Mask[]} above
 * @param {Size} image
 * @returns {number}
 */
export function countPixels(mask, above, image) {
  let job = jobOf(mask, above, image);
  while (job && job.row < job.bounds.y1) job = advance(job);
  return job?.count ?? 0;
}

/** @param {() => void} work @returns {() => void} cancels it */
function whenIdle(work) {
  if (typeof requestIdleCallback === "function") {
    const handle = requestIdleCallback(work, { timeout: 500 });
    return () => cancelIdleCallback(handle);
  }
  const timer = setTimeout(work, 30);
  return () => clearTimeout(timer);
}

/** @param {{ changed: () => void, signal: AbortSignal }} options */
export function createAreas({ changed, signal }) {
  /** @type {WeakMap<Mask, { above: readonly Mask[], area: number | null, requestedAt: number }>} */
  const known = new WeakMap();
  /** @type {Job[]} newest last: what is in view was requested last */
  let jobs = [];
  /** @type {(() => void) | null} */
  let cancel = null;
  signal.addEventListener("abort", () => cancel?.());

  function work() {
    cancel = null;
    const end = performance.now() + BUDGET;
    let finished = false;
    while (jobs.length && performance.now() < end) finished = step() || finished;
    if (jobs.length) cancel = whenIdle(work);
    if (finished) changed();
  }

  /** @returns {boolean} whether an area is known now, or has to be requested again */
  function step() {
    const job = /** @type {Job} */ (jobs.pop());
    const wanted = known.get(job.mask);
    if (!wanted || wanted.area !== null) return false;
    if (job.row === job.bounds.y0 && performance.now() - wanted.requestedAt > STALE) {
      // A view that still shows it requests it again: a hidden tab has counted nothing meanwhile.
      known.delete(job.mask);
      return true;
    }
    const next = advance(job);
    if (next.row < next.bounds.y1) {
      jobs.push(next);
      return false;
    }
    known.set(job.mask, { ...wanted, area: next.count });
    return true;
  }

  /**
   * @param {Mask} mask
   * @param {readonly Mask[]} above masks whose pixels belong to other objects
   * @param {Size} image
   * @returns {number | null} null while it is being counted
   */
  return function areaOf(mask, above, image) {
    const before = known.get(mask);
    const requestedAt = performance.now();
    if (
      before &&
      before.above.length === above.length &&
      before.above.every((other, k) => other === above[k])
    ) {
      before.requestedAt = requestedAt;
      return before.area;
    }
    jobs = jobs.filter((job) => job.mask !== mask);
    const job = jobOf(mask, above, image);
    known.set(mask, { above, area: job ? null : 0, requestedAt });
    if (job) jobs.push(job);
    if (job && !signal.aborted) cancel ??= whenIdle(work);
    return job ? null : 0;
  };
}
