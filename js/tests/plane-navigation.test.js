import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../src/kernel/link.js";

/** Epochs of one plane, as in planes.py. */
const EPOCHS = 2 ** 32;

/** @param {number} x @returns {import("../src/state/prompts.js").Prompt} */
const point = (x) => ({ type: "point", x, y: 0, label: 1 });

/**
 * The rules of the kernel, as in receiving.py and planes.py: a request with a number lower than one
 * that was here before is dropped, and prompts of another epoch than the plane's are refused.
 *
 * @param {(state: object) => void} publish
 */
function createKernel(publish) {
  const planes = Array.from({ length: 8 }, (_, index) => ({
    epoch: index * EPOCHS,
    active: /** @type {any[]} */ ([]),
    objects: /** @type {any[][]} */ ([]),
  }));
  let [ack, shown, revision, refused] = [0, 0, 0, 0];
  /** @type {number | null} */
  let pending_plane = null;

  /** @param {any} plane @param {number} epoch @param {any[]} prompts */
  function apply(plane, epoch, prompts, adds = false) {
    if (epoch === plane.epoch) plane.active = adds ? [...plane.active, ...prompts] : prompts;
    else refused += 1;
  }

  /** @type {Record<string, (plane: any) => void>} */
  const actions = {
    commit(plane) {
      if (plane.active.length) plane.objects.push(plane.active);
      plane.active = [];
    },
    undo: (plane) => (plane.active = plane.objects.pop() ?? []),
    label() {},
  };

  return {
    planes,
    refused: () => refused,
    /** @param {any} request */
    take({ type = "prompts", rid, epoch, prompts, adds, plane: wanted }) {
      if (rid.n <= ack) return;
      ack = rid.n;
      const plane = planes[Math.floor(epoch / EPOCHS)];
      if (type in actions) plane.epoch += 1;
      if (prompts) apply(plane, epoch + (type in actions ? 1 : 0), prompts, adds);
      actions[type]?.(plane);
      if (type === "plane") pending_plane = wanted;
    },
    /** The requested plane has been loaded. */
    turn() {
      if (pending_plane !== null) shown = pending_plane;
      pending_plane = null;
    },
    /** @param {string} client */
    publish(client) {
      const { epoch, active } = planes[shown];
      const object = {
        id: 1,
        index: 0,
        color: "#112233",
        label: null,
        score: null,
        number: null,
        crowd: false,
        visible: true,
        locked: false,
        tracked: false,
        mask: null,
        candidates: null,
        prompts: active,
        pending: false,
        empty: false,
      };
      publish({
        revision: (revision += 1),
        ack: { [client]: ack },
        epoch,
        plane: shown,
        pending_plane,
        active: active.length ? object : null,
        objects: 0,
      });
    },
  };
}

/** A page and its kernel; messages arrive when the test delivers them. */
function start() {
  /** @type {Record<string, any>} */
  const traits = { _stack: { axis: "Z", count: 8, annotated: [] } };
  /** @type {Map<string, () => void>} */
  const handlers = new Map();
  /** @type {any[]} */
  const messages = [];
  /** What the widget manager keeps until the previous update is confirmed: the newest value of each trait. @type {any} */
  let waiting = null;
  let down = false;
  const model = {
    get: (/** @type {string} */ name) => traits[name],
    set: (/** @type {string} */ name, /** @type {any} */ value) => {
      if (name === "_prompts") waiting = structuredClone(value);
    },
    save_changes() {},
    send: (/** @type {any} */ message) => down || messages.push(structuredClone(message)),
    on: (/** @type {string} */ event, /** @type {() => void} */ handler) =>
      void handlers.set(event, handler),
    off() {},
  };
  const kernel = createKernel((state) => {
    traits._state = state;
    handlers.get("change:_state")?.();
  });
  const ending = new AbortController();
  const store = connect(/** @type {any} */ (model), ending.signal);
  return {
    store,
    kernel,
    lose: (/** @type {boolean} */ lost) => (down = lost),
    messages() {
      for (const message of messages.splice(0)) {
        if (message.type === "traits") kernel.take(message.traits._prompts);
        else if (message.rid) kernel.take(message);
      }
    },
    /** The widget manager sends what it kept: after all that was sent meanwhile, and before what comes next. */
    traits() {
      if (waiting) model.send({ type: "traits", traits: { _prompts: waiting } });
      waiting = null;
    },
    turn: kernel.turn,
    publish: () => kernel.publish(store.client),
    end: () => ending.abort(),
  };
}

/** @param {ReturnType<typeof start>} page until everything is acknowledged */
function finish(page) {
  for (let i = 0; i < 30; i++) {
    page.traits();
    page.messages();
    page.turn();
    page.publish();
  }
  page.end();
  assert.ok(!page.store.snapshot().isUnacknowledged);
}

/** @param {ReturnType<typeof start>} page @param {number} plane */
const xs = ({ kernel }, plane) =>
  kernel.planes[plane].objects.map((prompts) => prompts.map(({ x }) => x));

