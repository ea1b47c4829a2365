/**
 * The layers under the marks: the picture in view, and stacks of masks. They are cached as canvases, so
 * that a frame is a few copies, and only what changed is painted again.
 *
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("../pixels/geometry.js").Placement} Placement
 * @typedef {import("../pixels/tint.js").Look} Look
 * @typedef {import("../pixels/tint.js").Style} Style
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
 * @property {boolean} moving the view is moving: for the moment a stretched layer is good enough
 *
 * @typedef {object} Sheet a layer as it is drawn in this frame
 * @property {string} key identifies its content, for one placement
 * @property {boolean} exact false: it is stretched to where it belongs, and another frame must follow
 * @property {(target: CanvasRenderingContext2D) => void} draw
 */
import { union } from "../pixels/geometry.js";
import { boundsOf } from "../pixels/mask.js";
import { imageOf } from "../pixels/tint.js";

/** Device pixels per image pixel from which on the image is drawn in hard pixels. */
const PIXELATED_FROM = 8;

/** @param {Size} size */
export function newCanvas({ width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
export const context2d = (canvas) =>
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** Draw a patch over what is there. @param {CanvasRenderingContext2D} context @param {import("../pixels/tint.js").Patch} patch */
export function drawPatch(context, patch) {
  if (!patch.pixels.length) return;
  // `putImageData` would replace what is there.
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
 * @param {TilesInView} tiles
 */
function paintPicture(context, bitmap, { placement, moving }, tiles) {
  const { image, left, top, width, height } = placement;
  const smooth = Math.min(width / image.width, height / image.height) < PIXELATED_FROM;
  context.save();
  // High quality takes longer than a frame: it is for a view that does not move. Tiles are never drawn at
  // less than half their size, where it makes no difference.
  const better = moving ? "low" : "high";
  context.imageSmoothingQuality = width < image.width ? "low" : better;
  context.imageSmoothingEnabled = smooth;
  tiles.draw(context, () => {
    context.save();
    // A picture smaller than the image does not show the image's own pixels.
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
   * @param {TilesInView} tiles
   * @returns {Sheet}
   */
  return function updatePicture(bitmap, frame, tiles) {
    if (bitmap !== shown) [shown, count] = [bitmap, count + 1];
    const { placement, surface, moving } = frame;
    const key = `${count},${placeKey(placement, surface)},${tiles.version},${moving}`;
    const paintOn = (/** @type {CanvasRenderingContext2D} */ target) =>
      paintPicture(target, bitmap, frame, tiles);
    // The next frame differs: nothing is cached.
    if (moving) return { exact: true, key, draw: paintOn };
    repaint(key, surface, paintOn);
    return { exact: true, key, draw: (target) => target.drawImage(layer, 0, 0) };
  };
}

/**
 * The boxes that have to be painted again.
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
      // Its order in the stack or its look has changed.
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
  if (change && change.since === before.mask && same({ ...before, mask: after.mask }, after))
    return [change.box];
  const box = boundsOf(after.mask, image);
  return before.mask === after.mask ? [box] : [boundsOf(before.mask, image), box];
}

/**
 * Overlays that were added on top of an unchanged stack: nothing below has to be painted again.
 *
 * @param {readonly Overlay[]} before
 * @param {readonly Overlay[]} after
 * @returns {readonly Overlay[] | null} null when something else has changed, too
 */
export function addedOnTop(before, after) {
  const still =
    before.length <= after.length &&
    before.every((overlay, at) => overlay.id === after[at].id && same(overlay, after[at]));
  return still ? after.slice(before.length) : null;
}

/** @param {readonly Overlay[]} before @param {readonly Overlay[]} after @returns {number} how many were added, removed or look different */
export function countChanges(before, after) {
  if (before === after) return 0;
  const old = new Map(before.map((overlay) => [overlay.id, overlay]));
  const isKept = (/** @type {Overlay} */ overlay) => {
    const earlier = old.get(overlay.id);
    return earlier !== undefined && same(earlier, overlay);
  };
  return Math.max(before.length, after.length) - after.filter(isKept).length;
}

/** @param {Overlay} a @param {Overlay} b */
const same = (a, b) =>
  a.mask === b.mask && a.color === b.color && a.look === b.look && a.shown === b.shown;
