/**
 * What a user put on the image to say what is meant, as a list in the order of doing.
 *
 * @typedef {{ type: "point", x: number, y: number, label: 0 | 1 }} PointPrompt
 * @typedef {{ type: "box", x0: number, y0: number, x1: number, y1: number }} BoxPrompt
 * @typedef {[number, number][]} Vertices
 * @typedef {{ type: "scribble", points: Vertices, label: 0 | 1 }} ScribblePrompt
 * @typedef {{ type: "choice", index: number }} ChoicePrompt
 * @typedef {{ type: "mask", key: string }} MaskPrompt
 *
 * @typedef {object} StrokePrompt
 * @property {"stroke"} type
 * @property {string | null} key under which the kernel has it; null: it is new
 * @property {Vertices | null} points null when only the kernel has them
 * @property {number} radius in image pixels
 * @property {0 | 1} label 1 paints, 0 erases
 *
 * @typedef {PointPrompt | BoxPrompt | ScribblePrompt | ChoicePrompt | StrokePrompt | MaskPrompt} Prompt
 */

/** The most vertices that the kernel takes. */
export const MAX_STROKE_VERTICES = 2048;
export const MAX_SCRIBBLE_VERTICES = 256;

const MODEL_PROMPTS = new Set(["point", "box", "scribble", "mask"]);

/** The model answers for it, as opposed to a hand edit. @param {Prompt} prompt */
export const isForModel = ({ type }) => MODEL_PROMPTS.has(type);

/**
 * The candidate that was chosen of the newest answer.
 *
 * @param {readonly Prompt[]} prompts
 * @returns {number | null} null when none was
 */
export function choiceOf(prompts) {
  const next = prompts[afterModelPrompts(prompts)];
  return next?.type === "choice" ? next.index : null;
}

/** Whether the model is asked the same, whatever was chosen or painted. @param {readonly Prompt[]} a @param {readonly Prompt[]} b */
export function sameForModel(a, b) {
  const [left, right] = [a.filter(isForModel), b.filter(isForModel)];
  return left.length === right.length && left.every((prompt, k) => prompt === right[k]);
}

/** @param {readonly Prompt[]} prompts */
const afterModelPrompts = (prompts) => prompts.reduce((last, prompt, k) => (isForModel(prompt) ? k + 1 : last), 0);

/**
 * The list with one more prompt: a new box takes the old one's place, a new choice the old
 * choice's, and a choice stands right behind the prompts that it is about.
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
  // Without anything to choose between it would mean nothing.
  return at === 0 ? prompts : [...prompts.slice(0, at), choice, ...prompts.slice(at + replaced)];
}

/** @param {readonly Prompt[]} prompts @param {number} index @returns {readonly Prompt[]} */
export const withoutPrompt = (prompts, index) => [...prompts.slice(0, index), ...prompts.slice(index + 1).filter(outlives(prompts[index]))];

/** @param {readonly Prompt[]} prompts @param {number} index @param {Prompt} prompt @returns {readonly Prompt[]} */
export const withPromptAt = (prompts, index, prompt) =>
  index in prompts ? [...prompts.slice(0, index), prompt, ...prompts.slice(index + 1).filter(outlives(prompt))] : prompts;

/** Choices made after a prompt were made between its answers. @param {Prompt} [changed] */
const outlives = (changed) => (/** @type {Prompt} */ { type }) => type !== "choice" || changed?.type === "stroke";
