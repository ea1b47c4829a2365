/**
 * A MOCK of an anywidget model with a kernel behind it, for looking at the front end without
 * Jupyter. Masks are discs and ellipses, 150 ms late. Not a reference for the kernel's rules.
 */
import { zlibSync } from "fflate";

const SIDE = 256;
const COLORS = ["#2f7bf6", "#f59f0a", "#d946ef", "#14b8a6", "#ef4444", "#84cc16", "#8b5cf6", "#06b6d4"];

/** @typedef {import("../src/prompts.js").Prompt} Prompt */
/** @typedef {{ id: number, color: string, label: string | null, prompts: Prompt[] }} MockObject */

/** @param {Prompt[]} prompts @param {number} width @param {number} height */
function mockLogits(prompts, width, height) {
  const logits = new Int8Array(SIDE * SIDE);
  for (let at = 0; at < logits.length; at++) {
    const x = (((at % SIDE) + 0.5) * width) / SIDE;
    const y = ((Math.floor(at / SIDE) + 0.5) * height) / SIDE;
    let value = -1;
    for (const p of prompts) {
      if (p.type === "box") {
        const rx = (p.x1 - p.x0) / 2;
        const ry = (p.y1 - p.y0) / 2;
        value = Math.max(value, 1 - Math.hypot((x - p.x0 - rx) / rx, (y - p.y0 - ry) / ry));
      } else if (p.type === "point") {
        const angle = Math.atan2(y - p.y, x - p.x);
        const radius = Math.min(width, height) * (p.label ? 0.19 : 0.09) * (1 + 0.12 * Math.sin(3 * angle) + 0.05 * Math.sin(7 * angle));
        const disc = 1 - Math.hypot(x - p.x, y - p.y) / radius;
        value = p.label ? Math.max(value, disc) : Math.min(value, -disc);
      }
    }
    logits[at] = Math.max(-127, Math.min(127, Math.round(value * 127)));
  }
  return zlibSync(new Uint8Array(logits.buffer));
}

/**
 * @param {{ image: import("../src/wire.js").Picture | Record<string, any> & { width: number, height: number }, labels?: string[], status?: object, delay?: number }} options
 */
export function createMockModel({ image, labels = [], status = {}, delay = 150 }) {
  /** @type {Record<string, any>} */
  const traits = {
    _image: image,
    _labels: labels,
    _status: { phase: "ready", message: "Ready", progress: null, model: "sam2.1-tiny", device: "cpu", ...status },
    _state: { revision: 0, epoch: 0, ack: {}, active: null, can_undo: false, can_redo: false, label: null, notice: "" },
    _prompts: null,
  };
  /** @type {Map<string, Set<Function>>} */
  const handlers = new Map();
  /** @type {MockObject[]} */
  let objects = [];
  /** @type {number | null} */
  let activeId = null;
  /** @type {string[]} */
  let past = [];
  /** @type {string[]} */
  let future = [];
  let nextId = 1;
  let gone = false;

  /** @param {string} event @param {any[]} args */
  const emit = (event, ...args) => handlers.get(event)?.forEach((handler) => handler(...args));
  const active = () => objects.find(({ id }) => id === activeId) ?? null;
  const save = () => JSON.stringify({ objects, activeId });
  const remember = () => {
    past.push(save());
    future = [];
  };
  /** @param {string[]} from @param {string[]} to */
  const travel = (from, to) => {
    const earlier = from.pop();
    if (!earlier) return;
    to.push(save());
    ({ objects, activeId } = JSON.parse(earlier));
  };

  /** @param {Record<string, any>} change */
  function set(change) {
    Object.assign(traits, change);
    for (const name of Object.keys(change)) emit(`change:${name}`);
  }

  /** @param {{ client: string, n: number }} rid @param {boolean} pending @param {boolean} replaced */
  function publish(rid, pending, replaced) {
    const object = active();
    const old = traits._state;
    const index = objects.findIndex(({ id }) => id === activeId);
    const mask = object && !pending ? { width: SIDE, height: SIDE, data: new DataView(mockLogits(object.prompts, image.width, image.height).buffer) } : null;
    set({
      _state: {
        ...old,
        revision: old.revision + 1,
        epoch: old.epoch + (replaced ? 1 : 0),
        ack: { ...old.ack, [rid.client]: rid.n },
        active: object && { ...object, index, score: pending ? null : 0.93, pending, empty: false, mask },
        can_undo: past.length > 0,
        can_redo: future.length > 0,
      },
    });
  }

  function sendObjects() {
    const others = objects.filter(({ id }) => id !== activeId);
    const buffers = others.map(({ prompts }) => new DataView(mockLogits(prompts, image.width, image.height).buffer));
    const put = others.map((object, buffer) => ({
      ...object, index: objects.indexOf(object), score: 0.9 - 0.07 * buffer, mask: { width: SIDE, height: SIDE, buffer },
    }));
    emit("msg:custom", { type: "objects", reset: true, put, drop: [] }, buffers);
  }

  /** @param {Prompt[]} prompts */
  function applyPrompts(prompts) {
    const object = active();
    if (JSON.stringify(object?.prompts ?? []) === JSON.stringify(prompts)) return;
    remember();
    if (object && prompts.length) object.prompts = prompts;
    else if (object) [objects, activeId] = [objects.filter((o) => o !== object), null];
    else {
      activeId = nextId++;
      objects.push({ id: activeId, color: COLORS[(activeId - 1) % COLORS.length], label: traits._state.label, prompts });
    }
  }

  /** @type {Record<string, (message: any) => void>} */
  const actions = {
    commit: () => (remember(), (activeId = null)),
    select: ({ object }) => (remember(), (activeId = object)),
    delete: ({ object }) => {
      remember();
      objects = objects.filter(({ id }) => id !== object);
      if (activeId === object) activeId = null;
    },
    label: ({ object, label }) => objects.forEach((o) => void (o.id === object && (o.label = label))),
    class: ({ label }) => (traits._state = { ...traits._state, label }),
    clear: () => (remember(), (objects = []), (activeId = null)),
    undo: () => travel(past, future),
    redo: () => travel(future, past),
  };

  /** @param {any} message */
  function receive(message) {
    if (gone) throw new Error("Cannot send");
    if (message.type === "hello") return void setTimeout(sendObjects, 5);
    const act = actions[message.type];
    if (!act) return;
    setTimeout(() => {
      applyPrompts(message.prompts);
      act(message);
      sendObjects();
      publish(message.rid, false, true);
    }, 15);
  }

  function savePrompts() {
    const { rid, prompts } = traits._prompts;
    if (gone) return;
    setTimeout(() => {
      applyPrompts(prompts);
      const waits = traits._status.phase !== "ready";
      publish(rid, true, false);
      if (!waits) setTimeout(() => publish(rid, false, false), delay);
    }, 10);
  }

  return {
    model: /** @type {import("@anywidget/types").AnyModel} */ (/** @type {unknown} */ ({
      get: (/** @type {string} */ name) => traits[name],
      set: (/** @type {string} */ name, /** @type {unknown} */ value) => void (traits[name] = value),
      save_changes: savePrompts,
      send: receive,
      on: (/** @type {string} */ event, /** @type {Function} */ handler) =>
        void handlers.set(event, (handlers.get(event) ?? new Set()).add(handler)),
      off: (/** @type {string} */ event, /** @type {Function} */ handler) => void handlers.get(event)?.delete(handler),
    })),
    set,
    loseKernel() {
      gone = true;
      emit("comm_live_update");
    },
  };
}
