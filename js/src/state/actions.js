/**
 * What the page sends to the kernel, and what actions do to objects.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./options.js").Options} Options
 *
 * @import { PromptsRequest, SentPrompt, ShowPlane } from "../protocol/messages.d.ts"
 * @import { ActionDetail, ActionType, EditAction, NumberedRequest } from "../protocol/sent.d.ts"
 *
 * @typedef {object} Link sends to the kernel; each function throws when the kernel cannot be reached
 * @property {(request: PromptsRequest, isRepeated?: boolean) => void} sendPrompts a later one may replace
 *   it on its way, unless it is repeated: then it arrives before all that is sent after it
 * @property {(request: EditAction | ShowPlane) => void} sendAction one by one
 * @property {(request: NumberedRequest, buffers?: ArrayBuffer[]) => void} sendRequest
 * @property {(change: Partial<Options>) => void} sendOptions
 * @property {(objects: number, lanes: number, proposals: number) => void} sendHello request the state, with all objects unless `objects` is the newest message of objects, and all lanes and proposals likewise
 *
 * @typedef {{ id: number, change: { label?: string | null, visible?: boolean, locked?: boolean } }} ObjectChange what an action changes in an object
 */

/** Actions that finish the object being worked on, or replace it by another one. @type {ReadonlySet<ActionType>} */
const FINISHING = new Set([
  "commit",
  "select",
  "delete",
  "clear",
  "lock",
  "restore",
  "merge",
  "split",
]);

/** Of those, the ones that may be about another object. @type {ReadonlySet<ActionType>} */
const WITH_OBJECT = new Set(["delete", "lock"]);

/** Actions after which only the kernel knows the prompts. @type {ReadonlySet<ActionType>} */
const WITH_UNKNOWN_RESULT = new Set(["select", "undo", "redo"]);

/** @param {ActionType} type */
export const isResultKnown = (type) => !WITH_UNKNOWN_RESULT.has(type);

/** @type {Partial<Record<ActionType, (detail: ActionDetail) => ObjectChange["change"]>>} */
const CHANGES = {
  label: ({ label = null }) => ({ label }),
  class: ({ label = null }) => ({ label }),
  show: ({ visible = true }) => ({ visible }),
  lock: ({ locked = false }) => ({ locked }),
};

/**
 * @param {ActionType} type
 * @param {ActionDetail} detail
 * @param {number | null} active id of the object being worked on
 */
export const finishesObject = (type, { object, locked }, active) =>
  FINISHING.has(type) && (!WITH_OBJECT.has(type) || object === active) && locked !== false;

/**
 * @param {ActionType} type
 * @param {ActionDetail} detail
 * @returns {ObjectChange | null} shown at once, before the kernel has acknowledged it
 */
export function changeOf(type, detail) {
  const change = CHANGES[type]?.(detail);
  return change && typeof detail.object === "number" ? { id: detail.object, change } : null;
}

/**
 * A prompt as it is sent: a mask or stroke that the kernel already has is referred to by its key.
 *
 * @param {Prompt} prompt
 * @returns {SentPrompt}
 */
export function toWire(prompt) {
  if (prompt.type !== "mask" && prompt.type !== "stroke") return prompt;
  if (prompt.key !== null) return { type: "known", key: prompt.key };
  const { type, points, radius, label } = prompt;
  return { type, points, radius, label };
}
