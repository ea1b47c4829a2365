/**
 * Buttons that run a command.
 *
 * @typedef {import("../input/commands.js").CommandName} CommandName
 */
import { isEnabled } from "../dom/elements.js";
import { icon } from "./icons.js";
import { labeledButton } from "./labeled-button.js";
import * as texts from "./texts.js";

/** @typedef {import("./icons.js").IconName} IconName */

/** @param {CommandName} name @param {(Node | string)[]} children */
export const commandButton = (name, ...children) =>
  labeledButton({ "data-action": ACTIONS[name] ?? name }, texts.buttons[name], ...children);

/** @param {CommandName & IconName} name */
export const iconButton = (name) => commandButton(name, icon(name));

/** Names in data-action that differ from the command's. @type {Partial<Record<CommandName, string>>} */
const ACTIONS = {
  zoomIn: "zoom-in",
  zoomOut: "zoom-out",
  previousPlane: "previous-plane",
  nextPlane: "next-plane",
  trackAll: "track-all",
  cancelTrack: "cancel-track",
  nextKeyframe: "next-keyframe",
  previousKeyframe: "previous-keyframe",
  nextDoubtful: "next-doubtful",
  previousDoubtful: "previous-doubtful",
  markIn: "mark-in",
  markOut: "mark-out",
};
const COMMANDS = Object.fromEntries(
  Object.entries(ACTIONS).map(([name, action]) => [action, name]),
);

/**
 * Run the command of the button that was pressed in `bar`.
 *
 * @param {HTMLElement} bar
 * @param {import("../input/commands.js").Commands} commands
 * @param {() => void} focusStage
 * @param {AbortSignal} signal
 */
export function listenToButtons(bar, commands, focusStage, signal) {
  bar.addEventListener(
    "click",
    (event) => {
      const pressed = /** @type {Element} */ (event.target).closest("button");
      const action = pressed?.dataset.action;
      if (!pressed || !action) return;
      if (isEnabled(pressed)) commands.run(/** @type {CommandName} */ (COMMANDS[action] ?? action));
      // After a mouse click the keys belong to the image again; `detail` is 0 for a key.
      if (event.detail > 0 && !pressed.hasAttribute("aria-expanded")) focusStage();
    },
    { signal },
  );
}
