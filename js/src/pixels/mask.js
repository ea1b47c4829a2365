/**
 * Masks as the kernel sends them and their pixels: low-resolution logits, or exact pixels, with strokes
 * made by hand on top.
 *
 * The kernel computes the same mask with the same doubles in the same order, so that the overlay shows
 * exactly the pixels of `w.masks`. Change both together (`sam2_widget/masks`).
 *
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Corners} Corners
 * @typedef {import("./geometry.js").Placement} Placement
 * @typedef {import("./bitmap.js").Bitmap} Bitmap
 * @typedef {import("./strokes.js").Stroke} Stroke
 *
 * @typedef {object} Logits
 * The part of a logit grid that affects positive pixels; rows and columns x0 <= x < x1, y0 <= y < y1.
 * @property {"logits"} kind
 * @property {number} width of the whole grid
 * @property {number} height of the whole grid
 * @property {number} x0
 * @property {number} y0
 * @property {number} x1
 * @property {number} y1
 * @property {Int8Array} data row-major, (y1 - y0) * (x1 - x0)
 * @property {Corners} [area] image pixels that the whole grid covers; by default all
 *
 * @typedef {object} Pixels a cut-out of the image's pixels
 * @property {"pixels"} kind
 * @property {number} x left column
 * @property {number} y top row
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} data eight pixels a byte, most significant first, each row padded to whole bytes
 *
 * @typedef {{ base: Logits | Pixels | null, strokes: readonly Stroke[] }} Mask
 *
 * @typedef {object} Axis where each bitmap pixel of one direction samples the logits
 * @property {number} start first bitmap pixel that only needs known logits
 * @property {Int32Array} near index of the lower neighbour
 * @property {Int32Array} far index of the upper neighbour
 * @property {Float64Array} weight of the upper neighbour
 */
import { union } from "./geometry.js";
import { paintStroke, strokeBounds, strokeCovers } from "./strokes.js";

/** No pixels. @type {Mask} */
export const NO_MASK = Object.freeze({ base: null, strokes: [] });

/**
 * Keep the bounding box of the positive logits and one ring around it: no other logit affects
 * a positive pixel, and most objects are small.
 *
 * @param {number} width
 * @param {number} height
 * @param {Int8Array} values row-major
 * @returns {Logits}
 */
export function cropLogits(width, height, values) {
  const kind = /** @type {const} */ ("logits");
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0, at = y * width; x < width; x++, at++) {
      if (values[at] <= 0) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  if (right < 0) return { kind, width, height, x0: 0, y0: 0, x1: 0, y1: 0, data: new Int8Array(0) };
  const x0 = Math.max(left - 1, 0);
  const y0 = Math.max(top - 1, 0);
  const x1 = Math.min(right + 2, width);
  const y1 = Math.min(bottom + 2, height);
  const data = new Int8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) {
    data.set(values.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  }
  return { kind, width, height, x0, y0, x1, y1, data };
}

/**
 * A box of image pixels that contains the mask; often a little too large.
 *
 * @param {Mask} mask
 * @param {Size} image
 * @returns {Corners | null} whole numbers; null when the mask is certainly empty
 */
export function boundsOf({ base, strokes }, image) {
  const boxes = strokes.filter(({ label }) => label === 1).map(strokeBounds);
  if (base?.kind === "pixels")
    boxes.push({ x0: base.x, y0: base.y, x1: base.x + base.width, y1: base.y + base.height });
  if (base?.kind === "logits" && base.data.length) boxes.push(logitBounds(base, image));
  const box = boxes.reduce(union, { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity });
  const x0 = Math.max(Math.floor(box.x0), 0);
  const y0 = Math.max(Math.floor(box.y0), 0);
  const x1 = Math.min(Math.ceil(box.x1), image.width);
  const y1 = Math.min(Math.ceil(box.y1), image.height);
  return x0 < x1 && y0 < y1 ? { x0, y0, x1, y1 } : null;
}

/** @param {Logits} logits @param {Size} image @returns {Corners} */
function logitBounds({ width, height, x0, y0, x1, y1, area }, image) {
  const { x: left, y: top, size } = placeOf(area, image);
  // One pixel wider than computed: which logits a pixel reads is computed exactly later.
  const low = (
    /** @type {number} */ at,
    /** @type {number} */ side,
    /** @type {number} */ pixels,
  ) => (at === 0 ? 0 : ((at + 0.5) * pixels) / side - 1.5);
  const high = (
    /** @type {number} */ at,
    /** @type {number} */ side,
    /** @type {number} */ pixels,
  ) => (at === side ? pixels : ((at - 0.5) * pixels) / side + 1.5);
  return {
    x0: left + Math.max(low(x0, width, size.width), 0),
    y0: top + Math.max(low(y0, height, size.height), 0),
    x1: left + Math.min(high(x1, width, size.width), size.width),
    y1: top + Math.min(high(y1, height, size.height), size.height),
  };
}

