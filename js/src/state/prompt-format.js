/**
 * Files of prompts, written without a kernel. `SegmentWidget(image, prompts=file)` and `Prompts.load` read
 * them.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("./annotation.js").PromptClass} PromptClass
 * @typedef {import("./annotation.js").SegmentedObject} SegmentedObject
 * @typedef {import("./annotation.js").MaskSettings} Settings
 *
 * @typedef {object} KeyedPrompts what the kernel sends once and refers to by a key afterwards
 * @property {ReadonlyMap<string, Float64Array>} strokes vertices
 * @property {ReadonlyMap<string, string>} largePrompts strokes and masks, as JSON
 * @typedef {(prompt: Prompt) => string | null} PromptText its JSON; null if only the kernel has it
 * @typedef {{ objects: readonly string[], settings: string }} PlanePrompts JSON of each object; the field of the settings, or ""
 *
 * @typedef {object} PlaneSnapshot the used part of a snapshot
 * @property {readonly SegmentedObject[]} rows
 * @property {{ id: number } | null} active
 * @property {number | null} target
 * @property {readonly Prompt[]} prompts
 * @property {string | null} nextLabel
 * @property {Settings} settings
 */

/** JSON of fields without those that have their default value. @param {Record<string, unknown>} fields */
const fieldsOf = (fields) =>
  Object.entries(fields)
    .flatMap(([name, value]) =>
      value === null || value === false
        ? []
        : [`,${JSON.stringify(name)}:${JSON.stringify(value)}`],
    )
    .join("");

/** @param {readonly string[]} prompts JSON of each @param {Partial<SegmentedObject>} object */
const objectText = (prompts, { label = null, number = null, ownColor = null, crowd = false }) =>
  `{"prompts":[${prompts.join(",")}]${fieldsOf({ label, number, color: ownColor, crowd })}}`;

/** Cached JSON of objects. @type {WeakMap<SegmentedObject, string>} */
const texts = new WeakMap();

/** @param {SegmentedObject} object @param {readonly Prompt[]} prompts @param {PromptText} textOf */
function textOfObject(object, prompts, textOf) {
  const known = prompts === object.prompts ? texts.get(object) : undefined;
  if (known !== undefined) return known;
  const found = prompts.map(textOf);
  const text = objectText(
    found.filter((each) => each !== null),
    object,
  );
  if (prompts === object.prompts && !found.includes(null)) texts.set(object, text);
  return text;
}

/** Those that are not as they are by default. @param {Settings} settings */
function settingsText({ overlap, fillHoles, dropSpecks }) {
  const changed = {
    ...(overlap !== "on top" && { overlap }),
    ...(fillHoles && { fill_holes: fillHoles }),
    ...(dropSpecks && { drop_specks: dropSpecks }),
  };
  return Object.keys(changed).length ? `,"settings":${JSON.stringify(changed)}` : "";
}

/**
 * All objects of the plane shown, from bottom to top, with the active one and one that the kernel has
 * not acknowledged yet.
 *
 * @param {PlaneSnapshot} snapshot
 * @param {PromptText} textOf
 * @returns {PlanePrompts}
 */
export function planePrompts({ rows, active, target, prompts, nextLabel, settings }, textOf) {
  const objects = rows.flatMap((row) => {
    const own = row.id === active?.id && target === row.id ? prompts : row.prompts;
    return own.length ? [textOfObject(row, own, textOf)] : [];
  });
  if (target === null && prompts.length) {
    const begun = prompts.map(textOf).filter((each) => each !== null);
    objects.push(objectText(begun, { label: nextLabel }));
  }
  return { objects, settings: settingsText(settings) };
}

/** @param {readonly PromptClass[]} classes */
const classesText = (classes) => (classes.length ? `,"classes":${JSON.stringify(classes)}` : "");

/** @param {PlanePrompts} plane @param {readonly PromptClass[]} classes */
export const promptsFile = ({ objects, settings }, classes) =>
  `{"format":"sam2-widget-prompts","version":1,"objects":[${objects.join(",")}]${settings}${classesText(classes)}}`;

/**
 * @param {ReadonlyMap<number, PlanePrompts>} planes
 * @param {string} axis
 * @param {readonly PromptClass[]} classes
 */
export function stackFile(planes, axis, classes) {
  const found = [...planes].filter(([, { objects }]) => objects.length).sort(([a], [b]) => a - b);
  const planeTexts = found.map(
    ([plane, { objects, settings }]) =>
      `{"plane":${plane},"objects":[${objects.join(",")}]${settings}}`,
  );
  return `{"format":"sam2-widget-stack-prompts","version":1,"along":${JSON.stringify(axis)},"planes":[${planeTexts.join(",")}]${classesText(classes)}}`;
}

/** @param {string} file as of `stackFile` @returns {Map<number, PlanePrompts>} empty for another file */
export function planesOfFile(file) {
  try {
    /** @type {{ plane: number, objects: object[], settings?: object }[]} */
    const planes = JSON.parse(file).planes ?? [];
    return new Map(
      planes.map(({ plane, objects, settings }) => [
        plane,
        {
          objects: objects.map((object) => JSON.stringify(object)),
          settings: settings ? `,"settings":${JSON.stringify(settings)}` : "",
        },
      ]),
    );
  } catch {
    return new Map();
  }
}

/**
 * @param {KeyedPrompts} known
 * @param {(key: string) => { points: Float64Array } | undefined} drawn strokes of this page
 * @returns {PromptText}
 */
export function promptTexts(known, drawn) {
  return (prompt) => {
    if (prompt.type === "mask") return known.largePrompts.get(prompt.key) ?? null;
    if (prompt.type !== "stroke") return JSON.stringify(prompt);
    const { type, key, radius, label } = prompt;
    const text = key === null ? undefined : known.largePrompts.get(key);
    if (text) return text;
    const points =
      prompt.points ??
      pairs(key === null ? undefined : (known.strokes.get(key) ?? drawn(key)?.points));
    return points && JSON.stringify({ type, points, radius, label });
  };
}

/** @param {Float64Array | undefined} flat @returns {[number, number][] | null} */
function pairs(flat) {
  if (!flat) return null;
  return Array.from({ length: flat.length / 2 }, (_, k) => [flat[2 * k], flat[2 * k + 1]]);
}
