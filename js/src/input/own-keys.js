/** Keeps the notebook from handling the keys of a widget. */

/**
 * @param {HTMLElement} root of the widget
 * @param {(event: KeyboardEvent) => boolean} isHostKey
 * @param {AbortSignal} signal
 */
export function markOwnKeys(root, isHostKey, signal) {
  /** @param {KeyboardEvent} event */
  function mark(event) {
    const target = event.composedPath()[0];
    if (target instanceof HTMLElement && root.contains(target))
      suppressShortcuts(root, target, !isHostKey(event));
  }

  // Notebook 7 handles keys in the capture phase: before that, and only for our keys, the mark is set.
  root.ownerDocument.defaultView?.addEventListener("keydown", mark, { signal, capture: true });
}

/**
 * The mark that JupyterLab and Notebook 7 look for, from the element with the focus outwards.
 *
 * @param {HTMLElement} root
 * @param {HTMLElement} target in it
 * @param {boolean} suppress
 */
function suppressShortcuts(root, target, suppress) {
  for (const node of [root, target]) {
    if (suppress) node.dataset.lmSuppressShortcuts = "true";
    else delete node.dataset.lmSuppressShortcuts;
  }
}
