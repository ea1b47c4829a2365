/** How many device pixels a canvas covers. */

/**
 * Report the canvas's size in device pixels, now and whenever it or the display's density changes.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {(size: { width: number, height: number }) => void} report
 * @param {AbortSignal} signal
 */
export function observeDevicePixels(canvas, report, signal) {
  const observer = new ResizeObserver(([entry]) => {
    const { width, height } = canvas.getBoundingClientRect();
    const exact = entry.devicePixelContentBoxSize?.[0];
    report({
      width: devicePixels(width, exact?.inlineSize),
      height: devicePixels(height, exact?.blockSize),
    });
  });
  signal.addEventListener("abort", () => observer.disconnect());
  observe();

  function observe() {
    // A new observation reports at once.
    observer.disconnect();
    try {
      observer.observe(canvas, { box: "device-pixel-content-box" });
    } catch {
      observer.observe(canvas);
    }
    watchDensity();
  }

  // Safari does not report a change of density by itself.
  function watchDensity() {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    query.addEventListener("change", observe, { once: true, signal });
  }
}

/**
 * The browser's exact count, unless it leaves out an emulated density.
 *
 * @param {number} length CSS pixels
 * @param {number | undefined} exact
 */
function devicePixels(length, exact) {
  const scaled = length * devicePixelRatio;
  return exact !== undefined && Math.abs(exact - scaled) <= 1 ? exact : Math.round(scaled);
}
