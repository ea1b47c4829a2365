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
 * @param {{ height: () => number, preview: (height: number) => void, commit: (height: number) => void, signal: AbortSignal }} options
 *   `height`: what the image has now; `preview`: while it is dragged; `commit`: for good, 0 for automatic
 */
export function createResizer({ height, preview, commit, signal }) {
  const node = element("div", { class: "sam2-resizer", role: "separator", tabindex: "0", "aria-orientation": "horizontal", "aria-label": texts.resize, "aria-valuemin": LEAST_HEIGHT, "aria-valuemax": MOST_HEIGHT, "data-tip": texts.resize, "data-keys": "↑ ↓" });
  /** @type {{ id: number, offset: number } | null} */
  let drag = null;
  let wanted = 0;

  /** @param {PointerEvent} event */
  function down(event) {
    if (event.button !== 0 || drag) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    drag = { id: event.pointerId, offset: height() - event.clientY };
    wanted = 0;
  }

  /** @param {PointerEvent} event */
  function move(event) {
    if (drag?.id !== event.pointerId) return;
    wanted = clamp(Math.round(event.clientY + drag.offset), LEAST_HEIGHT, MOST_HEIGHT);
    preview(wanted);
  }

  /** @param {PointerEvent} event */
  function up(event) {
    if (drag?.id !== event.pointerId) return;
    drag = null;
    if (wanted) commit(wanted);
  }

  node.addEventListener("pointerdown", down, { signal });
  node.addEventListener("pointermove", move, { signal });
  for (const type of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) node.addEventListener(type, up, { signal });
  node.addEventListener("dblclick", () => commit(0), { signal });
  node.addEventListener("keydown", (event) => {
    const next = heightByKey(event, height());
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    commit(next);
  }, { signal });

  return { node, update: () => setAttribute(node, "aria-valuenow", Math.round(height())) };
}
