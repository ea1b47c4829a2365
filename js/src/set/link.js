/**
 * Connects the model of a set's page with a store: every trait and message passes here.
 *
 * @import { SetKernelMessage } from "../protocol/messages.d.ts"
 * @typedef {import("@anywidget/types").AnyModel<import("../protocol/sent.d.ts").SetModelTraits>} Model
 * @typedef {import("./store.js").SetStore} SetStore
 */

import { typeOf } from "../kernel/wire.js";
import { newPageId } from "../state/page-id.js";
import { parseCrop, parseReview, parseReviewState, parseRows } from "./review-wire.js";
import { createSetStore } from "./store.js";
import {
  parseAck,
  parseDeclared,
  parseImages,
  parseItems,
  parseNotice,
  parseProgress,
  parseSearch,
  parseShown,
  parseThumbnail,
} from "./wire.js";

/**
 * @param {Model} model
 * @param {AbortSignal} signal
 * @returns {SetStore}
 */
export function connectSet(model, signal) {
  const client = newPageId();
  const store = createSetStore({
    client,
    traits: {
      images: parseImages(model.get("_images")),
      shown: parseShown(model.get("_shown"), client),
      progress: parseProgress(model.get("_progress")),
      search: parseSearch(model.get("_search")),
      declared: parseDeclared(model.get("_declared")),
      review: parseReviewState(model.get("_review")),
    },
    send(message) {
      if (signal.aborted) return true;
      try {
        model.send(message);
      } catch {
        return false;
      }
      return true;
    },
    signal,
  });

  function readNotice() {
    const notice = parseNotice(model.get("_notice"));
    if (!notice.client || notice.client === client) store.receive({ notice: notice.text });
  }

  /** @type {Record<SetKernelMessage["type"], (content: unknown, buffers: readonly unknown[]) => void>} */
  const messages = {
    items: (content) => store.receiveItems(parseItems(content)),
    thumbnail: (content, buffers) => store.receiveThumbnail(parseThumbnail(content, buffers)),
    review: (content) => store.receiveReview(parseReview(content)),
    review_rows: (content) => store.receiveRows(parseRows(content)),
    crop: (content, buffers) => store.receiveCrop(parseCrop(content, buffers)),
  };

  /** @type {[string, (...args: any[]) => void][]} */
  const handlers = [
    ["change:_images", () => store.receive({ images: parseImages(model.get("_images")) })],
    ["change:_shown", () => store.receive({ shown: parseShown(model.get("_shown"), client) })],
    ["change:_progress", () => store.receive({ progress: parseProgress(model.get("_progress")) })],
    ["change:_search", () => store.receive({ search: parseSearch(model.get("_search")) })],
    ["change:_declared", () => store.receive({ declared: parseDeclared(model.get("_declared")) })],
    ["change:_review", () => store.receive({ review: parseReviewState(model.get("_review")) })],
    ["change:_notice", readNotice],
    ["change:_acks", () => store.acknowledge(parseAck(model.get("_acks"), client))],
    [
      "msg:custom",
      (content, buffers) => {
        const type = typeOf(content);
        if (Object.hasOwn(messages, type))
          messages[/** @type {SetKernelMessage["type"]} */ (type)](content, buffers ?? []);
      },
    ],
    ["comm_live_update", () => store.resend()],
    ["comm:close", () => store.receive({ isDisconnected: true })],
  ];
  for (const [event, handler] of handlers) model.on(event, handler);
  signal.addEventListener("abort", () => {
    for (const [event, handler] of handlers) model.off(event, handler);
  });
  return store;
}
