/**
 * The proposals, each in a colour of its own, on one layer; the one under the pointer, or those that are
 * being chosen, on another.
 *
 * @typedef {import("../state/proposals.js").Proposal} Proposal
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./layers.js").Overlay} Overlay
 * @typedef {import("./layers.js").Sheet} Sheet
 */
import { createMaskLayer } from "./mask-layer.js";

/** Turns of the hue between two numbers: neighbours differ as much as possible. */
const HUE_STEP = 0.618034;

const SATURATION = 0.8;
const LIGHTNESS = 0.6;

const REJECTED = "#e5383b";

/** @param {number} number @returns {string} "#rrggbb" */
export function proposalColor(number) {
  const chroma = SATURATION * Math.min(LIGHTNESS, 1 - LIGHTNESS);
  const channel = (/** @type {number} */ shift) => {
    const turn = (shift + 12 * ((number * HUE_STEP) % 1)) % 12;
    const value = LIGHTNESS - chroma * Math.max(-1, Math.min(turn - 3, 9 - turn, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** @param {readonly Proposal[]} proposals @returns {Overlay[]} small ones on top */
const overlaysOf = (proposals) =>
  [...proposals]
    .sort((a, b) => b.area - a.area || a.number - b.number)
    .map(({ number, mask }) => ({
      id: number,
      mask,
      color: proposalColor(number),
      look: "finished",
      shown: true,
    }));

export function createProposalLayer() {
  const layer = createMaskLayer();
  const top = createMaskLayer();
  /** @type {readonly Proposal[]} */
  let shown = [];
  /** @type {Overlay[]} */
  let overlays = [];

  /**
   * @param {readonly Proposal[]} proposals those that are shown
   * @param {{ numbers: readonly number[], rejects: boolean }} lit under the pointer, or chosen
   * @param {Frame} frame
   * @returns {Sheet[]}
   */
  return function update(proposals, { numbers, rejects }, frame) {
    if (proposals !== shown) [shown, overlays] = [proposals, overlaysOf(proposals)];
    const plain = { ...frame, cut: false };
    const lit = overlays
      .filter(({ id }) => numbers.includes(id))
      .map((overlay) => ({
        ...overlay,
        look: /** @type {const} */ ("active"),
        ...(rejects && { color: REJECTED }),
      }));
    return [layer(overlays, plain), top(lit, plain)];
  };
}
