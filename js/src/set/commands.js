/**
 * What users can do with a set.
 *
 * @typedef {"next" | "previous" | "done" | "skip"} SetCommand
 * @typedef {ReturnType<typeof createSetCommands>} SetCommands
 */

/** @param {import("./store.js").SetStore} store */
export function createSetCommands(store) {
  const shown = () => store.snapshot().shown.number;

  /**
   * Finish the image that will be shown once everything before is carried out; not a further one if it was
   * pressed twice.
   *
   * @param {"done" | "skip"} type
   */
  function finish(type) {
    const pending = store.pendingMove();
    if (pending === "done" || pending === "skip") return;
    store.act(type, { number: pending ? null : shown() });
  }

  /** @type {Record<SetCommand, () => void>} */
  const commands = {
    next: () => store.act("step", { steps: 1 }),
    previous: () => store.act("step", { steps: -1 }),
    done: () => finish("done"),
    skip: () => finish("skip"),
  };

  return {
    /** @param {SetCommand} name */
    run: (name) => commands[name](),
    /** @param {number} number */
    show: (number) => store.act("show", { number }),
    /** @param {string} text a number from 1, or a name */
    seek: (text) => store.act("seek", { text }),
    /** @param {import("./wire.js").State} state */
    setState: (state) => store.act("state", { number: shown(), state }),
    /** @param {import("./wire.js").Search} search */
    search: (search) => store.act("search", { ...search }),
    /** @param {number} number @param {number | null} object @param {string} text @returns {number} of the action */
    setNote: (number, object, text) => store.act("note", { number, object, text }),
    /** @param {number} number @param {number | null} object @param {string} name @param {import("./wire.js").Value | null} value @returns {number} of the action */
    setValue: (number, object, name, value) =>
      store.act("values", { number, object, values: { [name]: value } }),
  };
}
