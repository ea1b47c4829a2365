/**
 * What users can do with a set.
 *
 * @typedef {"next" | "previous" | "done" | "skip"} SetCommand
 * @typedef {ReturnType<typeof createSetCommands>} SetCommands
 */

/** @param {import("./store.js").SetStore} store */
export function createSetCommands(store) {
  const shown = () => store.snapshot().shown.number;

  /** @type {Record<SetCommand, () => void>} */
  const commands = {
    next: () => store.act("step", { steps: 1 }),
    previous: () => store.act("step", { steps: -1 }),
    done: () => store.act("done", { number: shown() }),
    skip: () => store.act("skip", { number: shown() }),
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
    /** @param {number} number @param {number | null} object @param {string} text */
    setNote: (number, object, text) => store.act("note", { number, object, text }),
    /** @param {number} number @param {number | null} object @param {string} name @param {import("./wire.js").Value | null} value */
    setValue: (number, object, name, value) =>
      store.act("values", { number, object, values: { [name]: value } }),
  };
}
