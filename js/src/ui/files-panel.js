/**
 * The panel to save files and to open one. Shown beside the image, like the settings.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 */
import { labeledButton } from "./labeled-button.js";
import { element, isEnabled, setEnabled, setText } from "../dom/elements.js";
import { acceptedSuffixes, formats, stackFormats } from "./formats.js";
import { icon } from "./icons.js";
import { toCoco } from "../state/coco.js";
import { fileOfAllPlanes, planeFile } from "../state/prompt-files.js";
import { toggle } from "./settings-panel.js";
import { createTransfers, download } from "../kernel/transfers.js";
import * as texts from "./texts.js";

const words = texts.files;

/**
 * @param {{ store: import("../state/store.js").Store, close: () => void, repaint: () => void, signal: AbortSignal }} options
 */
export function createFilesPanel({ store, close, repaint, signal }) {
  const transfers = createTransfers({ store, changed: repaint, offer: download, signal });
  const closer = labeledButton(
    { class: "sam2-button sam2-close" },
    { label: texts.settings.close, keys: "Esc" },
    icon("close"),
  );
  closer.addEventListener("click", close, { signal });
  const plain = formats.map(saveButton);
  const stacked = stackFormats.map(saveButton);
  const picker = element("input", {
    type: "file",
    accept: acceptedSuffixes,
    hidden: true,
    tabindex: "-1",
    "aria-label": words.open,
  });
  const opener = element(
    "button",
    { type: "button", class: "sam2-button sam2-file sam2-opener", "data-action": "open-file" },
    icon("open-file"),
    element("span", {}, words.open),
  );
  const picture = toggle(
    "save-picture",
    words.picture,
    ({ options }) => options.savePicture,
    (value) => store.setOption("savePicture", value),
    signal,
  );
  const note = element("p", { class: "sam2-note", role: "status", "aria-live": "polite" });
  const savedNote = element("p", { class: "sam2-note sam2-keeping" });
  const ofStack = element("div", { class: "sam2-file-list", hidden: true }, ...stacked);
  const node = element(
    "section",
    { class: "sam2-files", tabindex: "-1", "aria-label": texts.buttons.files.label, hidden: true },
    closer,
    element(
      "fieldset",
      {},
      element("legend", {}, words.save),
      element("div", { class: "sam2-file-list" }, ...plain),
      ofStack,
    ),
    element(
      "fieldset",
      {},
      element("legend", {}, words.openTitle),
      opener,
      picker,
      element("p", { class: "sam2-note" }, words.openHint),
    ),
    element("fieldset", {}, element("legend", {}, texts.saved.title), savedNote),
    element(
      "fieldset",
      {},
      element("legend", {}, words.notebook),
      picture.node,
      element("p", { class: "sam2-note" }, words.pictureHint),
    ),
    note,
  );

  node.addEventListener(
    "click",
    ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      const format = button?.dataset.format;
      if (!format || !isEnabled(button)) return;
      const snapshot = store.snapshot();
      if (snapshot.isDisconnected) saveWithoutKernel(format, snapshot);
      else transfers.save(format);
    },
    { signal },
  );
  opener.addEventListener("click", () => transfers.busy() || picker.click(), { signal });
  picker.addEventListener(
    "change",
    (event) => {
      event.stopPropagation();
      const [file] = picker.files ?? [];
      if (file) transfers.open(file);
      // So that the same file can be opened again.
      picker.value = "";
    },
    { signal },
  );

  /** @type {Record<string, (snapshot: Snapshot) => { ending: string, text: string }>} */
  const makers = {
    coco: (snapshot) => ({ ending: "coco.json", text: toCoco(snapshot) }),
    prompts: () => ({ ending: "prompts.json", text: planeFile(store) }),
    "stack-prompts": () => ({ ending: "prompts.json", text: fileOfAllPlanes(store).file }),
  };

  /** @param {string} format @param {Snapshot} snapshot */
  function saveWithoutKernel(format, snapshot) {
    const stem = (snapshot.picture?.name || "image").replace(/\.[^.]*$/, "");
    const { ending, text } = makers[format](snapshot);
    download(`${stem}.${ending}`, new Blob([text], { type: "application/json" }));
  }

  /** @param {Snapshot} snapshot */
  function update(snapshot) {
    const { isDisconnected, status, stack, saved, rows, prompts } = snapshot;
    picture.update(snapshot);
    const enabled = !isDisconnected && status.phase !== "closed" && !transfers.busy();
    for (const button of [...plain, ...stacked, opener]) setEnabled(button, enabled);
    const has = {
      coco: rows.length > 0,
      prompts: rows.length + prompts.length > 0,
      "stack-prompts": stack !== null,
    };
    if (isDisconnected)
      for (const button of [...plain, ...stacked])
        setEnabled(
          button,
          Object.entries(has).some(([format, some]) => some && format === button.dataset.format),
        );
    ofStack.hidden = stack === null;
    const { kind, name, share } = transfers.state();
    setText(savedNote, texts.saved.where(saved));
    setText(note, isDisconnected ? words.withoutKernel : words.state[kind](name, share));
    node.dataset.transfer = kind;
  }

  return { node, update };
}

/** @param {{ format: string, label: string, type: string, hint: string }} words */
const saveButton = ({ format, label, type, hint }) =>
  element(
    "button",
    { type: "button", class: "sam2-button sam2-file", "data-format": format, "data-tip": hint },
    element("span", {}, label),
    element("span", { class: "sam2-note" }, type),
  );
