/** Every text of the review, in one place for proofreading and translation. */

/** @typedef {import("./review-wire.js").Sort} Sort */

const whole = new Intl.NumberFormat("en");

/** @param {number} count */
const objects = (count) => (count === 1 ? "1 object" : `${whole.format(count)} objects`);

export const label = "Review of all objects";

/** @type {Record<Sort, string>} */
export const sorts = {
  image: "By image",
  score: "By score",
  area: "By area",
  time: "By time",
};

export const filter = {
  group: "Sort and filter",
  sort: "Sort",
  label: "Class",
  anyLabel: "Any class",
  noLabel: "No class",
  state: "State of the image",
  anyState: "Any state",
  accepted: "Accepted or not",
  any: "Accepted or not",
  open: "Not accepted",
  done: "Accepted",
};

/** @type {Record<"descending" | "relabel" | "accept" | "reject" | "delete" | "undo" | "selectAll" | "measure", import("../ui/texts.js").Words>} */
export const buttons = {
  descending: { label: "Largest or newest first" },
  relabel: { label: "Class of the selected objects" },
  accept: {
    label: "Accept",
    hint: "These objects are right as they are",
    keys: "A",
    shortcut: "A",
  },
  reject: { label: "Not accepted", hint: "These objects have to be looked at again" },
  delete: { label: "Delete", keys: "Del", shortcut: "Delete" },
  undo: { label: "Undo", keys: "Ctrl+Z", shortcut: "Control+Z" },
  selectAll: { label: "Select all", keys: "Ctrl+A", shortcut: "Control+A" },
  measure: {
    label: "Measure",
    hint: "Predict the masks of objects that have no score and area yet",
  },
};

export const relabel = "Change class…";

export const grid = {
  label: "Objects",
  none: "No object matches.",
  waiting: "Looking for objects…",
  help: "Enter or a double click opens the image. Space selects, Shift extends.",
  noLabel: "No class",
  /** @param {import("./review-wire.js").Row} row */
  cell: ({ label: name, score, accepted, name: image }) =>
    [
      name ?? "No class",
      score === null ? "not measured" : `score ${score.toFixed(2)}`,
      accepted ? "accepted" : "",
      image,
    ]
      .filter(Boolean)
      .join(", "),
  /** @param {import("./review-wire.js").Row} row */
  tip: ({ name, area }) => (area === null ? name : `${name}\n${whole.format(area)} pixels`),
};

/** @param {number} total @param {number} selected */
export const count = (total, selected) =>
  selected ? `${whole.format(selected)} of ${objects(total)} selected` : objects(total);

/** @param {number} unmeasured */
export const unmeasured = (unmeasured) => `${objects(unmeasured)} without a score`;
