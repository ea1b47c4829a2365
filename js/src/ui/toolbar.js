/**
 * The toolbar above the image.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 * @typedef {import("../input/commands.js").CommandName} CommandName
 * @typedef {import("../state/options.js").Tool} Tool
 */
import { commandButton, iconButton, listenToButtons } from "./button.js";
import { describe, separator, labeledButton } from "./labeled-button.js";
import { createClassField } from "./class-field.js";
import { brushDiameter, enabledCommands, largestBrush } from "../input/commands.js";
import { element, setAttribute, setEnabled, setText, setValue } from "../dom/elements.js";
import { icon } from "./icons.js";
import { TOOLS } from "../state/options.js";
import { rove } from "./roving.js";
import * as texts from "./texts.js";

/**
 * @param {{ commands: import("../input/commands.js").Commands, focusStage: () => void, signal: AbortSignal }} options
 */
export function createToolbar({ commands, focusStage, signal }) {
  const tools = createToolGroup(commands, focusStage, signal);
  const buttons = {
    perClick: iconButton("perClick"),
    polarity: commandButton("polarity", icon("plus"), icon("minus")),
    undo: iconButton("undo"),
    redo: iconButton("redo"),
    commit: commandButton(
      "commit",
      icon("commit"),
      element("span", { class: "sam2-button-text" }, texts.buttons.commit.label),
    ),
    delete: iconButton("delete"),
    files: iconButton("files"),
    settings: iconButton("settings"),
    full: commandButton("full", icon("full"), icon("window")),
    help: iconButton("help"),
  };
  for (const name of /** @type {const} */ (["files", "settings", "help"]))
    buttons[name].setAttribute("aria-expanded", "false");
  const classes = createClassField({
    choose: commands.chooseClass,
    add: commands.addClass,
    done: focusStage,
    signal,
  });
  classes.node.classList.add("sam2-classes");
  describe(classes.select, { label: texts.nextClass, keys: texts.nextClassKeys });
  const brush = createBrushSize(commands, signal);
  const bar = element(
    "div",
    { class: "sam2-toolbar", role: "toolbar", "aria-label": texts.toolbar },
    tools.group,
    group(buttons.perClick, buttons.polarity),
    group(buttons.undo, buttons.redo),
    group(buttons.commit, classes.node, buttons.delete),
    brush.group,
    element("span", { class: "sam2-space" }),
    element(
      "span",
      { class: "sam2-group" },
      buttons.files,
      buttons.settings,
      buttons.full,
      buttons.help,
    ),
  );
  rove(bar, signal);
  listenToButtons(bar, commands, focusStage, signal);

  /** @param {Snapshot} snapshot @param {ViewState} ui */
  function update(snapshot, ui) {
    const enabled = enabledCommands(snapshot);
    for (const [name, node] of Object.entries(buttons))
      setEnabled(node, enabled[/** @type {CommandName} */ (name)]);
    tools.update(snapshot.options.tool);
    setAttribute(buttons.perClick, "aria-pressed", snapshot.options.newObjectPerClick);
    setAttribute(buttons.polarity, "aria-pressed", ui.negative);
    buttons.polarity.dataset.tip = ui.negative ? texts.polarity.negative : texts.polarity.positive;
    setAttribute(buttons.files, "aria-expanded", ui.open === "files");
    setAttribute(buttons.settings, "aria-expanded", ui.open === "settings");
    setAttribute(buttons.help, "aria-expanded", ui.open === "help");
    setAttribute(buttons.full, "aria-pressed", ui.full);
    classes.update(snapshot.classes, snapshot.active?.label ?? snapshot.nextLabel);
  }

  return { bar, update, updateBrush: brush.update, nameObject: classes.type };
}

/** @param {Node[]} children */
const group = (...children) => element("span", { class: "sam2-group" }, separator(), ...children);

/**
 * @param {import("../input/commands.js").Commands} commands
 * @param {() => void} focusStage
 * @param {AbortSignal} signal
 */
function createToolGroup(commands, focusStage, signal) {
  const buttons = TOOLS.map((tool) =>
    labeledButton({ "data-tool": tool, role: "radio" }, texts.tools[tool], icon(tool)),
  );
  const node = element(
    "span",
    { class: "sam2-group sam2-tools", role: "radiogroup", "aria-label": texts.toolGroup },
    ...buttons,
  );

  node.addEventListener(
    "click",
    (event) => {
      const pressed = /** @type {Element} */ (event.target).closest("button");
      if (!pressed) return;
      commands.option("tool", /** @type {Tool} */ (pressed.dataset.tool));
      if (event.detail > 0) focusStage();
    },
    { signal },
  );

  /** @param {Tool} tool */
  function update(tool) {
    for (const button of buttons)
      setAttribute(button, "aria-checked", button.dataset.tool === tool);
  }

  return { group: node, update };
}

/** The size of the brush, on a logarithmic scale. */
const SLIDER_STEPS = 100;

/** @param {number} size @param {number} largest */
export const brushToSlider = (size, largest) =>
  largest > 1 ? (SLIDER_STEPS * Math.log(Math.max(size, 1))) / Math.log(largest) : 0;
/** @param {number} value @param {number} largest */
export const sliderToBrush = (value, largest) =>
  Math.max(1, Math.round(largest ** (value / SLIDER_STEPS)));

/** @param {import("../input/commands.js").Commands} commands @param {AbortSignal} signal */
function createBrushSize(commands, signal) {
  const slider = element("input", {
    type: "range",
    min: 0,
    max: SLIDER_STEPS,
    step: "any",
    class: "sam2-slider",
    "data-option": "brush-size",
    "aria-label": texts.brush.label,
    "data-tip": texts.brush.label,
    "data-keys": "[ ]",
  });
  const size = element("output", { class: "sam2-figure" });
  const node = element("span", { class: "sam2-group sam2-brush-size" }, separator(), slider, size);
  let largest = 1;
  slider.addEventListener(
    "input",
    () => commands.option("brushSize", sliderToBrush(slider.valueAsNumber, largest)),
    { signal },
  );

  /** @param {Snapshot} snapshot @param {number} cssPixel image pixels in a CSS pixel */
  function update(snapshot, cssPixel) {
    const { picture, options } = snapshot;
    const off = !picture || (options.tool !== "brush" && options.tool !== "eraser");
    setAttribute(node, "data-off", off ? "" : null);
    if (!picture) return;
    largest = largestBrush(picture);
    const diameter = brushDiameter(snapshot, cssPixel);
    setText(size, texts.brush.size(diameter));
    setAttribute(slider, "aria-valuetext", texts.brush.size(diameter));
    setValue(slider, String(brushToSlider(diameter, largest)));
  }

  return { group: node, update };
}
