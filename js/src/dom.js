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
 * Disabled, but still focusable: a focused button that vanishes from the tab order would hand
 * the next key to the notebook.
 *
 * @param {HTMLElement} node
 * @param {boolean} enabled
 */
export function setEnabled(node, enabled) {
  node.setAttribute("aria-disabled", String(!enabled));
}

/** @param {Element} node */
export const isEnabled = (node) => node.getAttribute("aria-disabled") !== "true";

/**
 * The options of a class menu, rebuilt only when the classes change.
 *
 * @param {HTMLSelectElement} select
 * @param {readonly string[]} labels
 * @param {string | null} value
 * @param {string} none text of the entry that stands for no class
 */
export function fillSelect(select, labels, value, none) {
  const shown = value === null || labels.includes(value) ? labels : [...labels, value];
  const key = JSON.stringify(shown);
  if (select.dataset.labels !== key) {
    select.dataset.labels = key;
    select.replaceChildren(
      element("option", { value: "" }, none),
      ...shown.map((label) => element("option", { value: label }, label)),
    );
  }
  if (select.value !== (value ?? "")) select.value = value ?? "";
}
