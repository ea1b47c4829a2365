/**
 * Where to look for objects, how far the search is, and which of the proposals are shown. The sliders
 * act in the page, without the kernel.
 *
 * @typedef {import("../state/snapshot.js").Snapshot} Snapshot
 * @typedef {import("../state/view-state.js").ViewState} ViewState
 * @typedef {import("../state/proposals.js").Proposal} Proposal
 * @typedef {import("../state/proposals.js").Thresholds} Thresholds
 * @typedef {import("./settings-panel.js").Control} Control
 */
import { labeledButton } from "./labeled-button.js";
import { element, isEnabled, setAttribute, setEnabled, setText } from "../dom/elements.js";
import { icon } from "./icons.js";
import { choice, fieldset, slider, toggle } from "./settings-panel.js";
import { thresholdsOf } from "../state/proposal-filter.js";
import * as texts from "./texts.js";

const words = texts.proposals;

/** Points along each side of the region. @type {["low" | "medium" | "high", number][]} */
const DETAILS = [
  ["low", 8],
  ["medium", 16],
  ["high", 32],
];

/** The slider for likeness does not end at 0, where proposals are not compared. */
const LEAST_LIKENESS = 0.01;

/** Steps of the sliders for areas, on a logarithmic scale. */
const AREA_STEPS = 100;

/** @param {number} step @param {number} whole area of the image @returns {number} in image pixels */
export const stepToArea = (step, whole) =>
  step <= 0 ? 0 : Math.round(Math.max(whole, 1) ** (step / AREA_STEPS));

/** @param {number} area in image pixels @param {number} whole area of the image */
export const areaToStep = (area, whole) =>
  area <= 0 || whole <= 1 ? 0 : (AREA_STEPS * Math.log(area)) / Math.log(whole);

/** @param {string} action @param {string} text @param {string} [hint] @param {Node[]} before */
const textButton = (action, text, hint, ...before) =>
  labeledButton(
    { class: "sam2-button sam2-text-button", "data-action": action },
    { label: text, ...(hint && { hint }) },
    ...before,
    element("span", {}, text),
  );

/**
 * @param {{
 *   commands: import("../input/commands.js").Commands,
 *   ui: ViewState,
 *   shown: () => readonly Proposal[],
 *   inView: () => import("../pixels/geometry.js").Corners | null,
 *   focusStage: () => void,
 *   signal: AbortSignal,
 * }} options shown: the proposals that pass the sliders
 */
