/**
 * A panel that shows one output only: the widget fills it, as it fills the screen. JupyterLab opens one
 * with "Create New View for Cell Output"; sidecars have the same class.
 */
const PANEL = ".jp-LinkedOutputView";

/** CSS pixels; in a lower panel the widget is scrolled. */
const MIN_HEIGHT = 320;

/**
 * @param {HTMLElement} root
 * @param {(fills: boolean) => void} changed
 * @param {AbortSignal} signal
 */
export function fillOutputPanel(root, changed, signal) {
  /** @type {HTMLElement | null} */
  let panel = null;
  const sizes = new ResizeObserver(fit);
  sizes.observe(root);
  signal.addEventListener("abort", () => sizes.disconnect());

  function fit() {
    // The widget is moved into the panel after it was created, and may be moved to another one.
    setPanel(root.closest(PANEL));
    if (!panel) return;
    const above =
      root.getBoundingClientRect().top - panel.getBoundingClientRect().top + scrolledIn(panel);
    root.style.height = `${Math.max(MIN_HEIGHT, Math.floor(panel.clientHeight - above))}px`;
  }

  /** @param {HTMLElement | null} next */
  function setPanel(next) {
    if (next === panel) return;
    if (panel) sizes.unobserve(panel);
    panel = next;
    if (panel) sizes.observe(panel);
    else root.style.height = "";
    root.classList.toggle("sam2-fills-panel", panel !== null);
    changed(panel !== null);
  }

  /** How far the elements between the widget and the panel are scrolled. @param {HTMLElement} outer */
  function scrolledIn(outer) {
    let distance = 0;
    for (let at = root.parentElement; at && outer.contains(at); at = at.parentElement)
      distance += at.scrollTop;
    return distance;
  }
}
