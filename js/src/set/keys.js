/**
 * Keys on a set's page: the same that go through the images on the image itself.
 *
 * @typedef {import("./commands.js").SetCommands} SetCommands
 */
import { fieldKindOf, handlesKey } from "../input/field-keys.js";
import { isForHost, meaningOf } from "../input/keymap.js";
import { markOwnKeys } from "../input/own-keys.js";
import { IN_SETS } from "../input/set-commands.js";

/**
 * @param {HTMLElement} root
 * @param {SetCommands} commands
 * @param {AbortSignal} signal
 */
export function listenToSetKeys(root, commands, signal) {
  /** @param {KeyboardEvent} event */
  const isHostKey = (event) =>
    isForHost(event, {
      inText: fieldKindOf(/** @type {Element} */ (event.composedPath()[0])) === "text",
    });

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (isHostKey(event)) return;
    event.stopPropagation();
    if (event.isComposing || event.defaultPrevented) return;
    if (handlesKey(fieldKindOf(/** @type {Element} */ (event.target)), event)) return;
    const meaning = meaningOf(event);
    const command = meaning && "command" in meaning ? IN_SETS[meaning.command] : undefined;
    if (!command) return;
    event.preventDefault();
    commands.run(command);
  }

  root.addEventListener("keydown", onKey, { signal });
  root.addEventListener("keyup", (event) => event.stopPropagation(), { signal });
  markOwnKeys(root, isHostKey, signal);
}