/** Where a grid of logits lies in the image. @param {Corners | undefined} area @param {Size} image */
const placeOf = (area, image) =>
  area
    ? { x: area.x0, y: area.y0, size: { width: area.x1 - area.x0, height: area.y1 - area.y0 } }
    : { x: 0, y: 0, size: image };

/**
 * The mask as a surface shows it: every surface pixel has the value of the image pixel that
 * its centre falls in. On a surface that the image covers pixel by pixel it is the mask itself.
 *
 * @param {Mask} mask
 * @param {Placement} placement
 * @param {Corners} [window] part of the surface that is wanted
 * @param {Corners | null} [bounds] image pixels that are wanted
 * @returns {Bitmap}
 */
export function rasterize(mask, placement, window, bounds = boundsOf(mask, placement.image)) {
  const { image, left, top, width, height } = placement;
  const box = bounds ?? { x0: 0, y0: 0, x1: 0, y1: 0 };
  const across = sampleSide(image.width, left, width, box.x0, box.x1, window?.x0, window?.x1);
  const down = sampleSide(image.height, top, height, box.y0, box.y1, window?.y0, window?.y1);
  const inside = new Uint8Array(across.pixels.length * down.pixels.length);
  const bitmap = {
    x: across.start,
    y: down.start,
    width: across.pixels.length,
    height: down.pixels.length,
    inside,
    columns: across.pixels,
    rows: down.pixels,
  };
  if (mask.base?.kind === "logits") paintLogits(bitmap, mask.base, image);
  if (mask.base?.kind === "pixels") paintPixels(bitmap, mask.base);
  for (const stroke of mask.strokes) paintStroke(bitmap, stroke);
  return bitmap;
}

/**
 * The image pixel under each surface pixel's centre, as far as it lies in [low, high).
 *
 * @param {number} side of the image
 * @param {number} offset of the image on the surface
 * @param {number} extent of the image on the surface
 * @param {number} low
 * @param {number} high
 * @param {number} [from] first surface pixel that is wanted
 * @param {number} [to] end of those wanted
 */
function sampleSide(side, offset, extent, low, high, from = -Infinity, to = Infinity) {
  const scale = extent / side;
  let start = Math.max(Math.floor(offset + low * scale) - 1, Math.ceil(Math.max(from, offset - 1)));
  const end = Math.min(
    Math.ceil(offset + high * scale) + 1,
    Math.floor(Math.min(to, offset + extent + 1)),
  );
  const pixels = new Int32Array(Math.max(end - start, 0));
  let count = 0;
  for (let pixel = start; pixel < end; pixel++) {
    const index = Math.floor(((pixel + 0.5 - offset) * side) / extent);
    if (index < low || index >= high) continue;
    if (count === 0) start = pixel;
    pixels[count++] = index;
  }
  return { start, pixels: pixels.subarray(0, count) };
}

/**
 * Half-pixel centres, clamped at the borders. Pixels that would read a logit outside
 * [low, high) are left out: they cannot be positive.
 *
 * @param {Int32Array} pixels
 * @param {number} image length in image pixels
 * @param {number} logits length in logits
 * @param {number} low
 * @param {number} high
 * @param {number} [first] image pixel at which the logits begin
 * @returns {Axis}
 */
function sampleAxis(pixels, image, logits, low, high, first = 0) {
  const scale = logits / image;
  const near = new Int32Array(pixels.length);
  const far = new Int32Array(pixels.length);
  const weight = new Float64Array(pixels.length);
  let start = 0;
  let count = 0;
  for (let k = 0; k < pixels.length; k++) {
    const pixel = pixels[k] - first;
    if (pixel < 0 || pixel >= image) continue;
    const s = Math.max((pixel + 0.5) * scale - 0.5, 0);
    const i0 = Math.min(Math.floor(s), logits - 1);
    const i1 = Math.min(i0 + 1, logits - 1);
    if (i0 < low || i1 >= high) continue;
    if (count === 0) start = k;
    near[count] = i0 - low;
    far[count] = i1 - low;
    weight[count] = s - i0;
    count++;
  }
  return {
    start,
    near: near.subarray(0, count),
    far: far.subarray(0, count),
    weight: weight.subarray(0, count),
  };
}

/**
 * One row of logits, interpolated along x.
 *
 * @param {Logits} logits
 * @param {number} row
 * @param {Axis} axis
 * @param {Float64Array} out
 */
function stretchRow({ x0, x1, data }, row, { near, far, weight }, out) {
  const base = row * (x1 - x0);
  for (let k = 0; k < out.length; k++) {
    const f = weight[k];
    out[k] = data[base + near[k]] * (1 - f) + data[base + far[k]] * f;
  }
}

