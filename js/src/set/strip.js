/**
 * The strip of images: thumbnails with their states, of which only those in view have elements.
 *
 * @typedef {import("./store.js").SetStore} SetStore
 * @typedef {import("./wire.js").Item} Item
 */
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core";
import { element, setAttribute, setText, uniqueId } from "../dom/elements.js";
import { icon, stateIcon } from "./icons.js";
import * as texts from "./texts.js";

/** CSS pixels from one image to the next; as in the style sheet. */
const PITCH = 100;

/** Images beyond the edges that have elements. */
const OVERSCAN = 4;

/** Milliseconds that scrolling has to rest before thumbnails are requested. */
const REST = 80;

/**
 * The position that a key moves to.
 *
 * @param {string} key
 * @param {number} at
 * @param {number} count
 * @returns {number | null}
 */
export function movedTo(key, at, count) {
  /** @type {Record<string, number>} */
  const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 };
  const to = targets[key];
  return to === undefined || count === 0 ? null : Math.min(Math.max(to, 0), count - 1);
}

/**
 * @param {object} options
 * @param {SetStore} options.store
 * @param {(number: number) => void} options.show
 * @param {AbortSignal} options.signal
 */
export function createStrip({ store, show, signal }) {
  const id = uniqueId();
  const list = element("div", { class: "sam2-strip-list", role: "presentation" });
  const none = element(
    "p",
    { class: "sam2-strip-none", role: "presentation", hidden: true },
    texts.strip.none,
  );
  const node = element(
    "div",
    {
      class: "sam2-strip",
      role: "listbox",
      tabindex: "0",
      "aria-label": texts.strip.label,
      "aria-orientation": "horizontal",
    },
    list,
    none,
  );
  /** Elements by position. @type {Map<number, ReturnType<typeof createCell>>} */
  const cells = new Map();
  /** @type {ReturnType<typeof createCell>[]} */
  const recycled = [];
  /** Where the arrow keys are; null: at the image shown. @type {number | null} */
  let cursor = null;
  let revealed = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const virtualizer = new Virtualizer({
    count: 0,
    horizontal: true,
    getScrollElement: () => node,
    estimateSize: () => PITCH,
    overscan: OVERSCAN,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => render(),
  });
  signal.addEventListener("abort", virtualizer._didMount());
  signal.addEventListener("abort", () => clearTimeout(timer));

  /** Position of the image shown, or where it would be. */
  const shownAt = () => {
    const { before, matches } = store.snapshot().images;
    return Math.min(before, Math.max(matches - 1, 0));
  };

  function update() {
    const { images, shown } = store.snapshot();
    virtualizer.setOptions({ ...virtualizer.options, count: images.matches });
    virtualizer._willUpdate();
    none.hidden = images.matches > 0;
    list.style.width = `${images.matches * PITCH}px`;
    const place = `${images.list} ${shown.number} ${images.before}`;
    if (place !== revealed && node.clientWidth > 0) {
      revealed = place;
      cursor = null;
      if (images.matches > 0) virtualizer.scrollToIndex(shownAt(), { align: "auto" });
    }
    render();
  }

  function render() {
    const { images } = store.snapshot();
    const visible = virtualizer.getVirtualItems().map(({ index }) => index);
    for (const [position, cell] of cells)
      if (!visible.includes(position)) {
        cells.delete(position);
        cell.node.remove();
        recycled.push(cell);
      }
    for (const position of visible) renderCell(position);
    if (visible.length) store.requestItems(visible[0], visible[visible.length - 1]);
    const active = cells.get(cursor ?? shownAt());
    setAttribute(node, "aria-activedescendant", active && images.matches ? active.node.id : null);
    setAttribute(node, "data-count", images.matches);
    clearTimeout(timer);
    timer = setTimeout(requestThumbnails, REST);
  }

  function requestThumbnails() {
    const range = virtualizer.range;
    if (!range || signal.aborted) return;
    const inView = [...cells.keys()].sort((a, b) => distance(a, range) - distance(b, range));
    const numbers = inView.map((position) => store.itemAt(position)?.number);
    store.requestThumbnails(numbers.filter((number) => number !== undefined));
  }

  /** @param {number} position */
  function renderCell(position) {
    const { images, shown } = store.snapshot();
    let cell = cells.get(position);
    if (!cell) {
      cell = recycled.pop() ?? createCell(id);
      cells.set(position, cell);
      list.append(cell.node);
    }
    const item = store.itemAt(position);
    cell.update(position, item, item && store.thumbnailOf(item.number), {
      count: images.matches,
      isShown: item?.number === shown.number,
      isCursor: position === cursor,
    });
  }

  /** @param {number} position */
  function open(position) {
    const item = store.itemAt(position);
    if (item) show(item.number);
  }

  node.addEventListener(
    "click",
    ({ target }) => {
      const cell = /** @type {Element} */ (target).closest(".sam2-strip-cell");
      if (cell instanceof HTMLElement) open(Number(cell.dataset.position));
    },
    { signal },
  );
  node.addEventListener(
    "keydown",
    (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const at = cursor ?? shownAt();
      const to = movedTo(event.key, at, store.snapshot().images.matches);
      if (to !== null) {
        cursor = to;
        virtualizer.scrollToIndex(to, { align: "auto" });
        render();
      } else if (event.key === "Enter" || event.key === " ") open(at);
      else return;
      event.preventDefault();
    },
    { signal },
  );
  node.addEventListener(
    "focusout",
    () => {
      cursor = null;
      render();
    },
    { signal },
  );
  // A mouse wheel turns in one direction only.
  node.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || event.deltaX || !event.deltaY || !node.matches(":focus")) return;
      node.scrollLeft += event.deltaY;
      event.preventDefault();
    },
    { signal, passive: false },
  );

  return { node, update };
}

