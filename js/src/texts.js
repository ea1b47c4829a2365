/** Every text that a user can see or hear, so that one can proofread or translate them in one place. */

const apple = /mac|iphone|ipad/i.test(globalThis.navigator?.platform ?? "");
const ctrl = apple ? "⌘" : "Ctrl+";
const shift = apple ? "⇧" : "Shift+";
const alt = apple ? "⌥" : "Alt";

const LOCALE = "en";
const whole = new Intl.NumberFormat(LOCALE);
const precise = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 5 });

/** @param {number} value */
const score = (value) => value.toFixed(2);
/** @param {number} pixels */
const area = (pixels) => `${whole.format(pixels)} px`;

/**
 * `label` names the control, `hint` says more, `keys` is shown with it and `shortcut` is the same
 * for assistive technology (aria-keyshortcuts).
 *
 * @typedef {{ label: string, hint?: string, keys?: string, shortcut?: string }} Words
 */

/** @type {Record<import("./options.js").Options["tool"], Words>} */
export const tools = {
  point: { label: "Points", hint: `Click to add, ${alt}-click to remove, drag for a box`, keys: "P", shortcut: "P" },
  box: { label: "Box", hint: "Drag a box around the object", keys: "R", shortcut: "R" },
  scribble: { label: "Scribble", hint: "Draw a line over what belongs to the object", keys: "S", shortcut: "S" },
  brush: { label: "Brush", hint: "Paint pixels into the mask by hand", keys: "B", shortcut: "B" },
  eraser: { label: "Eraser", hint: "Erase pixels of the mask by hand", keys: "E", shortcut: "E" },
  select: { label: "Select", hint: "Click an object in the image to edit it", keys: "V", shortcut: "V" },
  pan: { label: "Move the view", hint: "Drag the image; or hold Space with any tool", keys: "H", shortcut: "H" },
};

/** @type {Record<import("./commands.js").CommandName, Words>} */
export const buttons = {
  polarity: { label: "Clicks remove", keys: "X", shortcut: "X" },
  undo: { label: "Undo", keys: `${ctrl}Z`, shortcut: apple ? "Meta+Z" : "Control+Z" },
  redo: { label: "Redo", keys: `${ctrl}${shift}Z`, shortcut: apple ? "Meta+Shift+Z" : "Control+Shift+Z" },
  commit: { label: "New object", hint: "Finish this object and start the next", keys: "N", shortcut: "N" },
  delete: { label: "Delete object", hint: "Delete the object being edited", keys: "Del", shortcut: "Delete" },
  clear: { label: "Delete all objects", hint: "Undo brings them back" },
  raise: { label: "Move object up the list", keys: `${alt}+↑`, shortcut: "Alt+ArrowUp" },
  lower: { label: "Move object down the list", hint: "What is lower in the list lies on top in the image", keys: `${alt}+↓`, shortcut: "Alt+ArrowDown" },
  smaller: { label: "Smaller brush", keys: "[" },
  larger: { label: "Larger brush", keys: "]" },
  previousPlane: { label: "Previous plane", keys: "<  PgUp", shortcut: "PageUp" },
  nextPlane: { label: "Next plane", keys: ">  PgDn", shortcut: "PageDown" },
  zoomIn: { label: "Zoom in", keys: "+", shortcut: "+" },
  zoomOut: { label: "Zoom out", keys: "−", shortcut: "-" },
  fit: { label: "Fit the image", keys: "0", shortcut: "0" },
  actual: { label: "Actual size, 1:1", hint: "One image pixel for one screen pixel", keys: "1", shortcut: "1" },
  preview: { label: "Live preview", keys: "L", shortcut: "L" },
  files: { label: "Files", hint: "Save masks, open masks or prompts", keys: "G", shortcut: "G" },
  settings: { label: "View and masks", keys: ",", shortcut: "," },
  full: { label: "Full screen", keys: "F", shortcut: "F" },
  help: { label: "Help", hint: "Mouse, touch and keys", keys: "?", shortcut: "?" },
};

export const polarity = {
  positive: "Clicks add. Switch to removing",
  negative: "Clicks remove. Switch to adding",
};

const touch = globalThis.matchMedia?.("(pointer: coarse)").matches ?? false;

