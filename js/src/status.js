/**
 * The line below the image: what is going on, where the cursor is, which model answers, how far
 * the view is zoomed.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {{ text: string, tone: "quiet" | "notice" | "error" }} Message
 * @typedef {{ x: number, y: number, values: readonly number[] | null } | null} Readout
 *
 * @typedef {object} StageFacts
 * @property {boolean} broken the picture cannot be decoded
 * @property {Readout} readout
 * @property {number} zoom 1 = fit
 * @property {{ roundTrip: number | null, paused: boolean }} preview
 * @property {boolean} placing a box or a stroke was begun with the keyboard
 * @property {boolean} byKeys the image has the focus, and not from the pointer
 */
import { commandButton, iconButton, listenToButtons } from "./button.js";
import { enabledCommands } from "./commands.js";
import { element, setAttribute, setEnabled, setText } from "./dom.js";
import { icon } from "./icons.js";
import { rove } from "./roving.js";
import * as texts from "./texts.js";

/** Shorter waits are not worth a word: the text would only flicker. */
const PATIENCE = 800;

const WORKING = new Set(["loading", "downloading", "encoding"]);

/**
 * What to say, the most pressing thing first.
 *
 * @param {Snapshot} snapshot
 * @param {{ broken: boolean, slow: boolean, placing?: boolean, byKeys?: boolean }} view `slow`: the kernel owes an answer for longer than usual
 * @returns {Message}
 */
export function messageOf({ status, notice, prompts, rows, options, gone, unsent, pending, connection }, { broken, slow, placing = false, byKeys = false }) {
  const { phase, hint } = status;
  const said = sentenceOf(status) || texts.phases[phase] || "";
  const told = hint ? sentences(said, hint) : said;
  if (gone) return { text: texts.status.gone, tone: "error" };
  if (phase === "error" || phase === "closed") return { text: told, tone: "error" };
  if (connection === "lost") return { text: texts.status.reconnecting, tone: "notice" };
  if (broken) return { text: texts.status.picture, tone: "error" };
  if (WORKING.has(phase)) return { text: prompts.length ? sentences(told, texts.status.waitingForModel) : told, tone: "quiet" };
  if (slow && unsent && connection === "silent") return { text: texts.status.silent, tone: "notice" };
  if (slow && unsent) return { text: texts.status.waitingForKernel, tone: "notice" };
  if (notice) return { text: notice, tone: "notice" };
  if (slow && pending) return { text: phase === "predicting" ? told : texts.phases.predicting, tone: "quiet" };
  if (placing) return { text: texts.status.placing, tone: "quiet" };
  // Whatever else the kernel says, e.g. that it had to take another model, comes before advice.
  const routine = told === texts.phases.ready || phase === "predicting";
  return { text: routine ? adviceFor(options.tool, prompts, rows.length, byKeys) : told, tone: "quiet" };
}

/** Tools with which Space starts and ends what arrows draw. */
const DRAWN = new Set(["box", "scribble", "brush", "eraser"]);

/** @param {Snapshot["options"]["tool"]} tool @param {Snapshot["prompts"]} prompts @param {number} rows @param {boolean} byKeys */
function adviceFor(tool, prompts, rows, byKeys) {
  if (tool === "box" && prompts.some(({ type }) => type === "box")) return texts.boxed;
  if (byKeys && DRAWN.has(tool)) return texts.keyHints.drawing;
  if (tool in texts.toolHints) return texts.toolHints[tool];
  const hints = byKeys ? texts.keyHints : texts.hints;
  if (prompts.length) return hints.editing;
  return rows ? hints.next : hints.first;
}

/**
 * The message without its percentage, which has a place of its own: a screen reader would else
 * announce every step of a download.
 *
 * @param {Snapshot["status"]} status
 */
const sentenceOf = ({ message, progress }) => (progress === null ? message : message.replace(/:? *\d+ ?%$/, ""));

/** @param {string[]} parts */
const sentences = (...parts) => parts.map((part) => (/[.!?…]$/.test(part) ? part : `${part}.`)).join(" ");

/**
 * @param {{ commands: import("./commands.js").Commands, focusStage: () => void, repaint: () => void, signal: AbortSignal }} options
 */
