/**
 * A grid of pictures of objects, of which only those in view have elements.
 *
 * @typedef {import("./review-list.js").ReviewList} ReviewList
 * @typedef {import("./review-selection.js").Selection} Selection
 * @typedef {import("./review-wire.js").Row} Row
 */
import { element, setAttribute, setText, uniqueId } from "../dom/elements.js";
import { icon } from "./review-icons.js";
import {
  countOf,
  everything,
  extended,
  includes,
  movedTo,
  NOTHING,
  only,
  toggled,
} from "./review-selection.js";
import * as texts from "./review-texts.js";

/** CSS pixels from one object to the next; as in the style sheet. */
const WIDTH = 104;
const HEIGHT = 124;

/** Rows beyond the edges that have elements. */
const OVERSCAN = 2;

/** Milliseconds that scrolling has to rest before pictures are requested. */
const REST = 80;

/**
 * @param {object} options
 * @param {ReviewList} options.list
 * @param {(row: Row) => void} options.open
 * @param {() => void} options.selected called when the selection has changed
 * @param {AbortSignal} options.signal
 */
export function createGrid({ list, open, selected, signal }) {
  const id = uniqueId();
  const sheet = element("div", { class: "sam2-review-sheet", role: "presentation" });
  const none = element("p", { class: "sam2-review-none", hidden: true });
  const node = element(
    "div",
    {
      class: "sam2-review-grid",
      role: "grid",
      tabindex: "0",
      "aria-label": texts.grid.label,
      "aria-description": texts.grid.help,
      "aria-multiselectable": "true",
    },
    sheet,
    none,
  );
  let selection = NOTHING;
  let listed = -1;
  let columns = 1;
  /** What is at the upper edge: an object of the first row in view, and the pixels of that row above it. */
  let top = { position: 0, above: 0 };
  /** Whether the grid was hidden, which resets how far it is scrolled. */
  let wasHidden = false;
  /** Elements by row of the grid. @type {Map<number, ReturnType<typeof createLine>>} */
  const lines = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));

  /** @param {Selection} changed @param {boolean} [reveal] */
  function select(changed, reveal = false) {
    selection = changed;
    if (reveal) scrollTo(changed.cursor);
    update();
    selected();
  }

  /** @param {number} position */
  function scrollTo(position) {
    const top = Math.floor(position / columns) * HEIGHT;
    if (top < node.scrollTop) node.scrollTop = top;
    else if (top + HEIGHT > node.scrollTop + node.clientHeight)
      node.scrollTop = top + HEIGHT - node.clientHeight;
  }

  function rememberTop() {
    if (!node.clientWidth || wasHidden) return;
    const row = Math.floor(node.scrollTop / HEIGHT);
    // The same object, so that a grid that becomes narrow and wide again is where it was.
    const isSame = Math.floor(top.position / columns) === row;
    top = { position: isSame ? top.position : row * columns, above: node.scrollTop - row * HEIGHT };
  }

  /** @param {number} total */
  function layOut(total) {
    const before = columns;
    columns = Math.max(Math.floor(node.clientWidth / WIDTH), 1);
    const rows = Math.ceil(total / columns);
    sheet.style.height = `${rows * HEIGHT}px`;
    if (columns !== before || wasHidden)
      node.scrollTop = Math.floor(top.position / columns) * HEIGHT + top.above;
    wasHidden = false;
    return rows;
  }

  function update() {
    const total = list.total();
    if (listed !== list.list()) {
      // Other objects are at the positions that were selected.
      listed = list.list();
      const cursor = Math.min(selection.cursor, Math.max(total - 1, 0));
      selection = { ranges: [], anchor: cursor, cursor };
      selected();
    }
    // Without a size while it is hidden, as JupyterLab's page is while the theme changes.
    if (!node.clientWidth) {
      wasHidden = true;
      return;
    }
    const rows = layOut(total);
    none.hidden = total > 0;
    setText(none, list.isPending() ? texts.grid.waiting : texts.grid.none);
    setAttribute(node, "aria-rowcount", rows);
    setAttribute(node, "aria-colcount", columns);
    setAttribute(node, "data-count", total);
    setAttribute(node, "aria-busy", list.isPending());
    const first = Math.max(Math.floor(node.scrollTop / HEIGHT) - OVERSCAN, 0);
    const end = Math.min(Math.ceil((node.scrollTop + node.clientHeight) / HEIGHT) + OVERSCAN, rows);
    for (const [row, line] of lines)
      if (row < first || row >= end) {
        lines.delete(row);
        line.node.remove();
      }
    for (let row = first; row < end; row += 1) renderLine(row, total);
    if (end > first) list.requestRows(first * columns, end * columns - 1);
    const cursor = lines.get(Math.floor(selection.cursor / columns));
    setAttribute(
      node,
      "aria-activedescendant",
      cursor && total ? `${id}-${selection.cursor}` : null,
    );
    clearTimeout(timer);
    timer = setTimeout(requestCrops, REST);
  }

  /** @param {number} row @param {number} total */
  function renderLine(row, total) {
    let line = lines.get(row);
    if (!line) {
      line = createLine(id);
      lines.set(row, line);
      const next = [...lines.keys()].filter((other) => other > row).sort((a, b) => a - b)[0];
      sheet.insertBefore(line.node, next === undefined ? null : (lines.get(next)?.node ?? null));
    }
    line.update(row, Math.min(columns, total - row * columns), columns, (position) => {
      const found = list.rowAt(position);
      return {
        row: found,
        crop: found && list.cropOf(found),
        isSelected: includes(selection.ranges, position),
        isCursor: position === selection.cursor,
      };
    });
  }

  function requestCrops() {
    if (signal.aborted) return;
    const middle = (node.scrollTop + node.clientHeight / 2) / HEIGHT;
    const near = [...lines.keys()].sort(
      (a, b) => Math.abs(a + 0.5 - middle) - Math.abs(b + 0.5 - middle),
    );
    const rows = near.flatMap((line) =>
      Array.from({ length: columns }, (_, at) => list.rowAt(line * columns + at)),
    );
    list.requestCrops(rows.filter((row) => row !== undefined));
  }

  /** @param {Event} event @returns {number | null} */
  function positionOf({ target }) {
    const cell = /** @type {Element} */ (target).closest(".sam2-review-cell");
    return cell instanceof HTMLElement ? Number(cell.dataset.position) : null;
  }

  /** @param {number} position */
  function openAt(position) {
    const row = list.rowAt(position);
    if (row) open(row);
  }

  node.addEventListener(
    "scroll",
    () => {
      rememberTop();
      update();
    },
    { signal, passive: true },
  );
  node.addEventListener(
    "click",
    (event) => {
      const position = positionOf(event);
      if (position === null) return;
      const adds = event.ctrlKey || event.metaKey;
      // A finger has no key to add with.
      const isTouch = /** @type {PointerEvent} */ (event).pointerType === "touch";
      if (event.shiftKey) select(extended(selection, position, { add: adds }));
      else select(adds || isTouch ? toggled(selection, position) : only(position));
    },
    { signal },
  );
  node.addEventListener(
    "dblclick",
    (event) => {
      const position = positionOf(event);
      if (position !== null) openAt(position);
    },
    { signal },
  );
  node.addEventListener(
    "keydown",
    (event) => {
      if (event.altKey || !handleKey(event)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );

  /** @param {KeyboardEvent} event @returns {boolean} whether the key means something here */
  function handleKey({ key, shiftKey, ctrlKey, metaKey }) {
    const isCommand = ctrlKey || metaKey;
    const total = list.total();
    if (!total) return false;
    const page = Math.max(Math.floor(node.clientHeight / HEIGHT), 1);
    const to = movedTo(key, selection.cursor, { columns, rows: page, total, isWhole: isCommand });
    if (to !== null)
      select(
        shiftKey
          ? extended(selection, to, { add: isCommand })
          : { ...selection, cursor: to, anchor: to },
        true,
      );
    else if (isCommand && key.toLowerCase() === "a") select(everything(selection, total));
    else if (isCommand) return false;
    else if (key === " ")
      select(
        shiftKey
          ? extended(selection, selection.cursor, { add: false })
          : toggled(selection, selection.cursor),
      );
    else if (key === "Enter") openAt(selection.cursor);
    else if (key === "Escape" && countOf(selection.ranges)) select({ ...selection, ranges: [] });
    else return false;
    return true;
  }

  return {
    node,
    update,
    selection: () => selection,
    selectAll: () => select(everything(selection, list.total())),
    /** Another query was made. */
    toTop() {
      node.scrollTop = 0;
      top = { position: 0, above: 0 };
      selection = NOTHING;
    },
  };
}

/** @param {string} id of the grid */
function createLine(id) {
  const node = element("div", { class: "sam2-review-line", role: "row" });
  /** @type {ReturnType<typeof createCell>[]} */
  const cells = [];

  /**
   * @param {number} row
   * @param {number} count of its objects
   * @param {number} columns
   * @param {(position: number) => Parameters<ReturnType<typeof createCell>["update"]>[1]} shown
   */
  function update(row, count, columns, shown) {
    node.style.top = `${row * HEIGHT}px`;
    setAttribute(node, "aria-rowindex", row + 1);
    while (cells.length < count) {
      const cell = createCell(id);
      cells.push(cell);
      node.append(cell.node);
    }
    for (const cell of cells.splice(count)) cell.node.remove();
    for (const [at, cell] of cells.entries()) {
      setAttribute(cell.node, "aria-colindex", at + 1);
      cell.update(row * columns + at, shown(row * columns + at));
    }
  }

  return { node, update };
}

/** @param {string} id of the grid */
function createCell(id) {
  const picture = element("img", { alt: "", draggable: "false", decoding: "async", hidden: true });
  const broken = element("span", { class: "sam2-review-broken", hidden: true }, icon("unreadable"));
  const accepted = element("span", { class: "sam2-review-accepted", hidden: true }, icon("accept"));
  const dot = element("span", { class: "sam2-dot", "aria-hidden": "true" });
  const name = element("span", { class: "sam2-review-label" });
  const score = element("span", { class: "sam2-review-score sam2-figure" });
  const node = element(
    "div",
    { class: "sam2-review-cell", role: "gridcell" },
    element("span", { class: "sam2-review-picture" }, picture, broken, accepted),
    element("span", { class: "sam2-review-caption" }, dot, name, score),
  );

  /**
   * @param {number} position
   * @param {{ row: Row | undefined, crop: import("./review-list.js").Crop | undefined, isSelected: boolean, isCursor: boolean }} shown
   */
  function update(position, { row, crop, isSelected, isCursor }) {
    setAttribute(node, "id", `${id}-${position}`);
    setAttribute(node, "data-position", position);
    setAttribute(node, "aria-selected", isSelected);
    setAttribute(node, "data-cursor", isCursor ? "" : null);
    setAttribute(node, "aria-label", row ? texts.grid.cell(row) : null);
    setAttribute(node, "title", row ? crop?.error || texts.grid.tip(row) : null);
    setAttribute(node, "data-label", row?.label ?? null);
    setAttribute(node, "data-accepted", row ? row.accepted : null);
    setText(name, row ? (row.label ?? texts.grid.noLabel) : "");
    setText(score, row?.score === null || !row ? "" : row.score.toFixed(2));
    dot.hidden = !row;
    dot.style.background = row?.color ?? "";
    const url = crop?.url ?? "";
    picture.hidden = !url;
    if (url) setAttribute(picture, "src", url);
    else picture.removeAttribute("src");
    broken.hidden = !crop?.error;
    accepted.hidden = !row?.accepted;
    setAttribute(node, "data-picture", url ? "shown" : crop?.error ? "broken" : "pending");
  }

  return { node, update };
}
