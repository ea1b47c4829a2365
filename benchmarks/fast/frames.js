// Frames of the widget's page while the view moves: run by frames.py, which calls the function below.
async ({ kind, count, step }) => {
  const canvas = document.querySelector("canvas.sam2-stage");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const at = (dx, dy) => ({ clientX: left + width / 2 + dx, clientY: top + height / 2 + dy, bubbles: true, cancelable: true, view: window });
  const mouse = (type, target, dx, dy) => target.dispatchEvent(new MouseEvent(type, { ...at(dx, dy), button: 1, buttons: 4 }));
  const circle = (k, radius) => [radius * Math.sin(k / 12), radius * (Math.cos(k / 12) - 1)];
  const wheel = (deltaY) => canvas.dispatchEvent(new WheelEvent("wheel", { ...at(0, 0), deltaY, ctrlKey: true }));
  const moves = {
    nearer: () => wheel(-step),
    zoom: (k) => wheel(k < count / 2 ? -step : step),
    pan: (k) => mouse("mousemove", window, ...circle(k, step)),
    pointer: (k) => canvas.dispatchEvent(new PointerEvent("pointermove", { ...at(...circle(k, step)), pointerId: 1, pointerType: "mouse", isPrimary: true })),
    rest: () => {},
  };
  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const frameEnd = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (port1.close(), resolve(performance.now()));
    port2.postMessage(null);
  });
  const long = [];
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: "longtask" });
  if (kind === "pan") mouse("mousedown", canvas, 0, 0);
  const [work, deltas] = [[], []];
  let last = await nextFrame();
  for (let k = 0; k < count; k++) {
    moves[kind](k);
    const start = await nextFrame();
    deltas.push(start - last);
    last = start;
    // From the frame's start: the callbacks before this one are the widget's.
    work.push((await frameEnd()) - start);
  }
  // What is put off until the view rests counts as well.
  for (let k = 0; k < 40; k++) {
    const start = await nextFrame();
    deltas.push(start - last);
    last = start;
    work.push((await frameEnd()) - start);
  }
  if (kind === "pan") mouse("mouseup", window, 0, 0);
  observer.disconnect();
  return { work, deltas, long };
}
