/**
 * Files to and from the user's computer, in parts of at most a megabyte. Each part is requested when the
 * one before has arrived, because bursts of large messages get lost.
 *
 * @typedef {{ kind: "idle" | "making" | "receiving" | "sending" | "saved" | "opened" | "failed", name: string, share: number }} Transfer
 */
import { FILE_PART_TIMEOUT } from "../state/timeouts.js";

/** The most bytes in one message. */
const PART_SIZE = 2 ** 20;

/** How often the request for a part is repeated. */
const PART_RETRIES = 2;

/** @type {Transfer} */
const IDLE = Object.freeze({ kind: "idle", name: "", share: 0 });

/**
 * @param {{
 *   store: import("../state/store.js").Store,
 *   changed: () => void,
 *   offer: (name: string, blob: Blob) => void,
 *   signal: AbortSignal,
 * }} options `offer`: give a file to the user
 */
export function createTransfers({ store, changed, offer, signal }) {
  let state = IDLE;
  /** @type {{ n: number, name: string, mime: string, parts: number, got: Uint8Array<ArrayBuffer>[] } | null} */
  let download = null;
  /** @type {{ n: number, file: File, epoch: number } | null} */
  let upload = null;

  /** @param {Transfer["kind"]} kind @param {string} name @param {number} share */
  function setState(kind, name, share) {
    state = { kind, name, share };
    changed();
  }

  /** @param {string} name */
  function fail(name) {
    [download, upload] = [null, null];
    setState("failed", name, 0);
  }

  const busy = () => download !== null || upload !== null;

  /** @param {string} format */
  function save(format) {
    if (busy()) return;
    const request = store.request(
      "save",
      { format, epoch: store.snapshot().epoch },
      { answered: receiveFile, signal },
    );
    if (!request) return fail("");
    download = { n: request.n, name: "", mime: "", parts: 0, got: [] };
    setState("making", "", 0);
  }

  function fetchPart() {
    if (!download) return;
    const { n, name, got } = download;
    const part = got.length;
    const request = store.request(
      "part",
      { n, part },
      {
        matches: (answer) => answer.n === n && answer.part === part,
        answered: receivePart,
        failed: () => fail(name),
        timeout: FILE_PART_TIMEOUT,
        retries: PART_RETRIES,
        signal,
      },
    );
    if (!request) fail(name);
  }

  /** @param {import("../state/answers.js").FileAnswer} answer */
  function receiveFile({ name, mime, parts }) {
    if (!download) return;
    // The kernel gives the reason in the status line.
    if (!parts) return fail(name);
    Object.assign(download, { name, mime, parts });
    setState("receiving", name, 0);
    fetchPart();
  }

  /** @param {import("../state/answers.js").PartAnswer} answer */
  function receivePart({ data }) {
    if (!download) return;
    const { name, mime, parts, got } = download;
    if (!data?.length) return fail(name);
    got.push(data);
    if (got.length < parts) {
      setState("receiving", name, got.length / parts);
      return fetchPart();
    }
    download = null;
    offer(name, new Blob(got, { type: mime }));
    setState("saved", name, 1);
  }

  /** @param {File} file */
  function open(file) {
    if (busy()) return;
    upload = { n: -1, file, epoch: store.snapshot().epoch };
    void sendPart(0);
  }

  /** @param {number} at */
  async function sendPart(at) {
    const now = upload;
    if (!now) return;
    const { file, epoch } = now;
    setState("sending", file.name, file.size ? at / file.size : 0);
    try {
      const bytes = await file.slice(at, at + PART_SIZE).arrayBuffer();
      if (now !== upload || signal.aborted) return;
      const content = {
        name: file.name.slice(-255),
        size: Math.max(file.size, 1),
        at,
        epoch,
        ...(at > 0 && { n: now.n }),
      };
      const isLast = at + PART_SIZE >= file.size;
      const request = store.request("upload", content, {
        buffers: [bytes],
        answered: receiveUploaded,
        failed: () => fail(file.name),
        // After the last part the kernel reads the file, however long that takes.
        ...(!isLast && { timeout: FILE_PART_TIMEOUT }),
        signal,
      });
      if (!request) return fail(file.name);
      if (at === 0) now.n = request.n;
    } catch {
      fail(file.name);
    }
  }

  /** @param {import("../state/answers.js").UploadedAnswer} answer */
  function receiveUploaded({ at, done }) {
    if (!upload) return;
    const { file } = upload;
    if (!done) return void sendPart(at);
    if (at < file.size || !file.size) return fail(file.name);
    upload = null;
    setState("opened", file.name, 1);
  }

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
  // By then the browser has read it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
