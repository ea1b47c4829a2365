/**
 * The picture with everything on it: one visible canvas, as many device pixels as it covers.
 *
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./commands.js").ViewState} ViewState
 * @typedef {import("./geometry.js").Size} Size
 */
import { element } from "./dom.js";
import { fitStage, toSurface } from "./geometry.js";
import { createMaskLayer, createPictureLayer, finishedOverlays } from "./layers.js";
import { drawBox, drawCrosshair, drawPoint, drawPulse } from "./paint.js";
import * as texts from "./texts.js";

/**
 * @param {{ ui: ViewState, repaint: () => void, signal: AbortSignal }} options
 */
export function createStage({ ui, repaint, signal }) {
  const canvas = element("canvas", { class: "sam2-stage", tabindex: "0", role: "application", hidden: true });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const pictureLayer = createPictureLayer();
  const finishedLayer = createMaskLayer();
  const activeLayer = createMaskLayer();
  const hoverLayer = createMaskLayer();

  /** @type {Size} */
  let room = { width: 0, height: 0 };
  /** @type {import("./wire.js").Picture | null} */
  let picture = null;
  /** @type {ImageBitmap | null} */
  let bitmap = null;
  let broken = false;
  /** Time at which the newest pending prompt appeared. */
  let pulseStart = 0;
  let pulsing = "";

  /** @param {Snapshot} snapshot */
  async function decode(snapshot) {
    if (snapshot.picture === picture) return;
    picture = snapshot.picture;
    broken = false;
    if (!picture) return;
    canvas.setAttribute("aria-label", texts.stage(picture));
    fit();
    const wanted = picture;
    try {
      const blob = new Blob([wanted.data], { type: wanted.mime });
      // As the kernel made it: its pixels are what the model sees.
      const decoded = await createImageBitmap(blob, { colorSpaceConversion: "none" });
      if (picture === wanted) bitmap = decoded;
    } catch {
      broken = picture === wanted;
    }
    if (!signal.aborted) repaint();
  }

  /** @param {Size} [nextRoom] */
  function fit(nextRoom = room) {
    room = nextRoom;
    if (!picture || room.width < 1) return;
    const { width, height } = fitStage(picture, room);
    canvas.hidden = false;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.parentElement?.style.setProperty("--sam2-stage-width", `${width}px`);
  }

  /** @param {Size} device */
  function resize({ width, height }) {
    if (!width || !height || (canvas.width === width && canvas.height === height)) return;
    canvas.width = width;
    canvas.height = height;
    repaint();
  }

  /** @param {Snapshot} snapshot @param {number} time @returns {boolean} whether the next frame differs */
  function paint(snapshot, time) {
    void decode(snapshot);
    const { active, mask, finished, prompts, pending, gone } = snapshot;
    if (!picture || canvas.hidden) return false;
    const unit = canvas.width / (parseFloat(canvas.style.width) || canvas.width);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const hovered = finished.filter(({ id }) => id === ui.hovered);
    const layers = [
      bitmap && pictureLayer(bitmap, canvas),
      finishedLayer(finishedOverlays(finished), picture, canvas, unit),
      hoverLayer(finishedOverlays(hovered).map((overlay) => ({ ...overlay, look: "active" })), picture, canvas, unit),
      activeLayer(active && mask ? [{ mask, color: active.color, look: "active" }] : [], picture, canvas, unit),
    ];
    for (const layer of layers) if (layer) context.drawImage(layer, 0, 0);
    const animated = pending && !gone && prompts.length > 0;
    if (animated) paintPulse(prompts, unit, time);
    else pulsing = "";
    paintMarks(prompts, unit);
    return animated && !still.matches;
  }

  /** @param {Snapshot["prompts"]} prompts @param {number} unit @param {number} time */
  function paintPulse(prompts, unit, time) {
    const newest = prompts[prompts.length - 1];
    if (newest.type !== "point" && newest.type !== "box") return;
    const key = JSON.stringify(newest);
    if (key !== pulsing) [pulsing, pulseStart] = [key, time];
    const at = newest.type === "point" ? newest : { x: (newest.x0 + newest.x1) / 2, y: (newest.y0 + newest.y1) / 2 };
    drawPulse(context, onCanvas(at), unit, still.matches ? null : time - pulseStart);
  }

  /** @param {Snapshot["prompts"]} prompts @param {number} unit */
  function paintMarks(prompts, unit) {
    for (const prompt of prompts) {
      if (prompt.type === "box") drawBox(context, boxOnCanvas({ x: prompt.x0, y: prompt.y0 }, { x: prompt.x1, y: prompt.y1 }), unit, false);
    }
    for (const prompt of prompts) {
      if (prompt.type === "point") drawPoint(context, onCanvas(prompt), prompt.label === 1, unit);
    }
    if (ui.drag) drawBox(context, boxOnCanvas(ui.drag.from, ui.drag.to), unit, true);
    if (ui.crosshair && ui.cursor) drawCrosshair(context, onCanvas(ui.cursor), unit);
  }

  /** @param {import("./geometry.js").Position} position */
  const onCanvas = (position) => toSurface(position, picture ?? canvas, canvas);

  /** @param {import("./geometry.js").Position} a @param {import("./geometry.js").Position} b */
  function boxOnCanvas(a, b) {
    const [p, q] = [onCanvas(a), onCanvas(b)];
    return { x0: Math.min(p.x, q.x), y0: Math.min(p.y, q.y), x1: Math.max(p.x, q.x), y1: Math.max(p.y, q.y) };
  }

  observeDevicePixels(canvas, resize, signal);
  return { canvas, fit, paint, isBroken: () => broken };
}

/**
 * Report the canvas's size in device pixels, now and whenever it or the display's density changes.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {(size: Size) => void} report
 * @param {AbortSignal} signal
 */
function observeDevicePixels(canvas, report, signal) {
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
    // Observing anew reports at once.
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
 * The exact count where the browser gives a credible one: an emulated density is missing from it.
 *
 * @param {number} length CSS pixels
 * @param {number | undefined} exact
 */
function devicePixels(length, exact) {
  const scaled = length * devicePixelRatio;
  return exact !== undefined && Math.abs(exact - scaled) <= 1 ? exact : Math.round(scaled);
}
