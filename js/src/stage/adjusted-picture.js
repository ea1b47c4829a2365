/**
 * The picture with another brightness or contrast, for viewing only: drawn on its own canvas below
 * the stage's, which has a CSS filter. The filter of a 2D context would need no second canvas, but
 * Safari has none. A CSS filter is applied when the page is composed: a new value redraws nothing.
 *
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {import("./layers.js").Sheet} Sheet
 * @typedef {Pick<import("../state/options.js").Options, "brightness" | "contrast">} Adjustment
 */
import { element } from "../dom/elements.js";
import { context2d } from "./layers.js";

/**
 * @param {Adjustment} adjustment
 * @returns {string} "none", or a CSS filter: brightness scales the values, then contrast spreads
 *   them around the middle; each cuts off what lies outside 0..1
 */
export const filterOf = ({ brightness, contrast }) =>
  brightness || contrast
    ? `brightness(${1 + brightness}) contrast(${contrast < 0 ? 1 + contrast : 1 + 3 * contrast})`
    : "none";

/** @param {{ repaint: () => void, signal: AbortSignal }} options repaint: the canvas has lost what was on it */
export function createAdjustedPicture({ repaint, signal }) {
  const canvas = element("canvas");
  const node = element(
    "div",
    { class: "sam2-adjusted", "aria-hidden": "true", hidden: true },
    canvas,
  );
  /** Key of what is drawn on the canvas. */
  let painted = "";
  canvas.addEventListener("contextrestored", forget, { signal });

  function forget() {
    painted = "";
    repaint();
  }

  /** Hide the canvas and free its memory. */
  function hide() {
    if (node.hidden) return;
    node.hidden = true;
    [canvas.width, canvas.height, painted] = [0, 0, ""];
  }

  /** @param {Sheet} picture @param {Size} surface device pixels */
  function draw(picture, { width, height }) {
    const key = `${picture.key},${width},${height}`;
    if (painted === key) return;
    painted = key;
    const context = context2d(canvas);
    // A new size means new memory: not in every frame of a view that moves.
    if (canvas.width === width && canvas.height === height) context.clearRect(0, 0, width, height);
    else [canvas.width, canvas.height] = [width, height];
    picture.draw(context);
  }

  /**
   * @param {Sheet | null} picture
   * @param {Size} surface device pixels
   * @param {Adjustment} adjustment
   * @returns {boolean} whether the picture is shown here, and not to be drawn on the stage
   */
  function update(picture, surface, adjustment) {
    const filter = filterOf(adjustment);
    if (!picture || filter === "none") {
      hide();
      return false;
    }
    node.hidden = false;
    canvas.style.filter = filter;
    draw(picture, surface);
    return true;
  }

  /** @param {Size} size CSS pixels */
  function setSize({ width, height }) {
    node.style.width = `${width}px`;
    node.style.height = `${height}px`;
  }

  return { node, update, setSize };
}
