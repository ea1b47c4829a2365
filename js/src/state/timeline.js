/**
 * The objects of a stack over all its planes, and the job that tracks them, as the kernel has them.
 *
 * @typedef {[start: number, stop: number]} PlaneRange first plane, and one past the last
 * @typedef {"tracked" | "doubtful" | "absent" | "stale"} RunState
 * @typedef {RunState | "keyframe"} PlaneState
 * @typedef {[start: number, stop: number, state: RunState]} Run
 *
 * @typedef {object} Lane one object; never changed, but replaced
 * @property {number} number of the object, on every plane
 * @property {string | null} label
 * @property {string} color "#rrggbb"
 * @property {boolean} visible
 * @property {boolean} locked
 * @property {readonly PlaneRange[]} keyframes planes where it has prompts, ascending
 * @property {readonly PlaneRange[]} absent planes that the user has marked it as absent from, ascending
 * @property {readonly Run[]} runs ascending, without those and planes of which nothing is known
 *
 * @typedef {{ n: number, reset: boolean, put: Lane[], drop: number[] }} TimelineMessage
 *
 * @typedef {object} Tracking the job, or the last one
 * @property {number} timeline number of the last message of lanes that was sent
 * @property {PlaneRange | null} marks between which planes objects are tracked; null: on all
 * @property {string} unavailable why nothing can be tracked, "" if it can
 * @property {boolean} running
 * @property {readonly number[]} numbers of the objects that are tracked
 * @property {number} done frames; one counts for each object that is tracked on it
 * @property {number} total
 * @property {number | null} plane the one that was tracked last
 * @property {number | null} fps frames a second
 * @property {number | null} secondsLeft
 * @property {string} error why it ended early, "" if it did not
 */

/** @type {readonly Lane[]} */
const NO_LANES = Object.freeze([]);

export function createTimeline() {
  /** @type {Map<number, Lane>} */
  let byNumber = new Map();
  let sorted = NO_LANES;
  /** Number of the newest message. */
  let newest = -1;
  let isMessageMissing = false;

  return {
    /** By ascending number. */
    lanes: () => sorted,

    /** @param {Tracking | null} tracking null: it is not a stack @returns {boolean} whether no message is missing or still on its way */
    isComplete: (tracking) =>
      tracking === null || (!isMessageMissing && newest >= tracking.timeline),

    /** Number of the newest message, which is sent to the kernel; -1 requests all lanes again. */
    resumePoint: () => (isMessageMissing ? -1 : newest),

    /** @param {TimelineMessage} message */
    receive({ n, reset, put, drop }) {
      if (n <= newest) return;
      isMessageMissing = !reset && (isMessageMissing || n !== newest + 1);
      newest = n;
      byNumber = new Map(reset ? [] : byNumber);
      for (const number of drop) byNumber.delete(number);
      for (const lane of put) byNumber.set(lane.number, lane);
      sorted = [...byNumber.values()].sort((a, b) => a.number - b.number);
    },
  };
}

/** @param {readonly (readonly [number, number, ...unknown[]])[]} ranges ascending @param {number} plane @returns {number} index of the first range that ends after it */
function firstEndingAfter(ranges, plane) {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle][1] > plane) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @param {readonly PlaneRange[]} ranges ascending @param {number} plane */
export const isIn = (ranges, plane) => ranges[firstEndingAfter(ranges, plane)]?.[0] <= plane;

/** @param {Lane} lane @param {number} plane @returns {PlaneState | null} null: nothing is known */
export function stateOn({ keyframes, absent, runs }, plane) {
  if (isIn(keyframes, plane)) return "keyframe";
  if (isIn(absent, plane)) return "absent";
  const run = runs[firstEndingAfter(runs, plane)];
  return run && run[0] <= plane ? run[2] : null;
}

/** @param {readonly PlaneRange[]} ranges @param {number} plane @param {1 | -1} way @returns {number | null} the nearest plane in them after (1) or before (-1) this one */
function nearestIn(ranges, plane, way) {
  if (way > 0) {
    const next = ranges[firstEndingAfter(ranges, plane + 1)];
    return next ? Math.max(next[0], plane + 1) : null;
  }
  const at = firstEndingAfter(ranges, plane - 1);
  if (ranges[at]?.[0] < plane) return plane - 1;
  return at > 0 ? ranges[at - 1][1] - 1 : null;
}

/** @type {WeakMap<Lane, PlaneRange[]>} */
const doubtful = new WeakMap();

/** @param {Lane} lane */
function doubtfulOf(lane) {
  const found =
    doubtful.get(lane) ??
    lane.runs.flatMap(([start, stop, state]) =>
      state === "doubtful" ? [/** @type {PlaneRange} */ ([start, stop])] : [],
    );
  doubtful.set(lane, found);
  return found;
}

/** The id under which an object of a stack is selected on planes where it has no prompts. @param {number} number */
export const idOnOtherPlanes = (number) => 2 ** 32 + number;

/** @type {Readonly<Record<"keyframe" | "doubtful", (lane: Lane) => readonly PlaneRange[]>>} */
const RANGES = { keyframe: ({ keyframes }) => keyframes, doubtful: doubtfulOf };

/**
 * @param {readonly Lane[]} lanes
 * @param {keyof typeof RANGES} what
 * @param {number} plane
 * @param {1 | -1} way
 * @returns {number | null} the next or previous plane where one of these objects is so
 */
export function planeWith(lanes, what, plane, way) {
  const found = lanes
    .map((lane) => nearestIn(RANGES[what](lane), plane, way))
    .filter((at) => at !== null);
  return found.length ? way * Math.min(...found.map((at) => way * at)) : null;
}

/** The lane of the object being worked on, or all. @param {readonly Lane[]} lanes @param {number | null | undefined} number */
export function relevantLanes(lanes, number) {
  const own = lanes.filter((lane) => lane.number === number);
  return own.length ? own : lanes;
}

/** @param {PlaneRange} range @param {number} count @returns {PlaneRange | null} null for all planes */
const unlessAll = ([start, stop], count) => (start === 0 && stop === count ? null : [start, stop]);

/**
 * The marks with another first or last plane. What was there already is removed, and marks that would
 * be crossed make room.
 *
 * @param {PlaneRange | null} marks
 * @param {"in" | "out"} which
 * @param {number} plane
 * @param {number} count of all planes
 * @returns {PlaneRange | null}
 */
export function withMark(marks, which, plane, count) {
  const [start, stop] = marks ?? [0, count];
  if (which === "in") {
    if (marks && start === plane) return unlessAll([0, stop], count);
    return unlessAll([plane, stop > plane ? stop : count], count);
  }
  if (marks && stop === plane + 1) return unlessAll([start, count], count);
  return unlessAll([start <= plane ? start : 0, plane + 1], count);
}

/** @type {WeakMap<Lane, Record<PlaneState, number>>} */
const counted = new WeakMap();

/** @param {Lane} lane @returns {Record<PlaneState, number>} on how many planes it is so */
export function countStates(lane) {
  const counts = counted.get(lane) ?? count(lane);
  counted.set(lane, counts);
  return counts;
}

/** @param {Lane} lane */
function count({ keyframes, absent, runs }) {
  const counts = { keyframe: 0, tracked: 0, doubtful: 0, absent: 0, stale: 0 };
  for (const [start, stop] of keyframes) counts.keyframe += stop - start;
  for (const [start, stop] of absent) counts.absent += stop - start;
  for (const [start, stop, state] of runs) counts[state] += stop - start;
  return counts;
}

/** @typedef {ReturnType<typeof createTimeline>} Timeline */
