/**
 * The picture with everything drawn on it: a canvas with as many pixels as the screen has there. A
 * picture with another brightness or contrast is drawn on a canvas below.
 *
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("./layers.js").Frame} Frame
 * @typedef {import("../state/annotation.js").SegmentedObject} SegmentedObject
 * @typedef {{ key: string, sheets: readonly import("./layers.js").Sheet[], marks: readonly import("./prompt-marks.js").Mark[] }} Scene
 * @typedef {ReturnType<typeof createStage>} Stage
 */
import { createAreas } from "../pixels/area.js";
import { element } from "../dom/elements.js";
import {
  cssPixelOf,
  fitStage,
  fromSurface,
  intersection,
  toSurface,
  viewportOf,
} from "../pixels/geometry.js";
import { createAdjustedPicture } from "./adjusted-picture.js";
import { createDecodedPictures } from "./decoded-pictures.js";
import { createHoverPreview } from "./hover-preview.js";
import { createPictureLayer, placeKey } from "./layers.js";
import { createMarks, sameMarks } from "./prompt-marks.js";
import { createOnionSkin } from "./onion-skin.js";
import { createOverlays, withPlayed } from "./overlays.js";
import { createProposalLayer } from "./proposal-layer.js";
import { createPixelReadout } from "./pixel-readout.js";
import { observeDevicePixels } from "../dom/device-pixels.js";
import { createTiles } from "./tiles.js";
import { createZoom } from "./zoom.js";

/** Milliseconds after the last move of the view until everything is painted exactly. */
const SETTLE_DELAY = 120;

/** A picture without tiles. @type {import("./layers.js").TilesInView} */
const NO_TILES = Object.freeze({
  version: 0,
  draw: (_, /** @type {() => void} */ below) => below(),
});

/** @type {{ marks: readonly import("./prompt-marks.js").Mark[], grows: boolean }} */
const NO_MARKS = Object.freeze({ marks: [], grows: false });

/** CSS pixels between the border and a position that was brought into view. */
const REVEAL_MARGIN = 32;

/**
 * @param {{ store: Store, ui: ViewState, playback: import("./playback.js").Playback, persistent: import("./zoom.js").PersistentView, proposals: () => readonly import("../state/proposals.js").Proposal[], labelOf: (picture: import("../state/annotation.js").Picture) => string, changed: () => void, moved: () => void, signal: AbortSignal }} options
 *   `proposals`: those that are shown; `labelOf`: the accessible name of the canvas; `changed`: what other parts show has changed, too; `moved`: only the image must be painted again
 */
