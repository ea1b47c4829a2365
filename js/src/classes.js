/**
 * A menu of the classes, at whose end a new one can be typed.
 *
 * @typedef {import("./wire.js").ObjectClass} ObjectClass
 */
import { element, setAttribute } from "./dom.js";
import * as texts from "./texts.js";

/** No class can have this name: the kernel's names are trimmed. */
const NEW = " new ";

/**
 * @param {{ choose: (label: string | null) => void, add: (name: string) => void, done: () => void, signal: AbortSignal }} options
 *   `done`: the field is left for good
 */
export function createClassField({ choose, add, done, signal }) {
  const select = element("select", { class: "sam2-class" });
  const input = element("input", { class: "sam2-class", type: "text", maxlength: 200, hidden: true, spellcheck: "false", autocomplete: "off", placeholder: texts.objects.className, "aria-label": texts.objects.className });
  const dot = element("span", { class: "sam2-dot", "aria-hidden": "true" });
  const node = element("span", { class: "sam2-class-field" }, dot, select, input);
  let shown = "";

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
    if (name) add(name);
    done();
  }

  select.addEventListener("change", () => {
    if (select.value === NEW) return type(true);
    choose(select.value || null);
    done();
  }, { signal });
  input.addEventListener("keydown", (event) => {
    // Enter also ends the composition of a Japanese, Chinese or Korean word.
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") input.value = "";
    finish();
  }, { signal });
  input.addEventListener("change", (event) => event.stopPropagation(), { signal });
  input.addEventListener("blur", () => !input.hidden && finish(), { signal });

  /** @param {readonly ObjectClass[]} classes @param {string | null} value */
  function update(classes, value) {
    fill(select, classes, value);
    shown = value ?? "";
    if (select.value !== shown && select.value !== NEW) select.value = shown;
    const color = classes.find(({ name }) => name === value)?.color ?? null;
    dot.style.backgroundColor = color ?? "";
    setAttribute(dot, "data-empty", color === null ? "" : null);
  }

  return { node, select, input, update };
}

/**
 * The options, rebuilt only when the classes change.
 *
 * @param {HTMLSelectElement} select
 * @param {readonly ObjectClass[]} classes
 * @param {string | null} value
 */
function fill(select, classes, value) {
  const names = classes.map(({ name }) => name);
  const shown = value === null || names.includes(value) ? names : [...names, value];
  const key = JSON.stringify(shown);
  if (select.dataset.classes === key) return;
  select.dataset.classes = key;
  select.replaceChildren(
    element("option", { value: "" }, texts.objects.noClass),
    ...shown.map((name) => element("option", { value: name }, name)),
    element("option", { value: NEW }, texts.objects.newClass),
  );
}
