/** The bar below the image that sets its height, by pointer or by keys. */
import { element, setAttribute } from "./dom.js";
import { clamp } from "./geometry.js";
import * as texts from "./texts.js";

export const LEAST_HEIGHT = 120;
export const MOST_HEIGHT = 4000;

const STEP = 20;
const STRIDE = 100;

/**
 * What a key makes of the height; 0 is automatic.
 *
 * @param {{ key: string, shiftKey: boolean }} event
 * @param {number} height CSS pixels
 * @returns {number | null}
 */
export function heightByKey({ key, shiftKey }, height) {
  if (key === "Home" || key === "Delete" || key === "Backspace") return 0;
  const way = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
  return way ? clamp(Math.round(height) + way * (shiftKey ? STRIDE : STEP), LEAST_HEIGHT, MOST_HEIGHT) : null;
}

/**
 * @param {{ height: () => number, resize: (height: number) => void, signal: AbortSignal }} options
 *   `height`: what the image has now; `resize`: 0 for automatic
 */
export function createResizer({ height, resize, signal }) {
  const node = element("div", { class: "sam2-resizer", role: "separator", tabindex: "0", "aria-orientation": "horizontal", "aria-label": texts.resize, "aria-valuemin": LEAST_HEIGHT, "aria-valuemax": MOST_HEIGHT, "data-tip": texts.resize, "data-keys": "↑ ↓" });
  /** @type {{ id: number, offset: number } | null} */
  let drag = null;

  /** @param {PointerEvent} event */
  function down(event) {
    if (event.button !== 0 || drag) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    drag = { id: event.pointerId, offset: height() - event.clientY };
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (drag?.id === event.pointerId) resize(clamp(Math.round(event.clientY + drag.offset), LEAST_HEIGHT, MOST_HEIGHT));
  }

  /** @param {PointerEvent} event */
  function up(event) {
    if (drag?.id === event.pointerId) drag = null;
  }

  node.addEventListener("pointerdown", down, { signal });
  node.addEventListener("pointermove", move, { signal });
  for (const type of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) node.addEventListener(type, up, { signal });
  node.addEventListener("dblclick", () => resize(0), { signal });
  node.addEventListener("keydown", (event) => {
    const next = heightByKey(event, height());
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    resize(next);
  }, { signal });

  return { node, update: () => setAttribute(node, "aria-valuenow", Math.round(height())) };
}
