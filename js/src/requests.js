/**
 * What the page sends to the kernel.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./options.js").Options} Options
 *
 * @typedef {"commit" | "select" | "delete" | "label" | "undo" | "redo" | "clear" | "class"
 *   | "show" | "lock" | "order" | "class_add" | "setting"} ActionType
 * @typedef {"plane"} TurnType no edit: it may leave while an edit is on its way
 * @typedef {object} ActionDetail
 * @property {number | null} [object]
 * @property {string | null} [label]
 * @property {boolean} [visible]
 * @property {boolean} [locked]
 * @property {number} [index]
 * @property {string} [name]
 * @property {string} [color]
 * @property {string | number} [value]
 *
 * @typedef {{ client: string, n: number, seen?: number }} RequestId `seen`: how many notices, when its user acted
 * @typedef {{ rid: RequestId, epoch: number, prompts: readonly object[], adds?: boolean }} PromptsRequest
 * @typedef {PromptsRequest & ActionDetail & { type: ActionType }} ActionRequest
 * @typedef {{ rid: RequestId, epoch: number, prompts: readonly object[] | null, type: TurnType, plane: number }} TurnRequest
 * @typedef {"hover" | "press" | "tiles" | "probe" | "save" | "part" | "upload"} QuestionType
 *
 * @typedef {object} Link the way to the kernel; all throw when it is gone
 * @property {(request: PromptsRequest, inTurn?: boolean) => void} sendPrompts newest wins, unless
 *   `inTurn`: then it arrives before all that is sent after it
 * @property {(request: ActionRequest | TurnRequest) => void} sendAction one by one
 * @property {(question: { type: QuestionType, client: string, n: number } & Record<string, unknown>, buffers?: ArrayBuffer[]) => void} sendQuestion
 * @property {(change: Partial<Options>) => void} sendOptions
 * @property {(seen: number) => void} sendHello ask for the state, and for all objects if `seen` messages of them are not all
 *
 * @typedef {{ label?: string | null, visible?: boolean, locked?: boolean }} Patch what shows of an action at once
 */

/** After these the object being worked on is another one. @type {ReadonlySet<ActionType>} */
const LEAVES_OBJECT = new Set(["commit", "select", "delete", "clear", "lock"]);

/** Unless they are about another one. @type {ReadonlySet<ActionType>} */
const ABOUT_ONE = new Set(["delete", "lock"]);

/** After these only the kernel knows the prompts. @type {ReadonlySet<ActionType>} */
const UNFORESEEN = new Set(["select", "undo", "redo"]);

/** @param {ActionType} type */
export const isForeseen = (type) => !UNFORESEEN.has(type);

/** @type {Partial<Record<ActionType, (detail: ActionDetail) => Patch>>} */
const PATCHES = {
  label: ({ label = null }) => ({ label }),
  show: ({ visible = true }) => ({ visible }),
  lock: ({ locked = false }) => ({ locked }),
};

/**
 * @param {ActionType} type
 * @param {ActionDetail} detail
 * @param {number | null} active id of the object being worked on
 */
export const leavesObject = (type, { object, locked }, active) =>
  LEAVES_OBJECT.has(type) && (!ABOUT_ONE.has(type) || object === active) && locked !== false;

/**
 * @param {ActionType} type
 * @param {ActionDetail} detail
 * @returns {{ id: number, patch: Patch } | null} what it does to an object at once, before the kernel says so
 */
export function patchOf(type, detail) {
  const patch = PATCHES[type]?.(detail);
  return patch && typeof detail.object === "number" ? { id: detail.object, patch } : null;
}

/**
 * A prompt as it is sent: what the kernel already has goes by its key.
 *
 * @param {Prompt} prompt
 * @returns {Record<string, unknown>}
 */
export function toWire(prompt) {
  if (prompt.type === "mask" || (prompt.type === "stroke" && prompt.key !== null)) return { type: "known", key: prompt.key };
  if (prompt.type !== "stroke") return prompt;
  const { type, points, radius, label } = prompt;
  return { type, points, radius, label };
}
