/**
 * What a user can do, whatever button, key or gesture asks for it.
 *
 * @typedef {import("./geometry.js").Position} Position
 * @typedef {import("./options.js").OptionName} OptionName
 * @typedef {import("./options.js").Options} Options
 * @typedef {import("./store.js").Snapshot} Snapshot
 *
 * @typedef {"help" | "settings" | "files"} Popover
 *
 * @typedef {object} ViewState what one display of the widget knows by itself; never sent
 * @property {boolean} negative clicks remove
 * @property {Popover | null} open
 * @property {boolean} full fills the screen
 * @property {number | null} hovered object under the pointer in the list
 * @property {number | null} candidate index of the candidate under the pointer in the strip
 * @property {number | null} grabbed index of the placed prompt under the pointer
 * @property {Position | null} cursor in image coordinates
 * @property {boolean} crosshair the cursor is moved by keys and drawn
 * @property {boolean} hideMasks while a key is held
 * @property {boolean} holdPan the pointer moves the view while a key is held
 * @property {{ from: Position, to: Position } | null} drag box being drawn
 * @property {any} draft what is being drawn, known to the pointer and the stage
 *
 * @typedef {object} Display what a command does to this display only
 * @property {(factor: number) => void} zoomBy
 * @property {() => void} fit
 * @property {() => void} actualSize
 * @property {() => void} toggleFull
 * @property {(position: Position) => number | null} markAt
 *
 * @typedef {"undo" | "redo" | "commit" | "delete" | "clear" | "raise" | "lower" | "polarity" | "smaller" | "larger"
 *   | "previousPlane" | "nextPlane" | "zoomIn" | "zoomOut" | "fit" | "actual" | "preview" | "files" | "settings" | "full" | "help"} CommandName
 * @typedef {ReturnType<typeof createCommands>} Commands
 */
import { boxBetween, clamp, clampPoint, isInside } from "./geometry.js";
import { brushRadius } from "./options.js";

const ZOOM_STEP = 1.5;
const BRUSH_STEP = 1.25;
const SMALLEST_BRUSH = 1;

/** Tools for which adding and removing is a choice. */
const WITH_POLARITY = new Set(["point", "scribble"]);

/** @returns {ViewState} */
export const newViewState = () => ({
  negative: false,
  open: null,
  full: false,
  hovered: null,
  candidate: null,
  grabbed: null,
  cursor: null,
  crosshair: false,
  hideMasks: false,
  holdPan: false,
  drag: null,
  draft: null,
});

/** @param {Snapshot} snapshot @returns {Record<CommandName, boolean>} */
export function enabledCommands({ active, prompts, rows, canUndo, canRedo, status, options, picture, stack, wantedPlane }) {
  const open = status.phase !== "closed";
  const editing = open && (active !== null || prompts.length > 0);
  const place = rows.findIndex(({ id }) => id === active?.id);
  const seen = picture !== null;
  return {
    undo: open && canUndo,
    redo: open && canRedo,
    commit: editing,
    delete: editing && active?.locked !== true,
    clear: open && (rows.length > 0 || editing),
    raise: open && place > 0,
    lower: open && place >= 0 && place < rows.length - 1,
    polarity: WITH_POLARITY.has(options.tool),
    smaller: seen,
    larger: seen,
    previousPlane: open && stack !== null && wantedPlane > 0,
    nextPlane: open && stack !== null && wantedPlane < stack.count - 1,
    zoomIn: seen,
    zoomOut: seen,
    fit: seen,
    actual: seen,
    preview: true,
    files: true,
    settings: true,
    full: true,
    help: true,
  };
}

/** @param {Snapshot} snapshot @returns {number} diameter of the brush in image pixels */
export const brushDiameter = ({ options, picture }) => (picture ? 2 * brushRadius(options.brushSize, picture) : options.brushSize);

/** @param {import("./geometry.js").Size} image */
export const largestBrush = ({ width, height }) => Math.max(SMALLEST_BRUSH, Math.ceil(Math.max(width, height) / 2));

/**
 * @param {import("./store.js").Store} store
 * @param {ViewState} ui
 * @param {() => void} changed called after a change of `ui`
 * @param {() => Display} display
 */
