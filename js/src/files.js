/**
 * What can be saved, and a file to be opened. Shown beside the image, like the settings.
 *
 * @typedef {import("./store.js").Snapshot} Snapshot
 */
import { wordedButton } from "./button.js";
import { element, setEnabled, setText } from "./dom.js";
import { icon } from "./icons.js";
import { createTransfers, download } from "./transfers.js";
import * as texts from "./texts.js";

const words = texts.files;

/** What the file dialog offers; what is in a file is for the kernel to find out. */
const ACCEPTED = ".json,.geojson,.txt,.png,.bmp,.gif,.webp,.tif,.tiff,.npz,.npy,.zip";

/**
 * @param {{ store: import("./store.js").Store, close: () => void, repaint: () => void, signal: AbortSignal }} options
 */
export function createFiles({ store, close, repaint, signal }) {
  const transfers = createTransfers({ store, changed: repaint, offer: download, signal });
  const closer = wordedButton({ class: "sam2-button sam2-close" }, { label: texts.settings.close, keys: "Esc" }, icon("close"));
  closer.addEventListener("click", close, { signal });
  const plain = words.formats.map(saveButton);
  const stacked = words.stackFormats.map(saveButton);
  const picker = element("input", { type: "file", accept: ACCEPTED, hidden: true, tabindex: "-1", "aria-label": words.open });
  const opener = element("button", { type: "button", class: "sam2-button sam2-file sam2-opener", "data-action": "open-file" }, icon("open-file"), element("span", {}, words.open));
  const note = element("p", { class: "sam2-note", role: "status", "aria-live": "polite" });
  const ofStack = element("div", { class: "sam2-file-list", hidden: true }, ...stacked);
  const node = element("section", { class: "sam2-files", tabindex: "-1", "aria-label": texts.buttons.files.label, hidden: true },
    closer,
    element("fieldset", {}, element("legend", {}, words.save), element("div", { class: "sam2-file-list" }, ...plain), ofStack),
    element("fieldset", {}, element("legend", {}, words.openTitle), opener, picker, element("p", { class: "sam2-note" }, words.openHint)),
    note);

  node.addEventListener("click", ({ target }) => {
    const format = /** @type {Element} */ (target).closest("button")?.dataset.format;
    if (format) transfers.save(format);
  }, { signal });
  opener.addEventListener("click", () => transfers.busy() || picker.click(), { signal });
  picker.addEventListener("change", (event) => {
    event.stopPropagation();
    const [file] = picker.files ?? [];
    if (file) transfers.open(file);
    // The same file can be opened again.
    picker.value = "";
  }, { signal });

  /** @param {Snapshot} snapshot */
  function update({ gone, status, stack }) {
    const enabled = !gone && status.phase !== "closed" && !transfers.busy();
    for (const button of [...plain, ...stacked, opener]) setEnabled(button, enabled);
    ofStack.hidden = stack === null;
    const { kind, name, share } = transfers.state();
    setText(note, words.state[kind](name, share));
    node.dataset.transfer = kind;
  }

  return { node, update };
}

/** @param {{ format: string, label: string, type: string, hint: string }} words */
const saveButton = ({ format, label, type, hint }) =>
  element("button", { type: "button", class: "sam2-button sam2-file", "data-format": format, "data-tip": hint }, element("span", {}, label), element("span", { class: "sam2-note" }, type));
