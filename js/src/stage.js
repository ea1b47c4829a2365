/**
 * The picture with everything on it: one visible canvas, as many device pixels as it covers.
 *
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./commands.js").ViewState} ViewState
 * @typedef {import("./geometry.js").Size} Size
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 * @typedef {{ key: string, sheets: readonly import("./layers.js").Sheet[], marks: readonly import("./drawing.js").Mark[] }} Scene
 * @typedef {ReturnType<typeof createStage>} Stage
 */
import { createAreas } from "./area.js";
import { element } from "./dom.js";
import { fitStage, fromSurface, toSurface, viewportOf } from "./geometry.js";
import { createHover } from "./hover.js";
import { createPictureLayer, placeKey } from "./layers.js";
import { createMarks, sameMarks } from "./drawing.js";
import { createOverlays } from "./overlays.js";
import { createProbe } from "./probe.js";
import { observeDevicePixels } from "./surface.js";
import * as texts from "./texts.js";
import { createTiles } from "./tiles.js";
import { createZoom } from "./zoom.js";

/** Milliseconds after the last move of the view until everything is painted exactly. */
const SETTLE = 120;

/** CSS pixels that a revealed place keeps from the border. */
const REVEAL_MARGIN = 32;

/**
 * @param {{ store: Store, ui: ViewState, changed: () => void, moved: () => void, signal: AbortSignal }} options
 *   `changed`: something is known now that is shown elsewhere, too; `moved`: only the image must be painted again
 */
