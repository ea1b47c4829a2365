/**
 * The list beside the image. Rows are kept and updated, never rebuilt: a label may be half typed.
 *
 * @typedef {import("./wire.js").SegmentedObject} SegmentedObject
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./commands.js").Commands} Commands
 * @typedef {ReturnType<typeof createRow>} Row
 */
import { element, fillSelect, setText } from "./dom.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

/** @param {{ commands: Commands, focusStage: () => void, signal: AbortSignal }} options */
export function createObjectList({ commands, focusStage, signal }) {
  const count = element("span", { class: "sam2-count" });
  const list = element("ol", { class: "sam2-objects" });
  const none = element("p", { class: "sam2-none" }, texts.objects.none);
  const panel = element("section", { class: "sam2-panel", "aria-label": texts.objects.title },
    element("h3", { class: "sam2-title" }, texts.objects.title, count), none, list);
  /** @type {Map<number, Row>} */
  const rows = new Map();

  /** @param {Event} event @returns {number | null} */
  function objectAt(event) {
    const row = /** @type {Element} */ (event.target).closest(".sam2-object");
    return row instanceof HTMLElement ? Number(row.dataset.object) : null;
  }

  list.addEventListener("click", (event) => {
    const object = objectAt(event);
    const target = /** @type {Element} */ (event.target);
    if (object === null || target.closest(".sam2-label")) return;
    if (target.closest(".sam2-remove")) commands.remove(object);
    else if (!rows.get(object)?.node.hasAttribute("aria-current")) commands.select(object);
    if (event.detail > 0) focusStage();
  }, { signal });
  list.addEventListener("change", (event) => {
    const object = objectAt(event);
    const field = event.target;
    if (object === null || !(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) return;
    commands.rename(object, field.value.trim() || null);
  }, { signal });
  list.addEventListener("keydown", (event) => {
    const field = /** @type {Element} */ (event.target).closest("input, select");
    // Enter also ends the composition of a Japanese, Chinese or Korean word.
    if (field && !event.isComposing && (event.key === "Enter" || event.key === "Escape")) {
      // Leaving a text field makes the browser report its change.
      if (event.key === "Escape" && field instanceof HTMLInputElement) field.value = field.dataset.label ?? "";
      focusStage();
    }
  }, { signal });
  list.addEventListener("pointerover", (event) => commands.set({ hovered: objectAt(event) }), { signal });
  list.addEventListener("pointerleave", () => commands.set({ hovered: null }), { signal });

  /** @param {Snapshot} snapshot */
  function update(snapshot) {
    const ids = new Set(snapshot.rows.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      // A focused element that vanishes would hand the next key to the notebook.
      if (row.node.matches(":focus-within")) focusStage();
      row.node.remove();
      rows.delete(id);
    }
    snapshot.rows.forEach((object, at) => {
      const row = rows.get(object.id) ?? createRow(object.id, snapshot.labels.length > 0);
      rows.set(object.id, row);
      row.update(object, at + 1, snapshot);
      if (list.children[at] !== row.node) list.insertBefore(row.node, list.children[at] ?? null);
    });
    none.hidden = snapshot.rows.length > 0;
    setText(count, snapshot.rows.length ? String(snapshot.rows.length) : "");
  }

  return { panel, update };
}

/** @param {number} id @param {boolean} hasClasses */
function createRow(id, hasClasses) {
  const swatch = element("span", { class: "sam2-swatch" });
  const number = element("span", { class: "sam2-number" });
  const select = element("button", { type: "button", class: "sam2-select" }, swatch, number);
  const field = hasClasses
    ? element("select", { class: "sam2-label" })
    : element("input", { class: "sam2-label", type: "text", placeholder: texts.objects.noLabel, maxlength: 200, spellcheck: "false", autocomplete: "off" });
  const badge = element("span", { class: "sam2-editing", "aria-hidden": "true" }, texts.objects.editing);
  const score = element("span", { class: "sam2-score", title: texts.objects.score });
  const remove = element("button", { type: "button", class: "sam2-button sam2-remove" }, icon("close"));
  const node = element("li", { class: "sam2-object", "data-object": id }, select, field, badge, score, remove);

  /** @param {SegmentedObject} object @param {number} position @param {Snapshot} snapshot */
  function update({ color, label, score: value }, position, { labels, active }) {
    const editing = active?.id === id;
    if (editing) node.setAttribute("aria-current", "true");
    else node.removeAttribute("aria-current");
    swatch.style.backgroundColor = color;
    setText(number, String(position));
    badge.hidden = !editing;
    setText(score, value?.toFixed(2) ?? "");
    describe(select, texts.objects.select(position) + (editing ? `, ${texts.objects.editing}` : ""));
    describe(remove, texts.objects.remove(position));
    field.setAttribute("aria-label", texts.objects.label(position));
    if (field instanceof HTMLSelectElement) fillSelect(field, labels, label, texts.objects.noClass);
    else showLabel(field, label ?? "");
  }

  return { node, update };
}

/** @param {HTMLElement} node @param {string} text */
function describe(node, text) {
  node.title = text;
  node.setAttribute("aria-label", text);
}

/** What is being typed is not overwritten. @param {HTMLInputElement} field @param {string} label */
function showLabel(field, label) {
  const focused = field.matches(":focus");
  if (!focused || field.value === field.dataset.label) field.value = label;
  field.dataset.label = label;
}
