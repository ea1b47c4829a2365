/**
 * The line below the image: what is going on, where the cursor is, which model answers.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {{ text: string, tone: "quiet" | "notice" | "error" }} Message
 */
import { element, setText } from "./dom.js";
import * as texts from "./texts.js";

/** Shorter waits are not worth a word: the text would only flicker. */
const PATIENCE = 800;

const WORKING = new Set(["loading", "downloading", "encoding"]);

/**
 * What to say, the most pressing thing first.
 *
 * @param {Snapshot} snapshot
 * @param {{ broken: boolean, slow: boolean }} view `slow`: the kernel owes an answer for longer than usual
 * @returns {Message}
 */
export function messageOf({ status, notice, prompts, rows, gone, unsent, pending }, { broken, slow }) {
  const { phase } = status;
  const said = sentenceOf(status) || texts.phases[phase] || "";
  if (gone) return { text: texts.status.gone, tone: "error" };
  if (phase === "error" || phase === "closed") return { text: said, tone: "error" };
  if (broken) return { text: texts.status.picture, tone: "error" };
  if (WORKING.has(phase)) return { text: prompts.length ? sentences(said, texts.status.waitingForModel) : said, tone: "quiet" };
  if (slow && unsent) return { text: texts.status.waitingForKernel, tone: "notice" };
  if (notice) return { text: notice, tone: "notice" };
  if (slow && pending) return { text: phase === "predicting" ? said : texts.phases.predicting, tone: "quiet" };
  // Whatever else the kernel says, e.g. that it had to take another model, comes before advice.
  if (!prompts.length && !rows.length && said === texts.phases.ready) return { text: texts.hint, tone: "quiet" };
  return { text: phase === "predicting" ? texts.phases.ready : said, tone: "quiet" };
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

/** @param {{ repaint: () => void, signal: AbortSignal }} options */
export function createStatus({ repaint, signal }) {
  const fill = element("div", { class: "sam2-progress-fill" });
  const progress = element("div", { class: "sam2-progress", role: "progressbar", "aria-label": texts.progress, "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  // Two live regions: an error is announced at once, the rest when the reader has time.
  const polite = element("span", { class: "sam2-message", role: "status", "aria-live": "polite" });
  const alert = element("span", { class: "sam2-message sam2-error", role: "alert" });
  const percent = element("span", { class: "sam2-percent" });
  const cursor = element("span", { class: "sam2-cursor", "aria-hidden": "true" });
  const model = element("span", { class: "sam2-model" });
  const line = element("div", { class: "sam2-status" }, progress, alert, polite, percent, cursor, model);

  let slow = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting));

  /** @param {boolean} pending */
  function watchPatience(pending) {
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
  }

  /** @param {Snapshot["status"]} status @param {boolean} gone */
  function updateProgress({ phase, progress: share }, gone) {
    const busy = !gone && (WORKING.has(phase) || (share !== null && phase !== "error"));
    progress.dataset.kind = !busy ? "none" : share === null ? "unknown" : "known";
    fill.style.width = busy && share !== null ? `${share * 100}%` : "";
    if (busy && share !== null) progress.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    else progress.removeAttribute("aria-valuenow");
  }

  /**
   * @param {Snapshot} snapshot
   * @param {{ broken: boolean, cursor: import("./geometry.js").Position | null }} view
   */
  function update(snapshot, view) {
    const { status, gone } = snapshot;
    watchPatience(snapshot.pending);
    updateProgress(status, gone);
    const { text, tone } = messageOf(snapshot, { broken: view.broken, slow });
    setText(alert, tone === "error" ? text : "");
    setText(polite, tone === "error" ? "" : text);
    line.dataset.tone = tone;
    const share = gone || text.includes("%") ? null : status.progress;
    setText(percent, share === null ? "" : texts.status.percent(share));
    setText(cursor, view.cursor ? `${Math.floor(view.cursor.x)}, ${Math.floor(view.cursor.y)}` : "");
    setText(model, [status.model, status.device].filter(Boolean).join(" · "));
  }

  return { line, update };
}