export function createProposalsPanel({ commands, ui, shown, inView, focusStage, signal }) {
  const where = {
    whole: textButton("propose-whole", words.whole),
    view: textButton("propose-view", words.view, words.viewHint),
    box: textButton("propose-box", words.box, words.boxHint),
  };
  const detail = choice(
    "propose-detail",
    words.detail,
    words.details,
    () => DETAILS.find(([, side]) => side === ui.pointsPerSide)?.[0] ?? "medium",
    (value) => commands.set({ pointsPerSide: new Map(DETAILS).get(value) ?? 16 }),
    signal,
    words.detailHint,
  );
  const cancel = textButton("cancel-propose", words.cancel, words.cancelHint, icon("cancelTrack"));
  const acceptAll = textButton("accept-all", "", words.acceptHint);
  const acceptText = /** @type {Element} */ (acceptAll.lastElementChild);
  const showRejected = textButton("show-rejected", words.showRejected);
  const closer = labeledButton(
    { class: "sam2-button sam2-close" },
    { label: texts.settings.close, keys: "Esc" },
    icon("close"),
  );
  const fill = element("div", { class: "sam2-progress-fill" });
  const bar = element(
    "div",
    {
      class: "sam2-progress",
      role: "progressbar",
      "aria-label": words.searching,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "data-kind": "share",
    },
    fill,
  );
  const points = element("span", { class: "sam2-figure" });
  const progress = element(
    "div",
    { class: "sam2-proposing", hidden: true },
    bar,
    element("div", { class: "sam2-setting" }, points, cancel),
  );
  const message = element("p", { class: "sam2-note", role: "status", "aria-live": "polite" });
  const count = element("output", { class: "sam2-figure sam2-shown-count" });
  const rejected = element("span", { class: "sam2-figure" });
  const rejectedRow = element("div", { class: "sam2-setting" }, rejected, showRejected);

  /** @type {Control[]} */
  const sliders = [
    share("minScore", words.score, words.scoreHint),
    share("minStability", words.stability, words.stabilityHint),
    area("minArea", words.smallest, words.smallestHint, 0),
    area("maxArea", words.largest, words.largestHint, null),
    share("maxOverlap", words.overlap, words.overlapHint),
  ];
  const like = toggle("like", "", () => thresholds.minLikeness > 0, compare, signal);
  like.node.setAttribute("data-tip", words.likeHint);
  const [likeText, likeSwitch] = /** @type {[Element, HTMLInputElement]} */ ([
    ...like.node.children,
  ]);
  const likeness = share("minLikeness", words.likeness, words.likenessHint, LEAST_LIKENESS);
  const noExamples = element("p", { class: "sam2-note" }, words.noExamples);
  const results = fieldset(
    words.results,
    ...sliders.map(({ node }) => node),
    like.node,
    likeness.node,
    noExamples,
    element("div", { class: "sam2-setting" }, count, acceptAll),
    rejectedRow,
    element("p", { class: "sam2-note" }, words.choose),
  );
  const node = element(
    "section",
    { class: "sam2-proposals", tabindex: "-1", "aria-label": words.title, hidden: true },
    closer,
    fieldset(
      words.title,
      element("div", { class: "sam2-where" }, where.whole, where.view, where.box),
      detail.node,
      progress,
      message,
    ),
    results,
  );
  let whole = 1;
  /** @type {Thresholds} */
  let thresholds;
  /** @type {import("../state/proposals.js").Examples} */
  let examples = { count: 0, label: null, minLikeness: 0, maxOverlap: 1 };
  /** Before proposals were compared. */
  let maxOverlap = 1;

  /** @param {Partial<Thresholds>} change */
  const choose = (change) => commands.set({ thresholds: { ...ui.thresholds, ...change } });

  /** Objects that are alike mostly lie beside each other, so that less overlap is allowed. @param {boolean} on */
  function compare(on) {
    if (on) ({ maxOverlap } = thresholds);
    choose(
      on
        ? {
            minLikeness: examples.minLikeness,
            maxOverlap: Math.min(maxOverlap, examples.maxOverlap),
          }
        : { minLikeness: 0, maxOverlap },
    );
  }

  /** @param {"minScore" | "minStability" | "maxOverlap" | "minLikeness"} name @param {string} title @param {string} hint @param {number} [min] @returns {Control} */
  function share(name, title, hint, min = 0) {
    return hinted(
      slider(
        name,
        title,
        { min, max: 1, step: 0.01 },
        () => thresholds[name],
        words.share,
        (value) => choose({ [name]: value }),
        signal,
      ),
      hint,
    );
  }

  /** @param {"minArea" | "maxArea"} name @param {string} title @param {string} hint @param {number | null} unlimited at its end the slider sets no limit @returns {Control} */
  function area(name, title, hint, unlimited) {
    const end = unlimited === null ? AREA_STEPS : 0;
    return hinted(
      slider(
        name,
        title,
        { min: 0, max: AREA_STEPS, step: 1 },
        () => Math.round(areaToStep(thresholds[name] ?? whole, whole)),
        (step) => words.area(step === end ? null : stepToArea(step, whole)),
        (step) => choose({ [name]: step === end ? unlimited : stepToArea(step, whole) }),
        signal,
      ),
      hint,
    );
  }

  /** @param {HTMLElement} button @param {() => void} run */
  const listen = (button, run) =>
    button.addEventListener(
      "click",
      (event) => {
        if (isEnabled(button)) run();
        if (event.detail > 0) focusStage();
      },
      { signal },
    );
  listen(closer, () => commands.option("tool", "point"));
  listen(where.whole, () => commands.propose(null));
  listen(where.view, () => commands.propose(inView()));
  listen(where.box, () => commands.set({ drawsRegion: !ui.drawsRegion }));
  listen(cancel, commands.cancelProposing);
  listen(showRejected, commands.showRejected);
  listen(acceptAll, () =>
    commands.decide(
      "accept",
      shown().map(({ number }) => number),
    ),
  );

  /** @param {Snapshot} snapshot */
  function updateProgress({ proposing, proposals, isDisconnected }) {
    const isRunning = proposing?.running === true;
    const done = isRunning && proposing.total ? proposing.done / proposing.total : 0;
    progress.hidden = !isRunning;
    fill.style.width = `${done * 100}%`;
    setAttribute(bar, "aria-valuenow", Math.round(done * 100));
    setText(points, isRunning ? words.progress(proposing.done, proposing.total) : "");
    setAttribute(node, "data-proposing", isRunning ? "running" : "idle");
    const hasEnded = proposing !== null && !isRunning && !isDisconnected;
    setText(message, hasEnded ? words.ended(proposing, proposals.all.length) : "");
  }

  /** @param {Snapshot} snapshot */
  function updateLikeness(snapshot) {
    examples = snapshot.proposing?.examples ?? examples;
    const { count: known, label } = examples;
    like.update(snapshot);
    likeSwitch.disabled = !known;
    setText(likeText, words.like(known, label));
    noExamples.hidden = known > 0;
    likeness.node.hidden = !likeSwitch.checked;
    if (likeSwitch.checked) likeness.update(snapshot);
    setAttribute(node, "data-examples", known);
  }

  /** @param {Snapshot} snapshot */
  function updateResults(snapshot) {
    const { all, settled, rejected: hidden } = snapshot.proposals;
    results.hidden = !all.length;
    thresholds = thresholdsOf(snapshot, ui.thresholds);
    for (const { update: show } of sliders) show(snapshot);
    updateLikeness(snapshot);
    const passing = shown().length;
    setText(count, words.count(passing, all.length - settled.size));
    setText(acceptText, words.acceptAll(passing));
    setAttribute(acceptAll, "aria-label", words.acceptAll(passing));
    setAttribute(node, "data-shown", passing);
    setAttribute(node, "data-found", all.length);
    rejectedRow.hidden = !hidden.length;
    setText(rejected, words.rejected(hidden.length));
    return passing;
  }

  /** @param {Snapshot} snapshot */
  function update(snapshot) {
    const { picture, options, status, isDisconnected, proposals, proposing } = snapshot;
    node.hidden = options.tool !== "propose" || !picture;
    if (node.hidden || !picture) return;
    whole = picture.width * picture.height;
    updateProgress(snapshot);
    const passing = updateResults(snapshot);
    detail.update(snapshot);
    const open = status.phase !== "closed" && !isDisconnected;
    for (const button of [...Object.values(where), cancel, showRejected]) setEnabled(button, open);
    setEnabled(acceptAll, open && passing > 0);
    const draws = ui.drawsRegion || !(proposals.all.length || proposing?.running);
    setAttribute(where.box, "aria-pressed", draws);
  }

  return { node, update };
}

/** @param {Control} control @param {string} hint @returns {Control} */
function hinted(control, hint) {
  control.node.setAttribute("data-tip", hint);
  return control;
}
