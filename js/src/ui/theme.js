/**
 * Colours in a host without Jupyter's CSS variables: menus over the image need a background, and the text
 * of the page is readable on the page's own.
 */

/** @typedef {{ red: number, green: number, blue: number, alpha: number }} Color 0..255, alpha 0..1 */

/** @type {CanvasRenderingContext2D | null | undefined} */
let swatch;

/**
 * A colour in any notation, also `oklch()` and `color()`: the browser converts it.
 *
 * @param {string} color as computed
 * @returns {Color}
 */
function paintedColor(color) {
  swatch ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext(
    "2d",
    { willReadFrequently: true },
  );
  if (!swatch) return { red: 255, green: 255, blue: 255, alpha: 0 };
  swatch.clearRect(0, 0, 1, 1);
  // An invalid colour leaves the previous one unchanged.
  swatch.fillStyle = "transparent";
  swatch.fillStyle = color;
  swatch.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = swatch.getImageData(0, 0, 1, 1).data;
  return { red, green, blue, alpha: alpha / 255 };
}

/**
 * @param {string} color as computed
 * @param {(color: string) => Color} [convert] for notations other than rgb() and rgba()
 * @returns {number[] | null} red, green, blue; null when it is translucent
 */
export function opaqueRgb(color, convert = paintedColor) {
  if (color === "transparent" || !color) return null;
  const parts = /^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/.exec(color);
  const [red, green, blue, alpha] = parts
    ? [...parts.slice(1, 4), parts[4] ?? 1].map(Number)
    : Object.values(convert(color));
  return alpha < 0.99 ? null : [red, green, blue];
}

/** @param {readonly number[]} rgb 0..255 @returns {boolean} */
export const isDark = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;

/** @param {Node | null} node @returns {string} */
function backgroundOf(node) {
  for (let at = node; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    const color = at instanceof Element ? getComputedStyle(at).backgroundColor : "";
    if (opaqueRgb(color)) return color;
  }
  return "rgb(255, 255, 255)";
}

/**
 * Keep the widget's background and form controls like the page around it, also when the page changes:
 * hosts switch their theme by a class or an attribute of the page.
 *
 * @param {HTMLElement} root
 * @param {() => void} changed what is painted in these colours must be painted again
 * @param {AbortSignal} signal
 * @returns {() => void} updates the colours now
 */
export function followTheme(root, changed, signal) {
  let shown = "";

  function update() {
    if (!root.isConnected) return;
    const ground = backgroundOf(root.parentNode);
    root.style.setProperty("--sam2-ground", ground);
    root.style.colorScheme = isDark(opaqueRgb(ground) ?? [255, 255, 255]) ? "dark" : "light";
    if (ground !== shown) changed();
    shown = ground;
  }

  const observer = new MutationObserver(update);
  for (const page of [document.documentElement, document.body])
    observer.observe(page, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  update();
  return update;
}
