/**
 * Selects the proposals to show. The kernel selects the same ones with the same doubles in the same
 * order (`sam2_widget/proposals/filters.py`): change both together.
 *
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 * @typedef {import("./proposals.js").Proposal} Proposal
 * @typedef {import("./proposals.js").Thresholds} Thresholds
 *
 * @typedef {object} Pair two proposals that may overlap
 * @property {Proposal} a
 * @property {Proposal} b
 * @property {number} boxIou of their boxes; 0 within a crop
 * @property {number} largest what the IoU of their masks cannot exceed; 0 between crops
 * @property {number | null} iou of their masks; null before it is needed
 *
 * @typedef {(pair: Pair, most: number) => number} Overlap IoU of two proposals; any number up to `most` if it is not larger than that
 */

/** @param {Thresholds} thresholds @param {readonly number[]} likeness @returns {(proposal: Proposal) => boolean} */
const passes =
  ({ minScore, minStability, minArea, maxArea, minLikeness }, likeness) =>
  ({ number, score, stability, area }) =>
    (likeness[number - 1] ?? 0) >= minLikeness &&
    score >= minScore &&
    stability >= minStability &&
    area >= Math.max(minArea, 1) &&
    (maxArea === null || area <= maxArea);

/** @param {Corners} a @param {Corners} b */
const isSame = (a, b) => a.x0 === b.x0 && a.y0 === b.y0 && a.x1 === b.x1 && a.y1 === b.y1;

/** @param {Corners} a @param {Corners} b */
const touch = (a, b) =>
  Math.max(a.x0, b.x0) < Math.min(a.x1, b.x1) && Math.max(a.y0, b.y0) < Math.min(a.y1, b.y1);

/** @param {Corners} box */
const areaOf = ({ x0, y0, x1, y1 }) => (x1 - x0) * (y1 - y0);

/** By the distances of the outermost pixels' centres. @param {Corners} a @param {Corners} b */
function boxIou(a, b) {
  const inner = (/** @type {Corners} */ box) => (box.x1 - 1 - box.x0) * (box.y1 - 1 - box.y0);
  const width = Math.max(Math.min(a.x1, b.x1) - 1 - Math.max(a.x0, b.x0), 0);
  const height = Math.max(Math.min(a.y1, b.y1) - 1 - Math.max(a.y0, b.y0), 0);
  const common = width * height;
  const union = inner(a) + inner(b) - common;
  return common / (union > 0 ? union : 1);
}

/** @type {WeakMap<Proposal, number>} */
const counts = new WeakMap();

/** Cells of the mask at the resolution of the logits. @param {Proposal} proposal */
function cellsOf(proposal) {
  let count = counts.get(proposal);
  if (count === undefined) {
    count = 0;
    for (const value of proposal.mask.base.data) if (value > 0) count++;
    counts.set(proposal, count);
  }
  return count;
}

/** IoU of two masks of the same crop, at the resolution of the logits. @param {Proposal} a @param {Proposal} b */
function maskIou(a, b) {
  const [p, q] = [a.mask.base, b.mask.base];
  const [x0, x1] = [Math.max(p.x0, q.x0), Math.min(p.x1, q.x1)];
  const [y0, y1] = [Math.max(p.y0, q.y0), Math.min(p.y1, q.y1)];
  let common = 0;
  for (let y = y0; y < y1; y++) {
    const own = (y - p.y0) * (p.x1 - p.x0) - p.x0;
    const other = (y - q.y0) * (q.x1 - q.x0) - q.x0;
    for (let x = x0; x < x1; x++) if (p.data[own + x] > 0 && q.data[other + x] > 0) common++;
  }
  return common && common / (cellsOf(a) + cellsOf(b) - common);
}

/** What the IoU cannot exceed, without counting common cells. @param {Proposal} a @param {Proposal} b */
function largestMaskIou(a, b) {
  const [p, q] = [a.mask.base, b.mask.base];
  const width = Math.max(Math.min(p.x1, q.x1) - Math.max(p.x0, q.x0), 0);
  const height = Math.max(Math.min(p.y1, q.y1) - Math.max(p.y0, q.y0), 0);
  const [own, other] = [cellsOf(a), cellsOf(b)];
  const common = Math.min(width * height, own, other);
  return common && common / (own + other - common);
}

/**
 * Of each proposal, those that may overlap with it. They do not depend on thresholds: a slider must not
 * compare all with all again.
 *
 * @type {WeakMap<Proposal, Pair[]>}
 */
const pairsOf = new WeakMap();

