/**
 * What opens over the widget: one at a time, never blocking what lies beside it.
 *
 * @typedef {import("./commands.js").Popover} Popover
 */
import { focusedIn } from "./dom.js";

/**
 * @param {Record<Popover, HTMLElement>} nodes
 * @param {{ root: HTMLElement, focusStage: () => void, opened: () => void }} options
 */
export function createPopovers(nodes, { root, focusStage, opened }) {
  /** @type {Popover | null} */
  let open = null;
  /** @type {HTMLElement | null} */
  let before = null;

  /** @param {HTMLElement} node */
  function close(node) {
    const focused = node.contains(focusedIn(node));
    node.hidden = true;
    // A focused element that vanishes would hand the next key to the notebook.
    if (!focused) return;
    if (before?.isConnected) before.focus({ preventScroll: true });
    else focusStage();
  }

  /** @param {HTMLElement} node */
  function show(node) {
    const focused = focusedIn(node);
    before = focused instanceof HTMLElement && root.contains(focused) ? focused : null;
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
