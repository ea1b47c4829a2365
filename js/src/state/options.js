/**
 * How the widget looks and which tool is selected: traits that Python and the page both write.
 *
 * @import { SyncedTraits } from "../protocol/messages.d.ts"
 * @typedef {SyncedTraits["tool"]} Tool
 * @typedef {import("../pixels/tint.js").MaskStyle} MaskStyle
 *
 * @typedef {object} Options
 * @property {Tool} tool
 * @property {number} opacity of mask fills, 0..1
 * @property {MaskStyle} maskStyle
 * @property {number} height CSS pixels, 0 for automatic
 * @property {number} brushSize diameter in image pixels, 0 for a size that suits the view
 * @property {boolean} newObjectPerClick
 * @property {boolean} hoverPreview
 * @property {number} brightness -1..1, for viewing only
 * @property {number} contrast -1..1, for viewing only
 * @property {boolean} retrack what a correction makes stale is tracked again by itself
 * @property {boolean} savePicture the saved notebook contains a picture of the image
 *
 * @typedef {keyof Options} OptionName
 */

/** @type {readonly Tool[]} */
export const TOOLS = Object.freeze([
  "point",
  "box",
  "scribble",
  "brush",
  "eraser",
  "propose",
  "select",
  "pan",
]);

/** @type {readonly MaskStyle[]} */
const MASK_STYLES = Object.freeze(["fill", "contour", "both"]);

/** @type {Readonly<Options>} */
export const DEFAULT_OPTIONS = Object.freeze({
  tool: "point",
  opacity: 0.45,
  maskStyle: "both",
  height: 0,
  brushSize: 0,
  newObjectPerClick: false,
  hoverPreview: false,
  brightness: 0,
  contrast: 0,
  retrack: false,
  savePicture: true,
});

/** Name of each option's trait. @satisfies {Readonly<Record<OptionName, keyof SyncedTraits>>} */
export const OPTION_TRAITS = /** @type {const} */ ({
  tool: "tool",
  opacity: "opacity",
  maskStyle: "mask_style",
  height: "height",
  brushSize: "brush_size",
  newObjectPerClick: "new_object_per_click",
  hoverPreview: "hover_preview",
  brightness: "brightness",
  contrast: "contrast",
  retrack: "retrack",
  savePicture: "save_picture",
});

export const OPTION_NAMES = /** @type {OptionName[]} */ (Object.keys(OPTION_TRAITS));

/** @param {number} low @param {number} high @returns {(value: unknown) => boolean} */
const within = (low, high) => (value) => typeof value === "number" && value >= low && value <= high;

/** @type {Record<OptionName, (value: unknown) => boolean>} */
const VALID = {
  tool: (value) => TOOLS.includes(/** @type {Tool} */ (value)),
  opacity: within(0, 1),
  maskStyle: (value) => MASK_STYLES.includes(/** @type {MaskStyle} */ (value)),
  height: within(0, 1e5),
  brushSize: within(0, 1e6),
  newObjectPerClick: (value) => typeof value === "boolean",
  hoverPreview: (value) => typeof value === "boolean",
  brightness: within(-1, 1),
  contrast: within(-1, 1),
  retrack: (value) => typeof value === "boolean",
  savePicture: (value) => typeof value === "boolean",
};

/**
 * @template {OptionName} Name
 * @param {Name} name
 * @param {unknown} value
 * @returns {Options[Name]} the default when it is none
 */
export const parseOption = (name, value) =>
  VALID[name](value) ? /** @type {Options[Name]} */ (value) : DEFAULT_OPTIONS[name];

/** CSS pixels: the default diameter, at any zoom. */
const START_BRUSH = 24;
const SMALLEST_BRUSH = 0.1;

/**
 * @param {number} brushSize
 * @param {number} cssPixel image pixels in a CSS pixel
 * @returns {number} in image pixels
 */
export const brushRadius = (brushSize, cssPixel) =>
  (brushSize > 0
    ? Math.max(brushSize, SMALLEST_BRUSH)
    : Math.max(1, Math.round(START_BRUSH * cssPixel))) / 2;
