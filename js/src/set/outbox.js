/**
 * Actions on their way to the kernel, which carries out each once and in order: those that are not
 * acknowledged can be sent again at any time.
 *
 * @import { SetAction } from "../protocol/messages.d.ts"
 * @typedef {ReturnType<typeof createSetOutbox>} SetOutbox
 */

/** @param {string} client */
export function createSetOutbox(client) {
  let n = 0;
  /** @type {SetAction[]} */
  let waiting = [];

  return {
    /**
     * Give an action its number.
     *
     * @template {SetAction["type"]} Type
     * @param {Type} type
     * @param {import("../protocol/sent.d.ts").SetDetailOf<Type>} detail
     * @returns {SetAction}
     */
    add(type, detail) {
      n += 1;
      const action = /** @type {SetAction} */ (
        /** @type {unknown} */ ({ type, ...detail, rid: { client, n } })
      );
      waiting = [...waiting, action];
      return action;
    },
    /** @param {number} last number of the newest action that has arrived */
    acknowledge(last) {
      waiting = waiting.filter(({ rid }) => rid.n > last);
    },
    /** @returns {readonly SetAction[]} oldest first */
    waiting: () => waiting,
  };
}
