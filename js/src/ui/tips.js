/**
 * Tips with a button's function and key, shown when the pointer stops on it or the keyboard reaches it.
 * The browser's own tips are not shown for the keyboard, and late for the mouse.
 */
import { element, setText } from "../dom/elements.js";
import { clamp } from "../pixels/geometry.js";
import { screenScale } from "../dom/screen-scale.js";

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
  // For sighted users only: screen readers read the names of the buttons.
  const tip = element(
    "div",
    { class: "sam2-tip", "aria-hidden": "true", hidden: true },
    label,
    keys,
    hint,
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {EventTarget | null} target */
  const tippedElement = (target) =>
    /** @type {HTMLElement | null} */ (/** @type {Element} */ (target).closest("[data-tip]"));

  function hide() {
    clearTimeout(timer);
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
    const scale = screenScale(root);
    const frame = root.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    const gap = GAP * scale;
    const fits = owner.bottom + gap + height <= frame.bottom;
    const left = clamp(
      owner.left + (owner.width - width) / 2 - frame.left,
      0,
      Math.max(frame.width - width, 0),
    );
    const top = (fits ? owner.bottom + gap : owner.top - height - gap) - frame.top;
    tip.style.left = `${left / scale}px`;
    tip.style.top = `${top / scale}px`;
  }

  root.addEventListener(
    "pointerover",
    ({ target, pointerType }) => {
      const owner = tippedElement(target);
      hide();
      if (owner && pointerType !== "touch") timer = setTimeout(() => show(owner), DELAY);
    },
    { signal },
  );
  root.addEventListener("pointerleave", hide, { signal });
  root.addEventListener("pointerdown", hide, { signal });
  root.addEventListener(
    "focusin",
    ({ target }) => {
      const owner = tippedElement(target);
      hide();
      if (owner?.matches(":focus-visible")) show(owner);
    },
    { signal },
  );
  root.addEventListener("focusout", hide, { signal });
  root.addEventListener("keydown", hide, { signal, capture: true });
  signal.addEventListener("abort", hide);
  root.append(tip);
}
