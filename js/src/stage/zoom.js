/**
 * Which part of the image is in view. Wheel, pinch, drags and keys change it; the image never leaves the
 * viewport.
 *
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../pixels/geometry.js").Placement} Placement
 * @typedef {{ image: Size, fit: Size, viewport: Size }} Scene sizes of the whole image and of the viewport, in CSS pixels
 * @typedef {{ k: number, x: number, y: number }} View k: zoom as a multiple of the fit; x, y: the middle as shares of the viewport
 * @typedef {{ zoom: { view: View, image: Size } | null }} PersistentView kept when a display is replaced, as when its cell is moved
 * @typedef {import("d3-zoom").ZoomTransform} ZoomTransform
 */
import { select } from "d3-selection";
import { zoom as d3Zoom, zoomIdentity, ZoomTransform as Transform } from "d3-zoom";
import { clamp } from "../pixels/geometry.js";
import { screenScale } from "../dom/screen-scale.js";

/** The whole image. @type {View} */
const FIT = { k: 1, x: 0.5, y: 0.5 };

/** CSS pixels of an image pixel at the largest zoom. */
const MAX_PIXEL = 48;

/** The largest zoom is at least this multiple of the fit. */
const MIN_RANGE = 8;

/** CSS pixels: smaller wheel events come from a touchpad, whose pinch is reported as Ctrl and wheel. */
const NOTCH = 50;

/**
 * By how many doublings a turn of the wheel zooms.
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
  return {
    least: Math.min(1, actual),
    actual,
    most: Math.max(MIN_RANGE, MAX_PIXEL / scale, actual),
  };
}

/**
 * Keep the image in the viewport: centred where it is smaller, without a gap where it is larger.
 *
 * @param {{ x: number, y: number, k: number }} transform
 * @param {Scene} scene
 * @returns {ZoomTransform}
 */
export function constrain({ x, y, k }, { fit, viewport }) {
  return new Transform(
    k,
    side(x, k, fit.width, viewport.width),
    side(y, k, fit.height, viewport.height),
  );
}

/** @param {number} shift @param {number} k @param {number} fit @param {number} room */
function side(shift, k, fit, room) {
  const length = k * fit;
  const margin = (k * (room - fit)) / 2;
  const start = length <= room ? (room - length) / 2 : clamp(shift + margin, room - length, 0);
  return start - margin;
}

/**
 * The rectangle of the whole image on a canvas that fills the viewport, at whole device pixels.
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

/** @param {Size} a @param {Size} b */
const sameSize = (a, b) => a.width === b.width && a.height === b.height;

/** @param {Scene} scene @param {number} scale @returns {Scene} the same in pixels of the screen */
function scaledScene({ image, fit, viewport }, scale) {
  const scaled = (/** @type {Size} */ { width, height }) => ({
    width: width * scale,
    height: height * scale,
  });
  return { image, fit: scaled(fit), viewport: scaled(viewport) };
}

/**
 * The transform is in pixels of the screen, as the pointer events that d3 handles are.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{
 *   mayPan: () => boolean,
 *   penDown: () => boolean,
 *   persistent: PersistentView,
 *   changed: () => void,
 *   signal: AbortSignal,
 * }} options mayPan: a drag of the main button or of one finger moves the view
 */
export function createZoom(canvas, { mayPan, penDown, persistent, changed, signal }) {
  /** In CSS pixels of the style sheet. @type {Scene} */
  let layout = {
    image: { width: 1, height: 1 },
    fit: { width: 1, height: 1 },
    viewport: { width: 1, height: 1 },
  };
  /** In pixels of the screen. */
  let scene = layout;
  let scale = 1;
  /** @type {{ x: number, y: number, k: number }} */
  let transform = zoomIdentity;
  const selection = select(canvas);
  const focused = () => canvas.closest(".sam2-widget")?.matches(":focus-within") ?? false;

  /** There is no event for a page that scales the element around the canvas. */
  function measure() {
    const next = screenScale(canvas);
    if (Math.abs(next / scale - 1) < 1e-3) return;
    const before = view();
    scale = next;
    adoptScene(layout);
    applyView(before);
  }

  /** @param {any} event */
  function accepts(event) {
    measure();
    if (event.type === "wheel") return event.ctrlKey || event.metaKey || focused();
    if (event.type.startsWith("touch")) return !penDown() && (event.touches.length > 1 || mayPan());
    return event.button === 1 || (event.button === 0 && mayPan());
  }

  /** @type {import("d3-zoom").ZoomBehavior<HTMLCanvasElement, unknown>} */
  const behavior = d3Zoom();
  behavior
    .filter(accepts)
    .wheelDelta(wheelDelta)
    .extent(() => [
      [0, 0],
      [scene.viewport.width, scene.viewport.height],
    ])
    .constrain((next) => constrain(next, scene))
    .clickDistance(4)
    .on("zoom", (event) => {
      transform = event.transform;
      persistent.zoom = { view: view(), image: layout.image };
      changed();
    });
  selection.call(behavior).on("dblclick.zoom", null);
  // The middle button must not start the browser's own scrolling.
  canvas.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault(), {
    signal,
  });
  signal.addEventListener("abort", () => selection.on(".zoom", null));

  /** @param {{ x: number, y: number, k: number }} next */
  const moveTo = (next) => behavior.transform(selection, constrain(next, scene));

  /** @param {Scene} next */
  function adoptScene(next) {
    layout = next;
    scene = scaledScene(layout, scale);
    const { least, most } = zoomRange(scene, devicePixelRatio);
    behavior.scaleExtent([least, most]);
  }

  /** @param {Scene} next */
  function setScene(next) {
    // The position in the middle stays there when the size of the viewport changes.
    const before = sameSize(next.image, layout.image) ? view() : viewToRestore(next.image);
    scale = screenScale(canvas);
    adoptScene(next);
    applyView(before);
  }

  /** What the previous display showed of the image. @param {Size} image @returns {View} */
  const viewToRestore = (image) =>
    persistent.zoom && sameSize(persistent.zoom.image, image) ? persistent.zoom.view : FIT;

  /** @returns {View} */
  function view() {
    const { width, height } = scene.viewport;
    const { k, x, y } = transform;
    return { k, x: (width / 2 - x) / k / width, y: (height / 2 - y) / k / height };
  }

  /** @param {View} next */
  function applyView(next) {
    if (next.k === 1) return moveTo(zoomIdentity);
    const k = clamp(next.k, ...behavior.scaleExtent());
    const { width, height } = scene.viewport;
    moveTo({ k, x: width / 2 - k * next.x * width, y: height / 2 - k * next.y * height });
  }

  /** @param {number} k */
  const zoomTo = (k) => behavior.scaleTo(selection, k);

  return {
    setScene,
    scale: () => transform.k,
    /** Screen pixels that an image pixel is wide. */
    pixelScale: () => transform.k / zoomRange(scene, devicePixelRatio).actual,
    /** @param {Size} surface */
    placement: (surface) => placementOf(transform, scene, surface),
    fit: () => moveTo(zoomIdentity),
    actualSize() {
      measure();
      zoomTo(zoomRange(scene, devicePixelRatio).actual);
    },
    /** @param {number} factor */
    zoomBy: (factor) => behavior.scaleBy(selection, factor),
    /** @param {number} dx CSS pixels @param {number} dy */
    panBy: (dx, dy) =>
      moveTo({ k: transform.k, x: transform.x + dx * scale, y: transform.y + dy * scale }),
  };
}
