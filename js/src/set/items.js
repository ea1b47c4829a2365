/**
 * What is known of the images in the list, which may be many thousands: they are requested in chunks, as
 * they come into view.
 *
 * @typedef {import("./wire.js").Item} Item
 * @typedef {{ list: number, first: number, count: number }} Wanted a chunk that has to be requested
 * @typedef {ReturnType<typeof createItems>} Items
 */

/** Positions in a chunk. */
export const CHUNK = 50;

export function createItems() {
  let list = -1;
  let version = -1;
  /** @type {Map<number, Item>} */
  let items = new Map();
  /** By chunk, the version in which it was requested. @type {Map<number, number>} */
  let requested = new Map();

  return {
    /** @param {number} position @returns {Item | undefined} */
    at: (position) => items.get(position),

    /** @param {import("./wire.js").Images} images */
    setList(images) {
      version = images.version;
      if (images.list === list) return;
      list = images.list;
      items = new Map();
      requested = new Map();
    },

    /**
     * The chunks that hold these positions and have to be requested now.
     *
     * @param {number} first
     * @param {number} last
     * @returns {Wanted[]}
     */
    request(first, last) {
      const wanted = [];
      for (let chunk = Math.floor(first / CHUNK); chunk <= Math.floor(last / CHUNK); chunk += 1) {
        if (requested.get(chunk) === version) continue;
        requested.set(chunk, version);
        wanted.push({ list, first: chunk * CHUNK, count: CHUNK });
      }
      return wanted;
    },

    /**
     * @param {{ list: number, version: number, first: number, items: readonly Item[] }} answer
     * @returns {boolean} whether it is of the list shown
     */
    receive(answer) {
      if (answer.list !== list) return false;
      for (let at = 0; at < CHUNK; at += 1) {
        const item = answer.items[at];
        // A list may have become shorter.
        if (item) items.set(answer.first + at, item);
        else items.delete(answer.first + at);
      }
      return true;
    },

    /** Request everything again: an answer may have been lost. */
    forgetRequests: () => requested.clear(),
  };
}
