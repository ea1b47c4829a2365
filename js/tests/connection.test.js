import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { connect } from "../src/kernel/link.js";

/**
 * A page and a kernel on a line that loses messages. The kernel follows the protocol: it carries out each
 * request once, acknowledges it in its state, and numbers its messages of objects.
 *
 * @param {() => boolean} loses called for each message, in either direction
 */
function line(loses) {
  /** @type {Map<string, Function[]>} */
  const handlers = new Map();
  const fire = (/** @type {string} */ event, /** @type {unknown[]} */ ...args) => {
    for (const handler of handlers.get(event) ?? []) handler(...args);
  };
  /** Messages arrive later. @param {() => void} arrive */
  const later = (arrive) => void setTimeout(arrive, 5);
  /** @type {Record<string, any>} */
  let changes = {};
  /** The widget manager's throttle: one update is on its way, and one waits. @type {any} */
  let waiting = null;
  let inFlight = false;
  const kernel = {
    alive: true,
    revision: 0,
    epoch: 0,
    count: 0,
    ack: -1,
    /** @type {any[]} */
    prompts: [],
    /** @type {any[][]} */
    finished: [],
    hellos: 0,
    busy: false,
  };
  /** @type {any} */
  let trait = { revision: 0, objects: 0 };

  function publish() {
    kernel.revision += 1;
    const active = kernel.prompts.length
      ? { id: 1000 + kernel.finished.length, index: 0, prompts: kernel.prompts }
      : null;
    const state = {
      revision: kernel.revision,
      epoch: kernel.epoch,
      ack: { [client]: kernel.ack },
      active,
      objects: kernel.count,
    };
    if (loses()) return;
    later(() => {
      trait = state;
      fire("change:_state");
    });
  }

  let client = "";

  /** @param {any} message */
  function sendObjects(message) {
    kernel.count += 1;
    const content = { ...message, n: kernel.count, type: "objects" };
    if (!loses()) later(() => fire("msg:custom", content, []));
  }

  /** @param {any} request */
  function carryOut({ rid, epoch, prompts, type }) {
    client = rid.client;
    if (rid.n <= kernel.ack) return;
    kernel.ack = rid.n;
    if (epoch === kernel.epoch) kernel.prompts = prompts;
    if (type === "commit" && kernel.prompts.length) {
      kernel.epoch += 1;
      kernel.finished.push(kernel.prompts);
      kernel.prompts = [];
      sendObjects({ put: [{ id: kernel.finished.length, index: kernel.finished.length - 1 }] });
    }
    publish();
  }

  /** @param {any} message */
  function receive(message) {
    if (kernel.busy) return;
    if (message.type === "traits") return carryOut(message.traits._prompts);
    if (message.type !== "hello") return message.rid && carryOut(message);
    kernel.hellos += 1;
    if (message.objects !== kernel.count)
      sendObjects({ reset: true, put: kernel.finished.map((_, k) => ({ id: k + 1, index: k })) });
    publish();
  }

  /** @param {any} traits */
  function update(traits) {
    if (inFlight) {
      waiting = { ...waiting, ...traits };
      return;
    }
    inFlight = true;
    if (loses()) return;
    later(() => {
      if (traits._prompts) carryOut(traits._prompts);
      // The confirmation may be lost, too.
      if (!loses()) later(handled);
    });
  }

  function handled() {
    inFlight = false;
    const next = waiting;
    waiting = null;
    if (next) update(next);
  }

  const model = {
    get: (/** @type {string} */ name) => (name === "_state" ? trait : undefined),
    set: (/** @type {string} */ name, /** @type {any} */ value) => (changes[name] = value),
    save_changes() {
      const now = changes;
      changes = {};
      if (Object.keys(now).length) update(now);
    },
    send(/** @type {any} */ message) {
      if (!kernel.alive) throw new Error("Cannot send");
      if (!loses()) later(() => receive(message));
    },
    on: (/** @type {string} */ event, /** @type {Function} */ handler) =>
      void handlers.set(event, [...(handlers.get(event) ?? []), handler]),
    off() {},
    widget_manager: { kernel: notebook() },
  };
  return { model, kernel, publish, fire };
}

/** The used part of JupyterLab's connection to a kernel. */
function notebook() {
  /** @type {Set<() => void>} */
  const slots = new Set();
  return {
    status: "idle",
    connectionStatus: "connected",
    connectionStatusChanged: {
      connect: (/** @type {() => void} */ slot) => slots.add(slot),
      disconnect: (/** @type {() => void} */ slot) => slots.delete(slot),
    },
    slots,
    become(/** @type {string} */ status) {
      this.connectionStatus = status;
      for (const slot of slots) slot();
    },
  };
}

/** @param {number} x */
const point = (x) => /** @type {const} */ ({ type: "point", x, y: 0, label: 1 });

/** @type {AbortController} */
let ending;
beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  ending = new AbortController();
});
afterEach(() => {
  ending.abort();
  mock.timers.reset();
});

/** @param {ReturnType<typeof line>} there */
const open = (there) => connect(/** @type {any} */ (there.model), ending.signal);

/** @param {() => boolean} done @param {number} seconds @returns {boolean} whether it is done within these seconds */
function within(done, seconds) {
  for (let k = 0; k < seconds * 10 && !done(); k++) mock.timers.tick(100);
  return done();
}

/** @param {import("../src/state/store.js").Store} store */
const settled = (store) => () => store.awaited() === null;

/** The n-th, m-th, … of all messages is lost. @param {...number} which */
function losing(...which) {
  let k = 0;
  return () => which.includes(++k);
}

