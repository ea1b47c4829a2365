/**
 * How the widget looks and which tool is in hand: traits that Python and the page both write.
 *
 * @typedef {"point" | "box" | "scribble" | "brush" | "eraser" | "select" | "pan"} Tool
 * @typedef {"fill" | "contour" | "both"} MaskStyle
 *
 * @typedef {object} Options
 * @property {Tool} tool
 * @property {number} opacity of mask fills, 0..1
 * @property {MaskStyle} maskStyle
 * @property {number} height CSS pixels, 0 for automatic
 * @property {number} brushSize diameter in image pixels, 0 for a share of the image
 * @property {boolean} hoverPreview
 * @property {number} brightness -1..1, for viewing only
 * @property {number} contrast -1..1, for viewing only
 *
 * @typedef {keyof Options} OptionName
 */

/** @type {readonly Tool[]} */
export const TOOLS = Object.freeze(["point", "box", "scribble", "brush", "eraser", "select", "pan"]);

/** @type {readonly MaskStyle[]} */
const MASK_STYLES = Object.freeze(["fill", "contour", "both"]);

/** @type {Readonly<Options>} */
export const DEFAULT_OPTIONS = Object.freeze({
  tool: "point",
  opacity: 0.45,
  maskStyle: "both",
  height: 0,
  brushSize: 0,
  hoverPreview: false,
  brightness: 0,
  contrast: 0,
});

/** Name of each option's trait. @type {Readonly<Record<OptionName, string>>} */
export const OPTION_TRAITS = Object.freeze({
  tool: "tool",
  opacity: "opacity",
  maskStyle: "mask_style",
  height: "height",
  brushSize: "brush_size",
  hoverPreview: "hover_preview",
  brightness: "brightness",
  contrast: "contrast",
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
  hoverPreview: (value) => typeof value === "boolean",
  brightness: within(-1, 1),
  contrast: within(-1, 1),
};

/**
 * @template {OptionName} Name
 * @param {Name} name
 * @param {unknown} value
 * @returns {Options[Name]} the default when it is none
 */
export const parseOption = (name, value) =>
  VALID[name](value) ? /** @type {Options[Name]} */ (value) : DEFAULT_OPTIONS[name];

/** A brush of this share of the longer side is neither clumsy nor lost. */
const BRUSH_SHARE = 1 / 25;

/**
 * @param {number} brushSize
 * @param {import("./geometry.js").Size} image
 */
export const brushRadius = (brushSize, image) =>
  (brushSize > 0 ? brushSize : Math.max(1, Math.max(image.width, image.height) * BRUSH_SHARE)) / 2;
