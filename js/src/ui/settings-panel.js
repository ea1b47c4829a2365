/**
 * How masks and the image look, and how masks are cleaned. Shown beside the image, so that the effect of
 * a change is visible.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../input/commands.js").Commands} Commands
 * @typedef {{ node: HTMLElement, update: (snapshot: Snapshot) => void }} Control
 */
import { labeledButton } from "./labeled-button.js";
import { element, setAttribute, setText, setValue, uniqueId } from "../dom/elements.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

const words = texts.settings;

/**
 * @param {{ commands: Commands, close: () => void, isPreviewPaused: () => boolean, isOnionSkinShown: () => boolean, signal: AbortSignal }} options
 */
export function createSettingsPanel({
  commands,
  close,
  isPreviewPaused,
  isOnionSkinShown,
  signal,
}) {
  const { option, setting } = commands;
  const closer = labeledButton(
    { class: "sam2-button sam2-close" },
    { label: words.close, keys: "Esc" },
    icon("close"),
  );
  const reset = labeledButton(
    { class: "sam2-button sam2-reset", "data-action": "reset-image" },
    { label: words.reset },
    icon("undo"),
  );
  closer.addEventListener("click", close, { signal });
  reset.addEventListener("click", () => [option("brightness", 0), option("contrast", 0)], {
    signal,
  });

  /** @type {Control[]} */
  const view = [
    slider(
      "opacity",
      words.opacity,
      { min: 0, max: 1, step: 0.05 },
      ({ options }) => options.opacity,
      words.percent,
      (value) => option("opacity", value),
      signal,
    ),
    choice(
      "color-by",
      words.colorBy,
      words.colorsBy,
      ({ colorBy }) => colorBy,
      (value) => commands.colorBy(value),
      signal,
      words.colorByHint,
    ),
    choice(
      "mask-style",
      words.style,
      words.styles,
      ({ options }) => options.maskStyle,
      (value) => option("maskStyle", value),
      signal,
    ),
  ];
  /** @type {Control[]} */
  const image = [
    slider(
      "brightness",
      words.brightness,
      { min: -1, max: 1, step: 0.02 },
      ({ options }) => options.brightness,
      words.signed,
      (value) => option("brightness", value),
      signal,
    ),
    slider(
      "contrast",
      words.contrast,
      { min: -1, max: 1, step: 0.02 },
      ({ options }) => options.contrast,
      words.signed,
      (value) => option("contrast", value),
      signal,
    ),
  ];
  /** @type {Control[]} */
  const masks = [
    choice(
      "overlap",
      words.overlap,
      words.overlaps,
      ({ settings }) => settings.overlap,
      (value) => setting("overlap", value),
      signal,
      words.overlapHint,
    ),
    pixels(
      "fill-holes",
      words.fillHoles,
      ({ settings }) => settings.fillHoles,
      (value) => setting("fill_holes", value),
      signal,
    ),
    pixels(
      "drop-specks",
      words.dropSpecks,
      ({ settings }) => settings.dropSpecks,
      (value) => setting("drop_specks", value),
      signal,
    ),
  ];
  const preview = toggle(
    "hover-preview",
    words.preview,
    ({ options }) => options.hoverPreview,
    (value) => option("hoverPreview", value),
    signal,
  );
  const retrack = toggle(
    "retrack",
    words.retrack,
    ({ options }) => options.retrack,
    (value) => option("retrack", value),
    signal,
  );
  const onionSkin = toggle(
    "onion-skin",
    words.onionSkin,
    isOnionSkinShown,
    commands.showOnionSkin,
    signal,
  );
  const stacks = fieldset(words.stacks, retrack.node, onionSkin.node);
  const note = element("p", { class: "sam2-note" });
  const lastClick = element("p", {
    class: "sam2-note sam2-timing",
    "data-tip": words.lastClickHint,
  });
  const node = element(
    "section",
    { class: "sam2-settings", tabindex: "-1", "aria-label": words.title, hidden: true },
    closer,
    fieldset(words.view, ...view.map(nodeOf), preview.node, note),
    fieldset(words.masks, ...masks.map(nodeOf)),
    stacks,
    fieldset(
      words.image,
      element("span", { class: "sam2-note sam2-aside" }, words.imageNote, reset),
      ...image.map(nodeOf),
    ),
    lastClick,
  );

  /** @param {Snapshot} snapshot @param {import("../state/timings.js").Timing | null} timing of the last click */
  function update(snapshot, timing) {
    stacks.hidden = snapshot.stack === null;
    setText(lastClick, timing ? words.lastClick(timing) : "");
    for (const control of [...view, ...image, ...masks, preview, retrack, onionSkin])
      control.update(snapshot);
    setText(
      note,
      snapshot.options.hoverPreview && isPreviewPaused() ? words.previewSlow : words.previewHint,
    );
    const { brightness, contrast } = snapshot.options;
    reset.style.visibility = brightness || contrast ? "" : "hidden";
  }

  return { node, update };
}

