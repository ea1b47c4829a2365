/**
 * Outlines of the object being worked on as it is on the plane before and the plane after, faintly over
 * the image.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./layers.js").Overlay} Overlay
 * @typedef {import("./layers.js").Sheet} Sheet
 */
import { stateOn } from "../state/timeline.js";
import { createMaskLayer } from "./mask-layer.js";

const ALPHA = 0.6;

/** Pictures are not shown: the smallest that the kernel makes. */
const SIDE = 64;

/** @type {readonly Overlay[]} */
const NOTHING = Object.freeze([]);

/**
 * Identifies the outlines to request; when it changes, they are requested again.
 *
 * @param {Snapshot} snapshot
 * @returns {{ plane: number, number: number, key: string } | null} null: there is no such object
 */
export function neighborsOf({ active, lanes, plane, stack }) {
  const lane = lanes.find(({ number }) => number === active?.number);
  if (!lane || !stack) return null;
  const states = [plane - 1, plane + 1].map((at) => stateOn(lane, at));
  const { number } = lane;
  return { plane, number, key: [plane, number, ...states].join() };
}

/** @param {{ store: import("../state/store.js").Store, changed: () => void, signal: AbortSignal }} options */
export function createOnionSkin({ store, changed, signal }) {
  const layer = createMaskLayer();
  let overlays = NOTHING;
  let key = "";
  /** @type {{ n: number, number: number } | null} */
  let requested = null;

  /** @param {ReturnType<typeof neighborsOf>} wanted */
  function requestNeighbors(wanted) {
    if ((wanted?.key ?? "") === key) return;
    key = wanted?.key ?? "";
    [overlays, requested] = [NOTHING, null];
    if (!wanted) return;
    const { plane, number } = wanted;
    const range = plane ? { first: plane - 1, count: 2, step: 2 } : { first: 1, count: 1, step: 1 };
    const request = store.request("frames", { ...range, side: SIDE, restart: false });
    if (request) requested = { n: request.n, number };
  }

  store.listen(
    "frame",
    (/** @type {import("../state/answers.js").FrameAnswer} */ { client, n, plane, objects }) => {
      if (client !== store.client || n !== requested?.n) return;
      const object = objects.find(({ number }) => number === requested?.number);
      if (!object) return;
      const { color, mask } = object;
      overlays = [...overlays, { id: plane, mask, color, look: "preview", shown: true }];
      changed();
    },
    signal,
  );

  /**
   * @param {Snapshot} snapshot
   * @param {Frame} frame
   * @param {boolean} isOn
   * @returns {Sheet[]}
   */
  return function update(snapshot, frame, isOn) {
    requestNeighbors(isOn ? neighborsOf(snapshot) : null);
    if (!overlays.length) return [];
    const style = { ...frame.style, opacity: 0 };
    const sheet = layer(overlays, { ...frame, cut: false, style });
    return [{ ...sheet, draw: (target) => drawFaintly(target, sheet) }];
  };
}

/** @param {CanvasRenderingContext2D} target @param {Sheet} sheet */
function drawFaintly(target, sheet) {
  target.save();
  target.globalAlpha = ALPHA;
  sheet.draw(target);
  target.restore();
}
