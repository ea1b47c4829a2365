/**
 * The search: part of a name, state and class. The kernel finds the images.
 *
 * @typedef {import("./wire.js").Search} Search
 * @typedef {import("./store.js").Snapshot} Snapshot
 */
import { element, focusedIn, setText } from "../dom/elements.js";
import { labeledButton } from "../ui/labeled-button.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";
import { STATES } from "./wire.js";

/** Milliseconds between the last letter and the search. */
const DELAY = 200;

/** @param {Search} search */
export const isSearching = ({ text, state, label }) =>
  text.trim() !== "" || state !== null || label !== null;

/**
 * @param {object} options
 * @param {(search: Search) => void} options.search
 * @param {() => void} options.close
 * @param {AbortSignal} options.signal
 */
export function createSearch({ search, close, signal }) {
  const field = element("input", {
    type: "search",
    class: "sam2-set-text",
    placeholder: texts.search.text,
    "aria-label": texts.search.text,
    spellcheck: "false",
    autocomplete: "off",
    maxlength: 1000,
  });
  const state = element(
    "select",
    { "aria-label": texts.search.state },
    element("option", { value: "" }, texts.search.anyState),
    ...STATES.map((each) => element("option", { value: each }, texts.states[each])),
  );
  const label = element("select", { "aria-label": texts.search.label_ });
  const count = element("span", { class: "sam2-figure sam2-set-count", role: "status" });
  const clear = labeledButton({ "data-action": "clear" }, texts.buttons.clear, icon("clear"));
  const node = element(
    "div",
    { class: "sam2-set-search", role: "search", "aria-label": texts.search.label, hidden: true },
    field,
    state,
    label,
    count,
    clear,
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let classes = "";
  signal.addEventListener("abort", () => clearTimeout(timer));

  function send() {
    clearTimeout(timer);
    search({
      text: field.value,
      state: /** @type {Search["state"]} */ (state.value || null),
      label: label.value ? label.value.slice(1) : null,
    });
  }

  function sendSoon() {
    clearTimeout(timer);
    timer = setTimeout(send, DELAY);
  }

  function reset() {
    field.value = state.value = label.value = "";
    send();
  }

  field.addEventListener("input", sendSoon, { signal });
  for (const control of [field, state, label]) control.addEventListener("change", send, { signal });
  node.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter" && event.target === field) send();
      if (event.key === "Escape") close();
    },
    { signal },
  );
  clear.addEventListener(
    "click",
    () => {
      reset();
      field.focus();
    },
    { signal },
  );

  /** @param {Snapshot} snapshot */
  function update({ search: now, images, declared }) {
    const all = [...declared.classes, ...declared.used];
    const names = now.label === null || all.includes(now.label) ? all : [...all, now.label];
    const key = JSON.stringify(names);
    if (key !== classes) {
      classes = key;
      label.replaceChildren(
        element("option", { value: "" }, texts.search.anyLabel),
        // A class may be named "".
        ...names.map((name) => element("option", { value: `=${name}` }, name)),
      );
    }
    label.hidden = names.length === 0;
    if (focusedIn(field) !== field) field.value = now.text;
    state.value = now.state ?? "";
    label.value = now.label === null ? "" : `=${now.label}`;
    setText(count, isSearching(now) ? texts.search.count(images.matches, images.total) : "");
    clear.hidden = !isSearching(now);
  }

  return { node, update, focus: () => field.focus(), reset };
}
