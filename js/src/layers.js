/**
 * What lies under the marks, kept as ready-made canvases so that a frame is a few blits: the
 * picture in view, and stacks of masks of which only what changed is painted again.
 *
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Corners} Corners
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./mask.js").Placement} Placement
 * @typedef {import("./paint.js").Look} Look
 * @typedef {import("./paint.js").Style} Style
 *
 * @typedef {object} Overlay
 * @property {number} id
 * @property {Mask} mask
 * @property {string} color
 * @property {Look} look
 * @property {boolean} shown a hidden object still cuts what lies below it
 * @property {{ since: Mask, box: Corners }} [change] all that differs from an earlier mask, in image pixels
 *
 * @typedef {object} Frame
 * @property {Placement} placement
 * @property {Size} surface
 * @property {Style} style
 * @property {boolean} cut every pixel belongs to the topmost object only
 * @property {boolean} moving the view is on the move: a stretched layer will do for the moment
 */
import { boxOnSurface, intersection, union } from "./geometry.js";
import { boundsOf, rasterize } from "./mask.js";
import { contourReach, tint } from "./paint.js";

/** From this enlargement on (device pixels per image pixel) single pixels matter more than smoothness. */
const PIXELATED_FROM = 8;

/** A layer that took longer than this (milliseconds) is stretched instead while the view moves. */
const FLUID = 8;

