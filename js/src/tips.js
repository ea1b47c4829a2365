/**
 * What a button does and its key, shown when the pointer rests on it or the keyboard reaches it.
 * The browser's own tips do not appear for the keyboard, and late for the mouse.
 */
import { element, setText } from "./dom.js";
import { clamp } from "./geometry.js";

const DELAY = 450;
const GAP = 6;

/**
 * @param {HTMLElement} root positioned; everything with data-tip in it gets a tip
 * @param {AbortSignal} signal
 */
export function showTips(root, signal) {
  const label = element("span", {});
  const hint = element("span", { class: "sam2-tip-hint" });
  const keys = element("kbd", {});
  // For sighted users only: the names of the buttons say the same.
  const tip = element("div", { class: "sam2-tip", "aria-hidden": "true", hidden: true }, label, keys, hint);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  /** @param {EventTarget | null} target */
  const tipped = (target) => /** @type {HTMLElement | null} */ (/** @type {Element} */ (target).closest("[data-tip]"));

  function hide() {
    clearTimeout(waiting);
    tip.hidden = true;
  }

  /** @param {HTMLElement} owner */
  function show(owner) {
    const [name, more = ""] = (owner.dataset.tip ?? "").split("\n");
    if (!name || !owner.isConnected) return;
    setText(label, name);
    setText(hint, more);
    setText(keys, owner.dataset.keys ?? "");
    tip.hidden = false;
    place(owner.getBoundingClientRect());
  }

  /** @param {DOMRect} owner */
  function place(owner) {
    const frame = root.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    const below = owner.bottom - frame.top + GAP;
    const fits = below + height <= frame.height;
    tip.style.left = `${clamp(owner.left + (owner.width - width) / 2 - frame.left, 0, Math.max(frame.width - width, 0))}px`;
    tip.style.top = `${fits ? below : owner.top - frame.top - height - GAP}px`;
  }

  root.addEventListener("pointerover", ({ target, pointerType }) => {
    const owner = tipped(target);
    hide();
    if (owner && pointerType !== "touch") waiting = setTimeout(() => show(owner), DELAY);
  }, { signal });
  root.addEventListener("pointerleave", hide, { signal });
  root.addEventListener("pointerdown", hide, { signal });
  root.addEventListener("focusin", ({ target }) => {
    const owner = tipped(target);
    hide();
    if (owner?.matches(":focus-visible")) show(owner);
  }, { signal });
  root.addEventListener("focusout", hide, { signal });
  root.addEventListener("keydown", hide, { signal, capture: true });
  signal.addEventListener("abort", hide);
  root.append(tip);
}
