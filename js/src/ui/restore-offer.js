/**
 * Offers, in the status line, to restore objects of the same image that were saved before.
 *
 * @typedef {import("../state/annotation.js").Saved} Saved
 */
import { labeledButton } from "./labeled-button.js";
import { element, setText } from "../dom/elements.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

/** @param {{ commands: import("../input/commands.js").Commands, focusStage: () => void, signal: AbortSignal }} options */
export function createRestoreOffer({ commands, focusStage, signal }) {
  const message = element("span", { role: "status", "aria-live": "polite" });
  const restore = labeledButton(
    { class: "sam2-button sam2-restore", "data-action": "restore" },
    texts.saved.restore,
    texts.saved.restore.label,
  );
  const dismiss = labeledButton({ "data-action": "dismiss" }, texts.saved.dismiss, icon("close"));
  const node = element("span", { class: "sam2-offer", hidden: true }, message, restore, dismiss);

  node.addEventListener(
    "click",
    ({ target, detail }) => {
      const pressed = /** @type {Element} */ (target).closest("button");
      if (!pressed) return;
      if (pressed === restore) commands.restore();
      else commands.dismiss();
      if (detail > 0) focusStage();
    },
    { signal },
  );

  /** @param {Saved["offer"]} offer @param {boolean} shown */
  function update(offer, shown) {
    node.hidden = !offer || !shown;
    if (offer)
      setText(message, texts.saved.offer(offer.count, new Date(offer.seconds * 1000), new Date()));
  }

  return { node, update };
}
