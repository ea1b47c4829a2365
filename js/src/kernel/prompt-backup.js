/**
 * Backs up the prompts of a widget in its page, and sends the kernel the newest backup of the same image
 * by another widget: one whose kernel was restarted, or whose cell has run again.
 *
 * @typedef {import("../state/store.js").Snapshot} Snapshot
 */
import { createBackupStorage } from "../state/backup-storage.js";
import { planesOfFile } from "../state/prompt-format.js";
import { fileOfAllPlanes } from "../state/prompt-files.js";

/** Milliseconds until a change is backed up, together with further ones. */
const BACKUP_DELAY = 300;

/** The most bytes in one message. */
const PART_SIZE = 2 ** 20;

/** The most bytes that the kernel accepts. */
const MAX_FILE = 64 * 2 ** 20;

/** @param {Snapshot} snapshot whether the user has changed anything */
const isEdited = ({ canUndo, canRedo, isUnacknowledged }) => canUndo || canRedo || isUnacknowledged;

/**
 * @param {object} options
 * @param {import("../state/store.js").Store} options.store
 * @param {AbortSignal} options.signal
 * @param {import("../state/backup-storage.js").BackupStorage} [options.storage]
 * @param {() => number} [options.now] ms since 1970
 */
export function backUpPrompts({ store, signal, storage = createBackupStorage(), now = Date.now }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let hasBeenEdited = false;
  let newestFile = "";
  let changedAt = 0;

  function backUp() {
    clearTimeout(timer);
    timer = undefined;
    const snapshot = store.snapshot();
    const { key, owner } = snapshot.saved;
    hasBeenEdited ||= isEdited(snapshot);
    // While all objects are being sent again, only a part of them is here.
    if (!hasBeenEdited || !key || !owner || !store.hasAllObjects()) return;
    // After a reload the page has seen one plane, and the backup holds all.
    if (!newestFile) store.addEarlierPlanes(planesOfFile(storage.find(key, owner)?.file ?? ""));
    const made = fileOfAllPlanes(store);
    if (made.file !== newestFile) storage.put({ key, owner, time: changedAt, ...made });
    newestFile = made.file;
  }

  // Not at once, which would slow down every click.
  store.subscribe(() => {
    changedAt = now();
    timer ??= setTimeout(backUp, BACKUP_DELAY);
  }, signal);
  globalThis.window?.addEventListener("pagehide", backUp, { signal });
  signal.addEventListener("abort", backUp);
  proposeBackup({ store, storage, signal });
}

/**
 * Send the newest backup of the image by another widget, once and in parts: the kernel offers it to the
 * user if it has nothing newer.
 *
 * @param {{ store: import("../state/store.js").Store, storage: import("../state/backup-storage.js").BackupStorage, signal: AbortSignal }} options
 */
function proposeBackup({ store, storage, signal }) {
  let checked = "";

  function check() {
    const {
      saved: { key, owner, offer },
    } = store.snapshot();
    const name = `${key} ${owner}`;
    if (!key || !owner || checked === name) return;
    checked = name;
    const [found, own] = [storage.newest(key, owner), storage.find(key, owner)];
    const known = Math.max((offer?.seconds ?? 0) * 1000, own?.time ?? 0);
    if (found && found.time > known && found.file.length <= MAX_FILE)
      sendPart(found.time, new TextEncoder().encode(found.file), 0);
  }

  /** @param {number} time @param {Uint8Array<ArrayBuffer>} bytes @param {number} at @param {number} [n] number of the request with the first part */
  function sendPart(time, bytes, at, n) {
    const content = {
      name: "prompts kept by the page",
      size: bytes.length,
      at,
      epoch: store.snapshot().epoch,
      kept: time,
      ...(n !== undefined && { n }),
    };
    const request = store.request("upload", content, {
      buffers: [bytes.slice(at, at + PART_SIZE).buffer],
      answered: ({ at: next, done }) =>
        void (done || !request || sendPart(time, bytes, next, n ?? request.n)),
      signal,
    });
  }

  store.subscribe(check, signal);
  check();
}