test("clicks and commits that wait for an action belong to the plane that was shown, also when another one arrives", () => {
  const page = start();
  page.publish();
  page.store.showPlane(1);
  for (const x of [1, 2, 3]) {
    page.store.addPrompt(point(x));
    page.store.act("commit");
  }
  page.store.addPrompt(point(4));
  page.messages();
  page.turn();
  page.publish();
  assert.equal(page.store.snapshot().plane, 1);
  page.store.addPrompt(point(5));
  page.store.act("commit");
  finish(page);
  assert.deepEqual(xs(page, 0), [[1], [2], [3]]);
  assert.deepEqual(page.kernel.planes[0].active, [point(4)]);
  assert.deepEqual(xs(page, 1), [[5]]);
  assert.equal(page.kernel.refused(), 0);
});

test("a click that the widget manager still keeps is not replaced when another plane arrives", () => {
  const page = start();
  page.publish();
  page.store.showPlane(1);
  page.messages();
  page.store.addPrompt(point(1));
  page.turn();
  page.publish();
  page.store.addPrompt(point(2));
  page.store.act("commit");
  finish(page);
  assert.deepEqual(page.kernel.planes[0].active, [point(1)]);
  assert.deepEqual(xs(page, 1), [[2]]);
});

/** A page with two finished objects, the second with two clicks, after an undo and a request for another plane. */
function undone() {
  const page = start();
  Object.assign(page.kernel.planes[0], { objects: [[point(1)], [point(2), point(3)]] });
  page.publish();
  page.store.showPlane(1);
  page.store.act("undo");
  return page;
}

/** @param {ReturnType<typeof start>} page */
function turned(page) {
  page.messages();
  page.turn();
  page.publish();
  finish(page);
}

test("clicks after an undo are added to the prompts that only the kernel has", () => {
  const page = undone();
  page.store.addPrompt(point(4));
  page.store.act("label", { object: 9, label: "cell" });
  page.store.addPrompt(point(5));
  page.store.act("commit");
  page.store.addPrompt(point(6));
  turned(page);
  assert.deepEqual(xs(page, 0), [[1], [2, 3, 4, 5]]);
  assert.deepEqual(page.kernel.planes[0].active, [point(6)]);
  assert.equal(page.kernel.refused(), 0);
});

test("an action after an undo does not change the prompts that only the kernel has", () => {
  const page = undone();
  page.store.act("commit");
  turned(page);
  assert.deepEqual(xs(page, 0), [[1], [2, 3]]);
  assert.equal(page.kernel.refused(), 0);
});

test("a change of prompts that only the kernel has is refused with a notice", () => {
  const page = undone();
  page.store.addPrompt(point(4));
  page.store.removePrompt(0);
  turned(page);
  assert.deepEqual(page.kernel.planes[0].active, [point(2), point(3)]);
  assert.equal(page.kernel.refused(), 1);
});

test("a lost request for a plane is repeated although a later click was acknowledged", () => {
  const page = start();
  page.publish();
  page.lose(true);
  page.store.showPlane(1);
  page.lose(false);
  page.store.addPrompt(point(1));
  page.traits();
  page.messages();
  page.publish();
  finish(page);
  assert.equal(page.store.snapshot().plane, 1);
  assert.deepEqual(page.kernel.planes[0].active, [point(1)]);
});

test("requests for the previous plane are repeated, too, when the connection was lost", () => {
  const page = start();
  page.publish();
  page.store.showPlane(1);
  page.store.addPrompt(point(1));
  page.store.act("commit");
  page.store.addPrompt(point(2));
  page.store.act("commit");
  page.messages();
  page.turn();
  page.lose(true);
  page.publish();
  page.store.addPrompt(point(3));
  page.store.act("commit");
  page.lose(false);
  page.store.resync();
  finish(page);
  assert.deepEqual([xs(page, 0), xs(page, 1)], [[[1], [2]], [[3]]]);
});

test("however slow the kernel is, every click of a fast user becomes an object of the plane that was shown", () => {
  for (let seed = 1; seed <= 300; seed++) {
    let random = seed;
    const chance = () => (random = (random * 48271) % 2147483647) / 2147483647;
    const page = start();
    page.publish();
    /** @type {number[][]} */
    const expected = Array.from({ length: 8 }, () => []);
    for (let x = 1; x <= 6; x++) {
      page.store.showPlane(page.store.snapshot().requestedPlane + 1);
      expected[page.store.snapshot().plane].push(x);
      page.store.addPrompt(point(x));
      if (chance() < 0.3) page.store.act("label", { object: 9, label: "cell" });
      page.store.act("commit");
      for (const step of [page.messages, page.traits, page.turn, page.publish])
        if (chance() < 0.5) step();
    }
    finish(page);
    const found = expected.map((_, plane) => xs(page, plane).flat());
    assert.deepEqual(found, expected, `seed ${seed}`);
  }
});
