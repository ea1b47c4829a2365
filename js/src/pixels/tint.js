/**
 * Masks in their colours, blended in memory and drawn on a canvas at once: many draw calls would cost more
 * than the pixels.
 *
 * @typedef {import("./geometry.js").Corners} Corners
 * @typedef {import("./bitmap.js").Bitmap} Bitmap
 * @typedef {{ x: number, y: number, width: number, height: number, pixels: Uint32Array }} Patch
 *   a part of a surface, each pixel as ImageData holds it
 *
 * @typedef {import("../protocol/messages.d.ts").SyncedTraits["mask_style"]} MaskStyle
 * How an object is drawn: finished, being edited, or the preview of a click.
 * @typedef {"finished" | "active" | "preview"} Look
 * @typedef {{ opacity: number, maskStyle: MaskStyle, unit: number }} Style
 */
import { depthLevels } from "./contour.js";

/** Finished objects are paler than the one being edited. */
const FINISHED_SHARE = 0.65;
const PREVIEW_SHARE = 0.5;

/** Length of a dash in CSS pixels. */
const DASH = 4;

/** Rings of a contour from outside in, each one CSS pixel wide. @type {Record<Look, (color: string) => number[]>} */
const RINGS = {
  finished: (color) => [rgba("#ffffff", 0.6), rgba(color, 0.95)],
  active: (color) => [rgba("#ffffff", 0.95), rgba(color, 1), rgba(color, 1)],
  preview: (color) => [rgba("#ffffff", 0.95), rgba(color, 1)],
};

/** Surface pixels that a contour reaches into its mask. @param {number} unit */
export const contourReach = (unit) => 3 * hairline(unit) + 1;

/** @param {number} unit */
const hairline = (unit) => Math.max(1, Math.round(unit));

/** Alpha of the fill. @param {Look} look @param {Style} style */
function fillAlpha(look, { opacity, maskStyle }) {
  if (look === "preview") return opacity * PREVIEW_SHARE;
  if (maskStyle === "contour") return 0;
  return opacity * (look === "finished" ? FINISHED_SHARE : 1);
}

/** Colour of each depth: outside, the rings of the contour, the fill. @param {string} color @param {Look} look @param {Style} style */
function colorTable(color, look, style) {
  const contour = style.maskStyle !== "fill" || look === "preview";
  const rings = contour ? RINGS[look](color) : [];
  const widened = rings.flatMap((ring) => new Array(hairline(style.unit)).fill(ring));
  return Uint32Array.from([0, ...widened, rgba(color, fillAlpha(look, style))]);
}

/** @param {Corners} corners whole pixels @returns {Patch} with nothing on it */
export function newPatch({ x0, y0, x1, y1 }) {
  const [width, height] = [x1 - x0, y1 - y0];
  return { x: x0, y: y0, width, height, pixels: new Uint32Array(width * height) };
}

/** @param {Patch} patch @returns {ImageData} the same pixels, not a copy */
export const imageOf = ({ pixels, width, height }) =>
  new ImageData(new Uint8ClampedArray(/** @type {ArrayBuffer} */ (pixels.buffer)), width, height);

/**
 * Blend a mask over the patch: a translucent fill, and a contour on its own outermost pixels. The part of
 * the bitmap beside the patch only shows where the mask continues.
 *
 * @param {Patch} patch
 * @param {Bitmap} bitmap
 * @param {string} color "#rrggbb"
 * @param {Look} look
 * @param {Style} style
 */
export function blendMask(patch, bitmap, color, look, style) {
  const table = colorTable(color, look, style);
  const deepest = table.length - 1;
  const levels = depthLevels(bitmap, deepest);
  const dash = look === "preview" ? DASH * hairline(style.unit) : 0;
  const { pixels } = patch;
  // Neighbouring pixels are mostly equal: the last result is kept.
  let [above, under, mixed] = [0, 0, 0];
  visitShared(patch, bitmap, (to, from, count, x, y) => {
    // Gaps lie on a checkerboard, so that lines of any direction get some.
    const row = dash && Math.floor(y / dash);
    for (let k = 0; k < count; k++) {
      const level = levels[from + k];
      if (!level) continue;
      const gap = dash && level < deepest && (row + Math.floor((x + k) / dash)) & 1;
      const ink = table[gap ? deepest : level];
      if (!(ink >>> 24)) continue;
      const below = pixels[to + k];
      if (ink !== above || below !== under)
        [above, under, mixed] = [ink, below, below ? over(ink, below) : ink];
      pixels[to + k] = mixed;
    }
  });
}

/** Clear the pixels inside a mask. @param {Patch} patch @param {Bitmap} bitmap */
export function cutOut(patch, bitmap) {
  const { pixels } = patch;
  const { inside } = bitmap;
  visitShared(patch, bitmap, (to, from, count) => {
    for (let k = 0; k < count; k++) if (inside[from + k]) pixels[to + k] = 0;
  });
}

/**
 * Visit the parts of rows that both contain.
 *
 * @param {Patch} patch
 * @param {Bitmap} bitmap
 * @param {(to: number, from: number, count: number, x: number, y: number) => void} visit
 *   places of the first pixel in each; where it is on the surface
 */
function visitShared(patch, bitmap, visit) {
  const [x0, y0] = [Math.max(patch.x, bitmap.x), Math.max(patch.y, bitmap.y)];
  const x1 = Math.min(patch.x + patch.width, bitmap.x + bitmap.width);
  const y1 = Math.min(patch.y + patch.height, bitmap.y + bitmap.height);
  if (x0 >= x1) return;
  for (let y = y0; y < y1; y++) {
    visit(
      (y - patch.y) * patch.width + x0 - patch.x,
      (y - bitmap.y) * bitmap.width + x0 - bitmap.x,
      x1 - x0,
      x0,
      y,
    );
  }
}

/** One pixel as ImageData holds it. @param {string} color @param {number} alpha */
function rgba(color, alpha) {
  const bytes = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return new Uint32Array(Uint8Array.of(...bytes, Math.round(alpha * 255)).buffer)[0];
}

/** As a canvas draws one pixel, not wholly transparent, over another. @param {number} top @param {number} below @returns {number} */
function over(top, below) {
  const alpha = top >>> 24;
  if (alpha === 255) return top;
  const rest = ((below >>> 24) * (255 - alpha)) / 255;
  const whole = alpha + rest;
  const [a, b] = [alpha / whole, rest / whole];
  const red = ((top & 255) * a + (below & 255) * b + 0.5) | 0;
  const green = (((top >>> 8) & 255) * a + ((below >>> 8) & 255) * b + 0.5) | 0;
  const blue = (((top >>> 16) & 255) * a + ((below >>> 16) & 255) * b + 0.5) | 0;
  return (red | (green << 8) | (blue << 16) | (((whole + 0.5) | 0) << 24)) >>> 0;
}
