/**
 * The list of objects beside the image: there may be thousands, and only visible lines have elements.
 *
 * @typedef {import("../state/annotation.js").SegmentedObject} SegmentedObject
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../input/commands.js").Commands} Commands
 * @typedef {import("./object-row.js").Row} Row
 *
 * @typedef {object} Looks what the stage knows about an object's mask
 * @property {(object: SegmentedObject) => number | null} areaOf
 * @property {(canvas: HTMLCanvasElement, object: SegmentedObject) => boolean} thumbnail
 */
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  defaultRangeExtractor,
  Virtualizer,
} from "@tanstack/virtual-core";
import { iconButton, listenToButtons } from "./button.js";
import { labeledButton } from "./labeled-button.js";
import { enabledCommands } from "../input/commands.js";
import { element, focusedIn, isEnabled, setEnabled, setText } from "../dom/elements.js";
import { icon } from "./icons.js";
import { createRow } from "./object-row.js";
import * as texts from "./texts.js";

/** CSS pixels; as in the style sheet. */
const ROW_HEIGHT = 40;
const TOUCH_ROW_HEIGHT = 52;

/** CSS pixels at the bottom of the list that the candidates cover; as in the style sheet. */
const CANDIDATES_HEIGHT = 140;

/** From this number of objects on there is a filter. */
const FILTER_FROM = 8;

/**
 * @param {readonly SegmentedObject[]} rows
 * @param {string} wanted part of a label, or a number in the list
 * @returns {number[]} positions in the list
 */
export function findRows(rows, wanted) {
  const text = wanted.trim().toLocaleLowerCase();
  const matches = (/** @type {SegmentedObject} */ { label }, /** @type {number} */ at) =>
    !text || String(at + 1) === text || label?.toLocaleLowerCase().includes(text);
  return rows.flatMap((row, at) => (matches(row, at) ? [at] : []));
}

/** Whether a click or key adds to the selection, as in other lists. @param {MouseEvent | KeyboardEvent} event */
const isMarking = ({ ctrlKey, metaKey, shiftKey }) => ctrlKey || metaKey || shiftKey;

