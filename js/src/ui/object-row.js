/**
 * One line of the list of objects. When a long list is scrolled, lines are reused for other objects.
 *
 * @typedef {import("../state/annotation.js").SegmentedObject} SegmentedObject
 * @typedef {import("../state/annotation.js").ObjectClass} ObjectClass
 *
 * @typedef {object} RowView
 * @property {SegmentedObject} object
 * @property {number} number counted from 1, in the whole list
 * @property {number} count of the whole list
 * @property {boolean} editing
 * @property {boolean} marked selected, with others, to be merged
 * @property {boolean} stop whether Tab reaches its buttons
 * @property {readonly ObjectClass[]} classes
 * @property {number | null} area in image pixels, null while it is counted
 * @property {(canvas: HTMLCanvasElement) => boolean} draw paint the thumbnail; false when there is nothing to paint yet
 *
 * @typedef {object} RowActions
 * @property {(object: number, label: string | null) => void} rename
 * @property {(object: number, name: string) => void} addClass
 * @property {() => void} done
 *
 * @typedef {ReturnType<typeof createRow>} Row
 */
import { describe, labeledButton } from "./labeled-button.js";
import { createClassField, fillSuggestions } from "./class-field.js";
import {
  element,
  focusedIn,
  setAttribute,
  setEnabled,
  setText,
  uniqueId,
} from "../dom/elements.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

const words = texts.objects;

/** CSS pixels of a thumbnail's side. */
const THUMBNAIL = 32;

/** What a line is made of, beside its thumbnail. @type {readonly (keyof RowView)[]} */
const ROW_PROPERTIES = [
  "object",
  "number",
  "count",
  "editing",
  "marked",
  "stop",
  "classes",
  "area",
];

/** @param {RowActions} actions @param {AbortSignal} signal */
export function createRow(actions, signal) {
  const canvas = element("canvas", {
    class: "sam2-thumb",
    width: 1,
    height: 1,
    "aria-hidden": "true",
  });
  const number = element("span", { class: "sam2-number" });
  const select = labeledButton({ class: "sam2-select" }, { label: "" }, canvas, number);
  const suggestions = element("datalist", { id: uniqueId() });
  const input = element("input", {
    class: "sam2-label",
    type: "text",
    list: suggestions.id,
    placeholder: words.noLabel,
    maxlength: 200,
    spellcheck: "false",
    autocomplete: "off",
    dir: "auto",
  });
  const facts = element("span", { class: "sam2-facts", title: words.scoreHint });
  const eye = labeledButton({ "data-row": "show" }, { label: "" }, icon("shown"), icon("hidden"));
  const lock = labeledButton({ "data-row": "lock" }, { label: "" }, icon("open"), icon("locked"));
  const remove = labeledButton(
    { class: "sam2-button sam2-remove", "data-row": "remove" },
    { label: "" },
    icon("close"),
  );
  const classes = createClassField({
    choose: (label) => actions.rename(id, label),
    add: (name) => actions.addClass(id, name),
    done: actions.done,
    signal,
  });
  classes.select.classList.add("sam2-label");
  const node = element(
    "li",
    { class: "sam2-object" },
    select,
    input,
    facts,
    eye,
    lock,
    remove,
    suggestions,
  );
  const controls = [select, input, classes.select, eye, lock, remove];
  let id = -1;
  /** @type {RowView | null} */
  let shown = null;
  let drawn = "";
  /** @type {unknown} */
  let drawnMask;

  input.addEventListener("change", () => actions.rename(id, input.value.trim() || null), {
    signal,
  });

  /** @param {RowView} view */
  function update(view) {
    const {
      object,
      number: position,
      count,
      editing,
      marked,
      stop,
      classes: all,
      area,
      draw,
    } = view;
    if (shown && ROW_PROPERTIES.every((name) => shown?.[name] === view[name]))
      return drawOnce(object, draw);
    shown = view;
    if (id !== object.id) [id, input.dataset.label, drawn] = [object.id, "", ""];
    const { visible, locked, label, score, tracked } = object;
    setAttribute(node, "data-object", id);
    setAttribute(node, "aria-posinset", position);
    setAttribute(node, "aria-setsize", count);
    setAttribute(node, "aria-current", editing ? "true" : null);
    setAttribute(node, "data-marked", marked ? "" : null);
    setAttribute(node, "data-tracked", tracked ? "" : null);
    setAttribute(node, "data-hidden", visible ? null : "");
    setAttribute(node, "data-locked", locked ? "" : null);
    node.style.setProperty("--sam2-color", object.color);
    setText(number, String(position));
    setText(facts, words.facts(area, score));
    describe(select, { label: words.select(position, { editing, marked, tracked }) });
    describe(eye, { label: words.show(position, visible) });
    describe(lock, { label: words.lock(position, locked) });
    describe(remove, { label: words.remove(position) });
    setEnabled(remove, !locked);
    setEnabled(select, !locked);
    showLabel(position, label, locked, all);
    for (const control of controls) setAttribute(control, "tabindex", stop ? 0 : -1);
    drawOnce(object, draw);
  }

  /** @param {number} position @param {string | null} label @param {boolean} locked @param {readonly ObjectClass[]} all */
  function showLabel(position, label, locked, all) {
    // Without declared classes a label is free text, completed from the labels of other objects.
    const declared = all.some(({ color }) => color !== null);
    const [wanted, other] = declared ? [classes.node, input] : [input, classes.node];
    if (wanted.parentNode !== node) other.replaceWith(wanted);
    if (declared) {
      classes.update(all, label);
      setAttribute(classes.select, "aria-label", words.label(position));
      classes.select.disabled = locked;
    } else {
      fillSuggestions(
        suggestions,
        all.map(({ name }) => name),
      );
      fillField(input, label ?? "");
      setAttribute(input, "aria-label", words.label(position));
      input.readOnly = locked;
    }
  }

  /** @param {SegmentedObject} object @param {RowView["draw"]} draw */
  function drawOnce({ mask, color }, draw) {
    const side = Math.round(THUMBNAIL * devicePixelRatio);
    const key = `${id} ${color} ${side}`;
    if (key === drawn && mask === drawnMask) return;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    drawn = draw(canvas) ? key : "";
    drawnMask = mask;
  }

  return { node, update, id: () => id };
}

/** Does not overwrite what the user is typing. @param {HTMLInputElement} field @param {string} label */
function fillField(field, label) {
  const focused = focusedIn(field) === field;
  if ((!focused || field.value === field.dataset.label) && field.value !== label)
    field.value = label;
  field.dataset.label = label;
}
