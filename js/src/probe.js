/** The image's own value under the pointer, asked for when the pointer rests. */

/** Milliseconds that a pointer has to rest: every question makes the kernel show as busy. */
const REST = 120;

/**
 * @param {{ store: import("./store.js").Store, changed: () => void, signal: AbortSignal }} options
 */
export function createProbe({ store, changed, signal }) {
  /** @type {{ x: number, y: number, values: number[] | null } | null} */
  let pixel = null;
  /** @type {number | null} */
  let asked = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;
  signal.addEventListener("abort", () => clearTimeout(resting));

  function ask() {
    if (pixel && !pixel.values) asked = store.ask("probe", { x: pixel.x, y: pixel.y });
  }

  /** @param {import("./wire.js").ProbeAnswer} answer */
  function receive({ client, n, x, y, values }) {
    if (client !== store.client || n !== asked || pixel?.x !== x || pixel.y !== y) return;
    pixel = { x, y, values };
    changed();
  }

  store.listen("probe", receive, signal);

  return {
    /** @param {import("./geometry.js").Position | null} at in image coordinates; null: not on the image */
    move(at) {
      const next = at && { x: Math.floor(at.x), y: Math.floor(at.y), values: null };
      if (next && pixel?.x === next.x && pixel.y === next.y) return;
      pixel = next;
      clearTimeout(resting);
      if (next) resting = setTimeout(ask, REST);
    },
    readout: () => pixel,
  };
}
