/**
 * Keys while the widget has the focus. None of them reaches the notebook, where `d d` deletes
 * the cell.
 *
 * @typedef {import("./commands.js").CommandName} CommandName
 */
import { clamp } from "./geometry.js";

/** @type {Record<string, CommandName>} */
const COMMANDS = {
  n: "commit",
  Enter: "commit",
  Delete: "delete",
  Backspace: "delete",
  x: "polarity",
  "?": "help",
};

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** CSS pixels that an arrow key moves the crosshair, and how much farther with Shift. */
const STEP = 4;
const STRIDE = 8;

/** @param {KeyboardEvent} event @returns {CommandName | undefined} */
export function commandOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return event.shiftKey ? "redo" : "undo";
    return key === "y" ? "redo" : undefined;
  }
  return event.altKey ? undefined : COMMANDS[key];
}

/**
 * @param {HTMLElement} root
 * @param {{
 *   canvas: HTMLCanvasElement,
 *   store: import("./store.js").Store,
 *   ui: import("./commands.js").ViewState,
 *   commands: import("./commands.js").Commands,
 *   cancelDrag: () => boolean,
 *   signal: AbortSignal,
 * }} options
 */
export function listenToKeys(root, { canvas, store, ui, commands, cancelDrag, signal }) {
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    event.stopPropagation();
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing || target.closest("input, select")) return;
    // Enter and Space press the button that has the focus.
    if (target.closest("button") && (event.key === "Enter" || event.key === " ")) return;
    if (target === canvas && onCanvasKey(event)) return event.preventDefault();
    const command = commandOf(event);
    if (event.key === "Escape") escape();
    // JupyterLab does not see the key, so it would be the browser that saves the page.
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") event.preventDefault();
    else if (command) {
      event.preventDefault();
      commands.run(command);
    }
  }

  function escape() {
    if (!cancelDrag()) commands.set({ crosshair: false });
  }

  /** @param {KeyboardEvent} event @returns {boolean} */
  function onCanvasKey(event) {
    const { picture } = store.snapshot();
    if (!picture || event.ctrlKey || event.metaKey) return false;
    const cursor = ui.cursor ?? { x: picture.width / 2, y: picture.height / 2 };
    const arrow = ARROWS[event.key];
    if (arrow) {
      const length = STEP * (event.shiftKey ? STRIDE : 1);
      const pixels = [picture.width / canvas.clientWidth, picture.height / canvas.clientHeight];
      // At least one image pixel: on an enlarged image smaller steps would change nothing.
      const [dx, dy] = arrow.map((way, axis) => way * Math.max(length * pixels[axis], 1));
      moveTo({ x: cursor.x + dx, y: cursor.y + dy }, picture);
      return true;
    }
    if (![" ", "-", "+"].includes(event.key)) return false;
    moveTo(cursor, picture);
    commands.point(ui.cursor ?? cursor, event.key === "-" || event.altKey);
    return true;
  }

  /** @param {import("./geometry.js").Position} position @param {import("./geometry.js").Size} image */
  function moveTo({ x, y }, image) {
    const inside = (/** @type {number} */ value, /** @type {number} */ side) => clamp(value, 0, side - 0.01);
    commands.set({ cursor: { x: inside(x, image.width), y: inside(y, image.height) }, crosshair: true });
  }

  root.addEventListener("keydown", onKey, { signal });
  root.addEventListener("focusin", ({ target }) => {
    // Notebook 7 takes keys on their way in, and looks for this mark from the focused element on:
    // that of the root is too far out, `d d` would delete the cell.
    /** @type {HTMLElement} */ (target).dataset.lmSuppressShortcuts = "true";
  }, { signal });
}
