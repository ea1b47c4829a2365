/**
 * Settings that the browser remembers for the next widget.
 *
 * @typedef {"newObjectPerClick" | "onionSkin"} RememberedName
 */
const PREFIX = "sam2-widget-";

/** @param {RememberedName} name @param {boolean} value @param {() => Storage} [storage] it throws where it is not allowed, as in some frames */
export function remember(name, value, storage = () => localStorage) {
  try {
    storage().setItem(PREFIX + name, String(value));
  } catch {
    // Then the setting is for this widget only.
  }
}

/** @param {RememberedName} name @param {() => Storage} [storage] */
export function isRemembered(name, storage = () => localStorage) {
  try {
    return storage().getItem(PREFIX + name) === "true";
  } catch {
    return false;
  }
}
