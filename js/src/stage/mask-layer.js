/**
 * A stack of masks on a canvas of its own. Only what changed is painted again: the objects that differ,
 * or the strips that come into view when the view is dragged. What takes longer than a frame is painted
 * on a second canvas, a part in each frame, and shown when it is complete; until then the old canvas is
 * drawn stretched to the new view. Masks are blended in memory, one band of the surface at a time.
 *
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("./layers.js").Overlay} Overlay
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./layers.js").Sheet} Sheet
 * @typedef {import("../pixels/tint.js").Patch} Patch
 * @typedef {{ key: string, frame: Frame, overlays: readonly Overlay[], bands: readonly Corners[], at: number, patch: Patch | null }} Job
 *   at: how many masks are blended, band by band; patch: the band that is being painted
 */
import { boxOnSurface, intersection, union } from "../pixels/geometry.js";
import {
  addedOnTop,
  context2d,
  countChanges,
  dirtyBoxes,
  drawPatch,
  newCanvas,
  placeKey,
} from "./layers.js";
import { boundsOf, rasterize } from "../pixels/mask.js";
import { contourReach, cutOut, imageOf, blendMask, newPatch } from "../pixels/tint.js";

/** Milliseconds of a frame that are spent on painting a whole layer. */
const BUDGET = 8;

/** The same while the view moves, when the picture takes most of a frame. */
const MOVING_BUDGET = 4;

/** So many objects that differ are painted at once; more, a part in each frame. */
const FEW = 4;

/** Rows of a surface that are painted at a time: a large mask takes longer than a frame. */
const BAND = 128;

/** @param {Size} surface @returns {Corners[]} */
export function bands({ width, height }) {
  const count = Math.ceil(height / BAND);
  return Array.from({ length: count }, (_, k) => ({
    x0: 0,
    y0: k * BAND,
    x1: width,
    y1: Math.min((k + 1) * BAND, height),
  }));
}

/** @param {Size} surface @returns {Corners} */
const whole = ({ width, height }) => ({ x0: 0, y0: 0, x1: width, y1: height });

/** @param {Patch} patch @returns {Corners} */
const cornersOf = ({ x, y, width, height }) => ({ x0: x, y0: y, x1: x + width, y1: y + height });

/** @param {Frame} frame */
const keyOf = ({ placement, surface, style, cut }) =>
  [placeKey(placement, surface), style.opacity, style.maskStyle, style.unit, cut].join();

/** Identifies all that does not change when the view is dragged. @param {Frame} frame */
const scaleKey = (frame) => keyOf({ ...frame, placement: { ...frame.placement, left: 0, top: 0 } });

/**
 * The parts of a surface that come into view when its content moves.
 *
 * @param {Size} surface
 * @param {number} dx
 * @param {number} dy
 * @returns {Corners[]}
 */
export function uncovered({ width, height }, dx, dy) {
  const [left, right] = [Math.max(dx, 0), width + Math.min(dx, 0)];
  return [
    { x0: dx > 0 ? 0 : right, y0: 0, x1: dx > 0 ? left : width, y1: height },
    { x0: left, y0: dy > 0 ? 0 : height + dy, x1: right, y1: dy > 0 ? dy : height },
  ].filter(({ x0, y0, x1, y1 }) => x0 < x1 && y0 < y1);
}

/** Replaces the pixels that are there. @param {HTMLCanvasElement} canvas @param {Patch} patch */
function put(canvas, patch) {
  if (patch.pixels.length) context2d(canvas).putImageData(imageOf(patch), patch.x, patch.y);
}

