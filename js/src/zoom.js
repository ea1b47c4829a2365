/**
 * Which part of the image is in view: wheel, pinch, drags and keys move it, the image never
 * leaves its window.
 *
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./mask.js").Placement} Placement
 * @typedef {{ image: Size, fit: Size, viewport: Size }} Scene CSS sizes of the whole image and of the window on it
 * @typedef {import("d3-zoom").ZoomTransform} ZoomTransform
 */
import { select } from "d3-selection";
import { zoom as d3Zoom, zoomIdentity, ZoomTransform as Transform } from "d3-zoom";
import { clamp } from "./geometry.js";

/** CSS pixels that an image pixel may be wide. */
const MAX_PIXEL = 48;

/** Farther in than the whole image, if it is not that small already. */
const MIN_RANGE = 8;

/** Wheel events below this (CSS pixels) come from fingers, whose pinch is reported as Ctrl and wheel. */
const NOTCH = 50;

/**
 * Doublings that a turn of the wheel is worth.
 *
 * @param {Pick<WheelEvent, "deltaY" | "deltaMode" | "ctrlKey">} event
 */
export function wheelDelta({ deltaY, deltaMode, ctrlKey }) {
  const pixels = deltaY * (deltaMode === 1 ? 25 : deltaMode ? 500 : 1);
  const pinched = ctrlKey && Math.abs(pixels) < NOTCH;
  return clamp(-0.002 * pixels * (pinched ? 10 : 1), -1, 1);
}

/**
 * How far one can zoom, as multiples of the fit.
 *
 * @param {Scene} scene
 * @param {number} density device pixels in a CSS pixel
 * @returns {{ least: number, actual: number, most: number }} actual: an image pixel is a device pixel
 */
export function zoomRange({ image, fit }, density) {
  const scale = Math.max(fit.width / image.width, fit.height / image.height);
  const actual = 1 / density / scale;
  return { least: Math.min(1, actual), actual, most: Math.max(MIN_RANGE, MAX_PIXEL / scale, actual) };
}

/**
 * Keep the image in its window: centred where it is smaller, without a gap where it is larger.
 *
 * @param {{ x: number, y: number, k: number }} transform
 * @param {Scene} scene
 * @returns {ZoomTransform}
 */
export function constrain({ x, y, k }, { fit, viewport }) {
  return new Transform(k, side(x, k, fit.width, viewport.width), side(y, k, fit.height, viewport.height));
}

/** @param {number} shift @param {number} k @param {number} fit @param {number} room */
function side(shift, k, fit, room) {
  const length = k * fit;
  const margin = (k * (room - fit)) / 2;
  const start = length <= room ? (room - length) / 2 : clamp(shift + margin, room - length, 0);
  return start - margin;
}

/**
 * The rectangle of the whole image on a canvas that fills the window, at whole device pixels.
 *
 * @param {{ x: number, y: number, k: number }} transform
 * @param {Scene} scene
 * @param {Size} surface the canvas, device pixels
 * @returns {Placement}
 */
export function placementOf({ x, y, k }, { image, fit, viewport }, surface) {
  const [across, down] = [surface.width / viewport.width, surface.height / viewport.height];
  return {
    image,
    left: Math.round((x + (k * (viewport.width - fit.width)) / 2) * across),
    top: Math.round((y + (k * (viewport.height - fit.height)) / 2) * down),
    width: fit.width * k * across,
    height: fit.height * k * down,
  };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{
 *   mayPan: () => boolean,
 *   penDown: () => boolean,
 *   changed: () => void,
 *   signal: AbortSignal,
 * }} options mayPan: a drag of the main button or of one finger moves the view
 */
export function createZoom(canvas, { mayPan, penDown, changed, signal }) {
  /** @type {Scene} */
  let scene = { image: { width: 1, height: 1 }, fit: { width: 1, height: 1 }, viewport: { width: 1, height: 1 } };
  /** @type {{ x: number, y: number, k: number }} */
  let transform = zoomIdentity;
  const selection = select(canvas);
  const focused = () => canvas.closest(".sam2-widget")?.matches(":focus-within") ?? false;

  /** @param {any} event */
  function wants(event) {
    if (event.type === "wheel") return event.ctrlKey || event.metaKey || focused();
    if (event.type.startsWith("touch")) return !penDown() && (event.touches.length > 1 || mayPan());
    return event.button === 1 || (event.button === 0 && mayPan());
  }

  /** @type {import("d3-zoom").ZoomBehavior<HTMLCanvasElement, unknown>} */
  const behavior = d3Zoom();
  behavior
    .filter(wants)
    .wheelDelta(wheelDelta)
    .extent(() => [[0, 0], [scene.viewport.width, scene.viewport.height]])
    .constrain((next) => constrain(next, scene))
    .clickDistance(4)
    .on("zoom", (event) => {
      transform = event.transform;
      changed();
    });
  selection.call(behavior).on("dblclick.zoom", null);
  // The middle button must not start the browser's own scrolling.
  canvas.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault(), { signal });
  signal.addEventListener("abort", () => selection.on(".zoom", null));

  /** @param {{ x: number, y: number, k: number }} next */
  const moveTo = (next) => behavior.transform(selection, constrain(next, scene));

  /** @param {Scene} next */
  function setScene(next) {
    const { viewport: old } = scene;
    const another = next.image.width !== scene.image.width || next.image.height !== scene.image.height;
    // The place in the middle stays there when the window's size changes.
    const middle = [(old.width / 2 - transform.x) / transform.k / old.width, (old.height / 2 - transform.y) / transform.k / old.height];
    scene = next;
    const { least, most } = zoomRange(scene, devicePixelRatio);
    behavior.scaleExtent([least, most]);
    if (another || transform.k === 1) return moveTo(zoomIdentity);
    const k = clamp(transform.k, least, most);
    const { width, height } = scene.viewport;
    moveTo({ k, x: width / 2 - k * middle[0] * width, y: height / 2 - k * middle[1] * height });
  }

  /** @param {number} k */
  const zoomTo = (k) => behavior.scaleTo(selection, k);

  return {
    setScene,
    scale: () => transform.k,
    /** @param {Size} surface */
    placement: (surface) => placementOf(transform, scene, surface),
    fit: () => moveTo(zoomIdentity),
    actualSize: () => zoomTo(zoomRange(scene, devicePixelRatio).actual),
    /** @param {number} factor */
    zoomBy: (factor) => behavior.scaleBy(selection, factor),
    /** @param {number} dx CSS pixels @param {number} dy */
    panBy: (dx, dy) => moveTo({ k: transform.k, x: transform.x + dx, y: transform.y + dy }),
  };
}
