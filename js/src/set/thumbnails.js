/**
 * Small pictures of the images, by their numbers: requested when they are in view, as one request that
 * replaces the one before.
 *
 * @typedef {{ url: string, error: string }} Thumbnail one of both is ""
 * @typedef {ReturnType<typeof createThumbnails>} Thumbnails
 */

/** Pictures of 10 KB that are kept. */
const LIMIT = 600;

/**
 * @param {(data: Uint8Array<ArrayBuffer>) => string} toUrl
 * @param {(url: string) => void} revoke
 */
export function createThumbnails(toUrl, revoke) {
  /** Least recently used first. @type {Map<number, Thumbnail>} */
  const known = new Map();
  /** @type {readonly number[]} */
  let requested = [];

  function trim() {
    for (const [number, { url }] of known) {
      if (known.size <= LIMIT) return;
      known.delete(number);
      if (url) revoke(url);
    }
  }

  return {
    /** @param {number} number @returns {Thumbnail | undefined} */
    get(number) {
      const found = known.get(number);
      if (found) {
        known.delete(number);
        known.set(number, found);
      }
      return found;
    },

    /** @param {readonly number[]} visible @returns {readonly number[]} what has to be requested now; empty if nothing */
    request(visible) {
      const missing = visible.filter((number) => !known.has(number));
      if (missing.every((number) => requested.includes(number))) return [];
      requested = missing;
      return missing;
    },

    /** @param {{ number: number, error: string, data: Uint8Array<ArrayBuffer> | null }} answer */
    receive({ number, error, data }) {
      const before = known.get(number);
      if (before?.url) revoke(before.url);
      known.set(number, { url: data && !error ? toUrl(data) : "", error: error || "" });
      trim();
    },

    /** Request everything again: answers may have been lost. */
    forgetRequests: () => void (requested = []),

    clear() {
      for (const { url } of known.values()) if (url) revoke(url);
      known.clear();
    },
  };
}
