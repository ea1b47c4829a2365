/**
 * The bar: previous and next image, where it is, its state, done and skipped, progress.
 *
 * @typedef {import("./store.js").SetStore} SetStore
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./wire.js").State} State
 * @typedef {"search" | "details" | "review"} Panel
 */
import {
  element,
  isEnabled,
  setAttribute,
  setEnabled,
  setText,
  setValue,
} from "../dom/elements.js";
import { describe, labeledButton, separator } from "../ui/labeled-button.js";
import { icon, stateIcon } from "./icons.js";
import { labeledTextButton } from "./text-button.js";
import * as texts from "./texts.js";
import { STATES } from "./wire.js";

/**
 * @param {object} options
 * @param {import("./commands.js").SetCommands} options.commands
 * @param {(panel: Panel) => void} options.toggle
 * @param {AbortSignal} options.signal
 */
export function createBar({ commands, toggle, signal }) {
  const buttons = {
    previous: button("previous"),
    next: button("next"),
    done: textButton("done"),
    skip: textButton("skip"),
    search: button("search"),
    details: button("details"),
    review: textButton("review"),
  };
  const position = createPosition(commands.seek, signal);
  const name = element("span", { class: "sam2-set-name" });
  const state = createStateField(commands.setState, signal);
  const progress = createProgress();
  const bar = element(
    "div",
    { class: "sam2-set-bar", role: "group", "aria-label": texts.toolbar },
    element("span", { class: "sam2-group" }, buttons.previous, buttons.next),
    position.node,
    name,
    state.node,
    element("span", { class: "sam2-group" }, buttons.done, buttons.skip),
    element(
      "span",
      { class: "sam2-group" },
      separator(),
      buttons.search,
      buttons.details,
      buttons.review,
    ),
  );

  const actions = {
    previous: () => commands.run("previous"),
    next: () => commands.run("next"),
    done: () => commands.run("done"),
    skip: () => commands.run("skip"),
    search: () => toggle("search"),
    details: () => toggle("details"),
    review: () => toggle("review"),
  };
  for (const [key, node] of Object.entries(buttons))
    node.addEventListener(
      "click",
      () => isEnabled(node) && actions[/** @type {keyof typeof actions} */ (key)](),
      { signal },
    );

  /** @param {Snapshot} snapshot @param {Record<Panel, boolean>} open */
  function update(snapshot, open) {
    const { shown, images, isDisconnected } = snapshot;
    const after = images.matches - images.before - (images.isMatch ? 1 : 0);
    setEnabled(buttons.previous, !isDisconnected && images.before > 0);
    setEnabled(buttons.next, !isDisconnected && after > 0);
    for (const key of /** @type {const} */ (["done", "skip"]))
      setEnabled(buttons[key], !isDisconnected);
    for (const key of /** @type {const} */ (["search", "details", "review"]))
      setAttribute(buttons[key], "aria-expanded", open[key]);
    position.update(shown.number, images.total);
    setText(name, shown.name);
    setAttribute(name, "title", shown.name);
    state.update(shown.state);
    progress.update(snapshot);
  }

  return { bar, progress: progress.node, update };
}

/** @param {keyof typeof texts.buttons & Parameters<typeof icon>[0]} name */
const button = (name) => labeledButton({ "data-action": name }, texts.buttons[name], icon(name));

/** @param {"done" | "skip" | "review"} name */
const textButton = (name) => labeledTextButton(name, texts.buttons[name], icon(name));

/** @param {(text: string) => void} seek @param {AbortSignal} signal */
function createPosition(seek, signal) {
  const field = element("input", {
    class: "sam2-set-position",
    spellcheck: "false",
    autocomplete: "off",
    maxlength: 1000,
  });
  describe(field, texts.position);
  const total = element("span", { class: "sam2-figure" });
  let shown = "";

  function reset() {
    field.value = shown;
  }

  field.addEventListener(
    "keydown",
    ({ key }) => {
      if (key === "Enter" && field.value.trim()) {
        const wanted = field.value.trim();
        reset();
        if (wanted !== shown) seek(wanted);
        field.select();
      } else if (key === "Escape") {
        reset();
        field.blur();
      }
    },
    { signal },
  );
  field.addEventListener("focus", () => field.select(), { signal });
  field.addEventListener("blur", reset, { signal });

  /** @param {number} number @param {number} all */
  function update(number, all) {
    shown = String(number + 1);
    setValue(field, shown);
    setText(total, texts.position.of(all));
  }

  return { node: element("span", { class: "sam2-group" }, field, total), update };
}

/** @param {(state: State) => void} choose @param {AbortSignal} signal */
function createStateField(choose, signal) {
  const select = element(
    "select",
    { class: "sam2-set-state" },
    ...STATES.map((state) => element("option", { value: state }, texts.states[state])),
  );
  describe(select, { label: texts.state });
  const mark = element("span", { class: "sam2-state-mark", "aria-hidden": "true" });
  select.addEventListener("change", () => choose(/** @type {State} */ (select.value)), { signal });

  /** @param {State} state */
  function update(state) {
    if (select.value !== state) select.value = state;
    if (mark.dataset.state === state) return;
    mark.dataset.state = state;
    mark.replaceChildren(stateIcon(state));
  }

  return { node: element("span", { class: "sam2-group" }, mark, select), update };
}

function createProgress() {
  const fill = element("div", { class: "sam2-set-fill" });
  const track = element(
    "div",
    {
      class: "sam2-set-track",
      role: "progressbar",
      "aria-label": texts.progress.label,
      "aria-valuemin": 0,
    },
    fill,
  );
  const count = element("span", {});
  const times = element("span", { class: "sam2-set-times" });
  const node = element("div", { class: "sam2-set-progress sam2-figure" }, count, track, times);

  /** @param {Snapshot} snapshot */
  function update({ progress, images }) {
    const readable = images.total - progress.unreadable;
    const text = texts.progress.count(progress.done, readable, progress.unreadable);
    setText(count, text);
    setText(times, texts.progress.times(progress.secondsPerImage, progress.secondsLeft));
    fill.style.width = `${(100 * progress.done) / Math.max(readable, 1)}%`;
    setAttribute(track, "aria-valuemax", readable);
    setAttribute(track, "aria-valuenow", progress.done);
    setAttribute(track, "aria-valuetext", text);
  }

  return { node, update };
}