test("nothing is sent twice on a line that loses nothing", () => {
  const there = line(() => false);
  const store = open(there);
  for (let x = 0; x < 5; x++) {
    store.addPrompt(point(x));
    store.act("commit");
  }
  within(() => false, 120);
  assert.equal(there.kernel.finished.length, 5);
  assert.equal(there.kernel.hellos, 1);
  assert.equal(store.snapshot().finished.length, 5);
});

test("whichever message is lost, every request is carried out exactly once", () => {
  for (let lost = 1; lost <= 24; lost++) {
    const there = line(losing(lost));
    const store = open(there);
    for (let x = 0; x < 3; x++) {
      store.addPrompt(point(x));
      store.addPrompt(point(x + 10));
      store.act("commit");
    }
    assert.ok(
      within(settled(store), 30),
      `after the loss of message ${lost}: ${store.awaited()?.kind}`,
    );
    const kept = there.kernel.finished.map((prompts) => prompts.map(({ x }) => x));
    assert.deepEqual(
      kept,
      [
        [0, 10],
        [1, 11],
        [2, 12],
      ],
      `after the loss of message ${lost}`,
    );
    assert.equal(store.snapshot().finished.length, 3, `after the loss of message ${lost}`);
    assert.ok(!store.snapshot().pending);
  }
});

test("many lost messages are all made good in the end", () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (let round = 0; round < 20; round++) {
    const there = line(() => random() < 0.2);
    const store = open(there);
    for (let x = 0; x < 10; x++) {
      store.addPrompt(point(x));
      if (x % 2) store.act("commit");
      mock.timers.tick(500);
    }
    assert.ok(within(settled(store), 600), `round ${round}: ${store.awaited()?.kind}`);
    assert.deepEqual(
      there.kernel.finished.map((prompts) => prompts.map(({ x }) => x)),
      [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
        [8, 9],
      ],
    );
    assert.equal(store.snapshot().finished.length, 5);
    ending.abort();
    ending = new AbortController();
  }
});

test("a lost change by Python is detected at the next one", () => {
  let lost = false;
  const there = line(() => lost);
  const store = open(there);
  store.addPrompt(point(1));
  within(settled(store), 1);
  lost = true;
  there.publish();
  lost = false;
  there.publish();
  mock.timers.tick(10);
  assert.equal(store.awaited()?.kind, "objects");
  assert.ok(within(settled(store), 3));
});

test("a busy kernel gets fewer and fewer repetitions", () => {
  const there = line(() => false);
  const store = open(there);
  let asked = 0;
  there.kernel.busy = true;
  const send = there.model.send;
  there.model.send = (message) => {
    asked += message.type === "hello" ? 1 : 0;
    send(message);
  };
  there.model.widget_manager.kernel.status = "busy";
  store.act("commit");
  within(() => false, 600);
  assert.ok(asked >= 10 && asked < 30, `${asked}`);
  assert.equal(store.snapshot().connection, "up", "the status tells that it is busy");
  there.model.widget_manager.kernel.status = "idle";
  within(() => false, 60);
  assert.equal(store.snapshot().connection, "silent");
  there.kernel.busy = false;
  assert.ok(within(settled(store), 31));
  assert.equal(store.snapshot().connection, "up");
});

test("a lost connection is reported, and requests are settled when it is back", () => {
  let lost = false;
  const there = line(() => lost);
  const store = open(there);
  const { kernel } = there.model.widget_manager;
  lost = true;
  store.addPrompt(point(1));
  kernel.become("connecting");
  assert.equal(store.snapshot().connection, "lost");
  assert.ok(store.snapshot().pending);
  lost = false;
  kernel.become("connected");
  assert.equal(store.snapshot().connection, "up");
  assert.ok(within(settled(store), 1));
  assert.deepEqual(there.kernel.prompts, [point(1)]);
  assert.ok(!store.snapshot().pending);
  // The manager still waits for the answer to the lost update.
  store.addPrompt(point(2));
  assert.ok(within(settled(store), 1));
  assert.deepEqual(there.kernel.prompts, [point(1), point(2)]);
});

test("nothing is sent to a disconnected kernel, nor after the widget is closed", () => {
  const there = line(() => false);
  const store = open(there);
  within(settled(store), 1);
  there.kernel.alive = false;
  store.act("commit");
  assert.ok(store.snapshot().isDisconnected);
  within(() => false, 60);
  assert.equal(there.kernel.hellos, 1);
  ending.abort();
  assert.equal(there.model.widget_manager.kernel.slots.size, 0);
});

test("a page that was suspended or offline requests what it has missed", (t) => {
  const page = Object.assign(new EventTarget(), { hidden: false });
  const host = new EventTarget();
  Object.assign(globalThis, { document: page, window: host });
  t.after(
    () =>
      Reflect.deleteProperty(globalThis, "document") &&
      Reflect.deleteProperty(globalThis, "window"),
  );
  let lost = false;
  const there = line(() => lost);
  const store = open(there);
  within(settled(store), 1);
  /** @param {number} seconds */
  const hide = (seconds) => {
    page.hidden = true;
    page.dispatchEvent(new Event("visibilitychange"));
    mock.timers.tick(seconds * 1000);
    page.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    within(() => false, 1);
  };
  hide(5);
  assert.equal(there.kernel.hellos, 1, "it was hidden for a short time only");
  lost = true;
  there.publish();
  lost = false;
  hide(60);
  assert.ok(within(settled(store), 3));
  assert.equal(there.kernel.hellos, 3, "the state that was lost made it ask for all objects, too");
  host.dispatchEvent(new Event("online"));
  host.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
  page.dispatchEvent(new Event("resume"));
  within(() => false, 1);
  assert.equal(there.kernel.hellos, 5);
});
