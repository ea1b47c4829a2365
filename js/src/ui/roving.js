/** A roving tabindex: Tab reaches a row of buttons once, and the arrow keys move in it. */
import { setAttribute } from "../dom/elements.js";

/** @type {Record<string, number>} */
const WAYS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * The button that a key moves to in a row of `count` buttons.
 *
 * @param {string} key
 * @param {number} at
 * @param {number} count
 * @param {boolean} [rightToLeft]
 * @returns {number | null}
 */
export function stepOf(key, at, count, rightToLeft = false) {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const way = WAYS[key];
  if (way === undefined || count === 0) return null;
  return (at + (rightToLeft ? -way : way) + count) % count;
}

/**
 * @param {HTMLElement} bar
 * @param {AbortSignal} signal
 */
export function rove(bar, signal) {
  const buttons = () =>
    [...bar.querySelectorAll("button")].filter((button) => button.offsetParent !== null);

  /** @param {HTMLElement} current */
  function makeStop(current) {
    for (const button of bar.querySelectorAll("button"))
      setAttribute(button, "tabindex", button === current ? 0 : -1);
  }

  bar.addEventListener(
    "focusin",
    ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      if (button) makeStop(button);
    },
    { signal },
  );
  bar.addEventListener(
    "keydown",
    (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      if (!button || event.altKey || event.ctrlKey || event.metaKey) return;
      const all = buttons();
      const to = stepOf(
        event.key,
        all.indexOf(button),
        all.length,
        getComputedStyle(bar).direction === "rtl",
      );
      if (to === null) return;
      event.preventDefault();
      event.stopPropagation();
      all[to].focus();
    },
    { signal },
  );
  const first = bar.querySelector("button");
  if (first) makeStop(first);
}
