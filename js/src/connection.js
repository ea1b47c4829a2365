/**
 * Notices that something was lost between page and kernel, and has it said again.
 *
 * A message is lost for good when its websocket dies on the way; nobody tells. So an answer that is
 * overdue is asked for again, as it is after the connection was down and after the page has slept.
 * Asking costs little and does no harm: the kernel carries out each request once.
 *
 * @typedef {object} Kernel what is used of JupyterLab's IKernelConnection
 * @property {string} status
 * @property {string} connectionStatus
 * @property {{ connect: (slot: () => void) => void, disconnect: (slot: () => void) => void }} connectionStatusChanged
 */

/** How long a kernel may owe an answer, in ms; messages of objects may overtake the state. */
const PATIENCE = { answer: 3000, objects: 1000, mask: 3000 };

/** Each time nothing comes it waits twice as long, for a busy kernel finds all the repetitions. */
const LONGEST = 30_000;

/** A page that was hidden for less than this has hardly slept. */
const SLEEP = 20_000;

/**
 * @param {object} options
 * @param {import("./store.js").Store} options.store
 * @param {Kernel | null} options.kernel
 * @param {() => void} options.resync
 * @param {AbortSignal} options.signal
 */
export function watchConnection({ store, kernel, resync, signal }) {
  /** @type {string | null} */
  let owed = null;
  let tries = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {boolean} delivered whether what was overdue has come */
  function tell(delivered) {
    const down = kernel !== null && kernel.connectionStatus !== "connected";
    const silent = !delivered && tries > 1 && owed?.startsWith("answer") && kernel?.status !== "busy";
    store.setConnection(down ? "lost" : silent ? "silent" : "up");
  }

  function wait() {
    const kind = /** @type {keyof typeof PATIENCE} */ (owed?.split(" ")[0]);
    timer = setTimeout(overdue, Math.min(PATIENCE[kind] * 2 ** tries, LONGEST));
  }

  function overdue() {
    const before = owed;
    tries += 1;
    resync();
    if (owed !== before) return;
    tell(false);
    wait();
  }

  function check() {
    const next = store.owed();
    if (next === owed) return;
    owed = next;
    tries = 0;
    clearTimeout(timer);
    if (owed) wait();
    tell(true);
  }

  function connectionChanged() {
    tell(true);
    if (kernel?.connectionStatus === "connected") resync();
  }

  store.subscribe(check, signal);
  check();
  kernel?.connectionStatusChanged.connect(connectionChanged);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    kernel?.connectionStatusChanged.disconnect(connectionChanged);
  });
  watchSleep(resync, signal);
}

/** @param {() => void} wake @param {AbortSignal} signal */
function watchSleep(wake, signal) {
  let hiddenAt = Infinity;
  globalThis.document?.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = Date.now();
    else if (Date.now() - hiddenAt > SLEEP) wake();
  }, { signal });
  globalThis.document?.addEventListener("resume", wake, { signal });
  globalThis.window?.addEventListener("online", wake, { signal });
  globalThis.window?.addEventListener("pageshow", ({ persisted }) => persisted && wake(), { signal });
}
