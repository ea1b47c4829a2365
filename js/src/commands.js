/**
 * What a user can do, whatever button, key or gesture asks for it.
 *
 * @typedef {import("./geometry.js").Position} Position
 *
 * @typedef {object} ViewState what one display of the widget knows by itself; never sent
 * @property {boolean} negative clicks remove
 * @property {boolean} helpOpen
 * @property {number | null} hovered object under the pointer in the list
 * @property {Position | null} cursor in image coordinates
 * @property {boolean} crosshair the cursor is moved by keys and drawn
 * @property {{ from: Position, to: Position } | null} drag box being drawn
 *
 * @typedef {"undo" | "redo" | "commit" | "delete" | "clear" | "polarity" | "help"} CommandName
 * @typedef {ReturnType<typeof createCommands>} Commands
 */
import { boxBetween, clampPoint, isInside } from "./geometry.js";

/** @returns {ViewState} */
export const newViewState = () => ({
  negative: false,
  helpOpen: false,
  hovered: null,
  cursor: null,
  crosshair: false,
  drag: null,
});

/**
 * @param {import("./store.js").Snapshot} snapshot
 * @returns {Record<CommandName, boolean>}
 */
export function enabledCommands({ active, prompts, rows, canUndo, canRedo, status }) {
  const open = status.phase !== "closed";
  const editing = active !== null || prompts.length > 0;
  return {
    undo: open && canUndo,
    redo: open && canRedo,
    commit: open && editing,
    delete: open && editing,
    clear: open && (rows.length > 0 || editing),
    polarity: true,
    help: true,
  };
}

/**
 * @param {import("./store.js").Store} store
 * @param {ViewState} ui
 * @param {() => void} changed called after a change of `ui`
 */
export function createCommands(store, ui, changed) {
  /** @type {Record<CommandName, () => void>} */
  const actions = {
    undo: () => store.act("undo"),
    redo: () => store.act("redo"),
    commit: () => store.act("commit"),
    clear: () => store.act("clear"),
    delete: deleteActive,
    polarity: () => set({ negative: !ui.negative }),
    help: () => set({ helpOpen: !ui.helpOpen }),
  };

  function deleteActive() {
    const { target } = store.snapshot();
    // The first click of an object may not have an id yet: an empty prompt list removes it.
    if (target !== null) store.act("delete", { object: target });
    else store.discardPrompts();
  }

  /** @param {Partial<ViewState>} change */
  function set(change) {
    Object.assign(ui, change);
    changed();
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

  return {
    run,
    set,
    point,
    box,
    chooseClass,
    /** @param {number} object */
    select: (object) => store.act("select", { object }),
    /** @param {number} object */
    remove: (object) => store.act("delete", { object }),
    /** @param {number} object @param {string | null} label */
    rename: (object, label) => store.act("label", { object, label }),
  };
}