/** @param {Size} size */
function newCanvas({ width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
const context2d = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** @param {Size} surface @returns {Corners} */
const whole = ({ width, height }) => ({ x0: 0, y0: 0, x1: width, y1: height });

/** @param {Placement} placement @param {Size} surface */
const placeKey = ({ image, left, top, width, height }, surface) =>
  [image.width, image.height, left, top, width, height, surface.width, surface.height].join();

/** The picture in view. */
export function createPictureLayer() {
  const layer = newCanvas({ width: 1, height: 1 });
  /** @type {unknown} */
  let drawn = null;
  let key = "";

  /**
   * @param {ImageBitmap} bitmap
   * @param {Frame} frame
   * @param {string} filter
   * @param {{ draw: (context: CanvasRenderingContext2D) => void, version: number }} tiles
   */
  return function pictureLayer(bitmap, { placement, surface }, filter, tiles) {
    const nextKey = `${placeKey(placement, surface)},${filter},${tiles.version}`;
    if (drawn === bitmap && key === nextKey) return layer;
    [drawn, key] = [bitmap, nextKey];
    layer.width = surface.width;
    layer.height = surface.height;
    const context = context2d(layer);
    const { image, left, top, width, height } = placement;
    const smooth = Math.min(width / image.width, height / image.height) < PIXELATED_FROM;
    // Pixels of a picture smaller than the image are nobody's pixels.
    context.imageSmoothingEnabled = smooth || bitmap.width < image.width;
    context.imageSmoothingQuality = "high";
    // For looking only: what the model sees stays as it is.
    context.filter = filter;
    context.drawImage(bitmap, left, top, width, height);
    context.imageSmoothingEnabled = smooth;
    tiles.draw(context);
    return layer;
  };
}

/** A stack of masks. */
export function createMaskLayer() {
  const canvas = newCanvas({ width: 1, height: 1 });
  const scratch = newCanvas({ width: 1, height: 1 });
  const context = context2d(canvas);
  /** @type {readonly Overlay[]} */
  let painted = [];
  /** @type {Frame | null} */
  let frame = null;
  let key = "";
  let cost = 0;
  /** @type {WeakMap<Mask, Corners | null>} */
  let boxes = new WeakMap();

  /** Where a mask may have pixels. @param {Mask} mask @param {Size} image */
  function boundsIn(mask, image) {
    const bounds = boxes.has(mask) ? boxes.get(mask) : boundsOf(mask, image);
    boxes.set(mask, bounds ?? null);
    return bounds ?? null;
  }

  /** @param {Frame} next */
  const keyOf = ({ placement, surface, style, cut }) =>
    [placeKey(placement, surface), style.opacity, style.maskStyle, style.unit, cut].join();

  /** @param {Overlay} overlay @param {Frame} on @param {Corners} window */
  function stamp({ mask, color, look, shown }, { placement, style, cut }, window) {
    const reach = contourReach(style.unit);
    const bounds = boundsIn(mask, placement.image);
    if (!bounds || !intersection(boxOnSurface(bounds, placement, 0), window)) return;
    // Wider than the window, so that no contour runs along its border.
    const wide = { x0: window.x0 - reach, y0: window.y0 - reach, x1: window.x1 + reach, y1: window.y1 + reach };
    const bitmap = rasterize(mask, placement, wide, bounds);
    if (!bitmap.width || !bitmap.height) return;
    /** @param {Look} as @param {GlobalCompositeOperation} operation */
    const draw = (as, operation) => {
      // Setting the size clears it; an ImageData cannot be blended directly.
      scratch.width = bitmap.width;
      scratch.height = bitmap.height;
      context2d(scratch).putImageData(tint(bitmap, color, as, style), 0, 0);
      context.globalCompositeOperation = operation;
      context.drawImage(scratch, bitmap.x, bitmap.y);
    };
    if (cut) draw("solid", "destination-out");
    if (shown) draw(look, "source-over");
  }

  /** @param {readonly Overlay[]} overlays @param {Frame} on @param {Corners} window */
  function repaint(overlays, on, window) {
    const { x0, y0, x1, y1 } = window;
    context.save();
    context.beginPath();
    context.rect(x0, y0, x1 - x0, y1 - y0);
    context.clip();
    context.clearRect(x0, y0, x1 - x0, y1 - y0);
    for (const overlay of overlays) stamp(overlay, on, window);
    context.restore();
  }

  /** @param {readonly Overlay[]} overlays @param {Frame} next */
  function update(overlays, next) {
    const nextKey = keyOf(next);
    if (nextKey === key && overlays === painted) return;
    if (frame && frame.placement.image !== next.placement.image) boxes = new WeakMap();
    if (nextKey !== key) {
      canvas.width = next.surface.width;
      canvas.height = next.surface.height;
      const start = performance.now();
      for (const overlay of overlays) stamp(overlay, next, whole(next.surface));
      cost = performance.now() - start;
    } else {
      const box = dirtyBox(painted, overlays, next.placement.image);
      const window = box && intersection(boxOnSurface(box, next.placement, contourReach(next.style.unit)), whole(next.surface));
      if (window) repaint(overlays, next, window);
    }
    context.globalCompositeOperation = "source-over";
    [painted, frame, key] = [overlays, next, nextKey];
  }

  /**
   * Bring the layer up to date and draw it.
   *
   * @param {CanvasRenderingContext2D} target
   * @param {readonly Overlay[]} overlays
   * @param {Frame} next
   */
  return function drawLayer(target, overlays, next) {
    const stretched = next.moving && frame && cost > FLUID && keyOf(next) !== key;
    if (!stretched) {
      update(overlays, next);
      if (overlays.length) target.drawImage(canvas, 0, 0);
      return;
    }
    const { placement: from } = frame ?? next;
    const [across, down] = [next.placement.width / from.width, next.placement.height / from.height];
    const [left, top] = [next.placement.left - from.left * across, next.placement.top - from.top * down];
    target.drawImage(canvas, left, top, canvas.width * across, canvas.height * down);
  };
}

/**
 * Everything that has to be painted again.
 *
 * @param {readonly Overlay[]} before
 * @param {readonly Overlay[]} after
 * @param {Size} image
 * @returns {Corners | null} in image pixels; null when nothing changed
 */
export function dirtyBox(before, after, image) {
  const old = new Map(before.map((overlay) => [overlay.id, overlay]));
  const kept = new Set(after.map(({ id }) => id));
  /** @type {(Corners | null)[]} */
  const boxes = before.filter(({ id }) => !kept.has(id)).map(({ mask }) => boundsOf(mask, image));
  const order = before.filter(({ id }) => kept.has(id));
  let at = 0;
  for (const overlay of after) {
    const earlier = old.get(overlay.id);
    if (!earlier) boxes.push(boundsOf(overlay.mask, image));
    else {
      // Out of its place in the stack, or not as it was.
      const moved = order[at++].id !== overlay.id;
      if (moved || !same(earlier, overlay)) boxes.push(...changedBoxes(earlier, overlay, image));
    }
  }
  const found = boxes.filter((box) => box !== null);
  return found.length ? found.reduce(union) : null;
}

/** @param {Overlay} before @param {Overlay} after @param {Size} image */
function changedBoxes(before, after, image) {
  const { change } = after;
  if (change && change.since === before.mask && same({ ...before, mask: after.mask }, after)) return [change.box];
  return [boundsOf(before.mask, image), boundsOf(after.mask, image)];
}

/** @param {Overlay} a @param {Overlay} b */
const same = (a, b) => a.mask === b.mask && a.color === b.color && a.look === b.look && a.shown === b.shown;
