/**
 * Where things are: image pixels, CSS pixels on the stage, and the way between them.
 *
 * Image coordinates are (x, y) with the origin at the top-left corner of the image;
 * pixel column i covers [i, i + 1).
 *
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ x: number, y: number }} Position
 * @typedef {{ left: number, top: number, width: number, height: number }} Rect
 * @typedef {{ x0: number, y0: number, x1: number, y1: number }} Corners
 */

/** A pointer that moved less than this (CSS pixels) has clicked, not dragged. */
export const DRAG_THRESHOLD = 4;

/** A side shorter than this (CSS pixels) could not be clicked: 1x5000 images are stretched to it. */
const MIN_SIDE = 32;

/** Small images are enlarged at most this much, unless they would stay below COMFORTABLE_SIDE. */
const MAX_ENLARGEMENT = 4;
const COMFORTABLE_SIDE = 256;

/** Two decimals: finer than any pointer, and short on the wire. */
const STEP = 0.01;

/** @param {number} value */
const round2 = (value) => Math.round(value * 100) / 100;

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * CSS size of the stage: the image's own shape, as large as the room allows.
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
 * Pointer position in image coordinates, neither rounded nor clamped.
 *
 * @param {{ clientX: number, clientY: number }} pointer
 * @param {Rect} rect the stage on the screen
 * @param {Size} image
 * @returns {Position}
 */
export function toImage(pointer, rect, image) {
  return {
    x: ((pointer.clientX - rect.left) * image.width) / rect.width,
    y: ((pointer.clientY - rect.top) * image.height) / rect.height,
  };
}

/**
 * Image coordinates on a surface of another size (the canvas, in device pixels).
 *
 * @param {Position} position
 * @param {Size} image
 * @param {Size} surface
 * @returns {Position}
 */
export function toSurface(position, image, surface) {
  return {
    x: (position.x * surface.width) / image.width,
    y: (position.y * surface.height) / image.height,
  };
}

/** @param {Position} position @param {Size} image */
export const isInside = ({ x, y }, image) => x >= 0 && y >= 0 && x < image.width && y < image.height;

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

/**
 * @param {{ clientX: number, clientY: number }} from
 * @param {{ clientX: number, clientY: number }} to
 */
export const isDrag = (from, to) =>
  Math.hypot(to.clientX - from.clientX, to.clientY - from.clientY) > DRAG_THRESHOLD;
