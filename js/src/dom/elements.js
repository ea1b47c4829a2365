/**
 * An element with its properties and children. Text children become text nodes, so nothing a
 * user or a kernel wrote is ever parsed as markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/**
 * Text that is written only when it differs: screen readers announce every write.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * An attribute that is written only when it differs; null removes it.
 *
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean | null} value
 */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/**
 * Disabled, but still focusable: a focused button that vanishes from the tab order would hand
 * the next key to the notebook.
 *
 * @param {HTMLElement} node
 * @param {boolean} enabled
 */
export const setEnabled = (node, enabled) => setAttribute(node, "aria-disabled", !enabled);

/** @param {Element} node */
export const isEnabled = (node) => node.getAttribute("aria-disabled") !== "true";

/** The element that has the focus, shadow roots included. @param {Node} node */
export function focusedIn(node) {
  const root = /** @type {Document | ShadowRoot} */ (node.getRootNode());
  return root.activeElement ?? null;
}

/**
 * The value of a field that the user is not changing just now.
 *
 * @param {HTMLInputElement} field
 * @param {string} value
 */
export function setValue(field, value) {
  if (field.value !== value && focusedIn(field) !== field) field.value = value;
}

let ids = 0;

/** An id that no other element of the page has, for labels and lists that refer to elements by id. */
export function uniqueId() {
  ids += 1;
  return `sam2-${Math.random().toString(36).slice(2, 8)}-${ids}`;
}
