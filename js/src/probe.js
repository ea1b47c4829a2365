/** The image's own value under the pointer, asked for when the pointer rests. */

/** Milliseconds that a pointer has to rest: every question makes the kernel show as busy. */
const REST = 120;

/**
 * @param {{ store: import("./store.js").Store, changed: () => void, signal: AbortSignal }} options
 */
export function createProbe({ store, changed, signal }) {
  /** @type {{ x: number, y: number, plane: number, values: number[] | null } | null} */
  let pixel = null;
  /** @type {number | null} */
  let asked = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;
  signal.addEventListener("abort", () => clearTimeout(resting));

  function ask() {
    if (pixel && !pixel.values) asked = store.ask("probe", { x: pixel.x, y: pixel.y, plane: pixel.plane });
  }

  /** @param {import("./wire.js").ProbeAnswer} answer */
  function receive({ client, n, x, y, values }) {
    if (client !== store.client || n !== asked || pixel?.x !== x || pixel.y !== y) return;
    pixel = { ...pixel, values };
    changed();
  }

  function askSoon() {
    clearTimeout(resting);
    resting = setTimeout(ask, REST);
  }

  store.listen("probe", receive, signal);

  return {
    /** @param {import("./geometry.js").Position | null} at in image coordinates; null: not on the image */
    move(at) {
      const { plane } = store.snapshot();
      const next = at && { x: Math.floor(at.x), y: Math.floor(at.y), plane, values: null };
      if (next && pixel?.x === next.x && pixel.y === next.y && pixel.plane === plane) {
        if (!pixel.values && resting === undefined) askSoon();
        return;
      }
      pixel = next;
      if (next) askSoon();
      else clearTimeout(resting);
    },
    /** A click comes first: it is asked again when the pointer moves. */
    putOff() {
      clearTimeout(resting);
      resting = undefined;
    },
    readout() {
      const { plane } = store.snapshot();
      // The pointer rests where it was, but that is another pixel now.
      if (pixel && pixel.plane !== plane) {
        pixel = { ...pixel, plane, values: null };
        askSoon();
      }
      return pixel;
    },
  };
}
