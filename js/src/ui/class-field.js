/**
 * A menu of the labels, whose last entry lets the user type a new one. Declared classes and other labels
 * of objects are treated alike.
 *
 * @typedef {import("../state/annotation.js").ObjectClass} ObjectClass
 */
import { element, setAttribute, uniqueId } from "../dom/elements.js";
import * as texts from "./texts.js";

/** Cannot be a label, because the kernel trims labels. */
const NEW_CLASS = " new ";

/**
 * @param {{ choose: (label: string | null) => void, add: (name: string) => void, done: () => void, signal: AbortSignal }} options
 *   `done`: the user has finished with the field
 */
export function createClassField({ choose, add, done, signal }) {
  const id = uniqueId();
  const select = element("select", { class: "sam2-class" });
  const suggestions = element("datalist", { id });
  const input = element("input", {
    class: "sam2-class",
    type: "text",
    list: id,
    maxlength: 200,
    hidden: true,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: texts.objects.className,
    "aria-label": texts.objects.className,
  });
  const dot = element("span", { class: "sam2-dot", "aria-hidden": "true" });
  const node = element("span", { class: "sam2-class-field" }, dot, select, input, suggestions);
  let shown = "";
  /** @type {readonly string[]} */
  let names = [];

  /** @param {boolean} typing */
  function type(typing) {
    select.hidden = typing;
    input.hidden = !typing;
    input.value = "";
    select.value = shown;
    (typing ? input : select).focus({ preventScroll: true });
  }

  function finish() {
    const name = input.value.trim();
    type(false);
    if (names.includes(name)) choose(name);
    else if (name) add(name);
    done();
  }

  select.addEventListener(
    "change",
    () => {
      if (select.value === NEW_CLASS) return type(true);
      choose(select.value || null);
      done();
    },
    { signal },
  );
  input.addEventListener(
    "keydown",
    (event) => {
      // Enter also ends the composition of text in an input method.
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape") input.value = "";
      finish();
    },
    { signal },
  );
  input.addEventListener("change", (event) => event.stopPropagation(), { signal });
  input.addEventListener("blur", () => !input.hidden && finish(), { signal });

  /** @param {readonly ObjectClass[]} classes @param {string | null} value */
  function update(classes, value) {
    names = classes.map(({ name }) => name);
    fill(select, suggestions, names, value);
    shown = value ?? "";
    if (select.value !== shown && select.value !== NEW_CLASS) select.value = shown;
    const color = classes.find(({ name }) => name === value)?.color ?? null;
    dot.style.backgroundColor = color ?? "";
    setAttribute(dot, "data-empty", color === null ? "" : null);
  }

  return { node, select, input, update, type: () => type(true) };
}

/**
 * The options, rebuilt only when the labels change.
 *
 * @param {HTMLSelectElement} select
 * @param {HTMLDataListElement} suggestions
 * @param {readonly string[]} names
 * @param {string | null} value
 */
function fill(select, suggestions, names, value) {
  const shown = value === null || names.includes(value) ? names : [...names, value];
  const key = JSON.stringify(shown);
  if (select.dataset.classes === key) return;
  select.dataset.classes = key;
  fillSuggestions(suggestions, shown);
  select.replaceChildren(
    element("option", { value: "" }, texts.objects.noClass),
    ...shown.map((name) => element("option", { value: name }, name)),
    element("option", { value: NEW_CLASS }, texts.objects.newClass),
  );
}

/** @param {HTMLDataListElement} node @param {readonly string[]} names */
export function fillSuggestions(node, names) {
  const key = JSON.stringify(names);
  if (node.dataset.names === key) return;
  node.dataset.names = key;
  node.replaceChildren(...names.map((name) => element("option", { value: name })));
}
