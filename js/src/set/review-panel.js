/**
 * The review: filters, what can be done with the selected objects, and the grid of objects.
 *
 * @typedef {import("./store.js").SetStore} SetStore
 * @typedef {import("./review-wire.js").Query} Query
 */
import { element, isEnabled, setAttribute, setEnabled, setText } from "../dom/elements.js";
import { labeledButton, separator } from "../ui/labeled-button.js";
import { createGrid } from "./review-grid.js";
import { icon } from "./review-icons.js";
import { countOf } from "./review-selection.js";
import * as texts from "./review-texts.js";
import { SORTS } from "./review-wire.js";
import { labeledTextButton } from "./text-button.js";
import * as setTexts from "./texts.js";
import { STATES } from "./wire.js";

/** Menus hold texts: a class is its name after this sign, so that "" is free. */
const NAMED = "=";
const UNNAMED = "-";

/**
 * @param {object} options
 * @param {SetStore} options.store
 * @param {AbortSignal} options.signal
 */
export function createReviewPanel({ store, signal }) {
  const { review: list } = store;
  const filters = createFilters((change) => {
    grid.toTop();
    list.setQuery(change);
  }, signal);
  const grid = createGrid({
    list,
    open: ({ number, object }) => store.act("open_object", { number, object }),
    selected: () => updateActions(),
    signal,
  });
  const relabel = element("select", { "aria-label": texts.buttons.relabel.label });
  const buttons = {
    accept: textButton("accept"),
    reject: button("reject"),
    delete: button("delete"),
    undo: button("undo"),
    selectAll: button("selectAll"),
    measure: textButton("measure"),
  };
  const count = element("span", { class: "sam2-figure sam2-review-count" });
  const unmeasured = element("span", { class: "sam2-figure" });
  const spoken = element("div", { class: "sam2-spoken", role: "status" });
  const node = element(
    "div",
    { class: "sam2-review", role: "group", "aria-label": texts.label, hidden: true },
    filters.node,
    element(
      "div",
      { class: "sam2-review-bar", role: "toolbar", "aria-label": texts.label },
      count,
      element("span", { class: "sam2-group" }, buttons.selectAll),
      element(
        "span",
        { class: "sam2-group" },
        relabel,
        buttons.accept,
        buttons.reject,
        buttons.delete,
        separator(),
        buttons.undo,
      ),
      element("span", { class: "sam2-group sam2-review-measure" }, unmeasured, buttons.measure),
    ),
    grid.node,
    spoken,
  );
  let classes = "";
  let announced = store.snapshot().review.action;
  /** How many were not measured at the last request, so that it is sent once. */
  let measuring = -1;

  /** @type {Record<keyof typeof buttons, () => void>} */
  const actions = {
    accept: () => edit((selected) => store.act("accept", { ...selected, accepted: true })),
    reject: () => edit((selected) => store.act("accept", { ...selected, accepted: false })),
    delete: () => edit((selected) => store.act("delete_objects", selected)),
    undo: () => store.act("undo_review", {}),
    selectAll: () => grid.selectAll(),
    measure: () => {
      measuring = list.unmeasured();
      store.act("measure", {});
      updateActions();
    },
  };
  for (const [name, pressed] of Object.entries(buttons))
    pressed.addEventListener("click", () => run(/** @type {keyof typeof buttons} */ (name)), {
      signal,
    });
  relabel.addEventListener(
    "change",
    () => {
      const { value } = relabel;
      relabel.value = "";
      const label = value.startsWith(NAMED) ? value.slice(1) : null;
      if (value) edit((selected) => store.act("relabel", { ...selected, label }));
      grid.node.focus({ preventScroll: true });
    },
    { signal },
  );
  node.addEventListener(
    "keydown",
    (event) => {
      const name = nameOf(event);
      if (!name || event.target !== grid.node) return;
      event.preventDefault();
      event.stopPropagation();
      run(name);
    },
    { signal },
  );
  const sizes = new ResizeObserver(() => grid.update());
  sizes.observe(grid.node);
  signal.addEventListener("abort", () => sizes.disconnect());

  /** @param {keyof typeof buttons} name */
  function run(name) {
    if (isEnabled(buttons[name])) actions[name]();
  }

  /** @param {(selected: { list: number, ranges: [number, number][] }) => void} act */
  function edit(act) {
    const { ranges } = grid.selection();
    if (!ranges.length) return;
    act({ list: list.list(), ranges: ranges.map(([first, last]) => [first, last]) });
  }

  function updateActions() {
    const { isDisconnected, review } = store.snapshot();
    const selected = countOf(grid.selection().ranges);
    setText(count, texts.count(list.total(), selected));
    setAttribute(grid.node, "data-selected", selected);
    for (const name of /** @type {const} */ (["accept", "reject", "delete"]))
      setEnabled(buttons[name], !isDisconnected && selected > 0);
    relabel.disabled = isDisconnected || selected === 0;
    setEnabled(buttons.undo, !isDisconnected && review.undo !== "");
    setAttribute(
      buttons.undo,
      "data-tip",
      review.undo ? `${texts.buttons.undo.label}\n${review.undo}` : texts.buttons.undo.label,
    );
    setEnabled(buttons.selectAll, list.total() > 0);
    const missing = list.unmeasured();
    buttons.measure.parentElement?.toggleAttribute("hidden", missing === 0);
    setText(unmeasured, texts.unmeasured(missing));
    setEnabled(buttons.measure, !isDisconnected && (measuring < 0 || missing > measuring));
  }

  function update() {
    const { declared, review } = store.snapshot();
    filters.update(list.query(), [...declared.classes, ...declared.used]);
    // Other labels may be given only where no classes were declared.
    const names = declared.classes.length ? declared.classes : declared.used;
    const key = JSON.stringify(names);
    if (key !== classes) {
      classes = key;
      relabel.replaceChildren(
        element("option", { value: "" }, texts.relabel),
        ...names.map((name) => element("option", { value: NAMED + name }, name)),
        element("option", { value: UNNAMED }, texts.filter.noLabel),
      );
    }
    if (announced !== review.action) {
      announced = review.action;
      setText(spoken, review.message);
    }
    grid.update();
    updateActions();
  }

  return { node, update, focus: () => grid.node.focus({ preventScroll: true }) };
}