/** @param {{ commands: Commands, looks: Looks, focusStage: () => void, signal: AbortSignal }} options */
export function createObjectList({ commands, looks, focusStage, signal }) {
  const rowHeight = matchMedia("(pointer: coarse)").matches ? TOUCH_ROW_HEIGHT : ROW_HEIGHT;
  const count = element("span", { class: "sam2-count" });
  const filter = element("input", {
    type: "search",
    class: "sam2-filter",
    placeholder: texts.objects.filter,
    "aria-label": texts.objects.filterLabel,
    maxlength: 200,
    hidden: true,
  });
  const merge = labeledButton({ "data-action": "merge" }, texts.buttons.merge, icon("merge"));
  const buttons = {
    split: iconButton("split"),
    raise: iconButton("raise"),
    lower: iconButton("lower"),
    clear: iconButton("clear"),
  };
  const none = element("p", { class: "sam2-none" }, texts.objects.none);
  const list = element("ol", { class: "sam2-objects" });
  const scroller = element("div", { class: "sam2-scroller" }, none, list);
  const head = element(
    "div",
    { class: "sam2-head" },
    element("h3", { class: "sam2-title" }, texts.objects.title),
    count,
    filter,
    element("span", { class: "sam2-space" }),
    merge,
    ...Object.values(buttons),
  );
  const panel = element(
    "section",
    { class: "sam2-panel", "aria-label": texts.objects.title },
    head,
    scroller,
  );

  /** @type {Snapshot | null} */
  let snapshot = null;
  /** Places in the list of the lines that pass the filter. @type {number[]} */
  let places = [];
  /** @type {readonly SegmentedObject[] | null} */
  let filtered = null;
  /** The object whose buttons Tab reaches. @type {number | null} */
  let tabStop = null;
  let shown = "";
  /** Selected, to be merged. @type {Set<number>} */
  let marked = new Set();
  /** @type {Map<number, Row>} */
  const lines = new Map();
  /** @type {Row[]} */
  const recycled = [];

  const virtualizer = new Virtualizer({
    count: 0,
    getScrollElement: () => scroller,
    estimateSize: () => rowHeight,
    overscan: 4,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    getItemKey: (at) => objectAt(at)?.id ?? at,
    onChange: () => renderRows(),
  });
  signal.addEventListener("abort", virtualizer._didMount());

  /**
   * The visible lines and the one with the focus, without which the notebook would get the next key.
   *
   * @param {import("@tanstack/virtual-core").Range} range
   */
  function linesIn(range) {
    const at = places.findIndex((place) => snapshot?.rows[place].id === tabStop);
    const visible = defaultRangeExtractor(range);
    return at < 0 || visible.includes(at) ? visible : [...visible, at].sort((a, b) => a - b);
  }

  /** @param {number} at line counted from 0 @returns {SegmentedObject | undefined} */
  const objectAt = (at) => snapshot?.rows[places[at]];

  /** @param {Event} event */
  function lineOf(event) {
    const node = /** @type {Element} */ (event.target).closest(".sam2-object");
    return node instanceof HTMLElement ? Number(node.dataset.object) : null;
  }

  const actions = {
    rename: commands.rename,
    addClass: commands.addClassOf,
    done: focusStage,
  };

  list.addEventListener(
    "click",
    (event) => {
      const id = lineOf(event);
      const object = snapshot?.rows.find((row) => row.id === id);
      const target = /** @type {Element} */ (event.target);
      if (!object || target.closest("input, select")) return;
      const button = target.closest("button");
      if (isMarking(event) && !button?.dataset.row) mark(object.id);
      else if (!button || isEnabled(button)) press(object, button?.dataset.row);
      if (event.detail > 0) focusStage();
    },
    { signal },
  );

  /** @param {SegmentedObject} object @param {string | undefined} what */
  function press({ id, visible, locked }, what) {
    if (what === "show") commands.show(id, !visible);
    else if (what === "lock") commands.lock(id, !locked);
    else if (what === "remove") commands.remove(id);
    else if (snapshot?.active?.id !== id && !locked) commands.select(id);
    if (!what) setMarked(new Set());
  }

  /** @param {Set<number>} next */
  function setMarked(next) {
    marked = next;
    if (snapshot) update(snapshot);
  }

  /** @param {number} id */
  function mark(id) {
    // The object being edited is the first of the selection.
    const next = new Set(marked.size || !snapshot?.active ? marked : [snapshot.active.id]);
    if (!next.delete(id)) next.add(id);
    setMarked(next);
  }

  function mergeMarked() {
    if (!isEnabled(merge)) return;
    commands.merge([...marked]);
    setMarked(new Set());
  }

  merge.addEventListener(
    "click",
    ({ detail }) => {
      mergeMarked();
      if (detail > 0) focusStage();
    },
    { signal },
  );

  list.addEventListener(
    "keydown",
    (event) => {
      const target = /** @type {Element} */ (event.target);
      const field = target.closest("input, select");
      if (field) onFieldKey(event, field);
      else if (onRowKey(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    },
    { signal },
  );

  /** @param {KeyboardEvent} event @param {Element} field */
  function onFieldKey(event, field) {
    // Enter also ends the composition of text in an input method.
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    // When a text field loses the focus, the browser reports its change.
    if (event.key === "Escape" && field instanceof HTMLInputElement)
      field.value = field.dataset.label ?? "";
    focusStage();
  }

  /** @param {KeyboardEvent} event @returns {boolean} */
  function onRowKey(event) {
    const id = lineOf(event);
    const at = places.findIndex((place) => snapshot?.rows[place].id === id);
    if (id === null || at < 0) return false;
    const way = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (event.key === " " && isMarking(event)) mark(id);
    else if (way && event.altKey) commands.move(id, places[at] + way);
    else if (way) goTo(at + way, event.target);
    else if (event.key === "Home") goTo(0, event.target);
    else if (event.key === "End") goTo(places.length - 1, event.target);
    else if (event.key === "Delete" || event.key === "Backspace") commands.remove(id);
    else return false;
    return true;
  }

  /** Move the focus to the same button of another line. @param {number} at @param {EventTarget | null} from */
  function goTo(at, from) {
    const object = objectAt(at);
    if (!object) return;
    const what = /** @type {HTMLElement} */ (from).dataset.row;
    tabStop = object.id;
    virtualizer.scrollToIndex(at, { align: "auto" });
    renderRows();
    const button = lines
      .get(object.id)
      ?.node.querySelector(what ? `[data-row="${what}"]` : ".sam2-select");
    if (button instanceof HTMLElement) button.focus({ preventScroll: true });
  }

  list.addEventListener(
    "focusin",
    (event) => {
      tabStop = lineOf(event) ?? tabStop;
    },
    { signal },
  );
  list.addEventListener("pointerover", (event) => commands.set({ hovered: lineOf(event) }), {
    signal,
  });
  list.addEventListener("pointerleave", () => commands.set({ hovered: null }), { signal });
  filter.addEventListener(
    "input",
    () => {
      filtered = null;
      if (snapshot) update(snapshot);
    },
    { signal },
  );
  filter.addEventListener(
    "keydown",
    ({ key }) => {
      if (key !== "Escape") return;
      filter.value = "";
      filter.dispatchEvent(new Event("input"));
      focusStage();
    },
    { signal },
  );
  listenToButtons(head, commands, focusStage, signal);

  /** @param {number} id @param {Row} row */
  function recycle(id, row) {
    // If a focused element is removed, the notebook gets the next key.
    if (row.node.contains(focusedIn(row.node))) focusStage();
    row.node.remove();
    lines.delete(id);
    recycled.push(row);
  }

  function renderRows() {
    if (!snapshot) return;
    const focused = focusedIn(list);
    // A new function every time: the virtualizer caches lines by it, and does not depend on `tabStop`.
    virtualizer.setOptions({
      ...virtualizer.options,
      count: places.length,
      rangeExtractor: (range) => linesIn(range),
    });
    const items = virtualizer.getVirtualItems().filter(({ index }) => index in places);
    const wanted = new Set(items.map(({ index }) => objectAt(index)?.id));
    for (const [id, row] of lines) if (!wanted.has(id)) recycle(id, row);
    items.forEach(({ index, start }, k) => {
      const row = renderRow(places[index], start);
      if (list.children[k] !== row.node) list.insertBefore(row.node, list.children[k] ?? null);
    });
    list.style.height = `${virtualizer.getTotalSize()}px`;
    // A line that is moved in the document loses the focus.
    if (focused instanceof HTMLElement && list.contains(focused) && focusedIn(list) !== focused)
      focused.focus({ preventScroll: true });
  }

  /** @param {number} place @param {number} top @returns {Row} */
  function renderRow(place, top) {
    const { rows, active, classes } = /** @type {Snapshot} */ (snapshot);
    const object = rows[place];
    const row = lines.get(object.id) ?? recycled.pop() ?? createRow(actions, signal);
    lines.set(object.id, row);
    row.node.style.transform = `translateY(${top}px)`;
    row.update({
      object,
      number: place + 1,
      count: rows.length,
      editing: object.id === active?.id,
      marked: marked.has(object.id),
      stop: object.id === tabStop,
      classes,
      area: looks.areaOf(object),
      draw: (canvas) => looks.thumbnail(canvas, object),
    });
    return row;
  }

  /** @param {Snapshot} next */
  function update(next) {
    snapshot = next;
    const { rows, active, candidates } = next;
    filter.hidden = rows.length <= FILTER_FROM && !filter.value;
    if (marked.size && filtered !== rows)
      marked = new Set(rows.filter(({ id }) => marked.has(id)).map(({ id }) => id));
    if (filtered !== rows) [filtered, places] = [rows, findRows(rows, filter.value)];
    // Tab reaches the line of the object being edited, else the first.
    if (!rows.some(({ id }) => id === tabStop)) tabStop = active?.id ?? rows[0]?.id ?? null;
    virtualizer.setOptions({
      ...virtualizer.options,
      count: places.length,
      scrollPaddingEnd: candidates ? CANDIDATES_HEIGHT : 0,
    });
    virtualizer._willUpdate();
    showActive(active?.id ?? null, candidates !== null);
    renderRows();
    none.hidden = places.length > 0;
    setText(none, rows.length ? texts.objects.noMatch : texts.objects.none);
    setText(count, rows.length ? texts.objects.count(places.length, rows.length) : "");
    const enabled = enabledCommands(next);
    for (const name of /** @type {const} */ (["split", "raise", "lower", "clear"]))
      setEnabled(buttons[name], enabled[name]);
    setEnabled(merge, next.status.phase !== "closed" && marked.size > 1);
  }

  /** Scroll to the object when it begins to be edited. @param {number | null} id @param {boolean} covered */
  function showActive(id, covered) {
    const key = `${id} ${covered}`;
    if (key === shown) return;
    shown = key;
    const at = places.findIndex((place) => snapshot?.rows[place].id === id);
    if (at < 0 || id === null) return;
    tabStop = id;
    virtualizer.scrollToIndex(at, { align: "auto" });
  }

  return { panel, update, mergeMarked };
}
