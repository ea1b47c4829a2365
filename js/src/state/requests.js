/**
 * Requests that are no part of the annotation: previews, tiles, the value of a pixel, parts of files.
 * Each is one message, answered by one message.
 *
 * @typedef {import("./actions.js").Link} Link
 * @import { AnswerTypes, NumberedRequest, RequestContent, RequestType } from "../protocol/sent.d.ts"
 * @typedef {import("./answers.js").Answers} Answers
 * @typedef {import("./answers.js").AnswerType} AnswerType
 *
 * @typedef {{ n: number, cancel: () => void }} Request n: its number, which its answer repeats
 */

/** Name of the message that answers each request; null: none does. @type {Readonly<AnswerTypes>} */
export const ANSWER_TYPES = Object.freeze({
  hover: "preview",
  press: "preview",
  tiles: "tiles",
  probe: "probe",
  frames: "frame",
  save: "file",
  part: "part",
  upload: "uploaded",
  dismiss: null,
});

/**
 * @template {RequestType} Type
 * @typedef {AnswerTypes[Type] extends infer Name extends AnswerType ? Answers[Name] : never} AnswerTo
 */

/**
 * @template {RequestType} Type
 * @typedef {object} RequestOptions
 * @property {(answer: AnswerTo<Type>) => void} [answered]
 * @property {() => void} [failed] no answer came in time, after all retries
 * @property {number} [timeout] milliseconds to wait for an answer; by default as long as it takes
 * @property {number} [retries] how often the request is sent again
 * @property {(answer: AnswerTo<Type>) => boolean} [matches] for answers that do not repeat the request's number
 * @property {ArrayBuffer[]} [buffers]
 * @property {AbortSignal} [signal] cancels the request
 */

/**
 * @param {object} options
 * @param {string} options.client
 * @param {Link} options.link
 * @param {(send: () => void) => boolean} options.attempt whether it could be sent
 */
export function createRequests({ client, link, attempt }) {
  let count = 0;
  /** @typedef {{ answerType: string, matches: (answer: any) => boolean, answered: (answer: any) => void }} Open */
  /** Requests without an answer, oldest first. @type {Set<Open>} */
  const open = new Set();
  /** @type {Map<string, Set<(answer: any) => void>>} */
  const listeners = new Map();

  /**
   * @template {RequestType} Type
   * @param {Type} type
   * @param {RequestContent<Type>} content
   * @param {RequestOptions<Type>} [options]
   * @returns {Request | null} null when the kernel cannot be reached
   */
  function request(type, content, options = {}) {
    const n = (count += 1);
    const message = /** @type {NumberedRequest} */ (
      /** @type {unknown} */ ({ n, ...content, type, client })
    );
    const send = () => attempt(() => link.sendRequest(message, options.buffers));
    if (!send()) return null;
    const cancel =
      options.answered || options.failed
        ? wait(ANSWER_TYPES[type] ?? "", message.n, send, options)
        : () => {};
    return { n, cancel };
  }

  /**
   * Wait for the answer, and repeat the request when it is overdue.
   *
   * @param {string} answerType
   * @param {number} n
   * @param {() => boolean} send
   * @param {RequestOptions<any>} options
   * @returns {() => void} cancels the request
   */
  function wait(
    answerType,
    n,
    send,
    {
      answered,
      failed,
      timeout = Infinity,
      retries = 0,
      matches = (answer) => answer.n === n,
      signal,
    },
  ) {
    let left = retries;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @type {Open} */
    const entry = { answerType, matches, answered: receive };

    function cancel() {
      clearTimeout(timer);
      open.delete(entry);
      signal?.removeEventListener("abort", cancel);
    }

    /** @param {any} answer */
    function receive(answer) {
      cancel();
      answered?.(answer);
    }

    function startTimer() {
      if (timeout < Infinity) timer = setTimeout(overdue, timeout);
    }

    function overdue() {
      left -= 1;
      if (left >= 0 && send()) return startTimer();
      cancel();
      failed?.();
    }

    open.add(entry);
    signal?.addEventListener("abort", cancel, { once: true });
    startTimer();
    return cancel;
  }

  return {
    request,

    /** Answers that no request waits for any more. @param {AnswerType} type @param {(answer: any) => void} listener @param {AbortSignal} signal */
    listen(type, listener, signal) {
      if (signal.aborted) return;
      const all = listeners.get(type) ?? new Set();
      listeners.set(type, all.add(listener));
      signal.addEventListener("abort", () => all.delete(listener), { once: true });
    },

    /** @param {string} type @param {any} answer */
    receive(type, answer) {
      const mine = answer.client === client;
      const entry = [...open].find(
        ({ answerType, matches }) => mine && answerType === type && matches(answer),
      );
      if (entry) entry.answered(answer);
      else for (const listener of [...(listeners.get(type) ?? [])]) listener(answer);
    },
  };
}
