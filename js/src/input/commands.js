/**
 * The commands of the widget. Buttons, keys and gestures run them.
 *
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("../state/options.js").OptionName} OptionName
 * @typedef {import("../state/options.js").Options} Options
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/view-state.js").Popover} Popover
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 *
 * @typedef {object} Display effects of commands on this display only
 * @property {(factor: number) => void} zoomBy
 * @property {() => void} fit
 * @property {() => void} actualSize
 * @property {() => void} toggleFull
 * @property {() => void} mergeSelected merge the objects that are selected in the list
 * @property {() => void} nameObject type a label for the object being worked on, or the next
 * @property {() => void} play the planes, from the one shown
 * @property {() => void} stopPlaying the kernel then shows the plane that was shown last
 * @property {() => number} cssPixel image pixels in a CSS pixel
 * @property {(position: Position) => number | null} markAt
 *
 * @typedef {"undo" | "redo" | "commit" | "delete" | "clear" | "removeLast" | "raise" | "lower" | "polarity" | "smaller" | "larger"
 *   | "nextCandidate" | "previousCandidate" | "name"
 *   | "track" | "trackAll" | "cancelTrack" | "play" | "nextKeyframe" | "previousKeyframe" | "nextDoubtful" | "previousDoubtful" | "markIn" | "markOut" | "absent"
 *   | "previousPlane" | "nextPlane" | "zoomIn" | "zoomOut" | "fit" | "actual" | "preview" | "files" | "settings" | "full" | "help" | "perClick" | "merge" | "split"} CommandName
 * @typedef {ReturnType<typeof createCommands>} Commands
 */
import { boxBetween, clamp, clampPoint, isInside } from "../pixels/geometry.js";
import { IN_SETS } from "./set-commands.js";
import { brushRadius } from "../state/options.js";
import { newestPlaced } from "../state/prompts.js";
import { remember } from "../state/preferences.js";
import { idOnOtherPlanes, isIn, relevantLanes, planeWith, withMark } from "../state/timeline.js";

const ZOOM_STEP = 1.5;
const BRUSH_STEP = 1.25;
const SMALLEST_BRUSH = 1;

/** Commands that apply to the plane at which playback stops. @type {ReadonlySet<CommandName>} */
const MOVING = new Set(
  /** @type {const} */ ([
    "previousPlane",
    "nextPlane",
    "nextKeyframe",
    "previousKeyframe",
    "nextDoubtful",
    "previousDoubtful",
  ]),
);

/** Commands that do not stop playback. @type {ReadonlySet<CommandName>} */
const WHILE_PLAYING = new Set(
  /** @type {const} */ ([
    "play",
    "track",
    "trackAll",
    "cancelTrack",
    "markIn",
    "markOut",
    "zoomIn",
    "zoomOut",
    "fit",
    "actual",
    "settings",
    "full",
    "help",
  ]),
);

/** Tools that can add and remove. */
const WITH_POLARITY = new Set(["point", "scribble", "propose"]);

/** @param {Snapshot} snapshot @returns {Record<CommandName, boolean>} */
export function enabledCommands(snapshot) {
  return { ...enabledEdits(snapshot), ...enabledOnStacks(snapshot) };
}

/** @param {Snapshot} snapshot @param {number} plane @param {"keyframe" | "doubtful"} what @param {1 | -1} way */
const planeFrom = ({ lanes, active }, plane, what, way) =>
  planeWith(relevantLanes(lanes, active?.number), what, plane, way);

/** @param {Snapshot} snapshot */
function enabledOnStacks(snapshot) {
  const { stack, status, tracking, prompts, rows, lanes, active, requestedPlane, isDisconnected } =
    snapshot;
  const open = status.phase !== "closed" && stack !== null;
  const goes = open && !isDisconnected;
  const canTrack = goes && tracking !== null && tracking.unavailable === "";
  const is = (/** @type {"keyframe" | "doubtful"} */ what, /** @type {1 | -1} */ way) =>
    open && planeFrom(snapshot, requestedPlane, what, way) !== null;
  return {
    previousPlane: open && requestedPlane > 0,
    nextPlane: open && requestedPlane < stack.count - 1,
    track: canTrack && (prompts.length > 0 || rows.length > 0 || lanes.length > 0),
    trackAll: canTrack && (prompts.length > 0 || rows.length > 0 || lanes.length > 0),
    cancelTrack: goes && tracking?.running === true,
    play: goes,
    nextKeyframe: is("keyframe", 1),
    previousKeyframe: is("keyframe", -1),
    nextDoubtful: is("doubtful", 1),
    previousDoubtful: is("doubtful", -1),
    markIn: goes,
    markOut: goes,
    absent: goes && lanes.some(({ number }) => number === active?.number),
  };
}

