/**
 * Colours of a host that has no Jupyter variables: menus that lie over the image need a ground,
 * and the page's own is the one that its text is readable on.
 */

/** @param {string} color as computed: rgb(r, g, b) or rgba(r, g, b, a) @returns {number[] | null} null when one sees through it */
export function opaque(color) {
  const [red, green, blue, alpha = 1] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return blue === undefined || alpha < 0.99 ? null : [red, green, blue];
}

/** @param {readonly number[]} rgb 0..255 @returns {boolean} */
export const isDark = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;

/** @param {Node | null} node @returns {string} */
function groundOf(node) {
  for (let at = node; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    const color = at instanceof Element ? getComputedStyle(at).backgroundColor : "";
    if (opaque(color)) return color;
  }
  return "rgb(255, 255, 255)";
}

/**
 * Keep the widget's own ground and form controls like the page around it, also when the page
 * changes: hosts switch their theme by a class or an attribute of the page.
 *
 * @param {HTMLElement} root
 * @param {AbortSignal} signal
 * @returns {() => void} look again
 */
export function followTheme(root, signal) {
  function adopt() {
    if (!root.isConnected) return;
    const ground = groundOf(root.parentNode);
    root.style.setProperty("--sam2-ground", ground);
    root.style.colorScheme = isDark(opaque(ground) ?? [255, 255, 255]) ? "dark" : "light";
  }

  const observer = new MutationObserver(adopt);
  for (const page of [document.documentElement, document.body]) observer.observe(page, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", adopt, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  adopt();
  return adopt;
}
