/**
 * Buttons that stand for a command, and what is said about them.
 *
 * @typedef {import("./commands.js").CommandName} CommandName
 * @typedef {import("./texts.js").Words} Words
 */
import { element, isEnabled, setAttribute } from "./dom.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

/** @typedef {import("./icons.js").IconName} IconName */

/**
 * @param {Record<string, string | boolean>} attributes
 * @param {Words} words
 * @param {(Node | string)[]} children
 */
export function wordedButton(attributes, words, ...children) {
  const node = element("button", { type: "button", class: "sam2-button", ...attributes }, ...children);
  describe(node, words);
  return node;
}

/**
 * Its name for those who cannot see it, and its tip for those who can.
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

/** @param {CommandName} name @param {(Node | string)[]} children */
export const commandButton = (name, ...children) => wordedButton({ "data-action": ACTIONS[name] ?? name }, texts.buttons[name], ...children);

/** @param {CommandName & IconName} name */
export const iconButton = (name) => commandButton(name, icon(name));

/** Names in data-action that differ from the command's. @type {Partial<Record<CommandName, string>>} */
const ACTIONS = { zoomIn: "zoom-in", zoomOut: "zoom-out", previousPlane: "previous-plane", nextPlane: "next-plane" };
const COMMANDS = Object.fromEntries(Object.entries(ACTIONS).map(([name, action]) => [action, name]));

/**
 * Run the command of the button that was pressed in `bar`.
 *
 * @param {HTMLElement} bar
 * @param {import("./commands.js").Commands} commands
 * @param {() => void} focusStage
 * @param {AbortSignal} signal
 */
export function listenToButtons(bar, commands, focusStage, signal) {
  bar.addEventListener("click", (event) => {
    const pressed = /** @type {Element} */ (event.target).closest("button");
    const action = pressed?.dataset.action;
    if (!pressed || !action) return;
    if (isEnabled(pressed)) commands.run(/** @type {CommandName} */ (COMMANDS[action] ?? action));
    // After a mouse click the keys belong to the image again; `detail` is 0 for a key.
    if (event.detail > 0 && !pressed.hasAttribute("aria-expanded")) focusStage();
  }, { signal });
}

export const separator = () => element("span", { class: "sam2-separator", "aria-hidden": "true" });
