/** The bar below the image that changes its height, by pointer or by keys. */
import { element, setAttribute } from "../dom/elements.js";
import { clamp } from "../pixels/geometry.js";
import { screenScale } from "../dom/screen-scale.js";
import * as texts from "./texts.js";

export const MIN_HEIGHT = 120;
export const MAX_HEIGHT = 4000;

const STEP = 20;
const LARGE_STEP = 100;

/**
 * The height after a key; 0 is automatic.
 *
 * @param {{ key: string, shiftKey: boolean }} event
 * @param {number} height CSS pixels
 * @returns {number | null}
 */
export function heightByKey({ key, shiftKey }, height) {
  if (key === "Home" || key === "Delete" || key === "Backspace") return 0;
  const way = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
  return way
    ? clamp(Math.round(height) + way * (shiftKey ? LARGE_STEP : STEP), MIN_HEIGHT, MAX_HEIGHT)
    : null;
}

/**
 * @param {{ height: () => number, resize: (height: number) => void, signal: AbortSignal }} options
 *   `height`: the current height; `resize`: 0 for automatic
 */
export function createResizer({ height, resize, signal }) {
  const node = element("div", {
    class: "sam2-resizer",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "horizontal",
    "aria-label": texts.resize,
    "aria-valuemin": MIN_HEIGHT,
    "aria-valuemax": MAX_HEIGHT,
    "data-tip": texts.resize,
    "data-keys": "↑ ↓",
  });
  /** @type {{ id: number, scale: number, offset: number } | null} */
  let drag = null;

  /** @param {PointerEvent} event */
  function down(event) {
    if (event.button !== 0 || drag) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    const scale = screenScale(node);
    drag = { id: event.pointerId, scale, offset: height() - event.clientY / scale };
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (drag?.id !== event.pointerId) return;
    resize(clamp(Math.round(event.clientY / drag.scale + drag.offset), MIN_HEIGHT, MAX_HEIGHT));
  }

  /** @param {PointerEvent} event */
  function up(event) {
    if (drag?.id === event.pointerId) drag = null;
  }

  node.addEventListener("pointerdown", down, { signal });
  node.addEventListener("pointermove", move, { signal });
  for (const type of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"]))
    node.addEventListener(type, up, { signal });
  node.addEventListener("dblclick", () => resize(0), { signal });
  node.addEventListener(
    "keydown",
    (event) => {
      const next = heightByKey(event, height());
      if (next === null) return;
      event.preventDefault();
      event.stopPropagation();
      resize(next);
    },
    { signal },
  );

  return { node, update: () => setAttribute(node, "aria-valuenow", Math.round(height())) };
}
