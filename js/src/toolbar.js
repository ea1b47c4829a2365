/**
 * The row of buttons above the image.
 *
 * @typedef {import("./commands.js").CommandName} CommandName
 */
import { element, fillSelect, isEnabled, setEnabled } from "./dom.js";
import { enabledCommands } from "./commands.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

/** @param {CommandName} name @param {(Node | string)[]} children */
function button(name, ...children) {
  const { label, hint, keys } = texts.buttons[name];
  return element(
    "button",
    { type: "button", class: "sam2-button", "data-action": name, "aria-label": label, title: hint, "aria-keyshortcuts": keys || false },
    ...children,
  );
}

const separator = () => element("span", { class: "sam2-separator", "aria-hidden": "true" });

/**
 * @param {{ commands: import("./commands.js").Commands, focusStage: () => void, signal: AbortSignal }} options
 */
export function createToolbar({ commands, focusStage, signal }) {
  const buttons = {
    polarity: button("polarity", icon("plus"), icon("minus")),
    undo: button("undo", icon("undo")),
    redo: button("redo", icon("redo")),
    commit: button("commit", icon("commit"), element("span", { class: "sam2-button-text" }, texts.buttons.commit.label)),
    delete: button("delete", icon("delete")),
    clear: button("clear", icon("clear")),
    help: button("help", icon("help")),
  };
  const classes = element("select", { class: "sam2-classes", title: texts.nextClass, "aria-label": texts.nextClass, hidden: true });
  const bar = element(
    "div",
    { class: "sam2-toolbar", role: "toolbar", "aria-label": texts.toolbar },
    buttons.polarity, separator(), buttons.undo, buttons.redo, separator(), buttons.commit, classes,
    element("span", { class: "sam2-space" }), buttons.delete, buttons.clear, separator(), buttons.help,
  );

  bar.addEventListener("click", (event) => {
    const pressed = /** @type {Element} */ (event.target).closest("button");
    if (!pressed) return;
    if (isEnabled(pressed)) commands.run(/** @type {CommandName} */ (pressed.dataset.action));
    // After a mouse click the keys belong to the image again; `detail` is 0 for a key.
    if (event.detail > 0) focusStage();
  }, { signal });
  classes.addEventListener("change", () => commands.chooseClass(classes.value || null), { signal });

  /** @param {import("./store.js").Snapshot} snapshot @param {import("./commands.js").ViewState} ui */
  function update(snapshot, ui) {
    const enabled = enabledCommands(snapshot);
    for (const [name, node] of Object.entries(buttons)) setEnabled(node, enabled[/** @type {CommandName} */ (name)]);
    buttons.polarity.setAttribute("aria-pressed", String(ui.negative));
    buttons.polarity.title = ui.negative ? texts.polarity.negative : texts.polarity.positive;
    buttons.help.setAttribute("aria-expanded", String(ui.helpOpen));
    classes.hidden = snapshot.labels.length === 0;
    fillSelect(classes, snapshot.labels, snapshot.nextLabel, texts.objects.noClass);
  }

  return { bar, update };
}

/** The list of mouse gestures and keys, shown on request. */
export function createHelp() {
  const rows = texts.help.map(([keys, meaning]) =>
    element("div", { class: "sam2-help-row" }, element("dt", {}, keys), element("dd", {}, meaning)));
  const list = element("dl", { class: "sam2-help", hidden: true }, ...rows);
  return { list, update: (/** @type {boolean} */ open) => void (list.hidden = !open) };
}
