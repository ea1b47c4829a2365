/**
 * The candidate masks of an ambiguous prompt, to choose from. They lie over other things, so that nothing
 * moves when they appear.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 */
import { describe, labeledButton } from "./labeled-button.js";
import { element, focusedIn, setAttribute, setText } from "../dom/elements.js";
import { boundsOf } from "../pixels/mask.js";
import { rove } from "./roving.js";
import * as texts from "./texts.js";

const MAX_CANDIDATES = 3;

/** CSS pixels of a thumbnail's side. */
const THUMBNAIL_SIDE = 68;

/**
 * The box around all masks: shown at the same scale, a part can be distinguished from the whole.
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
 * The half of the image without the newest point.
 *
 * @param {Snapshot["prompts"]} prompts
 * @param {number} height of the image
 * @returns {"top" | "bottom"}
 */
export function freeHalf(prompts, height) {
  const newest =
    prompts.flatMap((prompt) => (prompt.type === "point" ? [prompt.y] : [])).at(-1) ?? 0;
  return newest > height / 2 ? "top" : "bottom";
}

/**
 * @param {{
 *   commands: import("../input/commands.js").Commands,
 *   thumbnail: (canvas: HTMLCanvasElement, object: { mask: import("../pixels/mask.js").Mask | null, color: string, bounds: Corners | null }) => boolean,
 *   focusStage: () => void,
 *   signal: AbortSignal,
 * }} options
 */
export function createCandidates({ commands, thumbnail, focusStage, signal }) {
  const cards = Array.from({ length: MAX_CANDIDATES }, (_, at) => createCard(at));
  const group = element(
    "div",
    { class: "sam2-cards", role: "radiogroup", "aria-label": texts.candidates.title },
    ...cards.map(({ node }) => node),
  );
  const key = element("kbd", {}, texts.candidates.next);
  const title = element(
    "span",
    { class: "sam2-candidates-title", "aria-hidden": "true" },
    `${texts.candidates.title} `,
    key,
  );
  const node = element("div", { class: "sam2-candidates", hidden: true }, title, group);
  /** @type {readonly import("../state/annotation.js").Candidate[] | null} */
  let shown = null;
  /** @type {Corners | null} */
  let bounds = null;
  rove(group, signal);

  group.addEventListener(
    "click",
    (event) => {
      const at = cardAt(event);
      if (at !== null) commands.choose(at);
      if (event.detail > 0) focusStage();
    },
    { signal },
  );
  group.addEventListener("pointerover", (event) => commands.set({ candidate: cardAt(event) }), {
    signal,
  });
  group.addEventListener("pointerleave", () => commands.set({ candidate: null }), { signal });

  /** @param {Event} event */
  function cardAt({ target }) {
    const at = cards.findIndex((card) => card.node.contains(/** @type {Node} */ (target)));
    return at < 0 ? null : at;
  }

  /** @param {Snapshot} snapshot */
  function update({ candidates, choice, active, picture, prompts, labels }) {
    const vanishes = !candidates && !node.hidden;
    // If a focused element is removed, the notebook gets the next key.
    if (vanishes && node.contains(focusedIn(node))) focusStage();
    if (vanishes) commands.set({ candidate: null });
    node.hidden = !candidates;
    if (!candidates || !active || !picture) return;
    if (shown !== candidates)
      bounds = unionOf(candidates.map(({ mask }) => mask && boundsOf(mask, picture)));
    shown = candidates;
    node.dataset.place = freeHalf(prompts, picture.height);
    // If there are classes, digits choose one of them.
    const byDigit = labels.length === 0;
    key.hidden = byDigit;
    cards.forEach((card, at) => {
      card.node.hidden = !(at in candidates);
      if (at in candidates) card.update(candidates[at], at === choice, active.color, byDigit);
    });
  }

  /** @param {number} at */
  function createCard(at) {
    const canvas = element("canvas", { width: 1, height: 1, "aria-hidden": "true" });
    const score = element("span", { class: "sam2-figure" });
    const digit = element("kbd", {}, String(at + 1));
    const card = labeledButton(
      { class: "sam2-button sam2-card", role: "radio", "data-candidate": String(at) },
      { label: "" },
      canvas,
      element("span", { class: "sam2-card-facts" }, digit, score),
    );
    /** @type {unknown} */
    let drawn = null;

    /** @param {import("../state/annotation.js").Candidate} candidate @param {boolean} chosen @param {string} color @param {boolean} byDigit */
    function update(candidate, chosen, color, byDigit) {
      setAttribute(card, "aria-checked", chosen);
      describe(card, {
        label: texts.candidates.name(at + 1, candidate.score),
        ...(byDigit && { keys: String(at + 1), shortcut: String(at + 1) }),
      });
      digit.hidden = !byDigit;
      card.removeAttribute("data-tip");
      setText(score, texts.candidates.score(candidate.score));
      const side = Math.round(THUMBNAIL_SIDE * devicePixelRatio);
      if (drawn === candidate.mask && canvas.width === side) return;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      drawn = thumbnail(canvas, { mask: candidate.mask, color, bounds }) ? candidate.mask : null;
    }

    return { node: card, update };
  }

  return { node, update };
}
