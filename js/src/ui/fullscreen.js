/**
 * The widget on the full screen or, where the page is not allowed to, over the whole page.
 *
 * @param {HTMLElement} root
 * @param {(full: boolean) => void} changed
 * @param {AbortSignal} signal
 */
export function createFullScreen(root, changed, signal) {
  const owner = () => /** @type {Document | ShadowRoot} */ (root.getRootNode());
  const onScreen = () => owner().fullscreenElement === root;
  let onPage = false;

  /** @param {boolean} full */
  function setOnPage(full) {
    onPage = full;
    root.classList.toggle("sam2-full-page", full);
    changed(full);
  }

  function toggle() {
    if (onScreen()) return void document.exitFullscreen();
    if (onPage) return setOnPage(false);
    if (!root.requestFullscreen) return setOnPage(true);
    root.requestFullscreen().catch(() => setOnPage(true));
  }

  root.addEventListener("fullscreenchange", () => changed(onScreen()), { signal });
  signal.addEventListener("abort", () => onScreen() && void document.exitFullscreen());
  return {
    toggle,
    /** @returns {boolean} whether there was something to leave */
    leave() {
      if (!onPage) return false;
      setOnPage(false);
      return true;
    },
  };
}
