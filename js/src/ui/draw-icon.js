/** Draws an icon in the colour of the text. */
import { createElement } from "lucide";

/** @param {Parameters<typeof createElement>[0]} shape @param {string} name @returns {SVGElement} */
export const drawIcon = (shape, name) =>
  createElement(shape, {
    class: `sam2-icon sam2-icon-${name}`,
    width: 16,
    height: 16,
    "stroke-width": 1.75,
    "aria-hidden": "true",
  });