/** What to do next with the tool for points, as long as nothing else is to be said. */
export const hints = {
  first: touch ? "Tap an object. Drag for a box." : `Click an object. ${alt}-click removes. Drag for a box.`,
  editing: touch ? "Tap adds; + − switches to removing." : `Click adds, ${alt}-click removes. N: next object.`,
  next: touch ? "Tap the next object." : "Click the next object.",
};

/** The same for who works with the keyboard. */
export const keyHints = {
  first: "Arrows move the crosshair, Space adds a point. ? shows all keys.",
  editing: `Space adds, ${shift}Space removes. N: next object.`,
  next: "Arrows to the next object, then Space.",
  drawing: "Arrows to where it starts, then Space; arrows, then Space ends it.",
};

/** A second box of an object takes the place of the first. */
export const boxed = "N: next object. Another box replaces this one.";

/** What the next press does, by tool; shown while nothing else is to be said. */
export const toolHints = /** @type {Record<string, string>} */ ({
  box: "Drag a box around the object.",
  scribble: "Draw a line over the object.",
  brush: "Paint to add pixels to the mask.",
  eraser: "Paint to erase pixels of the mask.",
  select: "Click an object in the image to edit it.",
  pan: "Drag to move the view.",
});

/** @type {{ title: string, rows: [string, string][] }[]} */
export const help = [
  {
    title: "Mark an object",
    rows: [
      ["Click", "add this place to the object"],
      [`${alt}-click, right click`, "remove this place from it"],
      ["Drag", "box around the object"],
      ["Drag a placed point", "move it"],
      [`Del, ${alt}-click on it`, "remove a placed point"],
      ["X", "switch between adding and removing"],
      ["1 2 3, Tab", "choose among the candidates"],
      ["L", "live preview under the pointer"],
      ["Esc", "cancel what is being drawn"],
    ],
  },
  {
    title: "Objects",
    rows: [
      ["N, Enter", "new object"],
      [`${ctrl}Z`, "undo"],
      [apple ? "⌘⇧Z" : "Ctrl+Shift+Z, Ctrl+Y", "redo"],
      ["Del", "delete the object being edited"],
      [`${shift}1 … 9`, "choose a class"],
      ["M (hold)", "hide all masks"],
      ["↑ ↓ in the list", "go through the objects"],
      [`${alt}+↑ ↓`, "reorder: the last lies on top"],
    ],
  },
  {
    title: "Tools",
    rows: [
      ["P  R  S", "points, box, scribble"],
      ["B  E", "brush, eraser"],
      ["[  ]", "brush size"],
      ["V  H", "select, move the view"],
      [",", "view and mask settings"],
      ["G", "files: save and open"],
      ["?", "this help"],
    ],
  },
  {
    title: "View",
    rows: [
      [`${ctrl}wheel, pinch`, "zoom at the pointer"],
      ["Space + drag", "move the view; also two fingers"],
      ["+  −", "zoom in, zoom out"],
      ["0  1", "fit, actual size"],
      ["F", "full screen"],
      ["<  >, PgUp PgDn", "previous, next plane of a stack"],
    ],
  },
  {
    title: "Without a mouse",
    rows: [
      ["Arrows", `move a crosshair (${shift.replace("+", "")}: faster)`],
      ["Space", "point; or start and end a box or stroke"],
      [`${shift}Space`, "the same, removing"],
      ["Tab", "toolbar, image, objects"],
    ],
  },
];

export const objects = {
  title: "Objects",
  none: "Every object you segment is listed here.",
  noMatch: "No object matches.",
  filter: "Find",
  filterLabel: "Find objects by label or number",
  noLabel: "label",
  noClass: "no class",
  newClass: "New class…",
  className: "Name of the new class",
  scoreHint: "The model's own estimate of the mask's quality",
  /** @param {number} number */
  thumbnail: (number) => `Object ${number}`,
  /** @param {number} number @param {boolean} editing */
  select: (number, editing) => (editing ? `Object ${number}, being edited` : `Edit object ${number}`),
  /** @param {number} number */
  label: (number) => `Label of object ${number}`,
  /** @param {number} number @param {boolean} visible */
  show: (number, visible) => `${visible ? "Hide" : "Show"} object ${number}`,
  /** @param {number} number @param {boolean} locked */
  lock: (number, locked) => `${locked ? "Unlock" : "Lock"} object ${number}`,
  /** @param {number} number */
  remove: (number) => `Delete object ${number}`,
  /** @param {number} shown @param {number} all */
  count: (shown, all) => (shown === all ? whole.format(all) : `${whole.format(shown)} of ${whole.format(all)}`),
  /** @param {number | null} pixels @param {number | null} quality */
  facts: (pixels, quality) => [pixels === null ? "" : area(pixels), quality === null ? "" : score(quality)].filter(Boolean).join(" · "),
};

