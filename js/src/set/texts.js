/** Every text of a set's page, in one place for proofreading and translation. */

/** @typedef {import("./wire.js").State} State */

const whole = new Intl.NumberFormat("en");

export const page = "Images of the set";
export const toolbar = "Go through the images";

/** @type {Record<State, string>} */
export const states = {
  untouched: "Untouched",
  "in progress": "In progress",
  done: "Done",
  empty: "Done, empty",
  review: "To be reviewed",
  skipped: "Skipped",
};

/** @type {Record<"previous" | "next" | "done" | "skip" | "search" | "details" | "review" | "clear", import("../ui/texts.js").Words>} */
export const buttons = {
  previous: { label: "Previous image", keys: "PgUp  <", shortcut: "PageUp" },
  next: { label: "Next image", keys: "PgDn  >", shortcut: "PageDown" },
  done: {
    label: "Done",
    hint: "This image is done: go to the next that is not",
    keys: "D",
    shortcut: "D",
  },
  skip: {
    label: "Skip",
    hint: "Leave out this image: go to the next that is not finished",
    keys: "Shift+D",
    shortcut: "Shift+D",
  },
  search: { label: "Search", hint: "By name, state and class" },
  details: { label: "Note and attributes" },
  review: { label: "Review", hint: "All objects of all images: check, relabel, delete, accept" },
  clear: { label: "Show all images" },
};

export const position = {
  label: "Number or name of an image",
  hint: "Enter goes there",
  /** @param {number} total */
  of: (total) => `of ${whole.format(total)}`,
};

/** @param {number} number @param {number} total @param {string} name @param {State} is */
export const shown = (number, total, name, is) =>
  `Image ${whole.format(number)} of ${whole.format(total)}, ${name}, ${states[is]}`;

export const state = "State of this image";

export const search = {
  label: "Search",
  text: "Part of a name",
  state: "State",
  anyState: "Any state",
  label_: "Class",
  anyLabel: "Any class",
  /** @param {number} matches @param {number} total */
  count: (matches, total) =>
    matches === 0
      ? "No image matches"
      : `${whole.format(matches)} of ${whole.format(total)} ${total === 1 ? "image" : "images"}`,
};

export const strip = {
  label: "Images",
  none: "No image matches the search.",
  /** @param {number} number @param {string} name @param {State} is @param {string} problem */
  item: (number, name, is, problem) =>
    `${whole.format(number)}, ${name}, ${states[is]}${problem ? `, ${problem}` : ""}`,
  unreadable: "Cannot be read",
};

/** @param {number} seconds */
function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${Math.max(minutes, 1)} min` : `${Math.round(minutes / 60)} h`;
}

export const progress = {
  label: "Images done",
  /** @param {number} done @param {number} readable @param {number} unreadable */
  count: (done, readable, unreadable) =>
    `${whole.format(done)} of ${whole.format(readable)} done${unreadable ? `, ${whole.format(unreadable)} cannot be read` : ""}`,
  /** @param {number | null} each seconds @param {number | null} left seconds */
  times: (each, left) =>
    each === null || !left
      ? ""
      : `${each < 10 ? each.toFixed(1) : Math.round(each)} s an image · about ${duration(left)} left`,
};

export const details = {
  label: "Note and attributes",
  image: "Image",
  /** @param {number} place @param {string | null} label */
  object: (place, label) => `Object ${place}${label === null ? "" : `, ${label}`}`,
  noObject: "No object is being edited",
  note: "Note",
  noValue: "Not set",
  yes: "Yes",
  no: "No",
};

export const disconnected =
  "The kernel does not answer: run the cell again to go on. What was stored is safe.";
