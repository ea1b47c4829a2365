/** The development page: the widget on a mock model, configured by the URL's query. */
import factory from "../src/widget.js";
import { createMockModel } from "./mock.js";
import { withFilm } from "./mock-tracks.js";
import { renderScene } from "./scene.js";

const wanted = new URLSearchParams(location.search);
if (wanted.has("dark")) document.documentElement.classList.add("dark");

/** A picture that needs no file. */
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

/** Longest side of the picture that a large image is first shown as. */
const FIRST_VIEW = 1600;

/** @param {string} size for instance 12000x8000 */
async function largePicture(size) {
  const [width, height] = size.split("x").map(Number);
  const scale = FIRST_VIEW / Math.max(width, height);
  const data = await renderScene(
    { width, height },
    { x: 0, y: 0, width, height, scale },
    "image/jpeg",
  );
  const tiles = { size: 512, levels: Math.ceil(Math.log2(1 / scale)) };
  return {
    width,
    height,
    view_width: Math.ceil(width * scale),
    view_height: Math.ceil(height * scale),
    mime: "image/jpeg",
    data,
    name: "scene",
    tiles,
  };
}

async function smallPicture() {
  const source = wanted.get("image");
  const data = source ? await (await fetch(source)).arrayBuffer() : await drawnPicture();
  const { width, height } = await createImageBitmap(new Blob([data]));
  return { width, height, mime: "image/png", data: new DataView(data), name: source ?? "drawing" };
}

const large = wanted.get("large");
const mock = createMockModel({
  image: large ? await largePicture(large) : await smallPicture(),
  options: JSON.parse(wanted.get("options") ?? "{}"),
  labels: wanted.get("labels")?.split(",") ?? [],
  status: JSON.parse(wanted.get("status") ?? "{}"),
  delay: Number(wanted.get("delay") ?? 150),
});

const film = { count: Number(wanted.get("film")), objects: Number(wanted.get("lanes") ?? 5) };
const model = film.count
  ? withFilm(mock, { ...film, size: { width: 960, height: 540 } })
  : mock.model;
const controller = new AbortController();
const el = /** @type {HTMLElement} */ (document.querySelector("main"));
const common = {
  model,
  signal: controller.signal,
  experimental: /** @type {any} */ (null),
};
const widget = factory();
if (typeof widget === "function") throw new Error("expected a definition");
widget.initialize?.(common);
for (let view = Number(wanted.get("views") ?? 1); view > 0; view--) {
  const cell = document.createElement("div");
  el.append(cell);
  widget.render?.({ ...common, el: cell, host: /** @type {any} */ (null) });
}
if (wanted.has("objects")) mock.addObjects(Number(wanted.get("objects")));
Object.assign(globalThis, { mock, controller });