/** @param {Snapshot} snapshot */
function enabledEdits({
  active,
  prompts,
  rows,
  canUndo,
  canRedo,
  status,
  options,
  picture,
  candidates,
  target,
}) {
  const open = status.phase !== "closed";
  // An object that is being finished is not edited any more.
  const editing = open && (target !== null || prompts.length > 0);
  const place = rows.findIndex(({ id }) => id === active?.id);
  const seen = picture !== null;
  return {
    undo: open && canUndo,
    redo: open && canRedo,
    commit: editing,
    delete: editing && active?.locked !== true,
    removeLast: open && newestPlaced(prompts) >= 0,
    clear: open && (rows.length > 0 || editing),
    raise: open && place > 0,
    lower: open && place >= 0 && place < rows.length - 1,
    polarity: WITH_POLARITY.has(options.tool),
    name: open && seen,
    nextCandidate: open && candidates !== null,
    previousCandidate: open && candidates !== null,
    smaller: seen,
    larger: seen,
    zoomIn: seen,
    zoomOut: seen,
    fit: seen,
    actual: seen,
    preview: true,
    perClick: true,
    merge: open && rows.length > 1,
    split: open && active !== null && active.locked !== true,
    files: true,
    settings: true,
    full: true,
    help: true,
  };
}

/** @param {Snapshot} snapshot @param {number} cssPixel image pixels in a CSS pixel @returns {number} diameter of the brush in image pixels */
export const brushDiameter = ({ options }, cssPixel) =>
  2 * brushRadius(options.brushSize, cssPixel);

/** @param {import("../pixels/geometry.js").Size} image */
export const largestBrush = ({ width, height }) =>
  Math.max(SMALLEST_BRUSH, Math.ceil(Math.max(width, height) / 2));

