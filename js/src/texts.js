/** Every text that a user can see, so that one can proofread or translate them in one place. */

const apple = /mac|iphone|ipad/i.test(globalThis.navigator?.platform ?? "");
const ctrl = apple ? "⌘" : "Ctrl+";
const alt = apple ? "⌥" : "Alt";

export const buttons = {
  polarity: { label: "Clicks remove", hint: "", keys: "X" },
  undo: { label: "Undo", hint: `Undo (${ctrl}Z)`, keys: "Control+Z" },
  redo: { label: "Redo", hint: `Redo (${ctrl}${apple ? "⇧" : "Shift+"}Z)`, keys: "Control+Shift+Z" },
  commit: { label: "New object", hint: "Finish this object and start a new one (N)", keys: "N" },
  delete: { label: "Delete object", hint: "Delete the object being edited (Delete)", keys: "Delete" },
  clear: { label: "Clear all", hint: "Delete all objects (can be undone)", keys: "" },
  help: { label: "Help", hint: "Mouse and keys (?)", keys: "?" },
};

export const polarity = {
  positive: "Clicks add. Switch to removing (X)",
  negative: "Clicks remove. Switch to adding (X)",
};

/** Name of the progress bar. */
export const progress = "Progress";

export const hint = `Click an object. ${alt}-click removes. Drag for a box.`;

/** @type {[string, string][]} */
export const help = [
  ["Click", "add this place to the object"],
  [`${alt}-click, right click`, "remove this place from it"],
  ["Drag", "box around the object"],
  ["N, Enter", "new object"],
  ["X", "switch between adding and removing"],
  [`${ctrl}Z`, "undo"],
  [apple ? "⌘⇧Z" : "Ctrl+Shift+Z, Ctrl+Y", "redo"],
  ["Delete", "delete the object being edited"],
  ["Esc", "cancel a drag"],
  ["Arrows", "move a crosshair (Shift: faster)"],
  ["Space, −", "add or remove at the crosshair"],
];

export const objects = {
  title: "Objects",
  none: "Every object you segment is listed here.",
  editing: "editing",
  noLabel: "label",
  noClass: "no class",
  score: "The model's own estimate of the mask's quality",
  /** @param {number} number */
  select: (number) => `Edit object ${number}`,
  /** @param {number} number */
  label: (number) => `Label of object ${number}`,
  /** @param {number} number */
  remove: (number) => `Delete object ${number}`,
};

export const nextClass = "Class of this object and the next ones";

/** Shown when the kernel sent a phase without a sentence. */
export const phases = /** @type {Record<string, string>} */ ({
  loading: "Loading the model",
  downloading: "Downloading the model",
  encoding: "Reading the image",
  ready: "Ready",
  predicting: "Predicting",
  error: "Something went wrong in the kernel. Run the cell again.",
  closed: "This widget is closed. Run the cell again to go on.",
});

export const status = {
  gone: "The kernel was restarted. Run the cell again to go on.",
  picture: "This browser cannot show the image that the kernel sent.",
  waitingForModel: "Your click waits for the model.",
  waitingForKernel: "The kernel is busy. Your click is waiting.",
  /** @param {number} share 0..1 */
  percent: (share) => `${Math.round(share * 100)} %`,
};

/** @param {{ width: number, height: number, name: string }} picture */
export const stage = ({ width, height, name }) =>
  `${name || "Image"}, ${width} by ${height} pixels. Arrow keys move a crosshair, Space adds a point, minus removes.`;

export const toolbar = "Segmentation tools";