/** @param {Proposal} a @param {Proposal} b @returns {Pair} */
const pairOf = (a, b) =>
  isSame(a.crop, b.crop)
    ? { a, b, boxIou: 0, largest: largestMaskIou(a, b), iou: null }
    : { a, b, boxIou: boxIou(a.box, b.box), largest: 0, iou: null };

/** Pair proposals of one search; those that have been paired before are not compared again. @param {readonly Proposal[]} proposals all */
function pairAll(proposals) {
  const known = proposals.filter((one) => pairsOf.has(one));
  for (const one of proposals) {
    if (pairsOf.has(one)) continue;
    /** @type {Pair[]} */
    const own = [];
    for (const other of known) {
      if (!touch(one.box, other.box)) continue;
      const pair = pairOf(other, one);
      if (!pair.boxIou && !pair.largest) continue;
      own.push(pair);
      pairsOf.get(other)?.push(pair);
    }
    pairsOf.set(one, own);
    known.push(one);
  }
}

/** @type {Overlap} */
const withinCrop = (pair, most) =>
  pair.largest > most ? (pair.iou ??= maskIou(pair.a, pair.b)) : 0;

/** @type {Overlap} */
const betweenCrops = (pair) => pair.boxIou;

/**
 * Non-maximum suppression.
 *
 * @param {readonly Proposal[]} proposals the best first, all of them paired
 * @param {Overlap} overlap
 * @param {number} most
 */
function withoutDuplicates(proposals, overlap, most) {
  const isKept = new Uint8Array(
    proposals.reduce((last, { number }) => Math.max(last, number), 0) + 1,
  );
  return proposals.filter((one) => {
    for (const pair of pairsOf.get(one) ?? []) {
      const other = pair.a === one ? pair.b : pair.a;
      if (isKept[other.number] && overlap(pair, most) > most) return false;
    }
    isKept[one.number] = 1;
    return true;
  });
}

/**
 * @param {readonly Proposal[]} proposals
 * @param {Thresholds} thresholds
 * @param {readonly number[]} likeness by the number of a proposal less 1
 * @returns {Proposal[]} those that pass, the best first
 */
export function filterProposals(proposals, thresholds, likeness) {
  pairAll(proposals);
  const byScore = proposals.filter(passes(thresholds, likeness)).sort((a, b) => b.score - a.score);
  const inCrops = withoutDuplicates(byScore, withinCrop, thresholds.maxOverlap);
  // The smaller the crop, the finer its masks.
  const byCrop = inCrops.sort((a, b) => areaOf(a.crop) - areaOf(b.crop));
  return withoutDuplicates(byCrop, betweenCrops, thresholds.maxOverlap).sort(
    (a, b) => b.score - a.score || a.number - b.number,
  );
}

/** Thresholds before the first search. @type {Thresholds} */
const UNKNOWN = {
  minScore: 0,
  minStability: 0,
  minArea: 0,
  maxArea: null,
  maxOverlap: 0.7,
  minLikeness: 0,
};

/** @param {import("./snapshot.js").Snapshot} snapshot @param {Partial<Thresholds>} chosen by the user @returns {Thresholds} */
export const thresholdsOf = ({ proposing }, chosen) => ({
  ...UNKNOWN,
  ...proposing?.thresholds,
  ...chosen,
  ...(!proposing?.examples.count && { minLikeness: 0 }),
});

/** @type {readonly number[]} */
const NOT_COMPARED = [];

/** The proposals that a display shows; the filter runs again only when something has changed. */
export function createShownProposals() {
  /** @type {{ all: readonly Proposal[], likeness: readonly number[], key: string, kept: readonly Proposal[] } | null} */
  let filtered = null;
  /** @type {{ kept: readonly Proposal[], settled: ReadonlySet<number>, shown: readonly Proposal[] } | null} */
  let last = null;

  /**
   * @param {import("./snapshot.js").Snapshot} snapshot
   * @param {Partial<Thresholds>} chosen
   * @returns {readonly Proposal[]} the best first
   */
  return function shownProposals(snapshot, chosen) {
    const { all, settled, likeness: known } = snapshot.proposals;
    const thresholds = thresholdsOf(snapshot, chosen);
    const likeness = thresholds.minLikeness ? known : NOT_COMPARED;
    const key = JSON.stringify(thresholds);
    if (filtered?.all !== all || filtered.likeness !== likeness || filtered.key !== key)
      filtered = { all, likeness, key, kept: filterProposals(all, thresholds, likeness) };
    const { kept } = filtered;
    if (last?.kept !== kept || last.settled !== settled)
      last = { kept, settled, shown: kept.filter(({ number }) => !settled.has(number)) };
    return last.shown;
  };
}
