/**
 * Which keys a focused control handles itself; the widget handles all others.
 *
 * @typedef {"text" | "select" | "range" | "checkbox" | "radio" | "button" | null} FieldKind null: no control
 */

const STEPS = new Set([
  "ArrowLeft",
  "ArrowRight",
  "ArrowUp",
  "ArrowDown",
  "Home",
  "End",
  "PageUp",
  "PageDown",
]);

/** @type {Readonly<Record<Exclude<FieldKind, null>, (key: string) => boolean>>} */
const HANDLES = {
  text: () => true,
  // Letters find an entry, other keys open the menu and move in it.
  select: () => true,
  range: (key) => STEPS.has(key),
  checkbox: (key) => key === " ",
  radio: (key) => key === " " || key.startsWith("Arrow"),
  button: (key) => key === " " || key === "Enter",
};

/** @param {Element} target @returns {FieldKind} */
export function fieldKindOf(target) {
  const control = target.closest("input, textarea, select, button");
  if (!control) return null;
  if (control.localName !== "input")
    return control.localName === "textarea" ? "text" : /** @type {FieldKind} */ (control.localName);
  const { type } = /** @type {HTMLInputElement} */ (control);
  return type in HANDLES ? /** @type {FieldKind} */ (type) : "text";
}

/**
 * @param {FieldKind} kind
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey">} event
 */
export function handlesKey(kind, { key, ctrlKey, metaKey }) {
  if (kind === null || (kind !== "text" && (ctrlKey || metaKey))) return false;
  return HANDLES[kind](key);
}
