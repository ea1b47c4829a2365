/**
 * A button with an icon and its name beside it.
 *
 * @typedef {import("../ui/texts.js").Words} Words
 */
import { element } from "../dom/elements.js";
import { labeledButton } from "../ui/labeled-button.js";

/** @param {string} action @param {Words} words @param {Node} icon */
export const labeledTextButton = (action, words, icon) =>
  labeledButton(
    { "data-action": action },
    words,
    icon,
    element("span", { class: "sam2-button-text" }, words.label),
  );
