/**
 * What d3-zoom needs of d3-transition and d3-interpolate while nothing is animated, as here. The
 * bundle has this module in place of both, because they are a tenth of it.
 */
import { selection } from "d3-selection";

/** Stop the animation of an element: there is none. */
export const interrupt = () => {};

/** How to animate a zoom: never called. */
export const interpolateZoom = interrupt;

/** @this {unknown} */
function interruptSelection() {
  return this;
}

Object.assign(selection.prototype, { interrupt: interruptSelection });