/** @param {number} position @param {{ startIndex: number, endIndex: number }} range */
const distance = (position, { startIndex, endIndex }) =>
  Math.max(startIndex - position, position - endIndex, 0);

/** @param {string} id of the strip */
function createCell(id) {
  const picture = element("img", { alt: "", draggable: "false", decoding: "async" });
  const broken = element("span", { class: "sam2-strip-broken", hidden: true }, icon("unreadable"));
  const frame = element("span", { class: "sam2-strip-picture" }, picture, broken);
  const mark = element("span", { class: "sam2-state-mark" });
  const label = element("span", { class: "sam2-strip-name" });
  const node = element(
    "div",
    { class: "sam2-strip-cell", role: "option" },
    frame,
    element("span", { class: "sam2-strip-caption" }, mark, label),
  );

  /**
   * @param {number} position
   * @param {Item | undefined} item
   * @param {import("./thumbnails.js").Thumbnail | undefined} thumbnail
   * @param {{ count: number, isShown: boolean, isCursor: boolean }} place
   */
  function update(position, item, thumbnail, { count, isShown, isCursor }) {
    node.style.left = `${position * PITCH}px`;
    setAttribute(node, "id", `${id}-${position}`);
    setAttribute(node, "data-position", position);
    setAttribute(node, "aria-posinset", position + 1);
    setAttribute(node, "aria-setsize", count);
    setAttribute(node, "aria-selected", isShown);
    setAttribute(node, "data-cursor", isCursor ? "" : null);
    setAttribute(node, "data-name", item?.name ?? null);
    setAttribute(node, "data-state", item?.state ?? null);
    const problem = thumbnail?.error ? texts.strip.unreadable : (item?.problem ?? "");
    setAttribute(
      node,
      "aria-label",
      item
        ? texts.strip.item(item.number + 1, item.name, item.state, problem)
        : String(position + 1),
    );
    const tip = thumbnail?.error || item?.problem;
    setAttribute(node, "title", item ? (tip ? `${item.name}\n${tip}` : item.name) : null);
    setText(label, item?.name.replace(/^.*\/|\.[^./]*$/g, "") ?? "");
    if (mark.dataset.state !== (item?.state ?? "")) {
      mark.dataset.state = item?.state ?? "";
      mark.replaceChildren(...(item ? [stateIcon(item.state)] : []));
    }
    const url = thumbnail?.url ?? "";
    picture.hidden = !url;
    if (url) setAttribute(picture, "src", url);
    else picture.removeAttribute("src");
    broken.hidden = !thumbnail?.error;
    setAttribute(node, "data-thumbnail", url ? "shown" : thumbnail?.error ? "broken" : "pending");
  }

  return { node, update };
}
