/** Mouse gestures and keys, shown on request. */
import { labeledButton } from "./labeled-button.js";
import { element } from "../dom/elements.js";
import { icon } from "./icons.js";
import * as texts from "./texts.js";

/** @param {{ close: () => void, signal: AbortSignal }} options */
export function createHelp({ close, signal }) {
  const closer = labeledButton(
    { class: "sam2-button sam2-close" },
    { label: texts.settings.close, keys: "Esc" },
    icon("close"),
  );
  const node = element(
    "section",
    { class: "sam2-help", tabindex: "-1", "aria-label": texts.buttons.help.label, hidden: true },
    closer,
    ...texts.help.map(section),
  );
  closer.addEventListener("click", close, { signal });
  return { node };
}

/** @param {typeof texts.help[number]} group */
const section = ({ title, only, rows }) =>
  element(
    "div",
    { class: "sam2-help-group", "data-only": only ?? false },
    element("h4", {}, title),
    element(
      "dl",
      {},
      ...rows.map(([keys, meaning]) =>
        element(
          "div",
          { class: "sam2-help-row" },
          element("dt", {}, keys),
          element("dd", {}, meaning),
        ),
      ),
    ),
  );
