/**
 * What lies under the marks, kept as ready-made canvases so that a frame is a few blits: the
 * scaled picture, the finished objects, the object being worked on.
 *
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./paint.js").Look} Look
 * @typedef {{ mask: Mask, color: string, look: Look }} Overlay
 */
import { rasterize } from "./mask.js";
import { tint } from "./paint.js";

/** From this enlargement on (device pixels per image pixel) single pixels matter more than smoothness. */
const PIXELATED_FROM = 8;

/** @param {Size} size */
function newCanvas({ width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
const context2d = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** The picture at the size of the canvas. */
export function createPictureLayer() {
  /** @type {HTMLCanvasElement | null} */
  let layer = null;
  /** @type {ImageBitmap | null} */
  let drawn = null;

  /** @param {ImageBitmap} bitmap @param {Size} surface */
  return function pictureLayer(bitmap, surface) {
    if (layer && drawn === bitmap && layer.width === surface.width && layer.height === surface.height) return layer;
    layer = newCanvas(surface);
    drawn = bitmap;
    const context = context2d(layer);
    const enlargement = Math.min(surface.width / bitmap.width, surface.height / bitmap.height);
    context.imageSmoothingEnabled = enlargement < PIXELATED_FROM;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, surface.width, surface.height);
    return layer;
  };
}

/**
 * Draws one mask onto a context, through a scratch canvas that is kept.
 */
function createStamp() {
  const scratch = newCanvas({ width: 1, height: 1 });

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Overlay} overlay
   * @param {Size} image
   * @param {number} unit
   */
  return function stamp(context, { mask, color, look }, image, unit) {
    const bitmap = rasterize(mask, { image, left: 0, top: 0, width: context.canvas.width, height: context.canvas.height });
    if (!bitmap.width || !bitmap.height) return;
    // Setting the size clears it; an ImageData cannot be blended directly.
    scratch.width = bitmap.width;
    scratch.height = bitmap.height;
    context2d(scratch).putImageData(tint(bitmap, color, look, unit), 0, 0);
    context.drawImage(scratch, bitmap.x, bitmap.y);
  };
}

/** A stack of masks, repainted only when they or the size change; one more on top is just added. */
export function createMaskLayer() {
  const stamp = createStamp();
  const layer = newCanvas({ width: 1, height: 1 });
  /** @type {readonly Overlay[]} */
  let painted = [];
  let key = "";

  /**
   * @param {readonly Overlay[]} overlays
   * @param {Size} image
   * @param {Size} surface
   * @param {number} unit
   * @returns {HTMLCanvasElement | null}
   */
  return function maskLayer(overlays, image, surface, unit) {
    const nextKey = [image.width, image.height, surface.width, surface.height, unit].join();
    const grows = nextKey === key && painted.every((overlay, k) => k in overlays && same(overlay, overlays[k]));
    if (!grows) {
      key = nextKey;
      layer.width = surface.width;
      layer.height = surface.height;
      painted = [];
    }
    for (const overlay of overlays.slice(painted.length)) stamp(context2d(layer), overlay, image, unit);
    painted = overlays;
    return overlays.length ? layer : null;
  };
}

/** @param {Overlay} a @param {Overlay} b */
const same = (a, b) => a.mask === b.mask && a.color === b.color && a.look === b.look;

/** @param {readonly SegmentedObject[]} objects @returns {Overlay[]} */
export const finishedOverlays = (objects) =>
  objects.flatMap(({ mask, color }) => (mask ? [{ mask, color, look: /** @type {const} */ ("finished") }] : []));