/**
 * @param {import("../state/store.js").Store} store
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
    removeLast,
    name: () => display().nameObject(),
    nextCandidate: () => stepCandidate(1),
    previousCandidate: () => stepCandidate(-1),
    raise: () => moveActive(-1),
    lower: () => moveActive(1),
    polarity: () => set({ negative: !ui.negative }),
    smaller: () => scaleBrush(1 / BRUSH_STEP),
    larger: () => scaleBrush(BRUSH_STEP),
    previousPlane: () => store.showPlane(store.snapshot().requestedPlane - 1),
    nextPlane: () => store.showPlane(store.snapshot().requestedPlane + 1),
    track,
    trackAll: () => store.act("track", { numbers: null }),
    cancelTrack: () => store.act("cancel_track"),
    play: () => (ui.playing === null ? display().play() : display().stopPlaying()),
    nextKeyframe: () => goTo("keyframe", 1),
    previousKeyframe: () => goTo("keyframe", -1),
    nextDoubtful: () => goTo("doubtful", 1),
    previousDoubtful: () => goTo("doubtful", -1),
    markIn: () => mark("in"),
    markOut: () => mark("out"),
    absent: markAbsent,
    zoomIn: () => display().zoomBy(ZOOM_STEP),
    zoomOut: () => display().zoomBy(1 / ZOOM_STEP),
    fit: () => display().fit(),
    actual: () => display().actualSize(),
    preview: () => option("hoverPreview", !store.snapshot().options.hoverPreview),
    perClick: () => toggleNewObjectPerClick(),
    merge: () => display().mergeSelected(),
    split() {
      const { target: object } = store.snapshot();
      if (object !== null) store.act("split", { object });
    },
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

  function toggleNewObjectPerClick() {
    const value = !store.snapshot().options.newObjectPerClick;
    option("newObjectPerClick", value);
    remember("newObjectPerClick", value);
  }

  /** @param {boolean} onionSkin */
  function showOnionSkin(onionSkin) {
    set({ onionSkin });
    remember("onionSkin", onionSkin);
  }

  function deleteActive() {
    const mark = ui.cursor && display().markAt(ui.cursor);
    if (mark !== null) return store.removePrompt(mark);
    const { target } = store.snapshot();
    // The first click of an object may not have an id yet: an empty prompt list removes it.
    if (target !== null) store.act("delete", { object: target });
    else store.discardPrompts();
  }

  function removeLast() {
    const newest = newestPlaced(store.snapshot().prompts);
    if (newest >= 0) store.removePrompt(newest);
  }

  /** @param {number} way */
  function stepCandidate(way) {
    const { candidates, choice } = store.snapshot();
    if (candidates) choose((choice + way + candidates.length) % candidates.length);
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
    const size = brushDiameter(snapshot, display().cssPixel());
    // Small brushes change by whole pixels: smaller steps would be rounded away.
    const next = factor > 1 ? Math.max(size * factor, size + 1) : Math.min(size * factor, size - 1);
    option("brushSize", clamp(Math.round(next), SMALLEST_BRUSH, largestBrush(snapshot.picture)));
  }

  /** The object being worked on, or all if there is none. */
  function track() {
    const { target, prompts } = store.snapshot();
    const isEditing = target !== null || prompts.length > 0;
    store.act("track", isEditing ? { active: true } : { numbers: null });
  }

  /** @param {"keyframe" | "doubtful"} what @param {1 | -1} way */
  function goTo(what, way) {
    const snapshot = store.snapshot();
    const plane = planeFrom(snapshot, snapshot.requestedPlane, what, way);
    if (plane !== null) store.showPlane(plane);
  }

  /** @param {"in" | "out"} which */
  function mark(which) {
    const { stack, tracking, requestedPlane } = store.snapshot();
    const at = ui.playing ?? requestedPlane;
    if (stack)
      store.act("mark", { planes: withMark(tracking?.marks ?? null, which, at, stack.count) });
  }

  /** @param {CommandName} name */
  function run(name) {
    if (isKeptFromRunning(name)) return;
    const { isSet, status } = store.snapshot();
    const to = isSet && status.phase !== "closed" ? IN_SETS[name] : undefined;
    if (to) return store.act("advance", { to });
    const command = commandFor(name);
    if (enabledCommands(store.snapshot())[command]) actions[command]();
  }

  /** Playback stops first: an edit would be about a plane that is not shown. @param {CommandName} name @returns {boolean} whether that is all */
  function isKeptFromRunning(name) {
    if (ui.playing === null || WHILE_PLAYING.has(name)) return false;
    display().stopPlaying();
    return !MOVING.has(name);
  }

  /** On a plain image, the key for tracking names the object. @param {CommandName} name @returns {CommandName} */
  const commandFor = (name) =>
    (name === "track" || name === "trackAll") && store.snapshot().stack === null ? "name" : name;

  /** Work on the object of a lane, also where it was not found: the next click makes a keyframe. @param {number} number */
  function selectLane(number) {
    const { rows, lanes, active } = store.snapshot();
    const row = rows.find((each) => each.number === number);
    const isLocked = lanes.some((lane) => lane.number === number && lane.locked);
    if (active?.number === number || isLocked || isClosed()) return;
    if (ui.playing !== null) display().stopPlaying();
    store.act("select", { object: row?.id ?? idOnOtherPlanes(number) });
  }

  /** The object being worked on is not on this plane, or is again. */
  function markAbsent() {
    const { active, lanes, plane } = store.snapshot();
    const lane = lanes.find(({ number }) => number === active?.number);
    if (lane) store.act("absent", { numbers: [lane.number], absent: !isIn(lane.absent, plane) });
  }

  /** @param {Position} position @param {boolean} negative */
  function point(position, negative) {
    const { picture } = store.snapshot();
    if (!picture || !isInside(position, picture) || isClosed()) return;
    store.addPrompt({
      type: "point",
      ...clampPoint(position, picture),
      label: negative || ui.negative ? 0 : 1,
    });
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

  /** Declare a class for a label that objects have, perhaps on another plane, and that is not a class yet. @param {string | null} label */
  function declareUsedClass(label) {
    const { classes, rows } = store.snapshot();
    const isUsed = classes.some(({ name, color }) => name === label && color === null);
    if (
      label !== null &&
      isUsed &&
      classes.some(({ color }) => color !== null) &&
      !rows.some((row) => row.label === label)
    ) {
      store.act("class_add", { name: label, use: false });
    }
  }

  /** @param {string | null} label */
  function chooseClass(label) {
    declareUsedClass(label);
    const { target, prompts } = store.snapshot();
    // A new object may not have an id yet.
    store.act("class", {
      label,
      active: target !== null || prompts.length > 0,
      ...(target !== null && { object: target }),
    });
  }

  /** @param {number} index @returns {boolean} whether there was something to choose from */
  function choose(index) {
    const { candidates, choice } = store.snapshot();
    if (!candidates || !(index in candidates)) return false;
    if (index !== choice)
      store.addPrompt({ type: "choice", index: /** @type {0 | 1 | 2} */ (index) });
    return true;
  }

  /** Chooses a class if there are classes, else a candidate. @param {number} digit from 1 @returns {boolean} whether it exists */
  function chooseDigit(digit) {
    const { labels } = store.snapshot();
    if (!labels.length) return choose(digit - 1);
    if (digit <= labels.length) chooseClass(labels[digit - 1]);
    return digit <= labels.length;
  }

  return {
    run,
    set,
    option,
    point,
    box,
    move,
    choose,
    chooseDigit,
    chooseClass,
    /** @param {import("../pixels/geometry.js").Corners | null} region where objects are looked for; null: everywhere */
    propose(region) {
      if (isClosed()) return;
      set({ drawsRegion: false });
      store.act("propose", {
        region: region && [
          Math.floor(region.x0),
          Math.floor(region.y0),
          Math.ceil(region.x1),
          Math.ceil(region.y1),
        ],
        points_per_side: ui.pointsPerSide,
      });
    },
    cancelProposing: () => store.act("cancel_propose"),
    /** @param {"accept" | "reject"} type @param {readonly number[]} numbers */
    decide(type, numbers) {
      if (numbers.length && !isClosed()) store.decideProposals(type, numbers);
    },
    showRejected() {
      const { job, rejected } = store.snapshot().proposals;
      store.act("reject", { job, numbers: [...rejected], rejected: false });
    },
    /** @param {readonly number[]} objects */
    merge: (objects) => store.act("merge", { objects: [...objects] }),
    restore: () => store.act("restore"),
    dismiss: () => void store.request("dismiss", {}),
    /** @param {number} plane */
    showPlane(plane) {
      if (isClosed()) return;
      if (ui.playing !== null) display().stopPlaying();
      store.showPlane(plane);
    },
    selectLane,
    showOnionSkin,
    /** @param {string} name a new class, chosen at once for this object and the next ones */
    addClass(name) {
      store.act("class_add", { name });
      chooseClass(name);
    },
    /** @param {number} object @param {string} name a new class, for this object only */
    addClassOf(object, name) {
      store.act("class_add", { name, use: false });
      store.act("label", { object, label: name });
    },
    /** @param {number | null} object */
    select: (object) => store.act("select", { object }),
    /** @param {number} object */
    remove: (object) => store.act("delete", { object }),
    /** @param {number} object @param {string | null} label */
    rename(object, label) {
      declareUsedClass(label);
      store.act("label", { object, label });
    },
    /** @param {number} object @param {boolean} visible */
    show: (object, visible) => store.act("show", { object, visible }),
    /** @param {number} object @param {boolean} locked */
    lock: (object, locked) => store.act("lock", { object, locked }),
    /** @param {"overlap" | "fill_holes" | "drop_specks"} name @param {string | number} value */
    setting: (name, value) => store.act("setting", { name, value }),
    /** @param {import("../state/annotation.js").ColorBy} value */
    colorBy: (value) => store.act("color_by", { value }),
  };
}
