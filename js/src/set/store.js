/**
 * All that the views of a set's page show, and what they ask of the kernel. Without Jupyter.
 *
 * @import { SetAction, SetRequest } from "../protocol/messages.d.ts"
 * @import { SetDetailOf } from "../protocol/sent.d.ts"
 * @typedef {import("./wire.js").Images} Images
 *
 * @typedef {object} Snapshot
 * @property {Images} images
 * @property {import("./wire.js").Shown} shown
 * @property {import("./wire.js").Progress} progress
 * @property {import("./wire.js").Search} search
 * @property {import("./wire.js").Declared} declared
 * @property {import("./review-wire.js").Review} review
 * @property {string} notice why the last action was not carried out
 * @property {boolean} isDisconnected
 *
 * @typedef {ReturnType<typeof createSetStore>} SetStore
 */
import { ACKNOWLEDGEMENT_TIMEOUT, LONGEST_TIMEOUT } from "../state/timeouts.js";
import { createItems } from "./items.js";
import { createSetOutbox } from "./outbox.js";
import { createReviewList } from "./review-list.js";
import { createThumbnails } from "./thumbnails.js";

/** Actions after which another image is shown. @type {ReadonlySet<SetAction["type"]>} */
const MOVES = new Set(["show", "seek", "step", "done", "skip"]);

/**
 * @param {object} options
 * @param {string} options.client
 * @param {Omit<Snapshot, "notice" | "isDisconnected">} options.traits
 * @param {(message: SetAction | SetRequest) => boolean} options.send returns false when the kernel is gone
 * @param {AbortSignal} options.signal
 */
export function createSetStore({ client, traits, send, signal }) {
  /** @type {Snapshot} */
  let snapshot = { ...traits, notice: "", isDisconnected: false };
  const outbox = createSetOutbox(client);
  /** @type {SetAction | null} */
  let newestMove = null;
  const items = createItems();
  const thumbnails = createThumbnails(
    (data) => URL.createObjectURL(new Blob([data], { type: "image/jpeg" })),
    (url) => URL.revokeObjectURL(url),
  );
  /** @type {Set<() => void>} */
  const listeners = new Set();
  let requests = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let retries = 0;
  /** Whether answers to requests have not arrived. */
  let unanswered = 0;
  const review = createReviewList({
    request: {
      list(query, keep) {
        const { labels, ...others } = query;
        const request = nextRequest();
        post({ type: "review", ...request, ...others, labels: labels && [...labels], keep });
        return request.n;
      },
      rows: (list, first, count) =>
        post({ type: "review_rows", ...nextRequest(), list, first, count }),
      crops: (objects) => post({ type: "crops", ...nextRequest(), objects }),
    },
    toUrl: (data) => URL.createObjectURL(new Blob([data], { type: "image/jpeg" })),
    revoke: (url) => URL.revokeObjectURL(url),
    changed,
  });
  items.setList(traits.images);
  review.refresh(traits.review.version);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    thumbnails.clear();
    review.clear();
  });

  function changed() {
    for (const listener of listeners) listener();
  }

  /** @param {SetAction | SetRequest} message */
  function post(message) {
    const isThere = send(message);
    if (isThere === snapshot.isDisconnected) {
      snapshot = { ...snapshot, isDisconnected: !isThere };
      changed();
    }
    expectAnswer();
  }

  /** Send again what is overdue: messages are lost when the connection breaks. */
  function expectAnswer() {
    clearTimeout(timer);
    if (!outbox.waiting().length && !unanswered) {
      retries = 0;
      return;
    }
    const delay = Math.min(ACKNOWLEDGEMENT_TIMEOUT * 2 ** retries, LONGEST_TIMEOUT);
    timer = setTimeout(() => {
      retries += 1;
      resend();
    }, delay);
  }

  function resend() {
    items.forgetRequests();
    thumbnails.forgetRequests();
    review.forgetRequests();
    unanswered = 0;
    post({ type: "hello" });
    for (const action of outbox.waiting()) post(action);
    changed();
  }

  function nextRequest() {
    requests += 1;
    unanswered += 1;
    return { client, n: requests };
  }

  function answered() {
    unanswered = Math.max(unanswered - 1, 0);
    retries = 0;
    expectAnswer();
    changed();
  }

  return {
    client,
    snapshot: () => snapshot,

    /** @param {() => void} listener @param {AbortSignal} until */
    subscribe(listener, until) {
      listeners.add(listener);
      until.addEventListener("abort", () => listeners.delete(listener));
    },

    /** @param {Partial<Snapshot>} change */
    receive(change) {
      if (change.images) items.setList(change.images);
      if (change.review) review.refresh(change.review.version);
      snapshot = { ...snapshot, ...change };
      changed();
    },

    /** @param {number} last number of this page's newest action that has arrived */
    acknowledge(last) {
      outbox.acknowledge(last);
      retries = 0;
      expectAnswer();
      changed();
    },

    /**
     * @template {SetAction["type"]} Type
     * @param {Type} type
     * @param {SetDetailOf<Type>} detail
     * @returns {number} of the action
     */
    act(type, detail) {
      if (snapshot.notice) snapshot = { ...snapshot, notice: "" };
      const action = outbox.add(type, detail);
      if (MOVES.has(type)) newestMove = action;
      post(action);
      changed();
      return action.rid.n;
    },

    /** The newest action that leads to another image, if its effect is not shown yet. */
    pendingMove: () =>
      newestMove && newestMove.rid.n > snapshot.shown.carriedOut ? newestMove.type : null,

    /** Actions that the kernel has not acknowledged, oldest first. */
    waiting: outbox.waiting,

    /** @param {number} position in the list */
    itemAt: items.at,
    /** @param {number} number */
    thumbnailOf: thumbnails.get,

    /** @param {number} first @param {number} last positions in view */
    requestItems(first, last) {
      for (const wanted of items.request(first, last))
        post({ type: "items", ...nextRequest(), ...wanted });
    },

    /** @param {readonly number[]} visible numbers of images */
    requestThumbnails(visible) {
      const numbers = thumbnails.request(visible);
      if (numbers.length) post({ type: "thumbnails", ...nextRequest(), numbers: [...numbers] });
    },

    /** @param {ReturnType<typeof import("./wire.js").parseItems>} answer */
    receiveItems(answer) {
      if (answer.client !== client) return;
      items.receive(answer);
      answered();
    },

    /** @param {ReturnType<typeof import("./wire.js").parseThumbnail>} answer */
    receiveThumbnail(answer) {
      if (answer.client !== client) return;
      thumbnails.receive(answer);
      answered();
    },

    /** The list of objects under review. */
    review,

    /** @param {ReturnType<typeof import("./review-wire.js").parseReview>} answer */
    receiveReview(answer) {
      if (answer.client !== client) return;
      review.receive(answer);
      answered();
    },

    /** @param {ReturnType<typeof import("./review-wire.js").parseRows>} answer */
    receiveRows(answer) {
      if (answer.client !== client) return;
      review.receiveRows(answer);
      answered();
    },

    /** @param {ReturnType<typeof import("./review-wire.js").parseCrop>} answer */
    receiveCrop(answer) {
      if (answer.client !== client) return;
      review.receiveCrop(answer);
      answered();
    },

    resend,
  };
}
