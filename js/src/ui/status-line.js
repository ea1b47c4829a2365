/**
 * The line below the image: the status, the position of the cursor, the model, and the zoom.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {{ text: string, tone: "quiet" | "notice" | "error" }} Message
 * @typedef {{ x: number, y: number, values: readonly number[] | null } | null} Readout
 *
 * @typedef {object} StageFacts
 * @property {boolean} broken the picture cannot be decoded
 * @property {Readout} readout
 * @property {number} zoom screen pixels per image pixel
 * @property {boolean} fits the whole image fills the view
 * @property {{ roundTrip: number | null, paused: boolean }} preview
 * @property {boolean} placing a box or a stroke was begun with the keyboard
 * @property {boolean} byKeys the image got the focus by the keyboard
 */
import { commandButton, iconButton, listenToButtons } from "./button.js";
import { enabledCommands } from "../input/commands.js";
import { element, setAttribute, setEnabled, setText } from "../dom/elements.js";
import { icon } from "./icons.js";
import { createRestoreOffer } from "./restore-offer.js";
import { rove } from "./roving.js";
import * as texts from "./texts.js";

/** Milliseconds until a wait is mentioned: for shorter ones the text would only flicker. */
const SLOW_AFTER = 800;

const WORKING = new Set(["loading", "downloading", "encoding"]);

/**
 * The message to show: the most urgent of those that apply.
 *
 * @param {Snapshot} snapshot
 * @param {{ broken: boolean, slow: boolean, placing?: boolean, byKeys?: boolean }} view `slow`: an answer has been pending for longer than usual
 * @returns {Message}
 */
export function messageOf(
  {
    status,
    notice,
    prompts,
    rows,
    options,
    proposals,
    isDisconnected,
    isUnacknowledged,
    pending,
    connection,
  },
  { broken, slow, placing = false, byKeys = false },
) {
  const { phase, hint } = status;
  const message = sentenceOf(status) || texts.phases[phase] || "";
  const messageWithHint = hint ? sentences(message, hint) : message;
  if (isDisconnected) return { text: texts.status.disconnected, tone: "error" };
  if (phase === "error" || phase === "closed") return { text: messageWithHint, tone: "error" };
  if (connection === "lost") return { text: texts.status.reconnecting, tone: "notice" };
  if (broken) return { text: texts.status.picture, tone: "error" };
  if (WORKING.has(phase))
    return {
      text: prompts.length
        ? sentences(messageWithHint, texts.status.waitingForModel)
        : messageWithHint,
      tone: "quiet",
    };
  if (slow && isUnacknowledged && connection === "silent")
    return { text: texts.status.silent, tone: "notice" };
  if (slow && isUnacknowledged) return { text: texts.status.waitingForKernel, tone: "notice" };
  if (notice) return { text: notice, tone: "notice" };
  if (slow && pending)
    return {
      text: phase === "predicting" ? messageWithHint : texts.phases.predicting,
      tone: "quiet",
    };
  if (placing) return { text: texts.status.placing, tone: "quiet" };
  // Other messages of the kernel, for instance that it had to use another model, come before advice.
  const routine = messageWithHint === texts.phases.ready || phase === "predicting";
  return {
    text: routine
      ? adviceFor(options, prompts, { rows: rows.length, proposals: proposals.all.length }, byKeys)
      : messageWithHint,
    tone: "quiet",
  };
}

/** Tools that draw: by keys, Space starts and ends, and the arrows draw. */
const DRAWING_TOOLS = new Set(["box", "scribble", "brush", "eraser"]);

/** Tools that can start a new object. */
const STARTING = new Set(["point", "box", "scribble"]);

/** @param {Snapshot["options"]} options @param {Snapshot["prompts"]} prompts @param {{ rows: number, proposals: number }} counts @param {boolean} byKeys */
function adviceFor({ tool, newObjectPerClick }, prompts, { rows, proposals }, byKeys) {
  if (tool === "propose" && proposals) return texts.proposed;
  if (newObjectPerClick && STARTING.has(tool) && !byKeys) return texts.perClick;
  if (tool === "box" && prompts.some(({ type }) => type === "box")) return texts.boxed;
  if (byKeys && DRAWING_TOOLS.has(tool)) return texts.keyHints.drawing;
  if (tool in texts.toolHints) return texts.toolHints[tool];
  const hints = byKeys ? texts.keyHints : texts.hints;
  if (prompts.length) return hints.editing;
  return rows ? hints.next : hints.first;
}

/**
 * The message without its percentage, which is shown apart: otherwise a screen reader would announce
 * every step of a download.
 *
 * @param {Snapshot["status"]} status
 */
const sentenceOf = ({ message, progress }) =>
  progress === null ? message : message.replace(/:? *\d+ ?%$/, "");

