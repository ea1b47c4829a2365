/**
 * Detects messages that were lost between page and kernel, and repeats them.
 *
 * When a websocket closes, messages on their way are lost without any report. So what is overdue is
 * requested again, as it is after the connection was down and after the page was suspended. Repeating
 * costs little and does no harm: the kernel carries out each request once.
 *
 * @typedef {object} Kernel what is used of JupyterLab's IKernelConnection
 * @property {string} status
 * @property {string} connectionStatus
 * @property {{ connect: (slot: () => void) => void, disconnect: (slot: () => void) => void }} connectionStatusChanged
 *
 * @typedef {NonNullable<ReturnType<import("../state/store.js").Store["awaited"]>>} Awaited
 */
import {
  ACKNOWLEDGEMENT_TIMEOUT,
  LANES_TIMEOUT,
  LONGEST_TIMEOUT,
  MASK_TIMEOUT,
  OBJECTS_TIMEOUT,
} from "../state/timeouts.js";

const TIMEOUTS = {
  acknowledgement: ACKNOWLEDGEMENT_TIMEOUT,
  objects: OBJECTS_TIMEOUT,
  mask: MASK_TIMEOUT,
  lanes: LANES_TIMEOUT,
  proposals: LANES_TIMEOUT,
};

/** A page that was hidden for less than this (milliseconds) has hardly been suspended. */
const SUSPENDED_AFTER = 20_000;

/** @param {Awaited | null} a @param {Awaited | null} b */
const isSame = (a, b) => a?.kind === b?.kind && a?.n === b?.n;

/**
 * @param {object} options
 * @param {import("../state/store.js").Store} options.store
 * @param {Kernel | null} options.kernel
 * @param {() => void} options.resync
 * @param {AbortSignal} options.signal
 */
export function watchConnection({ store, kernel, resync, signal }) {
  /** @type {Awaited | null} */
  let awaited = null;
  let retries = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {boolean} hasArrived whether what was awaited has arrived */
  function report(hasArrived) {
    const isDown = kernel !== null && kernel.connectionStatus !== "connected";
    const isSilent =
      !hasArrived &&
      retries > 1 &&
      awaited?.kind === "acknowledgement" &&
      kernel?.status !== "busy";
    store.setConnection(isDown ? "lost" : isSilent ? "silent" : "up");
  }

  /** @param {Awaited} next */
  function startTimer({ kind }) {
    timer = setTimeout(overdue, Math.min(TIMEOUTS[kind] * 2 ** retries, LONGEST_TIMEOUT));
  }

  function overdue() {
    const before = awaited;
    retries += 1;
    resync();
    if (!awaited || !isSame(awaited, before)) return;
    report(false);
    startTimer(awaited);
  }

  function check() {
    const next = store.awaited();
    if (isSame(next, awaited)) return;
    awaited = next;
    retries = 0;
    clearTimeout(timer);
    if (awaited) startTimer(awaited);
    report(true);
  }

  function connectionChanged() {
    report(true);
    if (kernel?.connectionStatus === "connected") resync();
  }

  store.subscribe(check, signal);
  check();
  kernel?.connectionStatusChanged.connect(connectionChanged);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    kernel?.connectionStatusChanged.disconnect(connectionChanged);
  });
  watchSuspension(resync, signal);
}

/** @param {() => void} resumed @param {AbortSignal} signal */
function watchSuspension(resumed, signal) {
  let hiddenAt = Infinity;
  globalThis.document?.addEventListener(
    "visibilitychange",
    () => {
      if (document.hidden) hiddenAt = Date.now();
      else if (Date.now() - hiddenAt > SUSPENDED_AFTER) resumed();
    },
    { signal },
  );
  globalThis.document?.addEventListener("resume", resumed, { signal });
  globalThis.window?.addEventListener("online", resumed, { signal });
  globalThis.window?.addEventListener("pageshow", ({ persisted }) => persisted && resumed(), {
    signal,
  });
}
