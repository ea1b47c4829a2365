/** Every text that is shown or read aloud to users, in one place for proofreading and translation. */

const apple = /mac|iphone|ipad/i.test(globalThis.navigator?.platform ?? "");
const ctrl = apple ? "⌘" : "Ctrl+";
const shift = apple ? "⇧" : "Shift+";
const alt = apple ? "⌥" : "Alt";
const backspace = apple ? "⌫" : "Backspace";

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

/** @type {Record<import("../state/options.js").Options["tool"], Words>} */
export const tools = {
  point: {
    label: "Points",
    hint: `Click to add, ${alt}-click to remove, drag for a box`,
    keys: "P",
    shortcut: "P",
  },
  box: { label: "Box", hint: "Drag a box around the object", keys: "R", shortcut: "R" },
  scribble: {
    label: "Scribble",
    hint: "Draw a line over what belongs to the object",
    keys: "S",
    shortcut: "S",
  },
  brush: { label: "Brush", hint: "Paint pixels into the mask by hand", keys: "B", shortcut: "B" },
  eraser: { label: "Eraser", hint: "Erase pixels of the mask by hand", keys: "E", shortcut: "E" },
  propose: {
    label: "Propose",
    hint: "Find all objects at once, and choose from them",
    keys: "W",
    shortcut: "W",
  },
  select: {
    label: "Select",
    hint: "Click an object in the image to edit it",
    keys: "V",
    shortcut: "V",
  },
  pan: {
    label: "Move the view",
    hint: "Drag the image; or hold Space with any tool",
    keys: "H",
    shortcut: "H",
  },
};