export function createStage({ store, ui, changed, moved, signal }) {
  const canvas = element("canvas", { class: "sam2-stage", tabindex: "0", role: "application", hidden: true });
  // Every gesture on the image is ours; two fingers move the view, not the page.
  canvas.style.touchAction = "none";
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const areas = createAreas({ changed, signal });
  const hover = createHover({ store, changed: moved, signal });
  const probe = createProbe({ store, changed: moved, signal });
  const tiles = createTiles({ store, changed: tilesChanged, signal });
  const updatePicture = createPictureLayer();
  const updateOverlays = createOverlays();
  const marksOver = createMarks({ repaint: moved, signal });
  const zoom = createZoom(canvas, { mayPan, penDown: () => penDown, changed: viewMoved, signal });

  /** @type {Size} */
  let room = { width: 0, height: 0 };
  /** @type {Size} CSS pixels */
  let viewport = { width: 1, height: 1 };
  /** @type {import("./wire.js").Picture | null} */
  let picture = null;
  /** @type {ImageBitmap | null} */
  let bitmap = null;
  let broken = false;
  /** The canvas still shows the plane before. */
  let decoding = false;
  /** Whether the window on the image takes all of the room. */
  let taken = { width: false, height: false };
  let penDown = false;
  let tilesVersion = 0;
  let exact = true;
  /** What the canvas shows. @type {Scene | null} */
  let scene = null;
  let moving = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling;
  signal.addEventListener("abort", () => clearTimeout(settling));

  function mayPan() {
    return ui.holdPan || store.snapshot().options.tool === "pan";
  }

  function tilesChanged() {
    tilesVersion += 1;
    moved();
  }

  function viewMoved() {
    moving = true;
    clearTimeout(settling);
    settling = setTimeout(() => {
      moving = false;
      moved();
    }, SETTLE);
    moved();
  }

  /** @param {Snapshot} snapshot */
  async function decode(snapshot) {
    if (snapshot.picture === picture) return;
    const before = picture;
    picture = snapshot.picture;
    broken = false;
    // Of another plane the picture before stays until this one can be shown with its masks.
    decoding = picture !== null && before?.width === picture.width && before.height === picture.height;
    if (!decoding) forgetBitmap();
    if (!picture) return;
    canvas.setAttribute("aria-label", texts.stage(picture));
    layOut();
    const wanted = picture;
    try {
      const blob = new Blob([wanted.data], { type: wanted.mime });
      // As the kernel made it: its pixels are what the model sees.
      const decoded = await createImageBitmap(blob, { colorSpaceConversion: "none" });
      if (picture !== wanted) return decoded.close();
      forgetBitmap();
      bitmap = decoded;
    } catch {
      if (picture !== wanted) return;
      forgetBitmap();
      broken = true;
    }
    decoding = false;
    if (!signal.aborted) changed();
  }

  function forgetBitmap() {
    bitmap?.close();
    bitmap = null;
  }

  function layOut() {
    if (!picture || room.width < 1) return;
    const fit = fitStage(picture, room);
    viewport = viewportOf(fit, room, taken);
    canvas.hidden = false;
    canvas.style.width = `${viewport.width}px`;
    canvas.style.height = `${viewport.height}px`;
    canvas.parentElement?.style.setProperty("--sam2-stage-width", `${viewport.width}px`);
    zoom.setScene({ image: { width: picture.width, height: picture.height }, fit, viewport });
  }

  /** @param {Size} device */
  function resize({ width, height }) {
    if (!width || !height || (canvas.width === width && canvas.height === height)) return;
    canvas.width = width;
    canvas.height = height;
    forgetScene();
  }

  function forgetScene() {
    scene = null;
    changed();
  }

  const placement = () => zoom.placement(canvas);
  const unit = () => canvas.width / viewport.width;

  /** @param {Snapshot} snapshot @param {number} time @returns {boolean} whether the next frame differs */
  function paint(snapshot, time) {
    void decode(snapshot);
    const { options, settings } = snapshot;
    const next = { width: ui.full, height: ui.full || options.height > 0 };
    if (next.width !== taken.width || next.height !== taken.height) {
      taken = next;
      layOut();
    }
    if (!picture || canvas.hidden || decoding) return false;
    /** @type {Frame} */
    const frame = {
      placement: placement(),
      surface: { width: canvas.width, height: canvas.height },
      style: { opacity: options.opacity, maskStyle: options.maskStyle, unit: unit() },
      cut: settings.overlap === "cut out",
      moving,
    };
    const sheets = bitmap ? [updatePicture(bitmap, frame, filterOf(options), tilesOn(frame))] : [];
    if (!ui.hideMasks) sheets.push(...updateOverlays(snapshot, ui, frame, hover.shown()));
    const { marks, grows } = marksOver.list(snapshot, ui, frame, time);
    compose({ key: [placeKey(frame.placement, frame.surface), ...sheets.map(({ key }) => key)].join("|"), sheets, marks });
    exact = sheets.every((sheet) => sheet.exact);
    canvas.style.cursor = marksOver.cursor(snapshot, ui);
    // While the view moves, its rest will bring the frame that paints the masks.
    return grows || !(exact || moving);
  }

  /** Draw the scene, unless it is what the canvas shows. @param {Scene} next */
  function compose(next) {
    if (scene?.key === next.key && sameMarks(scene.marks, next.marks)) return;
    scene = next;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const { draw } of [...next.sheets, ...next.marks]) draw(context);
  }

  /** @param {Frame} frame */
  function tilesOn({ placement: place, surface }) {
    const of = /** @type {import("./wire.js").Picture} */ (picture);
    const low = fromSurface({ x: 0, y: 0 }, place);
    const high = fromSurface({ x: surface.width, y: surface.height }, place);
    const view = { x0: low.x, y0: low.y, x1: high.x, y1: high.y };
    return {
      version: tilesVersion,
      draw: (/** @type {CanvasRenderingContext2D} */ on, /** @type {() => void} */ below) => tiles.draw(on, of, place, view, below),
    };
  }

  /** @param {Position} position in the image @returns {Position} on the canvas, CSS pixels */
  function cssPosition(position) {
    const { x, y } = toSurface(position, placement());
    return { x: (x * viewport.width) / canvas.width, y: (y * viewport.height) / canvas.height };
  }

  /** Bring a place of the image into view. @param {Position} position */
  function reveal(position) {
    const { x, y } = cssPosition(position);
    const lack = (/** @type {number} */ at, /** @type {number} */ length) => {
      const margin = Math.min(REVEAL_MARGIN, length / 4);
      return at < margin ? margin - at : Math.min(length - margin - at, 0);
    };
    const [dx, dy] = [lack(x, viewport.width), lack(y, viewport.height)];
    if (dx || dy) zoom.panBy(dx, dy);
  }

  /** @param {SegmentedObject} object @returns {number | null} exact pixels; null while they are being counted */
  function areaOf(object) {
    const { rows, active, mask, settings } = store.snapshot();
    const maskOf = (/** @type {SegmentedObject} */ each) => (each.id === active?.id ? mask : each.mask);
    const own = maskOf(object);
    if (!picture || !own) return null;
    const at = rows.findIndex(({ id }) => id === object.id);
    const above = settings.overlap === "cut out" ? rows.slice(at + 1) : [];
    const image = { width: picture.width, height: picture.height };
    return areas(own, above.map(maskOf).filter((each) => each !== null), image);
  }

  observeDevicePixels(canvas, resize, signal);
  canvas.addEventListener("contextrestored", forgetScene, { signal });

  return {
    canvas,
    paint,
    hover,
    probe,
    /** @param {Size} next */
    setRoom(next) {
      room = next;
      layOut();
      changed();
    },
    fit: zoom.fit,
    actualSize: zoom.actualSize,
    zoomBy: zoom.zoomBy,
    panBy: zoom.panBy,
    zoom: zoom.scale,
    /** CSS pixels. */
    height: () => viewport.height,
    mayPan,
    reveal,
    areaOf,
    /** @param {boolean} down */
    setPen: (down) => void (penDown = down),
    /** @param {{ clientX: number, clientY: number }} event */
    positionOf({ clientX, clientY }) {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return fromSurface({ x: ((clientX - left) * canvas.width) / width, y: ((clientY - top) * canvas.height) / height }, placement());
    },
    /** Image pixels in a CSS pixel. */
    cssPixel() {
      const { image, width, height } = placement();
      return Math.max(image.width / width, image.height / height) * unit();
    },
    readout: probe.readout,
    preview: hover.state,
    picture: () => bitmap,
    isBroken: () => broken,
    /** Whether the masks are painted, and not only stretched to where they belong. */
    isExact: () => exact,
  };
}

/** @param {import("./options.js").Options} options @returns {string} for looking only */
const filterOf = ({ brightness, contrast }) =>
  brightness || contrast ? `brightness(${1 + brightness}) contrast(${contrast < 0 ? 1 + contrast : 1 + 3 * contrast})` : "none";