export function createMaskLayer() {
  let front = newCanvas({ width: 1, height: 1 });
  let back = newCanvas({ width: 1, height: 1 });
  /** What the front shows. @type {readonly Overlay[]} */
  let painted = [];
  /** @type {Frame | null} */
  let frame = null;
  /** Painting all of it takes more than one frame. */
  let isSlow = false;
  /** How often the front has changed. */
  let version = 0;
  /** @type {Job | null} */
  let job = null;
  /** @type {WeakMap<Mask, Corners | null>} */
  let boxes = new WeakMap();

  /** Where a mask may have pixels. @param {Mask} mask @param {Size} image */
  function boundsIn(mask, image) {
    const bounds = boxes.has(mask) ? boxes.get(mask) : boundsOf(mask, image);
    boxes.set(mask, bounds ?? null);
    return bounds ?? null;
  }

  /** @param {Patch} patch @param {Overlay} overlay @param {Frame} frame */
  function blendOverlay(patch, { mask, color, look, shown }, { placement, style, cut }) {
    const bounds = boundsIn(mask, placement.image);
    const window = cornersOf(patch);
    if (!bounds || !intersection(boxOnSurface(bounds, placement, 0), window)) return;
    const reach = contourReach(style.unit);
    // Wider than the patch, so that no contour runs along its border.
    const wide = {
      x0: window.x0 - reach,
      y0: window.y0 - reach,
      x1: window.x1 + reach,
      y1: window.y1 + reach,
    };
    const bitmap = rasterize(mask, placement, wide, bounds);
    if (cut) cutOut(patch, bitmap);
    if (shown) blendMask(patch, bitmap, color, look, style);
  }

  /** @param {readonly Overlay[]} overlays @param {Frame} on @param {Corners} window @returns {Patch} */
  function paintPatch(overlays, on, window) {
    const patch = newPatch(window);
    for (const overlay of overlays) blendOverlay(patch, overlay, on);
    return patch;
  }

  /** @param {readonly Overlay[]} overlays @param {Frame} on @param {Corners} window */
  function repaint(overlays, on, window) {
    version += 1;
    put(front, paintPatch(overlays, on, window));
  }

  /** Paint over what is there. @param {readonly Overlay[]} added @param {Frame} on @param {Corners} window */
  function paintOnTop(added, on, window) {
    version += 1;
    drawPatch(context2d(front), paintPatch(added, on, window));
  }

  /** Move the content, and paint what comes into view. @param {Frame} next @returns {boolean} whether that was possible */
  function shift(next) {
    if (
      !frame ||
      scaleKey(frame) !== scaleKey(next) ||
      painted.some(({ look }) => look === "preview")
    )
      return false;
    const dx = next.placement.left - frame.placement.left;
    const dy = next.placement.top - frame.placement.top;
    const { width, height } = next.surface;
    if (Math.abs(dx) > width / 2 || Math.abs(dy) > height / 2) return false;
    back.width = width;
    back.height = height;
    // By whole pixels, so that no pixel changes its colour.
    context2d(back).drawImage(front, dx, dy);
    swapCanvases(painted, next);
    for (const window of uncovered(next.surface, dx, dy)) repaint(painted, next, window);
    return true;
  }

  /** @param {readonly Overlay[]} overlays @param {Frame} next */
  function swapCanvases(overlays, next) {
    [front, back] = [back, front];
    version += 1;
    [painted, frame, job] = [overlays, next, null];
  }

  /** @param {readonly Overlay[]} overlays @param {Frame} next @param {boolean} isInPlace the front shows some of them in the same place @returns {Job} */
  function newJob(overlays, next, isInPlace) {
    if (frame && frame.placement.image !== next.placement.image) boxes = new WeakMap();
    back.width = next.surface.width;
    back.height = next.surface.height;
    const all = bands(next.surface);
    const stale = isInPlace && overlays.length ? staleWindows(overlays, next) : null;
    if (stale) context2d(back).drawImage(front, 0, 0);
    const parts = stale?.flatMap((window) => all.map((band) => intersection(band, window)));
    return {
      key: keyOf(next),
      frame: next,
      overlays,
      bands: parts?.filter((part) => part !== null) ?? all,
      at: 0,
      patch: null,
    };
  }

  /** Paint everything, or what has changed, or continue to. @param {readonly Overlay[]} overlays @param {Frame} next @param {boolean} isInPlace @returns {boolean} whether it is done */
  function paintInSteps(overlays, next, isInPlace) {
    if (job?.key !== keyOf(next)) job = newJob(overlays, next, isInPlace);
    const isBegun = job.at > 0;
    const start = performance.now();
    const steps = job.overlays.length * job.bands.length;
    while (job.at < steps && performance.now() - start < (next.moving ? MOVING_BUDGET : BUDGET))
      paintStep(job, job.at++);
    if (!isInPlace) isSlow = isBegun || job.at < steps;
    if (job.at < steps) return false;
    swapCanvases(job.overlays, job.frame);
    return true;
  }

  /** @param {Job} job @param {number} at */
  function paintStep(job, at) {
    const { overlays, frame: on } = job;
    job.patch ??= newPatch(job.bands[Math.floor(at / overlays.length)]);
    blendOverlay(job.patch, overlays[at % overlays.length], on);
    if ((at + 1) % overlays.length) return;
    put(back, job.patch);
    job.patch = null;
  }

  /** Where the front does not show `overlays`. @param {readonly Overlay[]} overlays @param {Frame} next @returns {Corners[]} */
  const staleWindows = (overlays, { placement, style, surface }) =>
    dirtyBoxes(painted, overlays, placement.image)
      .map((box) =>
        intersection(boxOnSurface(box, placement, contourReach(style.unit)), whole(surface)),
      )
      .filter((window) => window !== null);

  /** @param {readonly Overlay[]} overlays @param {Frame} next */
  function paintChanges(overlays, next) {
    if (overlays === painted) return;
    const added = next.cut ? null : addedOnTop(painted, overlays);
    const windows = staleWindows(overlays, next);
    [painted, frame] = [overlays, next];
    if (!windows.length) return;
    // As one: where two windows overlap, an object would be added twice.
    if (added) paintOnTop(added, next, windows.reduce(union));
    else for (const window of windows) repaint(overlays, next, window);
  }

  /** @param {CanvasRenderingContext2D} target @param {Frame} from @param {Frame} to */
  function drawStretched(target, { placement: from }, { placement: to }) {
    const [across, down] = [to.width / from.width, to.height / from.height];
    const [left, top] = [to.left - from.left * across, to.top - from.top * down];
    target.drawImage(front, left, top, front.width * across, front.height * down);
  }

  /**
   * Bring the layer up to date.
   *
   * @param {readonly Overlay[]} overlays
   * @param {Frame} next
   * @returns {Sheet}
   */
  return function updateLayer(overlays, next) {
    const isInPlace = Boolean((frame && keyOf(frame) === keyOf(next)) || shift(next));
    const isDeferred = next.moving && frame && isSlow;
    const isQuick = isInPlace && countChanges(painted, overlays) <= FEW;
    // What is completed may be older than `overlays`: a slider must not begin it again and again.
    const exact =
      isQuick || (!isDeferred && paintInSteps(overlays, next, isInPlace) && painted === overlays);
    if (isQuick) job = null;
    if (exact) paintChanges(overlays, next);
    const from = exact ? null : frame;
    const isEmpty = !from && !overlays.length;
    return {
      exact,
      key: isEmpty ? "" : `${version}/${exact}`,
      draw(target) {
        if (from) drawStretched(target, from, next);
        else if (!isEmpty) target.drawImage(front, 0, 0);
      },
    };
  };
}
