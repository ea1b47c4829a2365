/**
 * A MOCK of an anywidget model with a kernel behind it, for looking at the front end without
 * Jupyter. Masks are discs and ellipses, 150 ms late. Not a reference for the kernel's rules.
 */
import { DEFAULT_OPTIONS, OPTION_NAMES, OPTION_TRAITS } from "../src/state/options.js";
import { choiceOf, maskOnWire } from "./mock-masks.js";
import { renderScene } from "./scene.js";

const COLORS = [
  "#2f7bf6",
  "#f59f0a",
  "#d946ef",
  "#14b8a6",
  "#ef4444",
  "#84cc16",
  "#8b5cf6",
  "#06b6d4",
];
const SCORES = [0.71, 0.93, 0.84];

/** @typedef {{ id: number, color: string, label: string | null, visible: boolean, locked: boolean, prompts: any[] }} MockObject */

/**
 * @param {{
 *   image: Record<string, any> & { width: number, height: number },
 *   labels?: (string | { name: string, color: string })[],
 *   status?: object,
 *   delay?: number,
 *   options?: Partial<import("../src/state/options.js").Options>,
 * }} settings
 */
export function createMockModel({ image, labels = [], status = {}, delay = 150, options = {} }) {
  const wanted = { ...DEFAULT_OPTIONS, ...options };
  /** @type {Record<string, any>} */
  const traits = {
    _image: image,
    _labels: labels.map((each, k) =>
      typeof each === "string" ? { name: each, color: COLORS[k % COLORS.length] } : each,
    ),
    _status: {
      phase: "ready",
      message: "Ready",
      hint: "",
      progress: null,
      model: "sam2.1-tiny",
      device: "cpu",
      ...status,
    },
    _state: {
      revision: 0,
      epoch: 0,
      ack: {},
      active: null,
      can_undo: false,
      can_redo: false,
      label: null,
      notice: "",
      settings: { overlap: "on top", fill_holes: 0, drop_specks: 0 },
    },
    _prompts: null,
    ...Object.fromEntries(OPTION_NAMES.map((name) => [OPTION_TRAITS[name], wanted[name]])),
  };
  /** @type {Map<string, Set<Function>>} */
  const handlers = new Map();
  /** @type {MockObject[]} */
  let objects = [];
  /** @type {number | null} */
  let activeId = null;
  /** @type {string[]} */
  const past = [];
  /** @type {string[]} */
  let future = [];
  /** Strokes by the key under which they were sent back. @type {Map<string, any>} */
  const kept = new Map();
  let nextId = 1;
  let isDisconnected = false;

  /** @param {string} event @param {any[]} args */
  const emit = (event, ...args) => {
    for (const handler of handlers.get(event) ?? []) handler(...args);
  };
  const find = (/** @type {number | null} */ object) =>
    objects.find(({ id }) => id === object) ?? null;
  const active = () => find(activeId);
  const save = () => JSON.stringify({ objects, activeId, settings: traits._state.settings });
  const remember = () => {
    past.push(save());
    future = [];
  };
  /** @param {string[]} from @param {string[]} to */
  const travel = (from, to) => {
    const earlier = from.pop();
    if (!earlier) return;
    to.push(save());
    const { settings, ...rest } = JSON.parse(earlier);
    ({ objects, activeId } = rest);
    traits._state = { ...traits._state, settings };
  };

  /** @param {Record<string, any>} change */
  function set(change) {
    Object.assign(traits, change);
    for (const name of Object.keys(change)) emit(`change:${name}`);
  }

  /** @param {any[]} prompts from the page */
  const received = (prompts) =>
    prompts.map((prompt) => {
      if (prompt.type === "known") return kept.get(prompt.key);
      if (prompt.type !== "stroke") return prompt;
      const key = `stroke-${JSON.stringify(prompt).length}-${kept.size}`;
      kept.set(key, { ...prompt, key });
      return kept.get(key);
    });

  /** @param {any[]} prompts for the page: it has the strokes already */
  const sentBack = (prompts) =>
    prompts.map((prompt) => (prompt.type === "stroke" ? { ...prompt, points: undefined } : prompt));

  /** The newest answer is ambiguous after a lone point, as the real model's is. @param {any[]} prompts */
  function candidatesOf(prompts) {
    const asked = prompts.filter(({ type }) => !["stroke", "choice"].includes(type));
    if (asked.length !== 1 || asked[0].type !== "point") return null;
    return SCORES.map((score, choice) => ({
      score,
      mask: maskOnWire([asked[0], { type: "choice", index: choice }], image),
    }));
  }

  /** @param {{ client: string, n: number }} rid @param {boolean} pending @param {boolean} replaced */
  function publish(rid, pending, replaced) {
    const object = active();
    const old = traits._state;
    const candidates = object && !pending ? candidatesOf(object.prompts) : null;
    const choice = choiceOf(object?.prompts ?? []);
    set({
      _state: {
        ...old,
        revision: old.revision + 1,
        epoch: old.epoch + (replaced ? 1 : 0),
        ack: { ...old.ack, [rid.client]: rid.n },
        active: object && {
          ...object,
          prompts: sentBack(object.prompts),
          index: objects.indexOf(object),
          score: pending ? null : candidates ? SCORES[choice] : 0.93,
          pending,
          empty: false,
          mask: pending ? null : maskOnWire(object.prompts, image),
          candidates,
          choice,
        },
        can_undo: past.length > 0,
        can_redo: future.length > 0,
      },
    });
  }

  function sendObjects() {
    const others = objects.filter(({ id }) => id !== activeId);
    const masks = others.map(({ prompts }) => maskOnWire(prompts, image));
    const put = others.map(({ prompts, ...object }, buffer) => {
      const { data, ...mask } = masks[buffer];
      return {
        ...object,
        index: objects.indexOf(others[buffer]),
        score: 0.95 - 0.07 * (buffer % 5),
        mask: { ...mask, buffer },
      };
    });
    emit(
      "msg:custom",
      { type: "objects", reset: true, put, drop: [] },
      masks.map(({ data }) => data),
    );
  }

  /** @param {any[]} prompts */
  function applyPrompts(prompts) {
    const object = active();
    const next = received(prompts);
    if (JSON.stringify(object?.prompts ?? []) === JSON.stringify(next)) return;
    remember();
    if (object && next.length) object.prompts = next;
    else if (object) [objects, activeId] = [objects.filter((o) => o !== object), null];
    else start(next);
  }

  /** @param {any[]} prompts */
  function start(prompts) {
    activeId = nextId++;
    const { label } = traits._state;
    const own = traits._labels.find((/** @type {any} */ { name }) => name === label)?.color;
    objects.push({
      id: activeId,
      color: own ?? COLORS[(activeId - 1) % COLORS.length],
      label,
      visible: true,
      locked: false,
      prompts,
    });
  }

  /** @type {Record<string, (message: any) => void>} */
  const actions = {
    commit() {
      remember();
      activeId = null;
    },
    select({ object }) {
      remember();
      activeId = object;
    },
    delete: ({ object }) => {
      remember();
      objects = objects.filter(({ id }) => id !== object);
      if (activeId === object) activeId = null;
    },
    label: ({ object, label }) => void Object.assign(find(object) ?? {}, { label }),
    show: ({ object, visible }) => void Object.assign(find(object) ?? {}, { visible }),
    lock: ({ object, locked }) => void Object.assign(find(object) ?? {}, { locked }),
    order({ object, index }) {
      const it = find(object);
      if (!it) return;
      remember();
      objects = objects.filter((each) => each !== it);
      objects.splice(index, 0, it);
    },
    class({ label }) {
      traits._state = { ...traits._state, label };
    },
    class_add: ({ name, color }) =>
      set({
        _labels: [
          ...traits._labels,
          { name, color: color ?? COLORS[traits._labels.length % COLORS.length] },
        ],
      }),
    setting({ name, value }) {
      remember();
      traits._state = { ...traits._state, settings: { ...traits._state.settings, [name]: value } };
    },
    clear() {
      remember();
      objects = [];
      activeId = null;
    },
    undo: () => travel(past, future),
    redo: () => travel(future, past),
  };

  /** @type {Record<string, (message: any) => void | Promise<void>>} */
  const questions = {
    hello: sendObjects,
    ack_probe() {},
    hover({ client, n, x, y, label }) {
      const { data, ...mask } = maskOnWire(
        [...(active()?.prompts ?? []), { type: "point", x, y, label }],
        image,
      );
      emit("msg:custom", { type: "preview", client, n, mask: { ...mask, buffer: 0 }, score: 0.9 }, [
        data,
      ]);
    },
    probe: ({ client, n, x, y }) =>
      emit("msg:custom", {
        type: "probe",
        client,
        n,
        x,
        y,
        values: [x % 256, y % 256, (x * y) % 256],
      }),
    async tiles({ client, level, tiles }) {
      const side = image.tiles.size * 2 ** level;
      const buffers = await Promise.all(
        tiles.map((/** @type {[number, number]} */ [col, row]) =>
          renderScene(
            image,
            {
              x: col * side,
              y: row * side,
              scale: 1 / 2 ** level,
              width: Math.min(side, image.width - col * side),
              height: Math.min(side, image.height - row * side),
            },
            "image/jpeg",
          ),
        ),
      );
      const answer = tiles.map(
        (/** @type {[number, number]} */ [col, row], /** @type {number} */ buffer) => ({
          col,
          row,
          mime: "image/jpeg",
          buffer,
        }),
      );
      emit("msg:custom", { type: "tiles", client, level, tiles: answer }, buffers);
    },
  };

  /** @param {any} message */
  function receive(message) {
    if (isDisconnected) throw new Error("Cannot send");
    if (Object.hasOwn(questions, message.type))
      return void setTimeout(() => questions[message.type](message), 20);
    const act = actions[message.type];
    if (!act) return;
    setTimeout(() => {
      applyPrompts(message.prompts);
      act(message);
      sendObjects();
      publish(message.rid, false, true);
    }, 15);
  }

  /** @type {unknown} */
  let sentPrompts = null;
  function savePrompts() {
    const request = traits._prompts;
    if (isDisconnected || request === sentPrompts) return;
    sentPrompts = request;
    const { rid, prompts } = request;
    setTimeout(() => {
      applyPrompts(prompts);
      const waits = traits._status.phase !== "ready";
      publish(rid, true, false);
      if (!waits) setTimeout(() => publish(rid, false, false), delay);
    }, 10);
  }

  return {
    model: /** @type {import("@anywidget/types").AnyModel} */ (
      /** @type {unknown} */ ({
        get: (/** @type {string} */ name) => traits[name],
        set: (/** @type {string} */ name, /** @type {unknown} */ value) => {
          traits[name] = value;
          emit(`change:${name}`);
        },
        save_changes: savePrompts,
        send: receive,
        on: (/** @type {string} */ event, /** @type {Function} */ handler) =>
          void handlers.set(event, (handlers.get(event) ?? new Set()).add(handler)),
        off: (/** @type {string} */ event, /** @type {Function} */ handler) =>
          void handlers.get(event)?.delete(handler),
      })
    ),
    set,
    emit,
    /** As many finished objects as asked for, to see whether all stays fluid. @param {number} count */
    addObjects(count) {
      for (let k = 0; k < count; k++) {
        start([{ type: "box", ...boxAt(k) }]);
      }
      activeId = null;
      sendObjects();
      publish({ client: "mock", n: 0 }, false, true);
    },
    loseKernel() {
      isDisconnected = true;
      emit("comm_live_update");
    },
  };

  /** @param {number} k */
  function boxAt(k) {
    const side = Math.min(image.width, image.height) / 18;
    const x0 = ((k * 0.6180339) % 1) * (image.width - side);
    const y0 = ((k * 0.7548776) % 1) * (image.height - side);
    return { x0, y0, x1: x0 + side, y1: y0 + side * (0.6 + (k % 4) * 0.1) };
  }
}