export const nextClass = "Class of this object and the next ones";

export const candidates = {
  title: "Which one is meant?",
  /** @param {number} number @param {number | null} quality */
  name: (number, quality) => `Candidate ${number}${quality === null ? "" : `, score ${score(quality)}`}`,
  /** @param {number | null} quality */
  score: (quality) => (quality === null ? "" : score(quality)),
};

export const settings = {
  title: "View and masks",
  close: "Close",
  view: "View",
  masks: "Masks",
  image: "Image",
  imageNote: "for viewing only",
  opacity: "Opacity",
  style: "Style",
  styles: { fill: "Fill", contour: "Contour", both: "Both" },
  brightness: "Brightness",
  contrast: "Contrast",
  reset: "Reset brightness and contrast",
  overlap: "Overlaps",
  overlaps: { "on top": "On top", "cut out": "Cut out" },
  overlapHint: "On top: masks may share pixels. Cut out: each pixel belongs to the last object.",
  fillHoles: "Fill holes up to",
  dropSpecks: "Drop specks up to",
  unit: "px",
  preview: "Live preview",
  previewHint: "Shows the mask that a click would give.",
  previewSlow: "Paused: this kernel answers too slowly for it.",
  lastClickHint: "Page, way to the kernel and back, kernel, model, picture",
  /** @param {import("./timings.js").Timing} timing */
  lastClick: ({ total, browser, comm, kernel, decoder, paint }) => {
    const [b, c, k, d, p] = [browser, comm, kernel, decoder, paint].map(Math.round);
    return `Last click ${Math.round(total)} ms: browser ${b}, comm ${c}, kernel ${k}, decoder ${d}, paint ${p}`;
  },
  /** @param {number} value 0..1 */
  percent: (value) => `${Math.round(value * 100)} %`,
  /** @param {number} value -1..1 */
  signed: (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(Math.round(value * 100))}`,
};

export const files = {
  save: "Save masks as",
  formats: [
    { format: "coco", label: "COCO", type: "json", hint: "Exact masks as RLE, for training" },
    { format: "yolo", label: "YOLO", type: "zip", hint: "Outlines and the names of the classes" },
    { format: "voc", label: "Pascal VOC", type: "zip", hint: "Boxes and palette images" },
    { format: "labelme", label: "LabelMe", type: "json", hint: "Polygons, and bitmaps where there are holes" },
    { format: "geojson", label: "GeoJSON", type: "json", hint: "Outlines with holes, for QGIS and QuPath" },
    { format: "tiff", label: "Labels", type: "tiff", hint: "A number for each object, for ImageJ" },
    { format: "png", label: "Labels", type: "png", hint: "A number for each object" },
    { format: "pngs", label: "Masks", type: "zip", hint: "An image for each object" },
    { format: "npz", label: "NumPy", type: "npz", hint: "Everything, for numpy.load" },
    { format: "cutout", label: "Cut-out", type: "png", hint: "The image inside the masks" },
    { format: "csv", label: "Table", type: "csv", hint: "Label, score, area, box of each object" },
    { format: "prompts", label: "Prompts", type: "json", hint: "What was clicked, to be replayed" },
  ],
  stackFormats: [
    { format: "stack-tiff", label: "All labels", type: "tiff", hint: "The labels of all planes" },
    { format: "stack-prompts", label: "All prompts", type: "json", hint: "The prompts of all planes, to be replayed" },
  ],
  openTitle: "Open",
  open: "Open masks or prompts…",
  openHint: "Clicks can correct them. Up to 64 MiB.",
  /** @type {Record<import("./transfers.js").Transfer["kind"], (name: string, share: number) => string>} */
  state: {
    idle: () => "",
    making: () => "Making the file…",
    receiving: (name, share) => `Saving ${name}… ${Math.round(share * 100)} %`,
    sending: (name, share) => `Opening ${name}… ${Math.round(share * 100)} %`,
    saved: (name) => `Saved ${name}.`,
    opened: (name) => `Opened ${name}.`,
    failed: (name) => `${name || "The file"} failed: the line below the image says why.`,
  },
};

export const planes = {
  title: "Planes",
  /** @param {string} axis @param {number} index @param {number} count */
  place: (axis, index, count) => `${axis || "Plane"} ${index + 1} / ${count}`,
  /** @param {string} axis @param {number} index @param {number} count */
  spoken: (axis, index, count) => `${axis ? `${axis} ` : "Plane "}${index + 1} of ${count}`,
  /** @param {number} index */
  hint: (index) => `In Python: w.plane = ${index}`,
};

export const brush = {
  label: "Brush size",
  /** @param {number} pixels */
  size: (pixels) => `${precise.format(Math.round(pixels * 10) / 10)} px`,
};

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
  reconnecting: "Connection lost. Reconnecting … Your clicks are kept.",
  silent: "No answer from the kernel. Your clicks are kept; if it stays so, restart or reconnect it.",
  picture: "This browser cannot show the image that the kernel sent.",
  waitingForModel: "Your click waits for the model.",
  waitingForKernel: "The kernel is busy. Your click is waiting.",
  placing: "Space ends it, Esc cancels.",
  progress: "Progress",
  model: "Model and device",
  roundTripHint: "Time from the pointer to the preview and back",
  /** @param {number} share 0..1 */
  percent: (share) => `${Math.round(share * 100)} %`,
  /** @param {number} zoom 1 = fit */
  zoom: (zoom) => `${whole.format(Math.round(zoom * 100))} %`,
  /** @param {{ x: number, y: number }} position @param {readonly number[] | null} values */
  readout: ({ x, y }, values) =>
    `${Math.floor(x)}, ${Math.floor(y)}${values?.length ? `  ${values.map((value) => precise.format(value)).join(" ")}` : ""}`,
  /** @param {number | null} milliseconds @param {boolean} paused */
  roundTrip: (milliseconds, paused) =>
    paused ? "preview paused" : milliseconds === null ? "preview" : `preview ${Math.round(milliseconds)} ms`,
};

/** Said to screen readers. */
export const announce = {
  /** @param {number | null} pixels @param {number | null} quality */
  mask: (pixels, quality) =>
    [`Mask${pixels === null ? "" : ` ${area(pixels)}`}`, quality === null ? "" : `score ${score(quality)}`].filter(Boolean).join(", "),
  empty: "The mask is empty",
  /** @param {number} number @param {number} count @param {number | null} quality */
  candidate: (number, count, quality) => `Candidate ${number} of ${count}${quality === null ? "" : `, score ${score(quality)}`}`,
  /** @param {number} count */
  candidates: (count) => `${count} candidates, press 1 to ${count}`,
  /** @param {number} number @param {number} count @param {string | null} label */
  editing: (number, count, label) => `Editing object ${number} of ${count}${label ? `, ${label}` : ""}`,
  /** @param {number} count */
  finished: (count) => `Object finished. ${objectsInAll(count)}`,
  /** @param {number} count */
  deleted: (count) => `Deleted. ${objectsInAll(count)}`,
  /** @param {string} place @param {number} count */
  plane: (place, count) => `${place}, ${objectsInAll(count)}`,
  /** @param {string} tool */
  tool: (tool) => `Tool: ${tool}`,
  /** @param {boolean} negative */
  polarity: (negative) => (negative ? "Clicks remove" : "Clicks add"),
  /** @param {number} x @param {number} y @param {string} what */
  crosshair: (x, y, what) => `x ${Math.floor(x)}, y ${Math.floor(y)}${what && `, ${what}`}`,
  /** @param {number} value */
  brush: (value) => `${brush.label} ${brush.size(value)}`,
};

/** @param {number} count */
const objectsInAll = (count) => (count === 1 ? "1 object" : `${whole.format(count)} objects`);

/** @param {{ width: number, height: number, name: string }} picture */
export const stage = ({ width, height, name }) =>
  `${name || "Image"}, ${width} by ${height} pixels. Arrow keys move a crosshair, Space adds a point, Shift and Space removes. Question mark shows all keys.`;

export const resize = "Height of the image";
export const widget = "Image segmentation";
export const toolbar = "Segmentation tools";
export const toolGroup = "Tool";
export const zoomBar = "Zoom";
