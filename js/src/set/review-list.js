/**
 * The list of objects under review, which may be many thousands: rows and pictures are requested as they
 * come into view.
 *
 * @typedef {import("./review-wire.js").Row} Row
 * @typedef {import("./review-wire.js").Query} Query
 * @typedef {{ url: string, error: string }} Crop one of both is ""
 * @typedef {ReturnType<typeof createReviewList>} ReviewList
 *
 * @typedef {object} Requests
 * @property {(query: Query, keep: boolean) => number} list returns the number of the request
 * @property {(list: number, first: number, count: number) => void} rows
 * @property {(objects: [number, number][]) => void} crops
 */

/** Rows that are requested together. */
export const CHUNK = 100;

/** Pictures of 6 KB that are kept. */
const CROPS = 1500;

/** Pictures that are requested together. */
const CROPS_AT_ONCE = 64;

/** Milliseconds between a change in the kernel and the request for what has changed. */
const REFRESH_DELAY = 300;

/** @type {Query} */
export const EVERYTHING = {
  sort: "image",
  descending: false,
  labels: null,
  state: null,
  accepted: null,
};

/** @param {Row} row */
const keyOf = ({ number, object, look }) => `${number} ${object} ${look}`;

/**
 * @param {object} options
 * @param {Requests} options.request
 * @param {(data: Uint8Array<ArrayBuffer>) => string} options.toUrl
 * @param {(url: string) => void} options.revoke
 * @param {() => void} options.changed
 */
export function createReviewList({ request, toUrl, revoke, changed }) {
  let query = EVERYTHING;
  let isOpen = false;
  /** Number of the newest request for a list. */
  let requested = -1;
  let list = -1;
  /** The version that was requested. */
  let version = -1;
  let total = 0;
  let unmeasured = 0;
  let isPending = false;
  /** @type {Map<number, Row>} */
  let rows = new Map();
  /** @type {Set<number>} */
  let requestedChunks = new Set();
  /** Least recently used first. @type {Map<string, Crop>} */
  const crops = new Map();
  /** @type {ReadonlySet<string>} */
  let requestedCrops = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {boolean} keep the order of the objects */
  function requestList(keep) {
    clearTimeout(timer);
    timer = undefined;
    isPending = true;
    requested = request.list(query, keep);
  }

  return {
    query: () => query,
    isOpen: () => isOpen,
    list: () => list,
    total: () => total,
    unmeasured: () => unmeasured,
    /** Whether the first list, or one of another query, has not arrived. */
    isPending: () => isPending,

    /** @param {boolean} open */
    open(open) {
      isOpen = open;
      if (open) requestList(true);
      changed();
    },

    /** @param {Partial<Query>} change */
    setQuery(change) {
      query = { ...query, ...change };
      requestList(false);
      changed();
    },

    /** @param {number} now version that the kernel has */
    refresh(now) {
      if (now === version) return;
      version = now;
      if (isOpen) timer ??= setTimeout(() => requestList(true), REFRESH_DELAY);
    },

    stop: () => clearTimeout(timer),

    /** @param {ReturnType<typeof import("./review-wire.js").parseReview>} answer */
    receive(answer) {
      if (answer.n !== requested) return;
      isPending = false;
      requestedChunks = new Set();
      total = answer.total;
      unmeasured = answer.unmeasured;
      // What could not be drawn before may be drawn now.
      for (const [key, { error }] of crops) if (error) crops.delete(key);
      requestedCrops = new Set();
      if (answer.list === list) return;
      list = answer.list;
      rows = new Map();
    },

    /** @param {number} position @returns {Row | undefined} */
    rowAt: (position) => rows.get(position),

    /** @param {number} first @param {number} last */
    requestRows(first, last) {
      if (list < 0 || !total) return;
      const end = Math.min(last, total - 1);
      for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK <= end; chunk += 1) {
        if (requestedChunks.has(chunk)) continue;
        requestedChunks.add(chunk);
        request.rows(list, chunk * CHUNK, CHUNK);
      }
    },

    /** @param {ReturnType<typeof import("./review-wire.js").parseRows>} answer */
    receiveRows(answer) {
      if (answer.list !== list) return;
      for (const [at, row] of answer.rows.entries()) rows.set(answer.first + at, row);
    },

    /** @param {Row} row @returns {Crop | undefined} */
    cropOf(row) {
      const key = keyOf(row);
      const found = crops.get(key);
      if (found) {
        crops.delete(key);
        crops.set(key, found);
      }
      return found;
    },

    /** @param {readonly Row[]} visible most important first */
    requestCrops(visible) {
      const missing = visible.filter((row) => !crops.has(keyOf(row))).slice(0, CROPS_AT_ONCE);
      if (missing.every((row) => requestedCrops.has(keyOf(row)))) return;
      requestedCrops = new Set(missing.map(keyOf));
      request.crops(missing.map(({ number, object }) => [number, object]));
    },

    /** @param {ReturnType<typeof import("./review-wire.js").parseCrop>} answer */
    receiveCrop({ number, object, look, error, data }) {
      const key = `${number} ${object} ${look}`;
      const before = crops.get(key);
      if (before?.url) revoke(before.url);
      crops.set(key, { url: data && !error ? toUrl(data) : "", error });
      for (const [old, { url }] of crops) {
        if (crops.size <= CROPS) break;
        crops.delete(old);
        if (url) revoke(url);
      }
    },

    /** Request everything again: answers may have been lost. */
    forgetRequests() {
      requestedChunks = new Set();
      requestedCrops = new Set();
      if (isOpen && isPending) requestList(true);
    },

    clear() {
      clearTimeout(timer);
      for (const { url } of crops.values()) if (url) revoke(url);
      crops.clear();
    },
  };
}
