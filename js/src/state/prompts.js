/**
 * The prompts of an object, in the order in which the user made them.
 *
 * @typedef {{ type: "point", x: number, y: number, label: 0 | 1 }} PointPrompt
 * @typedef {{ type: "box", x0: number, y0: number, x1: number, y1: number }} BoxPrompt
 * @typedef {[number, number][]} Vertices
 * @typedef {{ type: "scribble", points: Vertices, label: 0 | 1 }} ScribblePrompt
 * @typedef {{ type: "choice", index: number }} ChoicePrompt
 * @typedef {{ type: "mask", key: string }} MaskPrompt
 *
 * @typedef {object} StrokeBrush
 * @property {"stroke"} type
 * @property {number} radius in image pixels
 * @property {0 | 1} label 1 paints, 0 erases
 * @typedef {StrokeBrush & { key: null, points: Vertices }} NewStroke
 * @typedef {StrokeBrush & { key: string, points: Vertices | null }} KnownStroke key: under which the kernel has it; points: null when only the kernel has them
 * @typedef {NewStroke | KnownStroke} StrokePrompt
 *
 * @typedef {PointPrompt | BoxPrompt | ScribblePrompt | ChoicePrompt | StrokePrompt | MaskPrompt} Prompt
 */

/** The most vertices that the kernel accepts. */
export const MAX_STROKE_VERTICES = 2048;
export const MAX_SCRIBBLE_VERTICES = 256;

const MODEL_PROMPTS = new Set(["point", "box", "scribble", "mask"]);

/** @type {WeakMap<Prompt, string>} */
const keys = new WeakMap();

/** The same for equal prompts, also if one was sent and the other received. @param {Prompt} prompt */
export function keyOf(prompt) {
  const known = keys.get(prompt);
  if (known !== undefined) return known;
  const key =
    prompt.type === "stroke" && prompt.key !== null
      ? prompt.key
      : JSON.stringify(prompt, [...Object.keys(prompt)].sort());
  keys.set(prompt, key);
  return key;
}

/** @param {Prompt} a @param {Prompt} b */
function isSamePrompt(a, b) {
  if (a === b || keyOf(a) === keyOf(b)) return true;
  // The kernel gives a new stroke a key and sends it back without its points.
  const isNew = a.type === "stroke" && b.type === "stroke" && (a.key === null) !== (b.key === null);
  return isNew && a.radius === b.radius && a.label === b.label;
}

/**
 * The index of a prompt in a list that may have changed meanwhile.
 *
 * @param {readonly Prompt[]} prompts
 * @param {Prompt | undefined} wanted
 * @param {number} near its index before
 * @returns {number} -1 when it is no longer there
 */
export function findPrompt(prompts, wanted, near) {
  if (!wanted) return -1;
  if (near in prompts && isSamePrompt(prompts[near], wanted)) return near;
  return prompts.findIndex((prompt) => isSamePrompt(prompt, wanted));
}

/** An input of the model, as opposed to an edit by hand. @param {Prompt} prompt */
export const isForModel = ({ type }) => MODEL_PROMPTS.has(type);

/** Prompts that the user places on the image. */
const PLACED = new Set(["point", "box", "scribble", "stroke"]);

/** Index of the newest prompt that the user has placed, -1 when there is none. @param {readonly Prompt[]} prompts */
export const newestPlaced = (prompts) =>
  prompts.reduce((newest, { type }, k) => (PLACED.has(type) ? k : newest), -1);

/** Whether it marks a place in the image, so that it can be the first prompt of a new object. @param {Prompt} prompt */
export const canStartObject = (prompt) =>
  prompt.type === "box" ||
  ((prompt.type === "point" || prompt.type === "scribble") && prompt.label === 1);

/**
 * Index of the candidate that was chosen of the newest prediction.
 *
 * @param {readonly Prompt[]} prompts
 * @returns {number | null} null when none was
 */
export function choiceOf(prompts) {
  const next = prompts[afterModelPrompts(prompts)];
  return next?.type === "choice" ? next.index : null;
}

/** Whether the model gets the same input, whatever was chosen or painted. @param {readonly Prompt[]} a @param {readonly Prompt[]} b */
export function sameForModel(a, b) {
  const [left, right] = [a.filter(isForModel), b.filter(isForModel)];
  return left.length === right.length && left.every((prompt, k) => isSamePrompt(prompt, right[k]));
}

/** @param {readonly Prompt[]} prompts */
const afterModelPrompts = (prompts) =>
  prompts.reduce((last, prompt, k) => (isForModel(prompt) ? k + 1 : last), 0);

/**
 * The list with one more prompt. A new box replaces the old one and a new choice the old choice; a
 * choice follows the prompts whose candidates it is about.
 *
 * @param {readonly Prompt[]} prompts
 * @param {Prompt} prompt
 * @returns {readonly Prompt[]}
 */
export function withPrompt(prompts, prompt) {
  if (prompt.type === "box") {
    const old = prompts.findIndex(({ type }) => type === "box");
    return [...(old < 0 ? prompts : withoutPrompt(prompts, old)), prompt];
  }
  return prompt.type === "choice" ? withChoice(prompts, prompt) : [...prompts, prompt];
}

/** @param {readonly Prompt[]} prompts @param {ChoicePrompt} choice */
function withChoice(prompts, choice) {
  const at = afterModelPrompts(prompts);
  const replaced = prompts[at]?.type === "choice" ? 1 : 0;
  // Without a prompt for the model there are no candidates.
  return at === 0 ? prompts : [...prompts.slice(0, at), choice, ...prompts.slice(at + replaced)];
}

/** @param {readonly Prompt[]} prompts @param {number} index @returns {readonly Prompt[]} */
export const withoutPrompt = (prompts, index) => [
  ...prompts.slice(0, index),
  ...prompts.slice(index + 1).filter(survivesChange(prompts[index])),
];

/** @param {readonly Prompt[]} prompts @param {number} index @param {Prompt} prompt @returns {readonly Prompt[]} */
export const withPromptAt = (prompts, index, prompt) =>
  index in prompts
    ? [
        ...prompts.slice(0, index),
        prompt,
        ...prompts.slice(index + 1).filter(survivesChange(prompt)),
      ]
    : prompts;

/** A choice is about the candidates of the prompts before it: it is void when one of these changes. @param {Prompt} [changed] */
const survivesChange =
  (changed) =>
  (/** @type {Prompt} */ { type }) =>
    type !== "choice" || changed?.type === "stroke";
