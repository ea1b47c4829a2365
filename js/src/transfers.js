/**
 * Files to and from the user's own computer, in parts of at most a megabyte: the next one goes
 * when the one before has arrived, for bursts of large messages are lost on their way.
 *
 * @typedef {{ kind: "idle" | "making" | "receiving" | "sending" | "saved" | "opened" | "failed", name: string, share: number }} Transfer
 */

/** The most that one message holds. */
const PART = 2 ** 20;

/** Milliseconds after which an answer counts as lost, and how often it is asked for again. */
const PATIENCE = 15_000;
const ATTEMPTS = 3;

/** @type {Transfer} */
const IDLE = Object.freeze({ kind: "idle", name: "", share: 0 });

/**
 * @param {{
 *   store: import("./store.js").Store,
 *   changed: () => void,
 *   offer: (name: string, blob: Blob) => void,
 *   signal: AbortSignal,
 * }} options `offer`: let the user have a file
 */
export function createTransfers({ store, changed, offer, signal }) {
  let state = IDLE;
  /** @type {{ n: number, name: string, mime: string, parts: number, got: Uint8Array<ArrayBuffer>[] } | null} */
  let coming = null;
  /** @type {{ n: number, file: File, epoch: number } | null} */
  let going = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting));

  /** @param {Transfer["kind"]} kind @param {string} name @param {number} share */
  function tell(kind, name, share) {
    state = { kind, name, share };
    changed();
  }

  /** @param {string} name */
  function fail(name) {
    clearTimeout(waiting);
    [coming, going] = [null, null];
    tell("failed", name, 0);
  }

  const busy = () => coming !== null || going !== null;

  /** @param {string} format */
  function save(format) {
    if (busy()) return;
    const n = store.ask("save", { format, epoch: store.snapshot().epoch });
    if (n === null) return fail("");
    coming = { n, name: "", mime: "", parts: 0, got: [] };
    tell("making", "", 0);
  }

  /** @param {number} attempt */
  function fetchPart(attempt = 1) {
    if (!coming) return;
    const { n, name, got } = coming;
    clearTimeout(waiting);
    if (attempt > ATTEMPTS || store.ask("part", { n, part: got.length }) === null) return fail(name);
    waiting = setTimeout(() => fetchPart(attempt + 1), PATIENCE);
  }

  /** @param {import("./wire.js").FileAnswer} answer */
  function receiveFile({ client, n, name, mime, parts }) {
    if (client !== store.client || n !== coming?.n) return;
    // The kernel has said in the status line why.
    if (!parts) return fail(name);
    Object.assign(coming, { name, mime, parts });
    tell("receiving", name, 0);
    fetchPart();
  }

  /** @param {import("./wire.js").PartAnswer} answer */
  function receivePart({ client, n, part, data }) {
    if (client !== store.client || !coming || n !== coming.n || part !== coming.got.length) return;
    const { name, mime, parts, got } = coming;
    if (!data?.length) return fail(name);
    got.push(data);
    if (got.length < parts) {
      tell("receiving", name, got.length / parts);
      return fetchPart();
    }
    clearTimeout(waiting);
    coming = null;
    offer(name, new Blob(got, { type: mime }));
    tell("saved", name, 1);
  }

  /** @param {File} file */
  function open(file) {
    if (busy()) return;
    going = { n: -1, file, epoch: store.snapshot().epoch };
    void sendPart(0);
  }

  /** @param {number} at */
  async function sendPart(at) {
    const now = going;
    if (!now) return;
    const { file, epoch } = now;
    tell("sending", file.name, file.size ? at / file.size : 0);
    try {
      const bytes = await file.slice(at, at + PART).arrayBuffer();
      if (now !== going || signal.aborted) return;
      const content = { name: file.name.slice(-255), size: Math.max(file.size, 1), at, epoch, ...(at > 0 && { n: now.n }) };
      const n = store.ask("upload", content, [bytes]);
      if (n === null) return fail(file.name);
      if (at === 0) now.n = n;
      clearTimeout(waiting);
      // Once it is whole the kernel reads it, which takes as long as it takes.
      if (at + PART < file.size) waiting = setTimeout(() => fail(file.name), PATIENCE);
    } catch {
      fail(file.name);
    }
  }

  /** @param {import("./wire.js").UploadedAnswer} answer */
  function receiveUploaded({ client, n, at, done }) {
    if (client !== store.client || !going || n !== going.n) return;
    const { file } = going;
    if (!done) return void sendPart(at);
    if (at < file.size || !file.size) return fail(file.name);
    clearTimeout(waiting);
    going = null;
    tell("opened", file.name, 1);
  }

  store.listen("file", receiveFile, signal);
  store.listen("part", receivePart, signal);
  store.listen("uploaded", receiveUploaded, signal);

  return { save, open, busy, state: () => state };
}

/**
 * Let the browser save a file.
 *
 * @param {string} name
 * @param {Blob} blob
 */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