/** @param {Bitmap} bitmap @param {Logits} logits @param {Size} image */
function paintLogits({ width: stride, inside, columns, rows }, logits, image) {
  const { x: left, y: top, size } = placeOf(logits.area, image);
  const across = sampleAxis(columns, size.width, logits.width, logits.x0, logits.x1, left);
  const down = sampleAxis(rows, size.height, logits.height, logits.y0, logits.y1, top);
  const width = across.near.length;
  // Two stretched rows at a time: neighbouring rows mostly share theirs.
  let [upper, lower] = [new Float64Array(width), new Float64Array(width)];
  let [upperRow, lowerRow] = [-1, -1];
  for (let y = 0; y < down.near.length; y++) {
    const out = (down.start + y) * stride + across.start;
    if (y > 0 && rows[down.start + y] === rows[down.start + y - 1]) {
      inside.copyWithin(out, out - stride, out - stride + width);
      continue;
    }
    const j0 = down.near[y];
    const j1 = down.far[y];
    if (j0 === lowerRow) {
      [upper, lower] = [lower, upper];
      [upperRow, lowerRow] = [lowerRow, upperRow];
    }
    if (j0 !== upperRow) stretchRow(logits, j0, across, upper);
    if (j1 !== lowerRow) stretchRow(logits, j1, across, lower);
    [upperRow, lowerRow] = [j0, j1];
    const g = down.weight[y];
    for (let x = 0; x < width; x++) {
      if (upper[x] * (1 - g) + lower[x] * g > 0) inside[out + x] = 1;
    }
  }
}

/** Far larger than rounding errors of a logit, far smaller than a step of one pixel. */
const CERTAIN = 1e-9;

/**
 * How many pixels of some image rows are inside: as many as `rasterize` sets, found without visiting
 * each. Between two neighbouring logits a row's values lie on a line, so where both ends are
 * clearly on one side, all are.
 *
 * @param {Logits} logits
 * @param {Size} image
 * @param {Corners} window image pixels
 * @returns {number}
 */
export function countLogits(logits, image, { x0, y0, x1, y1 }) {
  const across = sampleAxis(range(x0, x1), image.width, logits.width, logits.x0, logits.x1);
  const down = sampleAxis(range(y0, y1), image.height, logits.height, logits.y0, logits.y1);
  const parts = partsOf(across.near);
  const width = across.near.length;
  const [upper, lower] = [new Float64Array(width), new Float64Array(width)];
  let [j0, j1, count] = [-1, -1, 0];
  for (let y = 0; y < down.near.length; y++) {
    if (down.near[y] !== j0) stretchRow(logits, down.near[y], across, upper);
    if (down.far[y] !== j1) stretchRow(logits, down.far[y], across, lower);
    [j0, j1] = [down.near[y], down.far[y]];
    count += countRow(upper, lower, down.weight[y], parts);
  }
  return count;
}

/** @param {Float64Array} upper @param {Float64Array} lower @param {number} g @param {Int32Array} parts */
function countRow(upper, lower, g, parts) {
  let count = 0;
  for (let k = 0; k + 1 < parts.length; k++) {
    const [start, end] = [parts[k], parts[k + 1]];
    const first = upper[start] * (1 - g) + lower[start] * g;
    const last = upper[end - 1] * (1 - g) + lower[end - 1] * g;
    if (first > CERTAIN && last > CERTAIN) count += end - start;
    else if (first >= -CERTAIN || last >= -CERTAIN) {
      for (let x = start; x < end; x++) if (upper[x] * (1 - g) + lower[x] * g > 0) count++;
    }
  }
  return count;
}

/** Where the lower neighbour changes, both ends included. @param {Int32Array} near */
function partsOf(near) {
  const starts = [];
  for (let x = 0; x < near.length; x++) if (x === 0 || near[x] !== near[x - 1]) starts.push(x);
  return Int32Array.from([...starts, near.length]);
}

/** @param {number} from @param {number} to */
const range = (from, to) => Int32Array.from({ length: Math.max(to - from, 0) }, (_, k) => from + k);

/** @param {Bitmap} bitmap @param {Pixels} pixels */
function paintPixels({ width, inside, columns, rows }, pixels) {
  for (let y = 0, at = 0; y < rows.length; y++) {
    for (let x = 0; x < width; x++, at++) inside[at] = pixelAt(pixels, columns[x], rows[y]);
  }
}

/** @param {Pixels} pixels @param {number} x @param {number} y */
function pixelAt({ x: left, y: top, width, height, data }, x, y) {
  const [column, row] = [x - left, y - top];
  if (column < 0 || row < 0 || column >= width || row >= height) return 0;
  return (data[row * ((width + 7) >> 3) + (column >> 3)] >> (7 - (column & 7))) & 1;
}

/**
 * @param {Mask} mask
 * @param {Size} image
 * @param {number} x column of an image pixel
 * @param {number} y its row
 */
export function contains(mask, image, x, y) {
  // Only the newest stroke that covers the pixel matters.
  for (let k = mask.strokes.length - 1; k >= 0; k--) {
    if (strokeCovers(mask.strokes[k], x + 0.5, y + 0.5)) return mask.strokes[k].label === 1;
  }
  if (!mask.base || x < 0 || y < 0 || x >= image.width || y >= image.height) return false;
  const pixel = { image, left: -x, top: -y, width: image.width, height: image.height };
  return (
    rasterize({ base: mask.base, strokes: [] }, pixel, { x0: 0, y0: 0, x1: 1, y1: 1 }).inside[0] ===
    1
  );
}
