/**
 * Note and attributes of the image and of the object that is being worked on, stored as one types.
 *
 * @typedef {import("./wire.js").Attribute} Attribute
 * @typedef {import("./wire.js").Value} Value
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./detail-field.js").DetailField} DetailField
 */
import { element, setText } from "../dom/elements.js";
import { createDetailField } from "./detail-field.js";
import * as texts from "./texts.js";

/** @type {Attribute} */
const NOTE = { name: texts.details.note, type: "text", choices: [] };

const NO_OBJECT = { note: "", values: new Map() };

/**
 * @typedef {object} Options
 * @property {import("./commands.js").SetCommands} commands
 * @property {() => void} changed called when something is typed, and when it is stored
 * @property {AbortSignal} signal
 */

/** @param {Options} options */
export function createDetails(options) {
  const image = createGroup(options);
  const object = createGroup(options);
  const node = element(
    "div",
    { class: "sam2-set-details", role: "group", "aria-label": texts.details.label, hidden: true },
    image.node,
    object.node,
  );

  /** @param {Snapshot} snapshot */
  function update({ shown, declared }) {
    image.update(texts.details.image, shown, null, shown, declared.image);
    // Always there: the image below must not move when an object is begun.
    const edited = shown.object;
    object.update(
      edited ? texts.details.object(edited.place, edited.label) : texts.details.noObject,
      shown,
      edited?.id ?? null,
      edited ?? NO_OBJECT,
      declared.object,
    );
    object.setEnabled(edited !== null);
  }

  return {
    node,
    update,
    /** Whether what was typed is not stored yet. */
    isDirty: () => image.isDirty() || object.isDirty(),
    /** Store at once what was typed. */
    flush() {
      image.flush();
      object.flush();
    },
  };
}

/** The fields of the image, or of an object. @param {Options} options */
function createGroup({ commands, changed, signal }) {
  const title = element("h3", { class: "sam2-set-title" });
  const node = element("div", { class: "sam2-set-fields" }, title);
  let declared = "";
  /** @type {DetailField[]} */
  let fields = [];
  /** @type {{ number: number, id: number | null }} */
  let owner = { number: -1, id: null };

  /** @param {readonly Attribute[]} attributes */
  function build(attributes) {
    flush();
    for (const field of fields) field.node.remove();
    fields = [
      createDetailField(NOTE, {
        isNote: true,
        store: (value) => commands.setNote(owner.number, owner.id, String(value ?? "")),
        changed,
        signal,
      }),
      ...attributes.map((attribute) =>
        createDetailField(attribute, {
          isNote: false,
          store: (value) => commands.setValue(owner.number, owner.id, attribute.name, value),
          changed,
          signal,
        }),
      ),
    ];
    node.append(...fields.map((field) => field.node));
  }

  function flush() {
    for (const field of fields) field.flush();
  }

  /**
   * @param {string} heading
   * @param {import("./wire.js").Shown} shown the image
   * @param {number | null} id of the object; null for the image
   * @param {{ note: string, values: import("./wire.js").Values }} details
   * @param {readonly Attribute[]} attributes
   */
  function update(heading, { number, carriedOut }, id, { note, values }, attributes) {
    const key = JSON.stringify(attributes);
    if (key !== declared) {
      declared = key;
      build(attributes);
    }
    const isOther = owner.number !== number || owner.id !== id;
    if (isOther) {
      // What was typed belongs to the one before.
      flush();
      owner = { number, id };
    }
    setText(title, heading);
    const all = [note, ...attributes.map(({ name }) => values.get(name) ?? null)];
    for (const [at, field] of fields.entries()) field.update(all[at], isOther, carriedOut);
  }

  const isDirty = () => fields.some((field) => field.isDirty());

  /** @param {boolean} enabled */
  function setEnabled(enabled) {
    for (const field of fields) field.setEnabled(enabled);
  }

  return { node, update, flush, isDirty, setEnabled };
}
