/**
 * The answers to an ambiguous prompt, to choose from. Its place is always there, so that nothing
 * moves when it appears.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./geometry.js").Corners} Corners
 */
import { describe, wordedButton } from "./button.js";
import { element, focusedIn, setAttribute, setText } from "./dom.js";
import { boundsOf } from "./mask.js";
import { rove } from "./roving.js";
import * as texts from "./texts.js";

const MOST = 3;

/** CSS pixels of a thumbnail's side. */
const SIDE = 68;

/**
 * What all masks lie in: shown at one scale, the part and the whole can be told apart.
 *
 * @param {readonly (Corners | null)[]} boxes
 * @returns {Corners | null}
 */
export function unionOf(boxes) {
  const all = boxes.filter((box) => box !== null);
  if (!all.length) return null;
  return {
    x0: Math.min(...all.map(({ x0 }) => x0)),
    y0: Math.min(...all.map(({ y0 }) => y0)),
    x1: Math.max(...all.map(({ x1 }) => x1)),
    y1: Math.max(...all.map(({ y1 }) => y1)),
  };
}

/**
 * The half of the image in which nobody has just pointed at something.
 *
 * @param {Snapshot["prompts"]} prompts
 * @param {number} height of the image
 * @returns {"top" | "bottom"}
 */
export function awayFrom(prompts, height) {
  const newest = prompts.flatMap((prompt) => (prompt.type === "point" ? [prompt.y] : [])).at(-1) ?? 0;
  return newest > height / 2 ? "top" : "bottom";
}

/**
 * @param {{
 *   commands: import("./commands.js").Commands,
 *   thumbnail: (canvas: HTMLCanvasElement, object: { mask: import("./mask.js").Mask | null, color: string, bounds: Corners | null }) => boolean,
 *   focusStage: () => void,
 *   signal: AbortSignal,
 * }} options
 */
export function createCandidates({ commands, thumbnail, focusStage, signal }) {
  const cards = Array.from({ length: MOST }, (_, at) => createCard(at));
  const group = element("div", { class: "sam2-cards", role: "radiogroup", "aria-label": texts.candidates.title }, ...cards.map(({ node }) => node));
  const node = element("div", { class: "sam2-candidates", hidden: true }, element("span", { class: "sam2-candidates-title", "aria-hidden": "true" }, texts.candidates.title), group);
  /** @type {readonly import("./wire.js").Candidate[] | null} */
  let shown = null;
  /** @type {Corners | null} */
  let bounds = null;
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
  function update({ candidates, choice, active, picture, prompts }) {
    const vanishes = !candidates && !node.hidden;
    // A focused element that vanishes would hand the next key to the notebook.
    if (vanishes && node.contains(focusedIn(node))) focusStage();
    if (vanishes) commands.set({ candidate: null });
    node.hidden = !candidates;
    if (!candidates || !active || !picture) return;
    if (shown !== candidates) bounds = unionOf(candidates.map(({ mask }) => mask && boundsOf(mask, picture)));
    shown = candidates;
    node.dataset.place = awayFrom(prompts, picture.height);
    cards.forEach((card, at) => {
      card.node.hidden = !(at in candidates);
      if (at in candidates) card.update(candidates[at], at === choice, active.color);
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
      drawn = thumbnail(canvas, { mask: candidate.mask, color, bounds }) ? candidate.mask : null;
    }

    return { node: card, update };
  }

  return { node, update };
}
