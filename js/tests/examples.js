/** Values that several tests start from. */
import { createStore } from "../src/state/store.js";

/** @param {number} x @returns {import("../src/state/prompts.js").Prompt} */
export const point = (x) => ({ type: "point", x, y: 0, label: 1 });

/** @param {number} plane */
export const picture = (plane) => ({
  width: 9,
  height: 9,
  viewWidth: 9,
  viewHeight: 9,
  mime: "",
  data: new Uint8Array(1),
  name: "",
  plane,
  tiles: null,
});

/** @param {number} id @param {number} index @param {import("../src/pixels/mask.js").Mask | null} mask */
export const segmentedObject = (id, index, mask) => ({
  id,
  index,
  color: "#112233",
  label: null,
  score: 0.5,
  number: null,
  crowd: false,
  prompts: [],
  ownColor: null,
  visible: true,
  locked: false,
  tracked: false,
  mask,
});

/** A small mask that was painted. */
export const paintedMask = {
  base: null,
  strokes: [{ points: Float64Array.of(1, 1), radius: 2, label: /** @type {const} */ (1) }],
};

/** @param {import("../src/state/annotation.js").Status["phase"]} phase */
export const statusIn = (phase) => ({
  phase,
  message: "",
  hint: "",
  progress: null,
  model: "",
  device: "",
});

/** A link to the kernel that sends nothing, except by what is given. @param {Partial<import("../src/state/actions.js").Link>} own @returns {import("../src/state/actions.js").Link} */
export const linkWith = (own) => ({
  sendPrompts() {},
  sendAction() {},
  sendRequest() {},
  sendOptions() {},
  sendHello() {},
  ...own,
});

/** A store with an image of 100 x 100 pixels and a model that is ready, and the requests it sends. */
export function readyStore() {
  /** @type {any[]} */
  const sent = [];
  const link = linkWith({ sendRequest: (request) => void sent.push(request) });
  const store = createStore({ client: "me", link });
  store.receivePicture({ ...picture(0), width: 100, height: 100 });
  store.receiveTraits({ status: statusIn("ready") });
  return { store, sent };
}
