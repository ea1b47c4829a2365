/** The value of the pixel under the pointer, requested when the pointer has stopped. */

/** Milliseconds that the pointer must not move: every request makes the kernel show as busy. */
const READOUT_DELAY = 120;

/**
 * @param {{ store: import("../state/store.js").Store, changed: () => void, signal: AbortSignal }} options
 */
export function createPixelReadout({ store, changed, signal }) {
  /** @type {{ x: number, y: number, plane: number, values: number[] | null } | null} */
  let pixel = null;
  /** @type {import("../state/requests.js").Request | null} */
  let request = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));

  function requestValue() {
    if (!pixel || pixel.values) return;
    request?.cancel();
    request = store.request(
      "probe",
      { x: pixel.x, y: pixel.y, plane: pixel.plane },
      { answered: receive, signal },
    );
  }

  /** @param {import("../state/answers.js").ProbeAnswer} answer */
  function receive({ x, y, values }) {
    if (pixel?.x !== x || pixel.y !== y) return;
    pixel = { ...pixel, values };
    changed();
  }

  function requestSoon() {
    clearTimeout(timer);
    timer = setTimeout(requestValue, READOUT_DELAY);
  }

  return {
    /** @param {import("../pixels/geometry.js").Position | null} at in image coordinates; null: not on the image */
    move(at) {
      const { plane } = store.snapshot();
      const next = at && { x: Math.floor(at.x), y: Math.floor(at.y), plane, values: null };
      if (next && pixel?.x === next.x && pixel.y === next.y && pixel.plane === plane) {
        if (!pixel.values && timer === undefined) requestSoon();
        return;
      }
      pixel = next;
      if (next) requestSoon();
      else clearTimeout(timer);
    },
    /** While the user draws, only the position is shown. @param {import("../pixels/geometry.js").Position | null} at in image coordinates */
    follow(at) {
      const { plane } = store.snapshot();
      const next = at && { x: Math.floor(at.x), y: Math.floor(at.y), plane, values: null };
      if (!next || pixel?.x !== next.x || pixel.y !== next.y) pixel = next;
    },
    /** A click comes first: the value is requested when the pointer moves again. */
    postpone() {
      clearTimeout(timer);
      timer = undefined;
    },
    readout() {
      const { plane } = store.snapshot();
      // The pointer has not moved, but another plane is shown.
      if (pixel && pixel.plane !== plane) {
        pixel = { ...pixel, plane, values: null };
        requestSoon();
      }
      return pixel;
    },
  };
}
