/**
 * How deep inside its mask each pixel lies: level 0 is outside, 1 the outermost pixels, and
 * so on in city-block steps up to `deepest`. The contour is drawn on the mask's own pixels,
 * so that nothing outside the mask is coloured.
 *
 * @param {import("./bitmap.js").Bitmap} bitmap
 * @param {number} deepest
 * @returns {Uint8Array} row-major, as the bitmap
 */
export function depthLevels(bitmap, deepest) {
  const levels = new Uint8Array(bitmap.inside.length);
  let ring = fillInside(levels, bitmap, deepest);
  // From ring to ring: most pixels of a mask lie deeper than any contour and are never visited.
  for (let level = 2; level < deepest; level++) ring = nextRing(levels, bitmap.width, ring, level);
  return levels;
}

/**
 * Level 1 where a neighbour is outside (so is everything beyond the border), `deepest` elsewhere.
 *
 * @param {Uint8Array} levels
 * @param {import("./bitmap.js").Bitmap} bitmap
 * @param {number} deepest
 * @returns {number[]} the pixels of level 1
 */
function fillInside(levels, { width, height, inside }, deepest) {
  const ring = [];
  for (let y = 0, at = 0; y < height; y++) {
    const edgeRow = y === 0 || y === height - 1;
    for (let x = 0; x < width; x++, at++) {
      if (!inside[at]) continue;
      const edge = edgeRow || x === 0 || x === width - 1;
      if (edge || !(inside[at - 1] & inside[at + 1] & inside[at - width] & inside[at + width])) {
        levels[at] = 1;
        ring.push(at);
      } else levels[at] = deepest;
    }
  }
  return ring;
}

/**
 * @param {Uint8Array} levels
 * @param {number} width
 * @param {number[]} ring pixels of the level before
 * @param {number} level
 */
function nextRing(levels, width, ring, level) {
  const next = [];
  for (const at of ring) {
    // Beyond the end of a row there is a pixel of level 0 or 1, which is never changed.
    for (const neighbour of [at - 1, at + 1, at - width, at + width]) {
      if (!(levels[neighbour] > level)) continue;
      levels[neighbour] = level;
      next.push(neighbour);
    }
  }
  return next;
}
