/**
 * Panels that open over the widget: one at a time, never modal.
 *
 * @typedef {import("../state/view-state.js").Popover} Popover
 */
import { focusedIn } from "../dom/elements.js";

/**
 * @param {Record<Popover, HTMLElement>} nodes
 * @param {{ root: HTMLElement, focusStage: () => void, opened: () => void }} options
 */
export function createPopovers(nodes, { root, focusStage, opened }) {
  /** @type {Popover | null} */
  let open = null;
  /** @type {HTMLElement | null} */
  let focusedBefore = null;

  /** @param {HTMLElement} node */
  function close(node) {
    const focused = node.contains(focusedIn(node));
    node.hidden = true;
    // If a focused element is removed, the notebook gets the next key.
    if (!focused) return;
    if (focusedBefore?.isConnected) focusedBefore.focus({ preventScroll: true });
    else focusStage();
  }

  /** @param {HTMLElement} node */
  function show(node) {
    const focused = focusedIn(node);
    focusedBefore = focused instanceof HTMLElement && root.contains(focused) ? focused : null;
    node.hidden = false;
    opened();
    node.focus({ preventScroll: true });
  }

  /** @param {Popover | null} wanted */
  function update(wanted) {
    if (wanted === open) return;
    if (open) close(nodes[open]);
    if (wanted) show(nodes[wanted]);
    open = wanted;
  }

  return { update };
}
