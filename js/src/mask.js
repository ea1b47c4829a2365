/**
 * From the model's small logits to the mask's pixels.
 *
 * The kernel computes the same mask with the same doubles in the same order, so what is
 * painted is what `w.masks` holds. Change nothing here without changing it there.
 *
 * @typedef {import("./geometry.js").Size} Size
 *
 * @typedef {object} Logits
 * The part of a logit grid that can make a pixel positive; rows and columns x0 <= x < x1, y0 <= y < y1.
 * @property {number} width of the whole grid
 * @property {number} height of the whole grid
 * @property {number} x0
 * @property {number} y0
 * @property {number} x1
 * @property {number} y1
 * @property {Int8Array} data row-major, (y1 - y0) * (x1 - x0)
 *
 * @typedef {object} Bitmap
 * A mask on some surface, cut to the pixels that may be inside.
 * @property {number} x left column on the surface
 * @property {number} y top row on the surface
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} inside row-major, 1 inside and 0 outside
 *
 * @typedef {object} Axis
 * Where each surface pixel of one direction samples the logits.
 * @property {number} start first surface pixel that touches the cropped logits
 * @property {Int32Array} near index of the lower neighbour
 * @property {Int32Array} far index of the upper neighbour
 * @property {Float64Array} weight of the upper neighbour
 */

/**
 * Keep the bounding box of the positive logits and one ring around it: no other logit takes
 * part in a positive pixel, and most objects are small.
 *
 * @param {number} width
 * @param {number} height
 * @param {Int8Array} values row-major
 * @returns {Logits}
 */
export function cropLogits(width, height, values) {
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
  if (right < 0) return { width, height, x0: 0, y0: 0, x1: 0, y1: 0, data: new Int8Array(0) };
  const x0 = Math.max(left - 1, 0);
  const y0 = Math.max(top - 1, 0);
  const x1 = Math.min(right + 2, width);
  const y1 = Math.min(bottom + 2, height);
  const data = new Int8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) {
    data.set(values.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  }
  return { width, height, x0, y0, x1, y1, data };
}

/**
 * Half-pixel centres, clamped at the borders. Surface pixels that would read a logit outside
 * [low, high) are left out: they cannot be positive.
 *
 * @param {number} surface length in surface pixels
 * @param {number} image length in image pixels
 * @param {number} logits length in logits
 * @param {number} low
 * @param {number} high
 * @returns {Axis}
 */
function sampleAxis(surface, image, logits, low, high) {
  const scale = logits / image;
  const near = new Int32Array(surface);
  const far = new Int32Array(surface);
  const weight = new Float64Array(surface);
  let start = 0;
  let count = 0;
  for (let pixel = 0; pixel < surface; pixel++) {
    const index = Math.min(Math.floor(((pixel + 0.5) * image) / surface), image - 1);
    const s = Math.max((index + 0.5) * scale - 0.5, 0);
    const i0 = Math.min(Math.floor(s), logits - 1);
    const i1 = Math.min(i0 + 1, logits - 1);
    if (i0 < low || i1 >= high) continue;
    if (count === 0) start = pixel;
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

/**
 * The mask as a surface shows it: every surface pixel has the value of the image pixel that
 * its centre falls in. With `surface` equal to `image` it is the mask itself.
 *
 * @param {Logits} logits
 * @param {Size} image
 * @param {Size} surface
 * @returns {Bitmap}
 */
export function rasterize(logits, image, surface) {
  const columns = sampleAxis(surface.width, image.width, logits.width, logits.x0, logits.x1);
  const rows = sampleAxis(surface.height, image.height, logits.height, logits.y0, logits.y1);
  const width = columns.near.length;
  const height = rows.near.length;
  const inside = new Uint8Array(width * height);
  // Two stretched rows at a time: neighbouring surface rows mostly share theirs.
  let [upper, lower] = [new Float64Array(width), new Float64Array(width)];
  let [upperRow, lowerRow] = [-1, -1];
  for (let y = 0; y < height; y++) {
    const j0 = rows.near[y];
    const j1 = rows.far[y];
    if (j0 === lowerRow) {
      [upper, lower] = [lower, upper];
      [upperRow, lowerRow] = [lowerRow, upperRow];
    }
    if (j0 !== upperRow) stretchRow(logits, (upperRow = j0), columns, upper);
    if (j1 !== lowerRow) stretchRow(logits, (lowerRow = j1), columns, lower);
    const g = rows.weight[y];
    for (let x = 0, at = y * width; x < width; x++, at++) {
      if (upper[x] * (1 - g) + lower[x] * g > 0) inside[at] = 1;
    }
  }
  return { x: columns.start, y: rows.start, width, height, inside };
}
