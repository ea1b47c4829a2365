/**
 * Parses what the kernel sends about proposals.
 *
 * @import * as Wire from "../protocol/messages.d.ts"
 * @import { Untrusted } from "../protocol/untrusted.d.ts"
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 * @typedef {import("../state/proposals.js").Proposal} Proposal
 * @typedef {import("../state/proposals.js").ProposalsMessage} ProposalsMessage
 * @typedef {import("../state/proposals.js").Proposing} Proposing
 */
import {
  atLeast,
  flag,
  integer,
  integerOrNull,
  list,
  numberOrNull,
  record,
  text,
  textOrNull,
} from "./values.js";
import { parseLogits } from "./wire-masks.js";

/** @param {Untrusted<number> | undefined} value @param {number} otherwise */
const share = (value, otherwise) => Math.min(atLeast(value, 0, otherwise), 1);

/** @param {Untrusted<readonly number[]> | undefined} raw @returns {Corners | null} null if it is empty */
function parseCorners(raw) {
  const [x0, y0, x1, y1] = list(raw).map((value) => integer(value, -1));
  return x0 >= 0 && y0 >= 0 && x1 > x0 && y1 > y0 ? { x0, y0, x1, y1 } : null;
}

/** @param {Untrusted<Wire.ProposalContent>} raw @param {readonly unknown[]} buffers @returns {Proposal | null} */
function parseProposal(raw, buffers) {
  const fields = record(raw);
  const number = integer(fields.number, 0);
  const crop = parseCorners(/** @type {Untrusted<number[]>} */ (fields.crop));
  const box = parseCorners(/** @type {Untrusted<number[]>} */ (fields.box));
  const logits = parseLogits(fields, buffers[integer(fields.buffer, -1)]);
  if (number < 1 || !crop || !box || !logits) return null;
  return {
    number,
    crop,
    box,
    score: share(fields.score, 0),
    stability: share(fields.stability, 0),
    area: atLeast(fields.area, 0, 0),
    mask: { base: { ...logits, area: crop }, strokes: [] },
  };
}

/** @param {Untrusted<number[] | undefined> | undefined} raw */
const integers = (raw) =>
  list(raw)
    .map(integerOrNull)
    .filter((value) => value !== null);

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {ProposalsMessage} */
export function parseProposals(content, buffers) {
  const { n, job, reset, put, accepted, rejected, likeness } = record(
    /** @type {Untrusted<Wire.ProposalsMessage>} */ (content),
  );
  return {
    n: integer(n, -1),
    job: integer(job, 0),
    reset: flag(reset, false),
    put: list(put)
      .map((raw) => parseProposal(raw, buffers))
      .filter((proposal) => proposal !== null),
    accepted: integers(accepted),
    rejected: integers(rejected),
    likeness: Array.isArray(likeness) ? list(likeness).map((value) => share(value, 0)) : null,
  };
}

/** @param {unknown} raw @returns {Proposing | null} null: there was no search */
export function parseProposing(raw) {
  const { job, message, running, done, total, note, error, thresholds, examples } = record(
    /** @type {Untrusted<Wire.ProposingTrait>} */ (raw),
  );
  if (integerOrNull(job) === null) return null;
  const compared = record(examples);
  const { min_score, min_stability, min_area, max_area, max_overlap } = record(thresholds);
  return {
    job: integer(job, 0),
    message: integer(message, -1),
    running: flag(running, false),
    done: atLeast(done, 0, 0),
    total: atLeast(total, 0, 0),
    note: text(note),
    error: text(error),
    thresholds: {
      minScore: share(min_score, 0),
      minStability: share(min_stability, 0),
      minArea: atLeast(min_area, 0, 0),
      maxArea: numberOrNull(max_area),
      maxOverlap: share(max_overlap, 0.7),
      minLikeness: 0,
    },
    examples: {
      count: atLeast(compared.count, 0, 0),
      label: textOrNull(compared.label),
      minLikeness: share(compared.min_likeness, 0.5),
      maxOverlap: share(compared.max_overlap, 0.3),
    },
  };
}
