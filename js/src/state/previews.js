/**
 * Requests for the mask that a click would give: while the pointer hovers or rests, and when a button is
 * pressed. The newest one is also a speculative prediction: if the click comes, its mask is shown at once.
 *
 * @typedef {import("./prompts.js").PointPrompt} PointPrompt
 * @typedef {import("./requests.js").Request} Request
 */
import { NO_PROMPTS } from "./edits.js";
import { withPrompt } from "./prompts.js";

/**
 * @param {object} options
 * @param {ReturnType<typeof import("./requests.js").createRequests>} options.requests
 * @param {import("./edits.js").Edits} options.edits
 * @param {import("./mask-memory.js").MaskMemory} options.masks
 * @param {(point: PointPrompt) => boolean} options.isNewObject whether a click would start a new object
 */
export function createPreviews({ requests, edits, masks, isNewObject }) {
  /** @type {Request | null} */
  let speculative = null;
  /** The request for a press, whose answer is used nowhere else. @type {Request | null} */
  let press = null;

  /**
   * @param {"hover" | "press"} type
   * @param {PointPrompt} point
   * @param {import("./requests.js").RequestOptions<"hover">} [more]
   * @returns {Request | null} null when the kernel cannot be reached, or a press has its mask already
   */
  return function requestPreview(type, point, more = {}) {
    const { x, y, label } = point;
    const fresh = isNewObject(point);
    const prompts = withPrompt(fresh ? NO_PROMPTS : edits.expected().prompts, point);
    if (type === "press" && masks.isSpeculative(prompts)) return null;
    const request = requests.request(
      type,
      { epoch: edits.epoch(), x, y, label, ...(fresh && { fresh }) },
      {
        ...more,
        answered(preview) {
          if (request && request === speculative) masks.setSpeculative(prompts, preview.mask);
          more.answered?.(preview);
        },
      },
    );
    speculative = request;
    if (type === "press") {
      press?.cancel();
      press = request;
    }
    return request;
  };
}
