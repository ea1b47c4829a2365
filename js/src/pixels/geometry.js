/**
 * Coordinates of the image and of surfaces such as the canvas, and the conversion between them.
 *
 * Image coordinates are (x, y) with the origin at the top-left corner of the image;
 * pixel column i covers [i, i + 1).
 *
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ x: number, y: number }} Position
 * @typedef {{ x0: number, y0: number, x1: number, y1: number }} Corners
 *
 * @typedef {{ image: Size, left: number, top: number, width: number, height: number }} Placement
 * The rectangle that the whole image covers on a surface, in surface pixels; it may reach beyond it.
 */

/** CSS pixels: a pointer that moved less is a click, not a drag. */
const DRAG_THRESHOLD = 4;

/** CSS pixels: a shorter side could not be clicked. A 1x5000 image is stretched to it. */
const MIN_SIDE = 32;

/** CSS pixels: a smaller viewport would be of no use for zooming in. */
const MIN_VIEWPORT = { width: 320, height: 240 };

/** Small images are enlarged at most this much, unless they would stay below COMFORTABLE_SIDE. */
const MAX_ENLARGEMENT = 4;
const COMFORTABLE_SIDE = 256;

/** Coordinates have two decimals: finer than any pointer, and short to send. */
const STEP = 0.01;

/** @param {number} value */
const round2 = (value) => Math.round(value * 100) / 100;

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * CSS size of the whole image: its own shape, as large as the available room allows.
 *
 * @param {Size} image
 * @param {Size} room
 * @returns {Size}
 */
export function fitStage(image, room) {
  const longest = Math.max(image.width, image.height);
  const scale = Math.min(
    room.width / image.width,
    room.height / image.height,
    Math.max(MAX_ENLARGEMENT, COMFORTABLE_SIDE / longest),
  );
  return {
    width: fitSide(image.width * scale, room.width),
    height: fitSide(image.height * scale, room.height),
  };
}

/** @param {number} side @param {number} room */
function fitSide(side, room) {
  const most = Math.max(1, Math.floor(room));
  return clamp(Math.round(side), Math.min(MIN_SIDE, most), most);
}

/**
 * CSS size of the viewport: around a narrow image there is space to zoom in.
 *
 * @param {Size} fit the whole image
 * @param {Size} room
 * @param {{ width: boolean, height: boolean }} taken whether the viewport takes all of the room in each direction
 * @returns {Size}
 */
export function viewportOf(fit, room, taken) {
  const most = {
    width: Math.max(1, Math.floor(room.width)),
    height: Math.max(1, Math.floor(room.height)),
  };
  return {
    width: taken.width ? most.width : clamp(MIN_VIEWPORT.width, fit.width, most.width),
    height: taken.height ? most.height : clamp(MIN_VIEWPORT.height, fit.height, most.height),
  };
}

/**
 * A surface position in image coordinates, neither rounded nor clamped.
 *
 * @param {Position} position
 * @param {Placement} placement
 * @returns {Position}
 */
export function fromSurface({ x, y }, { image, left, top, width, height }) {
  return { x: ((x - left) * image.width) / width, y: ((y - top) * image.height) / height };
}

/**
 * Image coordinates on a surface.
 *
 * @param {Position} position
 * @param {Placement} placement
 * @returns {Position}
 */
export function toSurface({ x, y }, { image, left, top, width, height }) {
  return { x: left + (x * width) / image.width, y: top + (y * height) / image.height };
}

/**
 * A box of image pixels on a surface, rounded outwards to whole surface pixels.
 *
 * @param {Corners} box
 * @param {Placement} placement
 * @param {number} margin surface pixels added on each side
 * @returns {Corners}
 */
export function boxOnSurface({ x0, y0, x1, y1 }, placement, margin) {
  const low = toSurface({ x: x0, y: y0 }, placement);
  const high = toSurface({ x: x1, y: y1 }, placement);
  return {
    x0: Math.floor(low.x) - margin,
    y0: Math.floor(low.y) - margin,
    x1: Math.ceil(high.x) + margin,
    y1: Math.ceil(high.y) + margin,
  };
}

/** @param {Corners} a @param {Corners} b @returns {Corners | null} null when they share nothing */
export function intersection(a, b) {
  const box = {
    x0: Math.max(a.x0, b.x0),
    y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
  };
  return box.x0 < box.x1 && box.y0 < box.y1 ? box : null;
}

/** @param {Corners} a @param {Corners} b @returns {Corners} the smallest box that holds both */
export const union = (a, b) => ({
  x0: Math.min(a.x0, b.x0),
  y0: Math.min(a.y0, b.y0),
  x1: Math.max(a.x1, b.x1),
  y1: Math.max(a.y1, b.y1),
});

/** @param {Position} position @param {Size} image */
export const isInside = ({ x, y }, image) =>
  x >= 0 && y >= 0 && x < image.width && y < image.height;

/**
 * The nearest position that a point prompt may have: two decimals, 0 <= x < width, 0 <= y < height.
 *
 * @param {Position} position
 * @param {Size} image
 * @returns {Position}
 */
export function clampPoint({ x, y }, image) {
  return {
    x: clamp(round2(x), 0, round2(image.width - STEP)),
    y: clamp(round2(y), 0, round2(image.height - STEP)),
  };
}

/**
 * The box between two corners dragged in any direction, inside the image.
 *
 * @param {Position} from
 * @param {Position} to
 * @param {Size} image
 * @returns {Corners | null} null when a side has no length
 */
export function boxBetween(from, to, image) {
  const xs = [from.x, to.x].map((x) => clamp(round2(x), 0, image.width)).sort((a, b) => a - b);
  const ys = [from.y, to.y].map((y) => clamp(round2(y), 0, image.height)).sort((a, b) => a - b);
  const box = { x0: xs[0], y0: ys[0], x1: xs[1], y1: ys[1] };
  return box.x0 < box.x1 && box.y0 < box.y1 ? box : null;
}

/** @param {Position} from @param {Position} to CSS pixels */
export const isDrag = (from, to) => Math.hypot(to.x - from.x, to.y - from.y) > DRAG_THRESHOLD;

/**
 * Image pixels in a CSS pixel.
 *
 * @param {Placement} placement
 * @param {number} unit device pixels in a CSS pixel
 */
export const cssPixelOf = ({ image, width, height }, unit) =>
  Math.max(image.width / width, image.height / height) * unit;
