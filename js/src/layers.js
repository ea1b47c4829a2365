/**
 * What lies under the marks, kept as ready-made canvases so that a frame is a few blits: the
 * picture in view, and stacks of masks of which only what changed is painted again.
 *
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Corners} Corners
 * @typedef {import("./mask.js").Mask} Mask
 * @typedef {import("./mask.js").Placement} Placement
 * @typedef {import("./tint.js").Look} Look
 * @typedef {import("./tint.js").Style} Style
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
 *
 * @typedef {object} Sheet a layer as it is to be drawn now
 * @property {string} key of what is on it, for one placement
 * @property {boolean} exact false: it is stretched to where it belongs, and another frame must follow
 * @property {(target: CanvasRenderingContext2D) => void} draw
 */
import { union } from "./geometry.js";
import { boundsOf } from "./mask.js";
import { imageOf } from "./tint.js";

/** From this enlargement on (device pixels per image pixel) single pixels matter more than smoothness. */
const PIXELATED_FROM = 8;

/** @param {Size} size */
export function newCanvas({ width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
export const context2d = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** Draw a patch over what is there. @param {CanvasRenderingContext2D} context @param {import("./tint.js").Patch} patch */
export function drawPatch(context, patch) {
  if (!patch.pixels.length) return;
  // An ImageData itself replaces what is there.
  const canvas = newCanvas(patch);
  context2d(canvas).putImageData(imageOf(patch), 0, 0);
  context.drawImage(canvas, patch.x, patch.y);
}

/** @param {Placement} placement @param {Size} surface */
export const placeKey = ({ image, left, top, width, height }, surface) =>
  [image.width, image.height, left, top, width, height, surface.width, surface.height].join();

/**
 * @typedef {{ draw: (context: CanvasRenderingContext2D, below: () => void) => void, version: number }} TilesInView
 *
 * @param {CanvasRenderingContext2D} context
 * @param {ImageBitmap} bitmap
 * @param {Frame} frame
 * @param {string} filter
 * @param {TilesInView} tiles
 */
function paintPicture(context, bitmap, { placement, moving }, filter, tiles) {
  const { image, left, top, width, height } = placement;
  const smooth = Math.min(width / image.width, height / image.height) < PIXELATED_FROM;
  context.save();
  // A better look takes longer than a frame, and is due when the view rests. Tiles are never made
  // less than half as large, where it makes no difference.
  const better = moving ? "low" : "high";
  context.imageSmoothingQuality = width < image.width ? "low" : better;
  // For looking only: what the model sees stays as it is.
  context.filter = filter;
  context.imageSmoothingEnabled = smooth;
  tiles.draw(context, () => {
    context.save();
    // Pixels of a picture smaller than the image are nobody's pixels.
    context.imageSmoothingEnabled = smooth || bitmap.width < image.width;
    context.imageSmoothingQuality = better;
    context.drawImage(bitmap, left, top, width, height);
    context.restore();
  });
  context.restore();
}

/** The picture in view. */
export function createPictureLayer() {
  const layer = newCanvas({ width: 1, height: 1 });
  /** @type {ImageBitmap | null} */
  let shown = null;
  /** How many bitmaps there have been. */
  let count = 0;
  let painted = "";

  /** @param {string} key @param {Size} surface @param {(on: CanvasRenderingContext2D) => void} paint */
  function repaint(key, { width, height }, paint) {
    if (painted === key) return;
    painted = key;
    layer.width = width;
    layer.height = height;
    paint(context2d(layer));
  }

  /**
   * @param {ImageBitmap} bitmap
   * @param {Frame} frame
   * @param {string} filter
   * @param {TilesInView} tiles
   * @returns {Sheet}
   */
  return function updatePicture(bitmap, frame, filter, tiles) {
    if (bitmap !== shown) [shown, count] = [bitmap, count + 1];
    const { placement, surface, moving } = frame;
    const key = `${count},${placeKey(placement, surface)},${filter},${tiles.version},${moving}`;
    const paintOn = (/** @type {CanvasRenderingContext2D} */ target) => paintPicture(target, bitmap, frame, filter, tiles);
    // Of no use to the next frame, which differs.
    if (moving) return { exact: true, key, draw: paintOn };
    repaint(key, surface, paintOn);
    return { exact: true, key, draw: (target) => target.drawImage(layer, 0, 0) };
  };
}

/**
 * Everything that has to be painted again.
 *
 * @param {readonly Overlay[]} before
 * @param {readonly Overlay[]} after
 * @param {Size} image
 * @returns {Corners[]} in image pixels; one box where that is less than all of them
 */
export function dirtyBoxes(before, after, image) {
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
  if (found.length < 2) return found;
  const all = found.reduce(union);
  return areaOf(all) > found.reduce((sum, box) => sum + areaOf(box), 0) ? found : [all];
}

/** @param {Corners} box */
const areaOf = ({ x0, y0, x1, y1 }) => (x1 - x0) * (y1 - y0);

/** @param {Overlay} before @param {Overlay} after @param {Size} image */
function changedBoxes(before, after, image) {
  const { change } = after;
  if (change && change.since === before.mask && same({ ...before, mask: after.mask }, after)) return [change.box];
  const box = boundsOf(after.mask, image);
  return before.mask === after.mask ? [box] : [boundsOf(before.mask, image), box];
}

/**
 * What came on top of a stack that is as it was: nothing below needs painting again.
 *
 * @param {readonly Overlay[]} before
 * @param {readonly Overlay[]} after
 * @returns {readonly Overlay[] | null} null when something else has changed, too
 */
export function addedOnTop(before, after) {
  const still = before.length <= after.length && before.every((overlay, at) => overlay.id === after[at].id && same(overlay, after[at]));
  return still ? after.slice(before.length) : null;
}

/** @param {Overlay} a @param {Overlay} b */
const same = (a, b) => a.mask === b.mask && a.color === b.color && a.look === b.look && a.shown === b.shown;