/** @param {string[]} parts */
const sentences = (...parts) =>
  parts.map((part) => (/[.!?…]$/.test(part) ? part : `${part}.`)).join(" ");

/**
 * @param {{ commands: import("../input/commands.js").Commands, focusStage: () => void, repaint: () => void, signal: AbortSignal }} options
 */
export function createStatusLine({ commands, focusStage, repaint, signal }) {
  const bar = createProgress();
  // Two live regions: an error is announced at once, other messages when the screen reader is idle.
  const polite = element("span", { class: "sam2-message", role: "status", "aria-live": "polite" });
  const alert = element("span", { class: "sam2-message sam2-error", role: "alert" });
  const percent = element("span", { class: "sam2-percent" });
  const name = element("bdi", { class: "sam2-name" });
  const cursor = element("span", { class: "sam2-cursor", "aria-hidden": "true" });
  const trip = element("span", {
    class: "sam2-trip",
    "data-tip": texts.status.roundTripHint,
    hidden: true,
  });
  const model = element("span", { class: "sam2-model", "data-tip": texts.status.model });
  const zoom = createZoomBar(commands, focusStage, signal);
  const offer = createRestoreOffer({ commands, focusStage, signal });
  const line = element(
    "div",
    { class: "sam2-status" },
    bar.node,
    offer.node,
    element("span", { class: "sam2-messages" }, alert, polite, percent),
    element("span", { class: "sam2-readings" }, name, cursor, trip, model, zoom.node),
  );
  const isSlow = createSlowness(repaint, signal);

  /** @param {Snapshot} snapshot @param {StageFacts} stage */
  function update(snapshot, stage) {
    const { status, isDisconnected, options } = snapshot;
    bar.update(status, isDisconnected);
    const { text, tone } = messageOf(snapshot, {
      broken: stage.broken,
      placing: stage.placing,
      byKeys: stage.byKeys,
      slow: isSlow(snapshot.pending),
    });
    const offering =
      snapshot.saved.offer !== null && tone === "quiet" && !WORKING.has(status.phase);
    offer.update(snapshot.saved.offer, offering);
    setText(alert, tone === "error" ? text : "");
    setText(polite, tone === "error" || offering ? "" : text);
    line.dataset.tone = tone;
    const share = isDisconnected || text.includes("%") ? null : status.progress;
    setText(percent, share === null ? "" : texts.status.percent(share));
    setText(name, snapshot.picture?.name ?? "");
    setAttribute(name, "title", snapshot.picture?.name || null);
    setText(cursor, stage.readout ? texts.status.readout(stage.readout, stage.readout.values) : "");
    trip.hidden = !options.hoverPreview;
    setText(trip, texts.status.roundTrip(stage.preview.roundTrip, stage.preview.paused));
    setText(model, [status.model, status.device].filter(Boolean).join(" · "));
    zoom.update(snapshot, stage);
  }

  return { line, update };
}

/** Tells whether something has been pending for long. @param {() => void} repaint @param {AbortSignal} signal */
function createSlowness(repaint, signal) {
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
      }, SLOW_AFTER);
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
  const node = element(
    "div",
    {
      class: "sam2-progress",
      role: "progressbar",
      "aria-label": texts.status.progress,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    },
    fill,
  );

  /** @param {Snapshot["status"]} status @param {boolean} isDisconnected */
  function update({ phase, progress: share }, isDisconnected) {
    const busy = !isDisconnected && (WORKING.has(phase) || (share !== null && phase !== "error"));
    node.dataset.kind = !busy ? "none" : share === null ? "unknown" : "known";
    fill.style.width = busy && share !== null ? `${share * 100}%` : "";
    setAttribute(node, "aria-valuenow", busy && share !== null ? Math.round(share * 100) : null);
  }

  return { node, update };
}

/**
 * @param {import("../input/commands.js").Commands} commands
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
  const node = element(
    "span",
    { class: "sam2-zoom", role: "toolbar", "aria-label": texts.zoomBar },
    buttons.zoomOut,
    value,
    buttons.zoomIn,
    buttons.fit,
    buttons.actual,
  );
  rove(node, signal);
  listenToButtons(node, commands, focusStage, signal);

  /** @param {Snapshot} snapshot @param {Pick<StageFacts, "zoom" | "fits">} stage */
  function update(snapshot, { zoom: pixels, fits }) {
    const enabled = enabledCommands(snapshot);
    for (const name of /** @type {const} */ (["zoomOut", "zoomIn", "fit", "actual"]))
      setEnabled(buttons[name], enabled[name]);
    setText(value, fits ? texts.status.fits : texts.status.zoom(pixels));
    setAttribute(value, "data-tip", texts.status.zoomHint(pixels));
  }

  return { node, update };
}
