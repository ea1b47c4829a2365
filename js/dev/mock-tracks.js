/**
 * A MOCK of a film with moving discs, and of the job that tracks them: for looking at the timeline.
 * Which frames are doubtful, absent or stale is made up.
 */
import { maskOnWire } from "./mock-masks.js";

const COLORS = ["#2f7bf6", "#f59f0a", "#d946ef", "#14b8a6", "#ef4444", "#84cc16", "#8b5cf6"];
const LABELS = ["cell", null, "nucleus", "a rather long label", null];

/** Frames that the mock tracks in one step, as a share of all. */
const STEP = 0.01;

/** Milliseconds between two steps. */
const INTERVAL = 200;

/** @param {number} number @param {number} plane @param {{ width: number, height: number }} size */
function boxOf(number, plane, { width, height }) {
  const angle = plane / 40 + number * 2.4;
  const side = height * (0.09 + 0.05 * ((number * 0.618) % 1));
  const x = width * (0.5 + (0.14 + 0.26 * ((number * 0.381) % 1)) * Math.cos(angle));
  const y = height * (0.5 + (0.12 + 0.26 * ((number * 0.754) % 1)) * Math.sin(angle));
  return { x0: x - side, y0: y - side, x1: x + side, y1: y + side };
}

/** @param {number} plane @param {number} objects @param {{ width: number, height: number }} size */
async function pictureOf(plane, objects, size) {
  const canvas = new OffscreenCanvas(size.width, size.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const ground = context.createLinearGradient(0, 0, size.width, size.height);
  ground.addColorStop(0, "#3f4c5c");
  ground.addColorStop(1, "#161b22");
  context.fillStyle = ground;
  context.fillRect(0, 0, size.width, size.height);
  for (let number = 1; number <= objects; number++) {
    const { x0, y0, x1, y1 } = boxOf(number, plane, size);
    context.beginPath();
    context.ellipse((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2, 0, 0, 7);
    context.fillStyle = `hsl(${(number * 67) % 360} 35% 68%)`;
    context.fill();
  }
  return (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 })).arrayBuffer();
}

/** The made-up end of the job. @param {number} number @param {number} count @returns {any[]} */
function runsOf(number, count) {
  const at = (/** @type {number} */ share) => Math.round(share * count);
  const states = /** @type {const} */ ([
    [0, 0.18, "tracked"],
    [0.18, 0.24, "doubtful"],
    [0.24, 0.47, "tracked"],
    [0.47, 0.55, number % 2 ? "absent" : "tracked"],
    [0.55, 0.8, "tracked"],
    [0.8, 1, number % 3 ? "tracked" : "stale"],
  ]);
  return states
    .map(([from, to, state]) => [Math.max(at(from), 1), at(to), state])
    .filter(([from, to]) => from < to);
}

/**
 * @param {ReturnType<typeof import("./mock.js").createMockModel>} mock
 * @param {{ count: number, objects: number, size: { width: number, height: number } }} film
 * @returns {import("@anywidget/types").AnyModel} the mock's model with a film
 */
