/** The development page: the widget on a mock model, told by the address what to show. */
import factory from "../src/widget.js";
import { createMockModel } from "./mock.js";

const wanted = new URLSearchParams(location.search);
if (wanted.has("dark")) document.documentElement.classList.add("dark");

/** A picture to try without any file. */
async function drawnPicture() {
  const canvas = document.createElement("canvas");
  canvas.width = 640;
  canvas.height = 420;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const sky = context.createLinearGradient(0, 0, 640, 420);
  sky.addColorStop(0, "#f6d365");
  sky.addColorStop(1, "#3b4a6b");
  context.fillStyle = sky;
  context.fillRect(0, 0, 640, 420);
  context.fillStyle = "#fff";
  context.arc(190, 150, 60, 0, 7);
  context.fill();
  return (await fetch(canvas.toDataURL())).arrayBuffer();
}

const source = wanted.get("image");
const data = source ? await (await fetch(source)).arrayBuffer() : await drawnPicture();
const { width, height } = await createImageBitmap(new Blob([data]));
const mock = createMockModel({
  image: { width, height, mime: "image/png", data: new DataView(data), name: source ?? "drawing" },
  labels: wanted.get("labels")?.split(",") ?? [],
  status: JSON.parse(wanted.get("status") ?? "{}"),
  delay: Number(wanted.get("delay") ?? 150),
});

const controller = new AbortController();
const el = /** @type {HTMLElement} */ (document.querySelector("main"));
const common = { model: mock.model, signal: controller.signal, experimental: /** @type {any} */ (null) };
const widget = factory();
if (typeof widget === "function") throw new Error("expected a definition");
widget.initialize?.(common);
for (let view = Number(wanted.get("views") ?? 1); view > 0; view--) {
  const cell = document.createElement("div");
  el.append(cell);
  widget.render?.({ ...common, el: cell, host: /** @type {any} */ (null) });
}
Object.assign(globalThis, { mock, controller });
