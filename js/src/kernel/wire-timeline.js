/**
 * Parses what the kernel sends about tracks: lanes of the timeline, the job, and frames that are played.
 *
 * @import * as Wire from "../protocol/messages.d.ts"
 * @import { Untrusted } from "../protocol/untrusted.d.ts"
 * @typedef {import("../state/timeline.js").Lane} Lane
 * @typedef {import("../state/timeline.js").PlaneRange} PlaneRange
 * @typedef {import("../state/timeline.js").Run} Run
 * @typedef {import("../state/timeline.js").RunState} RunState
 * @typedef {import("../state/timeline.js").TimelineMessage} TimelineMessage
 * @typedef {import("../state/timeline.js").Tracking} Tracking
 * @typedef {import("../state/answers.js").FrameAnswer} FrameAnswer
 */
import {
  atLeast,
  color,
  flag,
  integer,
  integerOrNull,
  list,
  numberOrNull,
  record,
  text,
  textOrNull,
  toBytes,
} from "./values.js";
import { newKeyedData, parseBufferedMask } from "./wire-masks.js";

/** @type {readonly RunState[]} */
const RUN_STATES = ["tracked", "doubtful", "absent", "stale"];

/** @param {Untrusted<PlaneRange | Run | null | undefined> | undefined} raw @returns {PlaneRange | null} */
function parseRange(raw) {
  const [first, last] = list(/** @type {Untrusted<readonly number[]>} */ (raw));
  const [start, stop] = [integer(first, -1), integer(last, -1)];
  return start >= 0 && stop > start ? [start, stop] : null;
}

/**
 * Ranges that follow one another: what overlaps or is out of order could not be searched.
 *
 * @template {PlaneRange | Run} Range
 * @param {readonly (Range | null)[]} ranges
 * @returns {Range[]}
 */
function ascending(ranges) {
  let end = 0;
  return ranges.flatMap((range) => {
    if (!range || range[0] < end) return [];
    end = range[1];
    return [range];
  });
}

/** @param {Untrusted<Wire.Lane["runs"][number]>} raw @returns {Run | null} */
function parseRun(raw) {
  const range = parseRange(raw);
  const name = text(list(/** @type {Untrusted<readonly string[]>} */ (raw))[2]);
  const state = RUN_STATES.find((each) => each === name);
  return range && state ? [...range, state] : null;
}

/** @param {Untrusted<Wire.Lane>} raw @returns {Lane | null} */
function parseLane(raw) {
  const { number, label, color: tint, visible, locked, keyframes, absent, runs } = record(raw);
  const known = integerOrNull(number);
  if (known === null) return null;
  return {
    number: known,
    label: textOrNull(label),
    color: color(tint),
    visible: flag(visible, true),
    locked: flag(locked, false),
    keyframes: ascending(list(keyframes).map(parseRange)),
    absent: ascending(list(absent).map(parseRange)),
    runs: ascending(list(runs).map(parseRun)),
  };
}

/** @param {unknown} content @returns {TimelineMessage} */
export function parseTimeline(content) {
  const { n, reset, put, drop } = record(/** @type {Untrusted<Wire.TimelineMessage>} */ (content));
  return {
    n: integer(n, -1),
    reset: flag(reset, false),
    put: list(put)
      .map(parseLane)
      .filter((lane) => lane !== null),
    drop: integers(drop),
  };
}

/** @param {Untrusted<number[] | undefined> | undefined} raw */
const integers = (raw) =>
  list(raw)
    .map(integerOrNull)
    .filter((value) => value !== null);

/** @param {unknown} raw @returns {Tracking | null} null for a plain image */
export function parseTracking(raw) {
  const {
    timeline,
    marks,
    unavailable,
    running,
    numbers,
    done,
    total,
    plane,
    fps,
    seconds_left,
    error,
  } = record(/** @type {Untrusted<Wire.TrackingTrait>} */ (raw));
  if (integerOrNull(timeline) === null) return null;
  return {
    timeline: integer(timeline, 0),
    marks: parseRange(marks),
    unavailable: text(unavailable),
    running: flag(running, false),
    numbers: integers(numbers),
    done: atLeast(done, 0, 0),
    total: atLeast(total, 0, 0),
    plane: integerOrNull(plane),
    fps: numberOrNull(fps),
    secondsLeft: numberOrNull(seconds_left),
    error: text(error),
  };
}

/** @param {unknown} content @param {readonly unknown[]} buffers @returns {FrameAnswer} without a picture if it cannot be shown */
export function parseFrame(content, buffers) {
  const { client, n, plane, mime, width, height, buffer, objects, error } = record(
    /** @type {Untrusted<Wire.FrameAnswer>} */ (content),
  );
  const data = toBytes(buffers[integer(buffer, -1)]);
  const size = { width: integer(width, 0), height: integer(height, 0) };
  const isWhole = data !== null && data.length > 0 && size.width > 0 && size.height > 0;
  return {
    client: text(client),
    n: integer(n, -1),
    plane: integer(plane, -1),
    picture: isWhole ? { ...size, mime: text(mime), data } : null,
    objects: list(objects).flatMap((raw) => {
      const { number, color: tint, mask } = record(raw);
      // No keys are used: a page that plays keeps nothing.
      const parsed = parseBufferedMask(mask, buffers, newKeyedData());
      return parsed ? [{ number: integerOrNull(number), color: color(tint), mask: parsed }] : [];
    }),
    error: text(error),
  };
}