/** @type {Record<import("../input/commands.js").CommandName, Words>} */
export const buttons = {
  polarity: { label: "Clicks remove", keys: "X", shortcut: "X" },
  undo: { label: "Undo", keys: `${ctrl}Z`, shortcut: apple ? "Meta+Z" : "Control+Z" },
  redo: {
    label: "Redo",
    keys: `${ctrl}${shift}Z`,
    shortcut: apple ? "Meta+Shift+Z" : "Control+Shift+Z",
  },
  commit: {
    label: "Next object",
    hint: "Finish this object and start the next one",
    keys: "N",
    shortcut: "N",
  },
  delete: {
    label: "Delete object",
    hint: "Delete the object being edited",
    keys: "Del",
    shortcut: "Delete",
  },
  removeLast: {
    label: "Remove the last point, box or stroke",
    keys: backspace,
    shortcut: "Backspace",
  },
  name: { label: "Type the label of this object and the next ones", keys: "A", shortcut: "A" },
  track: {
    label: "Track",
    hint: "Find the object being edited in all frames, or between the marks; all objects if none is edited",
    keys: "T",
    shortcut: "T",
  },
  trackAll: {
    label: "Track all",
    hint: "Find all objects in all frames, or between the marks",
    keys: `${shift}T`,
    shortcut: "Shift+T",
  },
  cancelTrack: { label: "Cancel", hint: "Stop tracking; what was found stays" },
  play: { label: "Play", hint: "Click the image to stop", keys: "K", shortcut: "K" },
  nextKeyframe: {
    label: "Next keyframe",
    hint: "Where the object has clicks, boxes or strokes",
    keys: "Q",
    shortcut: "Q",
  },
  previousKeyframe: {
    label: "Previous keyframe",
    hint: "Where the object has clicks, boxes or strokes",
    keys: `${shift}Q`,
    shortcut: "Shift+Q",
  },
  nextDoubtful: {
    label: "Next doubtful frame",
    hint: "A low score, or a jump in area or place",
    keys: "D",
    shortcut: "D",
  },
  previousDoubtful: { label: "Previous doubtful frame", keys: `${shift}D`, shortcut: "Shift+D" },
  absent: {
    label: "Absent here",
    hint: "The object is not on this frame, nor on those up to its next keyframe; once more takes it back",
    keys: "U",
    shortcut: "U",
  },
  markIn: {
    label: "Track from here",
    hint: "Once more removes the mark",
    keys: "I",
    shortcut: "I",
  },
  markOut: {
    label: "Track up to here",
    hint: "Once more removes the mark",
    keys: `${shift}I`,
    shortcut: "Shift+I",
  },
  nextCandidate: { label: "Next candidate", keys: "C", shortcut: "C" },
  previousCandidate: { label: "Previous candidate", keys: `${shift}C`, shortcut: "Shift+C" },
  clear: { label: "Delete all objects", hint: "Undo brings them back" },
  raise: { label: "Move object up the list", keys: `${alt}+↑`, shortcut: "Alt+ArrowUp" },
  lower: {
    label: "Move object down the list",
    hint: "Objects further down the list lie on top in the image",
    keys: `${alt}+↓`,
    shortcut: "Alt+ArrowDown",
  },
  smaller: { label: "Smaller brush", keys: "[" },
  larger: { label: "Larger brush", keys: "]" },
  previousPlane: { label: "Previous plane", keys: "<  PgUp", shortcut: "PageUp" },
  nextPlane: { label: "Next plane", keys: ">  PgDn", shortcut: "PageDown" },
  zoomIn: { label: "Zoom in", keys: "+", shortcut: "+" },
  zoomOut: { label: "Zoom out", keys: "−", shortcut: "-" },
  fit: { label: "Fit the image to the view", keys: "0", shortcut: "0" },
  actual: { label: "100 %", hint: "One image pixel per screen pixel", keys: "Z", shortcut: "Z" },
  preview: { label: "Live preview", keys: "L", shortcut: "L" },
  perClick: {
    label: "New object per click",
    hint: "Each click or box starts a new object; removing applies to the newest one",
    keys: "O",
    shortcut: "O",
  },
  merge: {
    label: "Merge objects",
    hint: `${ctrl}click objects in the list to select several`,
    keys: "J",
    shortcut: "J",
  },
  split: { label: "Split object", hint: "Each connected part becomes an object of its own" },
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

/** Hints for the tool for points, shown while there is no other message. */
export const hints = {
  first: touch
    ? "Tap an object. Drag for a box."
    : `Click an object. ${alt}-click removes. Drag for a box.`,
  editing: touch
    ? "Tap adds; + − switches to removing."
    : `Click adds, ${alt}-click removes. N: next object.`,
  next: touch ? "Tap the next object." : "Click the next object.",
};

/** The same for users of the keyboard. */
export const keyHints = {
  first: "Arrows move the crosshair, Space adds a point. ? shows all keys.",
  editing: `Space adds, ${shift}Space removes. N: next object.`,
  next: "Move to the next object with the arrows, then press Space.",
  drawing: "Move to the start with the arrows, press Space, move on, press Space again.",
};

/** Hint if every click is a new object. */
export const perClick = touch
  ? "Each tap or box starts a new object."
  : `Each click or box starts a new object. ${alt}-click removes from the newest one.`;

/** Hint if there are proposals. */
export const proposed = touch
  ? "Tap what you want to keep. + − switches to rejecting."
  : `Click keeps, ${alt}-click rejects. Esc: back to points.`;

/** Hint if the object has a box: a second one replaces it. */
export const boxed = "N: next object. Another box replaces this one.";

/** Hints for other tools, shown while there is no other message. */
export const toolHints = /** @type {Record<string, string>} */ ({
  box: "Drag a box around the object.",
  scribble: "Draw a line over the object.",
  brush: "Paint to add pixels to the mask.",
  eraser: "Paint to erase pixels of the mask.",
  propose: "Choose where to look, or drag a box.",
  select: "Click an object in the image to edit it.",
  pan: "Drag to move the view.",
});

/** @type {{ title: string, only?: "set", rows: [string, string][] }[]} `only`: for images of a set */
export const help = [
  {
    title: "Mark an object",
    rows: [
      ["Click", "add this place to the object"],
      [`${alt}-click, right click`, "remove this place from it"],
      ["Drag", "box around the object"],
      ["Drag a placed point", "move it"],
      [`Del, ${alt}-click on it`, "remove a placed point"],
      [backspace, "remove the last point, box or stroke"],
      ["X", "switch between adding and removing"],
      [`C, ${shift}C`, "next, previous candidate"],
      ["1 2 3", "choose a candidate, if there are no labels"],
      ["L", "live preview under the pointer"],
      ["Esc", "cancel what is being drawn; leave the object"],
    ],
  },
  {
    title: "Objects",
    rows: [
      ["N, Enter", "finish this object and start the next one"],
      [`${ctrl}Z`, "undo"],
      [apple ? "⌘⇧Z" : "Ctrl+Shift+Z, Ctrl+Y", "redo"],
      ["O", "each click or box starts a new object"],
      [`${ctrl}click in the list`, "select several, to merge them"],
      ["J", "merge the selected objects"],
      ["Del", "delete the object being edited"],
      ["A, F2", "type a label for this object and the next ones"],
      ["1 … 9", "choose a label, if there are any"],
      ["M (hold)", "hide all masks"],
      ["↑ ↓ in the list", "go through the objects"],
      [`${alt}+↑, ${alt}+↓`, "move the object in the list: the last one lies on top"],
    ],
  },
  {
    title: "Tools",
    rows: [
      ["P  R  S", "points, box, scribble"],
      ["B  E", "brush, eraser"],
      ["W", "propose: find all objects at once, and choose from them"],
      [`[  ], ${shift}wheel`, "brush size"],
      [`${shift}click`, "brush or erase in a straight line from the last stroke"],
      ["Pen", "brush; its other end erases"],
      ["V  H", "select, move the view"],
      [",", "view and mask settings"],
      ["G", "files: save and open"],
      ["?", "this help"],
    ],
  },
  {
    title: "View",
    rows: [
      ["Wheel", "zoom at the pointer, once you have clicked into the widget"],
      [`${ctrl}wheel, pinch`, "zoom at the pointer"],
      ["Space + drag", "move the view; also two fingers"],
      ["+  −", "zoom in, zoom out"],
      ["0", "fit the image"],
      ["Z", "100 %: one image pixel per screen pixel"],
      ["F", "full screen"],
    ],
  },
  {
    title: "Stacks and videos",
    rows: [
      ["<  >, PgUp PgDn", "previous, next plane or frame"],
      ["K", "play, stop"],
      [`T, ${shift}T`, "track this object, all objects (on a plain image: type a label)"],
      [`Q, ${shift}Q`, "next, previous keyframe: where the object has clicks, boxes or strokes"],
      [`D, ${shift}D`, "next, previous doubtful frame"],
      ["U", "the object is absent from here on; once more takes it back"],
      [`I, ${shift}I`, "track from here, up to here; once more removes the mark"],
      ["Click on a tracked frame", "correct it: up to the next keyframes it can be tracked anew"],
    ],
  },
  {
    title: "Set of images",
    only: "set",
    rows: [
      ["<  >, PgUp PgDn", "previous, next image"],
      ["D", "this image is done: go to the next that is not"],
      [`${shift}D`, "skip this image"],
    ],
  },
  {
    title: "Without a mouse",
    rows: [
      ["Arrows", `move a crosshair (${shift.replace("+", "")}: faster)`],
      ["Space", "show the crosshair; there, add a point, or start and end a box or stroke"],
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
  noClass: "no label",
  newClass: "New label…",
  className: "Label",
  scoreHint: "The model's own estimate of the mask's quality",
  /** @param {number} number */
  thumbnail: (number) => `Object ${number}`,
  /** @param {number} number @param {{ editing: boolean, marked: boolean, tracked: boolean }} object */
  select: (number, { editing, marked, tracked }) =>
    `${editing ? `Object ${number}, being edited` : `Edit object ${number}`}${tracked ? ", tracked" : ""}${marked ? ", selected for merging" : ""}`,
  /** @param {number} number */
  label: (number) => `Label of object ${number}`,
  /** @param {number} number @param {boolean} visible */
  show: (number, visible) => `${visible ? "Hide" : "Show"} object ${number}`,
  /** @param {number} number @param {boolean} locked */
  lock: (number, locked) => `${locked ? "Unlock" : "Lock"} object ${number}`,
  /** @param {number} number */
  remove: (number) => `Delete object ${number}`,
  /** @param {number} shown @param {number} all */
  count: (shown, all) =>
    shown === all ? whole.format(all) : `${whole.format(shown)} of ${whole.format(all)}`,
  /** @param {number | null} pixels @param {number | null} quality */
  facts: (pixels, quality) =>
    [pixels === null ? "" : area(pixels), quality === null ? "" : score(quality)]
      .filter(Boolean)
      .join(" · "),
};

export const proposals = {
  title: "Find all objects",
  whole: "In the image",
  view: "In view",
  viewHint: "Only in the part of the image that you see",
  box: "In a box",
  boxHint: "Drag the box in the image",
  detail: "Detail",
  details: { low: "Low", medium: "Medium", high: "High" },
  detailHint: "High: tries more points and finds smaller objects, and takes longer",
  searching: "Looking for objects",
  cancel: "Stop",
  cancelHint: "What was found stays",
  results: "Show",
  score: "Certainty",
  scoreHint: "How sure the model is that the outline is right\nTo the right: only sure ones",
  stability: "Sharpness",
  stabilityHint:
    "How clearly the object stands out from what is around it\nTo the right: only clear outlines",
  smallest: "Smallest",
  smallestHint: "Hides objects with fewer pixels",
  largest: "Largest",
  largestHint: "Hides objects with more pixels",
  overlap: "Overlap",
  overlapHint:
    "Of objects that share more than this, only the best is shown\nTo the left: fewer duplicates. To the right: also parts of objects",
  /** @param {number} count @param {string | null} label */
  like: (count, label) => {
    if (!count) return "Like the kept ones";
    const kept = count === 1 ? "Like the kept one" : `Like the ${whole.format(count)} kept`;
    return label === null ? kept : `${kept}: ${label}`;
  },
  likeHint:
    "Shows only what is like the objects in the image that have the current label: in size, shape, colour and contrast",
  noExamples: `${touch ? "Tap" : "Click"} one or more objects first: then only what is like them can be shown.`,
  likeness: "How alike",
  likenessHint: "To the right: only what is very much like them",
  choose: touch
    ? "Tap or drag over objects to keep them."
    : `Click or drag over objects to keep them, with ${alt} to reject them.`,
  acceptHint: "They become objects with the current label; one undo takes all of them back",
  showRejected: "Show again",
  /** @param {number} value 0..1 */
  share: (value) => `${Math.round(value * 100)} %`,
  /** @param {number | null} pixels null: no limit */
  area: (pixels) => (pixels === null ? "any" : area(pixels)),
  /** @param {number} done @param {number} total */
  progress: (done, total) =>
    total ? `${whole.format(done)} of ${whole.format(total)} points` : "Preparing…",
  /** @param {number} shown @param {number} all */
  count: (shown, all) => `${whole.format(shown)} of ${whole.format(all)}`,
  /** @param {number} count */
  acceptAll: (count) => `Keep all ${whole.format(count)}`,
  /** @param {number} count */
  rejected: (count) => `${whole.format(count)} rejected`,
  /** @param {{ note: string, error: string }} search @param {number} found */
  ended: ({ note, error }, found) => {
    const reason = error || note;
    if (reason) return `${reason[0].toUpperCase()}${reason.slice(1)}.`.replace(/\.\.$/, ".");
    return found ? "" : "Nothing was found. Try a higher detail or another part.";
  },
};

export const nextClass = "Label of this object and the next ones";
export const nextClassKeys = "A  1 … 9";

export const candidates = {
  title: "Choose a mask",
  next: "C",
  /** @param {number} number @param {number | null} quality */
  name: (number, quality) =>
    `Candidate ${number}${quality === null ? "" : `, score ${score(quality)}`}`,
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
  colorBy: "Color by",
  colorsBy: { class: "Label", object: "Object" },
  colorByHint:
    "Label: objects of a class have its color. Object: each object has a color of its own.",
  style: "Style",
  styles: { fill: "Fill", contour: "Contour", both: "Both" },
  brightness: "Brightness",
  contrast: "Contrast",
  reset: "Reset brightness and contrast",
  overlap: "Overlap",
  overlaps: { "on top": "Allow", "cut out": "Remove" },
  overlapHint:
    "Allow: masks may share pixels. Remove: each pixel belongs to the topmost object only.",
  fillHoles: "Fill holes up to",
  dropSpecks: "Remove specks up to",
  unit: "px",
  stacks: "Stacks and videos",
  retrack: "Track again after a correction",
  onionSkin: "Outlines of frames beside",
  preview: "Live preview",
  previewHint: "Shows the mask that a click would give.",
  previewSlow: "Paused: the connection to the kernel is too slow.",
  lastClickHint:
    "Time in the browser, on the connection, in the kernel and the model, and until painted",
  /** @param {import("../state/timings.js").Timing} timing */
  lastClick: ({ total, browser, comm, kernel, decoder, paint }) => {
    const [b, c, k, d, p] = [browser, comm, kernel, decoder, paint].map(Math.round);
    return `Last click ${Math.round(total)} ms: browser ${b}, comm ${c}, kernel ${k}, decoder ${d}, paint ${p}`;
  },
  /** @param {number} value 0..1 */
  percent: (value) => `${Math.round(value * 100)} %`,
  /** @param {number} value -1..1 */
  signed: (value) =>
    `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(Math.round(value * 100))}`,
};

export const files = {
  save: "Save masks as",
  withoutKernel:
    "There is no kernel. This page can still save the masks that it shows as COCO, and the prompts; open them with masks= and prompts=, or here.",
  openTitle: "Open",
  open: "Open masks or prompts…",
  openHint: "Clicks can correct them. Up to 64 MiB.",
  notebook: "Notebook",
  picture: "Save a picture in it",
  pictureHint:
    "Anyone who opens the saved notebook sees the image with its masks, even without a kernel.",
  /** @type {Record<import("../kernel/transfers.js").Transfer["kind"], (name: string, share: number) => string>} */
  state: {
    idle: () => "",
    making: () => "Creating the file…",
    receiving: (name, share) => `Saving ${name}… ${Math.round(share * 100)} %`,
    sending: (name, share) => `Opening ${name}… ${Math.round(share * 100)} %`,
    saved: (name) => `Saved ${name}.`,
    opened: (name) => `Opened ${name}.`,
    failed: (name) => `${name || "The file"} failed. See the message below the image.`,
  },
};

const clock = new Intl.DateTimeFormat(LOCALE, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const date = new Intl.DateTimeFormat(LOCALE, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** Texts about automatic saving. */
export const saved = {
  title: "Saved automatically",
  /** @param {number} count @param {Date} time @param {Date} now */
  offer: (count, time, now) =>
    `${objectsInAll(count)} of this image from ${(time.toDateString() === now.toDateString() ? clock : date).format(time)}`,
  restore: {
    label: "Restore",
    hint: "Bring back the objects that were marked on this image earlier",
  },
  dismiss: {
    label: "Dismiss",
    hint: "They stay saved and are offered again the next time the image is opened",
  },
  /** @param {import("../state/annotation.js").Saved} saved */
  where: ({ onDisk, folder, file, error }) => {
    if (error) return `The prompts could not be saved: ${error}`;
    if (!onDisk)
      return "The prompts of this image are kept until you close this browser tab, and by the kernel until it stops. autosave=True saves them to disk.";
    const place = folder ? ` in ${folder}` : ". In Python, w.autosave is its path.";
    return `The prompts are saved to the kernel's disk within a second of each change: ${file || "a new file"}${place}`;
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

/** @param {number} seconds */
const duration = (seconds) => {
  const whole = Math.max(Math.round(seconds), 1);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/** @type {Record<import("../state/timeline.js").PlaneState, string>} */
const states = {
  keyframe: "keyframe",
  tracked: "tracked",
  doubtful: "doubtful",
  absent: "absent",
  stale: "stale",
};

/** @param {number} number @param {string | null} label */
const named = (number, label) => (label ? `${number} ${label}` : `Object ${number}`);

export const timeline = {
  title: "Timeline",
  lanes: "Objects on the timeline",
  pause: "Stop",
  trackText: "Track",
  trackAllText: "All",
  cancelText: "Cancel",
  states,
  hints: /** @type {Record<import("../state/timeline.js").PlaneState, string>} */ ({
    keyframe: "The object has clicks, boxes or strokes here",
    tracked: "The mask was found by tracking",
    doubtful: "Worth a look: a low score, or a jump in area or place",
    absent: "The object was not found here",
    stale: "A keyframe has changed since: Track finds the mask anew",
  }),
  none: `Click an object, then T tracks it through all frames.`,
  untracked: `T tracks the object being edited, ${shift}T all objects.`,
  /** On the lane. @param {import("../state/timeline.js").Lane} lane */
  short: ({ number, label }) => (label ? `${number} ${label}` : String(number)),
  /** Accessible value of the playhead. @param {string} axis @param {number} index @param {number} count @param {import("../state/timeline.js").PlaneState | null} state of the object being edited */
  playhead: (axis, index, count, state) =>
    `${axis === "T" ? `Frame ${index + 1} of ${count}` : planes.spoken(axis, index, count)}${state ? `, ${states[state]}` : ""}`,
  /** Describes the position under the pointer. @param {string} place @param {import("../state/timeline.js").Lane} lane @param {import("../state/timeline.js").PlaneState | null} state */
  reading: (place, { number, label }, state) =>
    `${place} · ${named(number, label)}${state ? ` · ${states[state]}` : ""}`,
  /** @param {import("../state/timeline.js").Lane} lane @param {Record<import("../state/timeline.js").PlaneState, number>} counts @param {boolean} editing */
  lane: ({ number, label, visible }, counts, editing) =>
    [
      `${named(number, label)}${editing ? ", being edited" : ""}${visible ? "" : ", hidden"}`,
      counts.keyframe === 1 ? "1 keyframe" : `${whole.format(counts.keyframe)} keyframes`,
      .../** @type {const} */ (["tracked", "doubtful", "absent", "stale"])
        .filter((state) => counts[state])
        .map((state) => `${states[state]} on ${whole.format(counts[state])}`),
    ].join(", "),
  /** @param {import("../state/timeline.js").Tracking} tracking */
  progress: ({ done, total, fps, secondsLeft }) =>
    [
      `${whole.format(done)} of ${whole.format(total)}`,
      fps === null ? "" : `${fps < 10 ? fps.toFixed(1) : whole.format(Math.round(fps))} frames/s`,
      secondsLeft === null ? "" : `${duration(secondsLeft)} left`,
    ]
      .filter(Boolean)
      .join(" · "),
  started: "Tracking",
  /** @param {number} share 0..1 */
  share: (share) => `Tracked ${Math.round(100 * share)} %`,
  /** @param {import("../state/timeline.js").Tracking} tracking */
  ended: ({ done, total, error }) => {
    if (error) return `Tracking ended: ${error}`;
    return done < total
      ? `Tracking stopped. ${whole.format(done)} of ${whole.format(total)} frames are kept`
      : `Tracking finished, ${total === 1 ? "1 frame" : `${whole.format(total)} frames`}`;
  },
};

export const brush = {
  label: "Brush size",
  /** @param {number} pixels */
  size: (pixels) => `${precise.format(Math.round(pixels * 10) / 10)} px`,
};

/** Shown when the kernel sent a phase without a message. */
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
  disconnected:
    "The kernel was restarted. Run the cell again to go on; Files (G) saves masks and prompts.",
  reconnecting: "Connection lost, reconnecting… Your clicks are kept.",
  silent:
    "The kernel does not respond. Your clicks are kept. If this continues, reconnect or restart the kernel.",
  picture: "This browser cannot show the image that the kernel sent.",
  waitingForModel: "Your click will be processed as soon as the model is ready.",
  waitingForKernel: "The kernel is busy. Your click is queued.",
  placing: "Space to finish, Esc to cancel.",
  progress: "Progress",
  model: "Model and device",
  roundTripHint: "Round-trip time of the live preview",
  /** @param {number} share 0..1 */
  percent: (share) => `${Math.round(share * 100)} %`,
  fits: "Fit",
  /** @param {number} zoom screen pixels per image pixel */
  zoom: (zoom) =>
    `${whole.format(zoom < 0.1 ? Math.round(zoom * 1000) / 10 : Math.round(zoom * 100))} %`,
  /** @param {number} zoom screen pixels per image pixel */
  zoomHint: (zoom) => `${status.zoom(zoom)}\nAt 100 %, one image pixel is one screen pixel`,
  /** @param {{ x: number, y: number }} position @param {readonly number[] | null} values */
  readout: ({ x, y }, values) =>
    `${Math.floor(x)}, ${Math.floor(y)}${values?.length ? `  ${values.map((value) => precise.format(value)).join(" ")}` : ""}`,
  /** @param {number | null} milliseconds @param {boolean} paused */
  roundTrip: (milliseconds, paused) =>
    paused
      ? "preview paused"
      : milliseconds === null
        ? "preview"
        : `preview ${Math.round(milliseconds)} ms`,
};

/** Read by screen readers. */
export const announce = {
  /** @param {number | null} pixels @param {number | null} quality */
  mask: (pixels, quality) =>
    [
      `Mask${pixels === null ? "" : ` ${area(pixels)}`}`,
      quality === null ? "" : `score ${score(quality)}`,
    ]
      .filter(Boolean)
      .join(", "),
  empty: "The mask is empty",
  /** @param {number} number @param {number} count @param {number | null} quality */
  candidate: (number, count, quality) =>
    `Candidate ${number} of ${count}${quality === null ? "" : `, score ${score(quality)}`}`,
  /** @param {number} count @param {boolean} byDigit */
  candidates: (count, byDigit) =>
    `${count} candidates, press ${byDigit ? `1 to ${count}` : "C for the next"}`,
  /** @param {number} number @param {number} count @param {string | null} label */
  editing: (number, count, label) =>
    `Editing object ${number} of ${count}${label ? `, ${label}` : ""}`,
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