/** @param {KeyboardEvent} event @returns {"accept" | "delete" | "undo" | null} */
function nameOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  if (altKey || shiftKey) return null;
  if (ctrlKey || metaKey) return key.toLowerCase() === "z" ? "undo" : null;
  if (key === "Delete" || key === "Backspace") return "delete";
  return key.toLowerCase() === "a" ? "accept" : null;
}

/** @typedef {keyof typeof texts.buttons & Parameters<typeof icon>[0]} ButtonName */

/** @param {ButtonName} name */
const button = (name) => labeledButton({ "data-action": name }, texts.buttons[name], icon(name));

/** @param {ButtonName} name */
const textButton = (name) => labeledTextButton(name, texts.buttons[name], icon(name));

/** @param {(change: Partial<Query>) => void} choose @param {AbortSignal} signal */
function createFilters(choose, signal) {
  const words = texts.filter;
  const sort = menu(
    words.sort,
    SORTS.map((name) => [name, texts.sorts[name]]),
  );
  const descending = button("descending");
  const label = menu(words.label, []);
  const state = menu(words.state, [
    ["", words.anyState],
    ...STATES.map((each) => /** @type {[string, string]} */ ([each, setTexts.states[each]])),
  ]);
  const accepted = menu(words.accepted, [
    ["", words.any],
    ["no", words.open],
    ["yes", words.done],
  ]);
  const node = element(
    "div",
    { class: "sam2-review-filters", role: "search", "aria-label": words.group },
    element("span", { class: "sam2-group" }, sort, descending),
    label,
    state,
    accepted,
  );
  let classes = "";
  let isDescending = false;

  sort.addEventListener(
    "change",
    () => choose({ sort: /** @type {Query["sort"]} */ (sort.value) }),
    { signal },
  );
  descending.addEventListener("click", () => choose({ descending: !isDescending }), { signal });
  label.addEventListener(
    "change",
    () => choose({ labels: label.value ? [labelOf(label.value)] : null }),
    { signal },
  );
  state.addEventListener(
    "change",
    () => choose({ state: /** @type {Query["state"]} */ (state.value || null) }),
    { signal },
  );
  accepted.addEventListener(
    "change",
    () => choose({ accepted: accepted.value ? accepted.value === "yes" : null }),
    { signal },
  );

  /** @param {Query} query @param {readonly string[]} names */
  function update(query, names) {
    const chosen = query.labels?.[0] ?? null;
    const all = chosen === null || names.includes(chosen) ? names : [...names, chosen];
    const key = JSON.stringify(all);
    if (key !== classes) {
      classes = key;
      label.replaceChildren(
        element("option", { value: "" }, words.anyLabel),
        ...all.map((name) => element("option", { value: NAMED + name }, name)),
        element("option", { value: UNNAMED }, words.noLabel),
      );
    }
    sort.value = query.sort;
    isDescending = query.descending;
    setAttribute(descending, "aria-pressed", isDescending);
    label.value = query.labels === null ? "" : chosen === null ? UNNAMED : NAMED + chosen;
    state.value = query.state ?? "";
    accepted.value = query.accepted === null ? "" : query.accepted ? "yes" : "no";
  }

  return { node, update };
}

/** @param {string} value of a menu of classes @returns {string | null} */
const labelOf = (value) => (value.startsWith(NAMED) ? value.slice(1) : null);

/** @param {string} label @param {[string, string][]} options */
const menu = (label, options) =>
  element(
    "select",
    { "aria-label": label },
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
