/**
 * The answers to an ambiguous prompt, to choose from. Its place is always there, so that nothing
 * moves when it appears.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 */
import { describe, wordedButton } from "./button.js";
import { element, focusedIn, setAttribute, setText } from "./dom.js";
import { rove } from "./roving.js";
import * as texts from "./texts.js";

const MOST = 3;

/** CSS pixels of a thumbnail's side. */
const SIDE = 68;

/**
 * @param {{
 *   commands: import("./commands.js").Commands,
 *   thumbnail: (canvas: HTMLCanvasElement, object: { mask: import("./mask.js").Mask | null, color: string }) => boolean,
 *   focusStage: () => void,
 *   signal: AbortSignal,
 * }} options
 */
export function createCandidates({ commands, thumbnail, focusStage, signal }) {
  const cards = Array.from({ length: MOST }, (_, at) => createCard(at));
  const group = element("div", { class: "sam2-cards", role: "radiogroup", "aria-label": texts.candidates.title }, ...cards.map(({ node }) => node));
  const node = element("div", { class: "sam2-candidates", hidden: true }, element("span", { class: "sam2-candidates-title", "aria-hidden": "true" }, texts.candidates.title), group);
  rove(group, signal);

  group.addEventListener("click", (event) => {
    const at = cardAt(event);
    if (at !== null) commands.choose(at);
    if (event.detail > 0) focusStage();
  }, { signal });
  group.addEventListener("pointerover", (event) => commands.set({ candidate: cardAt(event) }), { signal });
  group.addEventListener("pointerleave", () => commands.set({ candidate: null }), { signal });

  /** @param {Event} event */
  function cardAt({ target }) {
    const at = cards.findIndex((card) => card.node.contains(/** @type {Node} */ (target)));
    return at < 0 ? null : at;
  }

  /** @param {Snapshot} snapshot */
  function update({ candidates, choice, active }) {
    const vanishes = !candidates && !node.hidden;
    // A focused element that vanishes would hand the next key to the notebook.
    if (vanishes && node.contains(focusedIn(node))) focusStage();
    if (vanishes) commands.set({ candidate: null });
    node.hidden = !candidates;
    cards.forEach((card, at) => {
      const candidate = candidates?.[at];
      card.node.hidden = !candidate;
      if (candidate && active) card.update(candidate, at === choice, active.color);
    });
  }

  /** @param {number} at */
  function createCard(at) {
    const canvas = element("canvas", { width: 1, height: 1, "aria-hidden": "true" });
    const score = element("span", { class: "sam2-figure" });
    const card = wordedButton({ class: "sam2-button sam2-card", role: "radio", "data-candidate": String(at) }, { label: "" }, canvas,
      element("span", { class: "sam2-card-facts" }, element("kbd", {}, String(at + 1)), score));
    /** @type {unknown} */
    let drawn = null;

    /** @param {import("./wire.js").Candidate} candidate @param {boolean} chosen @param {string} color */
    function update(candidate, chosen, color) {
      setAttribute(card, "aria-checked", chosen);
      describe(card, { label: texts.candidates.name(at + 1, candidate.score), keys: String(at + 1), shortcut: String(at + 1) });
      card.removeAttribute("data-tip");
      setText(score, texts.candidates.score(candidate.score));
      const side = Math.round(SIDE * devicePixelRatio);
      if (drawn === candidate.mask && canvas.width === side) return;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      drawn = thumbnail(canvas, { mask: candidate.mask, color }) ? candidate.mask : null;
    }

    return { node: card, update };
  }

  return { node, update };
}
