/**
 * A field for a note or an attribute: what is typed is stored a moment later, and at once when the field
 * is left. What the kernel sends does not replace what is being typed.
 *
 * @typedef {import("./wire.js").Attribute} Attribute
 * @typedef {import("./wire.js").Value} Value
 * @typedef {ReturnType<typeof createDetailField>} DetailField
 */
import { element, focusedIn, uniqueId } from "../dom/elements.js";
import * as texts from "./texts.js";

/** Milliseconds without a letter until what was typed is stored. */
const DELAY = 700;

/** Most characters of a note or value; as in the kernel. */
const MAX_TEXT = 10_000;

/**
 * The value that a field holds; undefined if that is not valid.
 *
 * @param {Attribute["type"]} type
 * @param {string} text
 * @returns {Value | null | undefined} null: not set
 */
export function toValue(type, text) {
  if (text === "") return null;
  if (type === "flag") return text === "true";
  if (type !== "number") return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/**
 * @param {Attribute} attribute
 * @param {{ isNote: boolean, store: (value: Value | null) => number, changed: () => void, signal: AbortSignal }} options
 *   store: returns the number of the action; changed: called when something is typed, and when it is stored
 */
export function createDetailField({ name, type, choices }, { isNote, store, changed, signal }) {
  const id = uniqueId();
  const control = createControl(type, choices, isNote);
  control.id = id;
  const node = element(
    "div",
    { class: `sam2-set-field${isNote ? " sam2-set-note" : ""}` },
    element("label", { for: id }, name),
    control,
  );
  /** What the kernel has, as the field's text. */
  let known = "";
  /** The newest action of this field, whose effect may not be shown yet. */
  let sent = -1;
  let isDirty = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function flush() {
    clearTimeout(timer);
    if (!isDirty) return;
    isDirty = false;
    // A number that is not finished reads as "".
    const value = control.validity.badInput ? undefined : toValue(type, control.value);
    if (value !== undefined && control.value !== known) {
      known = control.value;
      sent = store(value);
    }
    changed();
  }

  function leave() {
    flush();
    control.value = known;
  }

  control.addEventListener(
    "input",
    () => {
      isDirty = true;
      clearTimeout(timer);
      timer = setTimeout(flush, DELAY);
      changed();
    },
    { signal },
  );
  control.addEventListener("change", flush, { signal });
  control.addEventListener("blur", leave, { signal });
  signal.addEventListener("abort", flush);

  /**
   * @param {Value | null} value what the kernel has
   * @param {boolean} isOther of another image or object
   * @param {number} carriedOut the newest action that the kernel has carried out before
   */
  function update(value, isOther, carriedOut) {
    // What was stored a moment ago would disappear for that moment.
    if (!isOther && sent > carriedOut) return;
    sent = -1;
    const text = value === null ? "" : String(value);
    if (!isOther && text === known) return;
    known = text;
    if (isOther || (!isDirty && focusedIn(control) !== control)) control.value = text;
  }

  return {
    node,
    update,
    flush,
    /** Whether what was typed is not stored yet. */
    isDirty: () => isDirty,
    /** @param {boolean} enabled */
    setEnabled: (enabled) => void (control.disabled = !enabled),
  };
}

/** @param {Attribute["type"]} type @param {readonly string[]} choices @param {boolean} isNote */
function createControl(type, choices, isNote) {
  if (isNote) return element("textarea", { rows: 1, maxlength: MAX_TEXT });
  if (type === "text") return element("input", { type: "text", maxlength: MAX_TEXT });
  if (type === "number")
    return element("input", { type: "number", step: "any", inputmode: "decimal" });
  /** @type {[string, string][]} */
  const options =
    type === "flag"
      ? [
          ["true", texts.details.yes],
          ["false", texts.details.no],
        ]
      : choices.map((choice) => [choice, choice]);
  return element(
    "select",
    {},
    element("option", { value: "" }, texts.details.noValue),
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
}
