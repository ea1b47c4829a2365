/**
 * Edits by hand: polylines of a round brush, painted onto a mask's pixels.
 *
 * An image pixel is painted when its centre lies within the radius of the nearest segment. The
 * kernel computes the same with the same doubles in the same order. Change both together
 * (`sam2_widget/masks/strokes.py`).
 *
 * @typedef {object} Stroke
 * @property {Float64Array} points x0, y0, x1, y1, ... in image coordinates, one vertex at least
 * @property {number} radius in image pixels
 * @property {0 | 1} label 1 paints, 0 erases
 *
 * @typedef {{ lo: number, hi: number }} Chord
 */

/**
 * @param {Stroke} stroke
 * @returns {import("./geometry.js").Corners} neither rounded nor clamped
 */
export function strokeBounds({ points, radius }) {
  const box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  for (let k = 0; k < points.length; k += 2) {
    box.x0 = Math.min(box.x0, points[k] - radius);
    box.x1 = Math.max(box.x1, points[k] + radius);
    box.y0 = Math.min(box.y0, points[k + 1] - radius);
    box.y1 = Math.max(box.y1, points[k + 1] + radius);
  }
  return box;
}

/**
 * @param {Stroke} stroke
 * @param {number} px centre of an image pixel
 * @param {number} py
 */
export function strokeCovers({ points, radius }, px, py) {
  const last = Math.max(points.length - 4, 0);
  for (let k = 0; k <= last; k += 2) {
    if (segmentCovers(...segment(points, k), radius, px, py)) return true;
  }
  return false;
}

/**
 * Paint a stroke onto a bitmap, or what was added to it since.
 *
 * @param {import("./bitmap.js").Bitmap} bitmap changed in place
 * @param {Stroke} stroke
 * @param {number} [from] first vertex whose segment is painted
 */
export function paintStroke(bitmap, { points, radius, label }, from = 0) {
  const last = Math.max(points.length - 4, 0);
  for (let k = Math.min(2 * from, last); k <= last; k += 2)
    paintSegment(bitmap, segment(points, k), radius, label);
}

/** @param {Float64Array} points @param {number} k @returns {[number, number, number, number]} a lone vertex is a segment without length */
const segment = (points, k) =>
  k + 3 < points.length
    ? [points[k], points[k + 1], points[k + 2], points[k + 3]]
    : [points[k], points[k + 1], points[k], points[k + 1]];

/**
 * @param {number} ax @param {number} ay @param {number} bx @param {number} by
 * @param {number} radius @param {number} px @param {number} py
 */
function segmentCovers(ax, ay, bx, by, radius, px, py) {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const t = length > 0 ? Math.min(Math.max(((px - ax) * dx + (py - ay) * dy) / length, 0), 1) : 0;
  const ex = px - (ax + t * dx);
  const ey = py - (ay + t * dy);
  return ex * ex + ey * ey <= radius * radius;
}

/**
 * The area of a segment is convex, so in each row only the ends need the exact test.
 *
 * @param {import("./bitmap.js").Bitmap} bitmap
 * @param {[number, number, number, number]} ends
 * @param {number} radius
 * @param {0 | 1} label
 */
function paintSegment({ width, inside, columns, rows }, [ax, ay, bx, by], radius, label) {
  const top = lowerBound(rows, Math.min(ay, by) - radius - 2);
  const bottom = lowerBound(rows, Math.max(ay, by) + radius + 2);
  let [start, end] = [0, 0];
  for (let y = top; y < bottom; y++) {
    if (y === top || rows[y] !== rows[y - 1]) {
      const py = rows[y] + 0.5;
      const { lo, hi } = chordOf(ax, ay, bx, by, radius, py);
      start = lowerBound(columns, lo - 2);
      end = Math.max(lowerBound(columns, hi + 2), start);
      while (start < end && !segmentCovers(ax, ay, bx, by, radius, columns[start] + 0.5, py))
        start++;
      while (start < end && !segmentCovers(ax, ay, bx, by, radius, columns[end - 1] + 0.5, py))
        end--;
    }
    inside.fill(label, y * width + start, y * width + end);
  }
}

/**
 * Approximately where a row crosses the area of a segment: two discs and the band between them.
 *
 * @param {number} ax @param {number} ay @param {number} bx @param {number} by
 * @param {number} radius @param {number} py
 * @returns {Chord} lo > hi if it does not
 */
function chordOf(ax, ay, bx, by, radius, py) {
  const chord = { lo: Infinity, hi: -Infinity };
  addDisc(chord, ax, py - ay, radius);
  addDisc(chord, bx, py - by, radius);
  const [dx, dy, fall] = [bx - ax, by - ay, py - ay];
  const length = dx * dx + dy * dy;
  if (length === 0) return chord;
  const reach = radius * Math.sqrt(length);
  const along = between(dx, -fall * dy, length - fall * dy);
  const across = between(dy, fall * dx - reach, fall * dx + reach);
  const [lo, hi] = [Math.max(along.lo, across.lo), Math.min(along.hi, across.hi)];
  if (lo <= hi) include(chord, ax + lo, ax + hi);
  return chord;
}

/** @param {Chord} chord @param {number} x @param {number} fall @param {number} radius */
function addDisc(chord, x, fall, radius) {
  const half = Math.sqrt(Math.max(radius * radius - fall * fall, 0));
  if (Math.abs(fall) <= radius) include(chord, x - half, x + half);
}

/** @param {Chord} chord @param {number} lo @param {number} hi */
function include(chord, lo, hi) {
  chord.lo = Math.min(chord.lo, lo);
  chord.hi = Math.max(chord.hi, hi);
}

/** All v with low <= v * slope <= high. @param {number} slope @param {number} low @param {number} high @returns {Chord} */
function between(slope, low, high) {
  if (slope === 0)
    return low <= 0 && high >= 0
      ? { lo: -Infinity, hi: Infinity }
      : { lo: Infinity, hi: -Infinity };
  return slope > 0 ? { lo: low / slope, hi: high / slope } : { lo: high / slope, hi: low / slope };
}

/** Index of the first value that is not below `value`. @param {Int32Array} sorted @param {number} value */
function lowerBound(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
