/**
 * How much larger an element is on the screen than in its own CSS pixels: slides and dashboards are
 * scaled as a whole, by `transform` or `zoom`. Pointer events are in pixels of the screen.
 *
 * @param {HTMLElement} node
 * @returns {number}
 */
export function screenScale(node) {
  const { width } = node.getBoundingClientRect();
  const scale = width / node.offsetWidth;
  // Widths of elements are rounded.
  return Number.isFinite(scale) && scale > 0 && Math.abs(scale - 1) * node.offsetWidth > 1
    ? scale
    : 1;
}
