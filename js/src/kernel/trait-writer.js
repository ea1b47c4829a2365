/**
 * Writes traits of the model.
 *
 * The widget manager sends one update at a time and keeps later ones until the kernel has confirmed it.
 * If the update or its confirmation was lost, it waits forever: then traits are sent as messages.
 *
 * @import { SyncedTraits } from "../protocol/messages.d.ts"
 * @import { ModelTraits } from "../protocol/sent.d.ts"
 * @typedef {import("@anywidget/types").AnyModel<ModelTraits>} Model
 */

/** Milliseconds that an option waits: a slider sends many values, and a reactive host runs its cells for each. */
const OPTION_DELAY = 200;

/** @param {Model} model @param {AbortSignal} signal */
export function createTraitWriter(model, signal) {
  let isManagerStuck = false;
  /** @type {Partial<SyncedTraits>} */
  let delayed = {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));

  /** @param {Partial<SyncedTraits>} traits @param {{ asMessage?: boolean }} [options] asMessage: in order with other messages */
  function write(traits, { asMessage = false } = {}) {
    const isMessage = asMessage || isManagerStuck;
    if (isMessage) model.send({ type: "traits", traits });
    for (const [name, value] of Object.entries(traits)) {
      // Options are set in the model as well, so that the kernel's echo changes nothing.
      if (!isMessage || name !== "_prompts")
        model.set(/** @type {keyof SyncedTraits} */ (name), value);
    }
    model.save_changes();
  }

  function writeDelayed() {
    const traits = delayed;
    delayed = {};
    write(traits);
  }

  return {
    write,

    /** @param {Partial<SyncedTraits>} traits */
    writeSoon(traits) {
      delayed = { ...delayed, ...traits };
      clearTimeout(timer);
      timer = setTimeout(writeDelayed, OPTION_DELAY);
    },

    /** Do not write a delayed value: Python has set the trait since. @param {keyof SyncedTraits} name */
    discard: (name) => void delete delayed[name],

    /** An update may have been lost: do not rely on the widget manager any more. */
    bypassManager: () => void (isManagerStuck = true),
  };
}