export function createCommands(store, ui, changed, display) {
  /** @type {Record<CommandName, () => void>} */
  const actions = {
    undo: () => store.act("undo"),
    redo: () => store.act("redo"),
    commit: () => store.act("commit"),
    clear: () => store.act("clear"),
    delete: deleteActive,
    raise: () => moveActive(-1),
    lower: () => moveActive(1),
    polarity: () => set({ negative: !ui.negative }),
    smaller: () => scaleBrush(1 / BRUSH_STEP),
    larger: () => scaleBrush(BRUSH_STEP),
    previousPlane: () => store.turnTo(store.snapshot().wantedPlane - 1),
    nextPlane: () => store.turnTo(store.snapshot().wantedPlane + 1),
    zoomIn: () => display().zoomBy(ZOOM_STEP),
    zoomOut: () => display().zoomBy(1 / ZOOM_STEP),
    fit: () => display().fit(),
    actual: () => display().actualSize(),
    preview: () => option("hoverPreview", !store.snapshot().options.hoverPreview),
    files: () => toggle("files"),
    settings: () => toggle("settings"),
    help: () => toggle("help"),
    full: () => display().toggleFull(),
  };

  /** @param {Partial<ViewState>} change */
  function set(change) {
    Object.assign(ui, change);
    changed();
  }

  /** @param {Popover} popover */
  const toggle = (popover) => set({ open: ui.open === popover ? null : popover });

  /** @template {OptionName} Name @param {Name} name @param {Options[Name]} value */
  function option(name, value) {
    if (store.snapshot().options[name] !== value) store.setOption(name, value);
  }

  function deleteActive() {
    const mark = ui.cursor && display().markAt(ui.cursor);
    if (mark !== null) return store.removePrompt(mark);
    const { target } = store.snapshot();
    // The first click of an object may not have an id yet: an empty prompt list removes it.
    if (target !== null) store.act("delete", { object: target });
    else store.discardPrompts();
  }

  /** @param {number} way */
  function moveActive(way) {
    const { target, rows } = store.snapshot();
    if (target !== null) move(target, rows.findIndex(({ id }) => id === target) + way);
  }

  /** @param {number} object @param {number} index */
  function move(object, index) {
    if (index >= 0 && index < store.snapshot().rows.length) store.act("order", { object, index });
  }

  /** @param {number} factor */
  function scaleBrush(factor) {
    const snapshot = store.snapshot();
    if (!snapshot.picture) return;
    const size = brushDiameter(snapshot);
    // Small brushes grow by whole pixels: a tenth of one would change nothing.
    const next = factor > 1 ? Math.max(size * factor, size + 1) : Math.min(size * factor, size - 1);
    option("brushSize", clamp(Math.round(next), SMALLEST_BRUSH, largestBrush(snapshot.picture)));
  }

  /** @param {CommandName} name */
  function run(name) {
    if (enabledCommands(store.snapshot())[name]) actions[name]();
  }

  /** @param {Position} position @param {boolean} negative */
  function point(position, negative) {
    const { picture } = store.snapshot();
    if (!picture || !isInside(position, picture) || isClosed()) return;
    store.addPrompt({ type: "point", ...clampPoint(position, picture), label: negative || ui.negative ? 0 : 1 });
  }

  /** @param {Position} from @param {Position} to @returns {boolean} false when it has no area */
  function box(from, to) {
    const { picture } = store.snapshot();
    const corners = picture && boxBetween(from, to, picture);
    if (!corners || isClosed()) return false;
    store.addPrompt({ type: "box", ...corners });
    return true;
  }

  const isClosed = () => store.snapshot().status.phase === "closed";

  /** @param {string | null} label */
  function chooseClass(label) {
    store.act("class", { label });
    const { target } = store.snapshot();
    if (target !== null) store.act("label", { object: target, label });
  }

  /** @param {number} index @returns {boolean} whether there was something to choose from */
  function choose(index) {
    const { candidates, choice } = store.snapshot();
    if (!candidates || !(index in candidates)) return false;
    if (index !== choice) store.addPrompt({ type: "choice", index: /** @type {0 | 1 | 2} */ (index) });
    return true;
  }

  return {
    run,
    set,
    option,
    point,
    box,
    move,
    choose,
    chooseClass,
    /** @param {number} plane */
    turnTo: (plane) => void (isClosed() || store.turnTo(plane)),
    /** @param {string} name a new class, chosen at once for this object or the next */
    addClass: (name) => store.act("class_add", { name }),
    /** @param {number | null} object */
    select: (object) => store.act("select", { object }),
    /** @param {number} object */
    remove: (object) => store.act("delete", { object }),
    /** @param {number} object @param {string | null} label */
    rename: (object, label) => store.act("label", { object, label }),
    /** @param {number} object @param {boolean} visible */
    show: (object, visible) => store.act("show", { object, visible }),
    /** @param {number} object @param {boolean} locked */
    lock: (object, locked) => store.act("lock", { object, locked }),
    /** @param {"overlap" | "fill_holes" | "drop_specks"} name @param {string | number} value */
    setting: (name, value) => store.act("setting", { name, value }),
  };
}
