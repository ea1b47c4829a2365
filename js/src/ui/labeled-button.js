/**
 * Buttons and other controls with a name and a tip.
 *
 * @typedef {import("./texts.js").Words} Words
 */
import { element, setAttribute } from "../dom/elements.js";

/**
 * @param {Record<string, string | boolean>} attributes
 * @param {Words} words
 * @param {(Node | string)[]} children
 */
export function labeledButton(attributes, words, ...children) {
  const node = element(
    "button",
    { type: "button", class: "sam2-button", ...attributes },
    ...children,
  );
  describe(node, words);
  return node;
}

/**
 * Sets the accessible name and the tip of a control.
 *
 * @param {HTMLElement} node
 * @param {Words} words
 */
export function describe(node, { label, hint = "", keys = "", shortcut = "" }) {
  setAttribute(node, "aria-label", label);
  setAttribute(node, "aria-keyshortcuts", shortcut || null);
  setAttribute(node, "data-tip", hint ? `${label}\n${hint}` : label);
  setAttribute(node, "data-keys", keys || null);
}

export const separator = () => element("span", { class: "sam2-separator", "aria-hidden": "true" });