export function createStatus({ commands, focusStage, repaint, signal }) {
  const bar = createProgress();
  // Two live regions: an error is announced at once, the rest when the reader has time.
  const polite = element("span", { class: "sam2-message", role: "status", "aria-live": "polite" });
  const alert = element("span", { class: "sam2-message sam2-error", role: "alert" });
  const percent = element("span", { class: "sam2-percent" });
  const cursor = element("span", { class: "sam2-cursor", "aria-hidden": "true" });
  const trip = element("span", { class: "sam2-trip", "data-tip": texts.status.roundTripHint, hidden: true });
  const model = element("span", { class: "sam2-model", "data-tip": texts.status.model });
  const zoom = createZoomBar(commands, focusStage, signal);
  const line = element("div", { class: "sam2-status" }, bar.node,
    element("span", { class: "sam2-messages" }, alert, polite, percent),
    element("span", { class: "sam2-readings" }, cursor, trip, model, zoom.node));
  const patience = createPatience(repaint, signal);

  /** @param {Snapshot} snapshot @param {StageFacts} stage */
  function update(snapshot, stage) {
    const { status, gone, options } = snapshot;
    bar.update(status, gone);
    const { text, tone } = messageOf(snapshot, { broken: stage.broken, placing: stage.placing, byKeys: stage.byKeys, slow: patience(snapshot.pending) });
    setText(alert, tone === "error" ? text : "");
    setText(polite, tone === "error" ? "" : text);
    line.dataset.tone = tone;
    const share = gone || text.includes("%") ? null : status.progress;
    setText(percent, share === null ? "" : texts.status.percent(share));
    setText(cursor, stage.readout ? texts.status.readout(stage.readout, stage.readout.values) : "");
    trip.hidden = !options.hoverPreview;
    setText(trip, texts.status.roundTrip(stage.preview.roundTrip, stage.preview.paused));
    setText(model, [status.model, status.device].filter(Boolean).join(" · "));
    zoom.update(snapshot, stage.zoom);
  }

  return { line, update };
}

/** Whether the kernel owes an answer for longer than is worth no word. @param {() => void} repaint @param {AbortSignal} signal */
function createPatience(repaint, signal) {
  let slow = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting));

  /** @param {boolean} pending */
  return function isSlow(pending) {
    if (pending && waiting === undefined) {
      waiting = setTimeout(() => {
        slow = true;
        repaint();
      }, PATIENCE);
    } else if (!pending) {
      clearTimeout(waiting);
      waiting = undefined;
      slow = false;
    }
    return slow;
  };
}

function createProgress() {
  const fill = element("div", { class: "sam2-progress-fill" });
  const node = element("div", { class: "sam2-progress", role: "progressbar", "aria-label": texts.status.progress, "aria-valuemin": "0", "aria-valuemax": "100" }, fill);

  /** @param {Snapshot["status"]} status @param {boolean} gone */
  function update({ phase, progress: share }, gone) {
    const busy = !gone && (WORKING.has(phase) || (share !== null && phase !== "error"));
    node.dataset.kind = !busy ? "none" : share === null ? "unknown" : "known";
    fill.style.width = busy && share !== null ? `${share * 100}%` : "";
    setAttribute(node, "aria-valuenow", busy && share !== null ? Math.round(share * 100) : null);
  }

  return { node, update };
}

/**
 * @param {import("./commands.js").Commands} commands
 * @param {() => void} focusStage
 * @param {AbortSignal} signal
 */
function createZoomBar(commands, focusStage, signal) {
  const value = element("span", { class: "sam2-figure sam2-zoom-value" });
  const buttons = {
    zoomOut: commandButton("zoomOut", icon("minus")),
    zoomIn: commandButton("zoomIn", icon("plus")),
    fit: iconButton("fit"),
    actual: commandButton("actual", element("span", { class: "sam2-ratio" }, "1:1")),
  };
  const node = element("span", { class: "sam2-zoom", role: "toolbar", "aria-label": texts.zoomBar }, buttons.zoomOut, value, buttons.zoomIn, buttons.fit, buttons.actual);
  rove(node, signal);
  listenToButtons(node, commands, focusStage, signal);

  /** @param {Snapshot} snapshot @param {number} zoom */
  function update(snapshot, zoom) {
    const enabled = enabledCommands(snapshot);
    for (const name of /** @type {const} */ (["zoomOut", "zoomIn", "fit", "actual"])) setEnabled(buttons[name], enabled[name]);
    setText(value, texts.status.zoom(zoom));
  }

  return { node, update };
}
