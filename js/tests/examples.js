/** Values that several tests start from. */

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