/** @param {Control} control */
const nodeOf = ({ node }) => node;

/** @param {string} title @param {Node[]} children */
export const fieldset = (title, ...children) =>
  element("fieldset", {}, element("legend", {}, title), ...children);

/**
 * @param {string} name
 * @param {string} title
 * @param {{ min: number, max: number, step: number }} range
 * @param {(snapshot: Snapshot) => number} read
 * @param {(value: number) => string} format
 * @param {(value: number) => void} write
 * @param {AbortSignal} signal
 * @returns {Control}
 */
export function slider(name, title, range, read, format, write, signal) {
  const id = uniqueId();
  const input = element("input", {
    id,
    type: "range",
    class: "sam2-slider",
    "data-option": name,
    ...range,
  });
  const figure = element("output", { class: "sam2-figure", for: id });
  input.addEventListener("input", () => write(input.valueAsNumber), { signal });
  return {
    node: element(
      "div",
      { class: "sam2-setting" },
      element("label", { for: id }, title),
      input,
      figure,
    ),
    update(snapshot) {
      const value = read(snapshot);
      setText(figure, format(value));
      setAttribute(input, "aria-valuetext", format(value));
      if (input.valueAsNumber !== value && !input.matches(":active")) input.value = String(value);
    },
  };
}

/**
 * A choice between a few values, side by side.
 *
 * @template {string} Value
 * @param {string} name
 * @param {string} title
 * @param {Record<Value, string>} values
 * @param {(snapshot: Snapshot) => Value} read
 * @param {(value: Value) => void} write
 * @param {AbortSignal} signal
 * @param {string} [hint]
 * @returns {Control}
 */
export function choice(name, title, values, read, write, signal, hint = "") {
  const id = uniqueId();
  const inputs = Object.keys(values).map((value) =>
    element("input", { type: "radio", name: id, value, "data-option": name }),
  );
  const labels = inputs.map((input) =>
    element("label", {}, input, element("span", {}, values[/** @type {Value} */ (input.value)])),
  );
  const group = element(
    "div",
    { class: "sam2-segments", role: "radiogroup", "aria-labelledby": id },
    ...labels,
  );
  group.addEventListener(
    "change",
    ({ target }) => write(/** @type {Value} */ (/** @type {HTMLInputElement} */ (target).value)),
    { signal },
  );
  return {
    node: element(
      "div",
      { class: "sam2-setting", ...(hint && { "data-tip": hint }) },
      element("span", { id }, title),
      group,
    ),
    update(snapshot) {
      const value = read(snapshot);
      for (const input of inputs)
        if (input.checked !== (input.value === value)) input.checked = input.value === value;
    },
  };
}

/**
 * A field for a number of pixels; 0 is off.
 *
 * @param {string} name
 * @param {string} title
 * @param {(snapshot: Snapshot) => number} read
 * @param {(value: number) => void} write
 * @param {AbortSignal} signal
 * @returns {Control}
 */
function pixels(name, title, read, write, signal) {
  const id = uniqueId();
  const input = element("input", {
    id,
    type: "number",
    min: 0,
    max: 1e9,
    step: 1,
    inputmode: "numeric",
    "data-option": name,
  });
  input.addEventListener("change", () => write(Math.max(0, Math.round(input.valueAsNumber || 0))), {
    signal,
  });
  return {
    node: element(
      "div",
      { class: "sam2-setting" },
      element("label", { for: id }, title),
      element("span", { class: "sam2-pixels" }, input, words.unit),
    ),
    update: (snapshot) => setValue(input, String(read(snapshot))),
  };
}

/**
 * @param {string} name
 * @param {string} title
 * @param {(snapshot: Snapshot) => boolean} read
 * @param {(value: boolean) => void} write
 * @param {AbortSignal} signal
 * @returns {Control}
 */
export function toggle(name, title, read, write, signal) {
  const input = element("input", {
    type: "checkbox",
    role: "switch",
    class: "sam2-switch",
    "data-option": name,
  });
  input.addEventListener("change", () => write(input.checked), { signal });
  return {
    node: element("label", { class: "sam2-setting" }, element("span", {}, title), input),
    update: (snapshot) => void (input.checked = read(snapshot)),
  };
}