export function withFilm(mock, { count, objects, size }) {
  let [plane, sent, done] = [0, 0, 0];
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  /** @type {[number, number] | null} */
  let marks = null;
  const numbers = Array.from({ length: objects }, (_, at) => at + 1);
  const lanes = numbers.map((number) => ({
    number,
    label: LABELS[number % LABELS.length],
    color: COLORS[number % COLORS.length],
    visible: number !== 4,
    locked: false,
    keyframes: [[0, 1]].concat(
      number % 2 ? [[Math.round(count * 0.6), Math.round(count * 0.6) + 1]] : [],
    ),
    absent: number === 2 ? [[Math.round(count * 0.9), Math.round(count * 0.9) + 1]] : [],
    runs: /** @type {any[]} */ ([]),
  }));

  /** @param {object} content @param {unknown[]} [buffers] */
  const send = (content, buffers = []) => mock.emit("msg:custom", content, buffers);

  function publishTracking() {
    const total = objects * (count - 1);
    mock.set({
      _tracking: {
        timeline: sent,
        marks,
        unavailable: "",
        running: timer !== undefined,
        numbers,
        done: Math.round(done * total),
        total,
        plane: Math.round(done * count),
        fps: 24.5,
        seconds_left: (1 - done) * (INTERVAL / STEP / 1000),
        error: "",
      },
    });
  }

  /** @param {boolean} reset */
  function publishLanes(reset) {
    sent += 1;
    const until = Math.round(done * count);
    for (const lane of lanes)
      lane.runs = runsOf(lane.number, count)
        .map(([from, to, state]) => [from, Math.min(to, until), state])
        .filter(([from, to]) => from < to);
    send({ type: "timeline", n: sent, reset, put: lanes, drop: [] });
    publishTracking();
    publishObjects();
  }

  /** @param {number} at */
  function found(at) {
    const visible = lanes.filter(
      (lane) =>
        lane.visible &&
        (at === 0 ||
          lane.runs.some(([from, to, state]) => from <= at && at < to && state !== "absent")),
    );
    const masks = visible.map(({ number }) =>
      maskOnWire([{ type: "box", ...boxOf(number, at, size) }], size),
    );
    return { visible, masks, buffers: masks.map(({ data }) => data) };
  }

  function publishObjects() {
    const { visible, masks, buffers } = found(plane);
    const put = visible.map(({ number, label, color }, index) => ({
      ...{ id: 2 ** 32 + number, index, number, label, color, score: 0.9, tracked: true },
      prompts: [],
      mask: { ...masks[index], data: undefined, buffer: index },
    }));
    send({ type: "objects", n: sent, plane, reset: true, put, drop: [] }, buffers);
  }

  /** @param {{ client: string, n: number } | null} rid @param {number | null} pending_plane */
  function publishState(rid, pending_plane) {
    const before = mock.model.get("_state");
    mock.set({
      _state: {
        ...before,
        revision: before.revision + 1,
        plane,
        pending_plane,
        objects: sent,
        ack: rid ? { ...before.ack, [rid.client]: rid.n } : before.ack,
      },
    });
  }

  function stop() {
    clearInterval(timer);
    timer = undefined;
    publishTracking();
  }

  function step() {
    done = Math.min(done + STEP, 1);
    publishLanes(false);
    publishState(null, null);
    if (done >= 1) stop();
  }

  /** @type {Record<string, (message: any) => void | Promise<void>>} */
  const answers = {
    async plane({ rid, plane: wanted }) {
      publishState(rid, wanted);
      const data = await pictureOf(wanted, objects, size);
      plane = wanted;
      publishObjects();
      mock.set({ _image: { ...size, mime: "image/jpeg", data, name: "film", plane } });
      publishState(null, null);
    },
    track({ rid }) {
      publishState(rid, null);
      if (done >= 1) done = 0;
      timer ??= setInterval(step, INTERVAL);
    },
    cancel_track({ rid }) {
      publishState(rid, null);
      stop();
    },
    mark({ rid, planes }) {
      marks = planes;
      publishState(rid, null);
      publishTracking();
    },
    async frames({ client, n, first, count: wanted, step: by }) {
      for (let k = 0; k < wanted; k++) {
        const at = first + k * by;
        const picture = await pictureOf(at, objects, size);
        const { visible, masks, buffers } = found(at);
        const shown = visible.map(({ number, color }, index) => ({
          ...{ number, color, tracked: true },
          mask: { ...masks[index], data: undefined, buffer: index + 1 },
        }));
        const content = {
          type: "frame",
          client,
          n,
          plane: at,
          mime: "image/jpeg",
          ...size,
          buffer: 0,
        };
        send({ ...content, objects: shown }, [picture, ...buffers]);
      }
    },
    async hello() {
      const data = await pictureOf(plane, objects, size);
      mock.set({ _image: { ...size, mime: "image/jpeg", data, name: "film", plane } });
      publishLanes(true);
    },
  };

  mock.set({ _stack: { axis: "T", count, annotated: [0, Math.round(count * 0.6)] } });
  publishTracking();
  return {
    ...mock.model,
    send: (/** @type {any} */ message) => {
      if (Object.hasOwn(answers, message.type))
        setTimeout(() => answers[message.type](message), 20);
      else mock.model.send(message);
    },
  };
}