export function createStage({
  store,
  ui,
  playback,
  persistent,
  proposals,
  labelOf,
  changed,
  moved,
  signal,
}) {
  const canvas = element("canvas", {
    class: "sam2-stage",
    tabindex: "0",
    role: "application",
    hidden: true,
  });
  // The widget handles every touch on the image: two fingers move the view, not the page.
  canvas.style.touchAction = "none";
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const areas = createAreas({ changed, signal });
  const hoverPreview = createHoverPreview({ store, changed: moved, signal });
  const pixelReadout = createPixelReadout({ store, changed: moved, signal });
  const decodedPictures = createDecodedPictures(signal);
  const tiles = createTiles({ store, changed: tilesChanged, signal });
  const updatePicture = createPictureLayer();
  const adjusted = createAdjustedPicture({ repaint: moved, signal });
  const updateOverlays = createOverlays();
  const updateProposals = createProposalLayer();
  const updateOnionSkin = createOnionSkin({ store, changed: moved, signal });
  const marksOver = createMarks({ repaint: moved, signal });
  const zoom = createZoom(canvas, {
    mayPan,
    penDown: () => penDown,
    persistent,
    changed: viewMoved,
    signal,
  });

  /** @type {Size} */
  let room = { width: 0, height: 0 };
  /** @type {Size} CSS pixels */
  let viewport = { width: 1, height: 1 };
  /** @type {import("../state/annotation.js").Picture | null} */
  let picture = null;
  /** @type {ImageBitmap | null} */
  let bitmap = null;
  /** The picture of the bitmap. @type {import("../state/annotation.js").Picture | null} */
  let bitmapPicture = null;
  let broken = false;
  /** The canvas still shows the previous plane. */
  let decoding = false;
  /** Whether the viewport takes all of the available room. */
  let fillsRoom = { width: false, height: false };
  let penDown = false;
  let tilesVersion = 0;
  let exact = true;
  /** What the canvas shows. @type {Scene | null} */
  let scene = null;
  let moving = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settleTimer;
  signal.addEventListener("abort", () => clearTimeout(settleTimer));

  function mayPan() {
    return ui.holdPan || store.snapshot().options.tool === "pan";
  }

  function tilesChanged() {
    tilesVersion += 1;
    moved();
  }

  function viewMoved() {
    moving = true;
    clearTimeout(settleTimer);
    settleTimer = setTimeout(() => {
      moving = false;
      moved();
    }, SETTLE_DELAY);
    moved();
  }

  /** @param {Snapshot} snapshot */
  async function decode(snapshot) {
    decodedPictures.keep([snapshot.picture, bitmapPicture, ...snapshot.keptPictures]);
    if (snapshot.picture === picture) return;
    const before = picture;
    picture = snapshot.picture;
    broken = false;
    // The picture of the previous plane stays until this one can be shown together with its masks.
    decoding =
      picture !== null && before?.width === picture.width && before.height === picture.height;
    if (!decoding) forgetBitmap();
    if (!picture) return;
    canvas.setAttribute("aria-label", labelOf(picture));
    layOut();
    const wanted = picture;
    const decoded = decodedPictures.get(wanted);
    if (!decoded.bitmap) await decoded.done;
    if (picture !== wanted) return;
    bitmap = decoded.bitmap;
    bitmapPicture = wanted;
    broken = bitmap === null;
    decoding = false;
    if (!signal.aborted) changed();
  }

  /** Whether the picture of the plane is decoded, or cannot be. @param {Snapshot} snapshot */
  function isPictureShown({ plane }) {
    return picture === null || (bitmapPicture === picture && picture.plane === plane);
  }

  function forgetBitmap() {
    bitmap = null;
    bitmapPicture = null;
  }

  function layOut() {
    if (!picture || room.width < 1) return;
    const fit = fitStage(picture, room);
    viewport = viewportOf(fit, room, fillsRoom);
    canvas.hidden = false;
    canvas.style.width = `${viewport.width}px`;
    canvas.style.height = `${viewport.height}px`;
    adjusted.setSize(viewport);
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
    const { options, settings } = snapshot;
    const all = ui.full || ui.fills;
    const next = { width: all, height: all || options.height > 0 };
    if (next.width !== fillsRoom.width || next.height !== fillsRoom.height) {
      fillsRoom = next;
      layOut();
    }
    const played = playedFrame(snapshot);
    // The picture of the plane may arrive after its state.
    const isLate = decoding || picture?.plane !== snapshot.plane;
    if (!picture || canvas.hidden || (isLate && !played)) return false;
    /** @type {Frame} */
    const frame = {
      placement: placement(),
      surface: { width: canvas.width, height: canvas.height },
      style: { opacity: options.opacity, maskStyle: options.maskStyle, unit: unit() },
      cut: settings.overlap === "cut out",
      moving,
    };
    const source = played?.bitmap ?? bitmap;
    const shown = source && updatePicture(source, frame, played ? NO_TILES : tilesOn(frame));
    const below = adjusted.update(shown, frame.surface, options);
    const sheets = shown && !below ? [shown] : [];
    if (!ui.hideMasks)
      sheets.push(
        ...(played
          ? updateOverlays(withPlayed(snapshot, played), ui, frame, null)
          : updateOverlays(snapshot, ui, frame, hoverPreview.shown())),
      );
    if (!ui.hideMasks) sheets.push(...updateOnionSkin(snapshot, frame, ui.onionSkin && !played));
    const { marks, grows } = played ? NO_MARKS : marksOver.list(snapshot, ui, frame, time);
    if (!ui.hideMasks && options.tool === "propose" && !played)
      sheets.push(...updateProposals(proposals(), litProposals(), frame));
    compose({
      key: [placeKey(frame.placement, frame.surface), ...sheets.map(({ key }) => key)].join("|"),
      sheets,
      marks,
    });
    exact = sheets.every((sheet) => sheet.exact);
    canvas.style.cursor = marksOver.cursor(snapshot, ui);
    // While the view moves no frame is due: one paints the masks when it stops.
    return grows || !(exact || moving);
  }

  /** Proposals that are highlighted. */
  function litProposals() {
    if (ui.draft?.kind === "pick") return ui.draft;
    const numbers = ui.proposal === null || ui.draft ? [] : [ui.proposal];
    return { numbers, rejects: ui.negative };
  }

  /**
   * The frame that playback shows. After its stop it stays until the kernel shows that plane, or another one.
   *
   * @param {Snapshot} snapshot
   */
  function playedFrame({ plane, requestedPlane }) {
    const played = playback.frame();
    if (!played || playback.isPlaying()) return played;
    if (requestedPlane === played.plane && (plane !== played.plane || decoding)) return played;
    playback.release();
    return null;
  }

  /** Draw the scene unless the canvas shows it already. @param {Scene} next */
  function compose(next) {
    if (scene?.key === next.key && sameMarks(scene.marks, next.marks)) return;
    scene = next;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const { draw } of [...next.sheets, ...next.marks]) draw(context);
  }

  /** @param {Frame} frame */
  function tilesOn({ placement: place, surface }) {
    const of = /** @type {import("../state/annotation.js").Picture} */ (picture);
    const low = fromSurface({ x: 0, y: 0 }, place);
    const high = fromSurface({ x: surface.width, y: surface.height }, place);
    const view = { x0: low.x, y0: low.y, x1: high.x, y1: high.y };
    return {
      version: tilesVersion,
      draw: (/** @type {CanvasRenderingContext2D} */ on, /** @type {() => void} */ below) =>
        tiles.draw(on, of, place, view, below),
    };
  }

  /** @param {Position} position in the image @returns {Position} on the canvas, CSS pixels */
  function cssPosition(position) {
    const { x, y } = toSurface(position, placement());
    return { x: (x * viewport.width) / canvas.width, y: (y * viewport.height) / canvas.height };
  }

  /** Bring a position of the image into view. @param {Position} position */
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
    const maskOf = (/** @type {SegmentedObject} */ each) =>
      each.id === active?.id ? mask : each.mask;
    const own = maskOf(object);
    if (!picture || !own) return null;
    const at = rows.findIndex(({ id }) => id === object.id);
    const above = settings.overlap === "cut out" ? rows.slice(at + 1) : [];
    const image = { width: picture.width, height: picture.height };
    return areas(
      own,
      above.map(maskOf).filter((each) => each !== null),
      image,
    );
  }

  observeDevicePixels(canvas, resize, signal);
  // At once, and not only in the next frame, which may be late.
  store.subscribe(() => void decode(store.snapshot()), signal);
  void decode(store.snapshot());
  canvas.addEventListener("contextrestored", forgetScene, { signal });

  return {
    canvas,
    /** Goes before the canvas. */
    adjusted: adjusted.node,
    paint,
    hoverPreview,
    pixelReadout,
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
    pixelZoom: zoom.pixelScale,
    /** CSS pixels. */
    height: () => viewport.height,
    mayPan,
    reveal,
    areaOf,
    /** @param {boolean} down */
    setPen(down) {
      penDown = down;
    },
    /** @param {{ clientX: number, clientY: number }} event */
    positionOf({ clientX, clientY }) {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return fromSurface(
        {
          x: ((clientX - left) * canvas.width) / width,
          y: ((clientY - top) * canvas.height) / height,
        },
        placement(),
      );
    },
    /** The part of the image that is in view, in image pixels. */
    inView() {
      const { image } = placement();
      const low = fromSurface({ x: 0, y: 0 }, placement());
      const high = fromSurface({ x: canvas.width, y: canvas.height }, placement());
      return intersection(
        { x0: 0, y0: 0, x1: image.width, y1: image.height },
        { x0: low.x, y0: low.y, x1: high.x, y1: high.y },
      );
    },
    /** Screen pixels that the longer side of the whole image has. */
    longerSide() {
      const { width, height } = placement();
      return Math.max(width, height);
    },
    /** Image pixels in a CSS pixel. */
    cssPixel: () => cssPixelOf(placement(), unit()),
    readout: pixelReadout.readout,
    preview: hoverPreview.state,
    picture: () => bitmap,
    isBroken: () => broken,
    /** Whether the masks are painted, and not only stretched to where they belong. */
    isExact: () => exact && isPictureShown(store.snapshot()),
    /** Whether the view moves, or has moved a moment ago: the picture is drawn more roughly. */
    isMoving: () => moving,
  };
}
