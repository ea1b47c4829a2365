/**
 * The parts of a large image that are in view, at the resolution in view. A few requests are
 * in flight at a time: the server drops messages of a burst.
 *
 * @typedef {import("./wire.js").Picture} Picture
 * @typedef {import("./geometry.js").Corners} Corners
 * @typedef {import("./mask.js").Placement} Placement
 * @typedef {{ level: number, col: number, row: number }} TileName
 */
import { intersection, toSurface } from "./geometry.js";

/** Tiles asked for at a time, and in one message. */
const CREDITS = 8;
const BATCH = 4;

/** Decoded tiles kept: a megabyte each at 512 pixels a side. */
const KEPT = 96;

/** Milliseconds after which an answer counts as lost, and how often one is asked for again. */
const PATIENCE = 4000;
const ATTEMPTS = 3;

/** @param {TileName} name */
const keyOf = ({ level, col, row }) => `${level}/${col}/${row}`;

/** @param {number} side @param {number} level */
const levelSide = (side, level) => Math.ceil(side / 2 ** level);

/**
 * The coarsest level that is as sharp as the screen.
 *
 * @param {Picture} picture
 * @param {number} scale device pixels in an image pixel
 * @returns {number | null} null when the picture that came first is sharp enough
 */
export function levelFor({ width, viewWidth, tiles }, scale) {
  if (!tiles || viewWidth >= width || scale <= viewWidth / width) return null;
  const level = Math.max(Math.floor(Math.log2(1 / scale)), 0);
  return level < tiles.levels && levelSide(width, level) > viewWidth ? level : null;
}

/**
 * @param {Picture} picture
 * @param {TileName} name
 * @returns {Corners} in image pixels
 */
export function tileBounds({ width, height, tiles }, { level, col, row }) {
  const size = tiles?.size ?? 1;
  const [across, down] = [width / levelSide(width, level), height / levelSide(height, level)];
  return {
    x0: col * size * across,
    y0: row * size * down,
    x1: Math.min((col + 1) * size * across, width),
    y1: Math.min((row + 1) * size * down, height),
  };
}

/**
 * @param {Picture} picture
 * @param {number} level
 * @param {Corners} view in image pixels
 * @returns {TileName[]} the tiles in view, those in the middle first
 */
export function tilesIn(picture, level, view) {
  const { width, height, tiles } = picture;
  const size = tiles?.size ?? 1;
  const [across, down] = [levelSide(width, level) / width / size, levelSide(height, level) / height / size];
  const columns = { from: Math.max(Math.floor(view.x0 * across), 0), to: Math.ceil(Math.min(view.x1, width) * across) };
  const rows = { from: Math.max(Math.floor(view.y0 * down), 0), to: Math.ceil(Math.min(view.y1, height) * down) };
  const names = [];
  for (let row = rows.from; row < rows.to; row++) for (let col = columns.from; col < columns.to; col++) names.push({ level, col, row });
  const middle = { x: (columns.from + columns.to - 1) / 2, y: (rows.from + rows.to - 1) / 2 };
  const distance = (/** @type {TileName} */ { col, row }) => Math.hypot(col - middle.x, row - middle.y);
  return names.sort((a, b) => distance(a) - distance(b));
}

/**
 * @param {{ store: import("./store.js").Store, changed: () => void, signal: AbortSignal }} options
 */
export function createTiles({ store, changed, signal }) {
  /** Oldest use first. @type {Map<string, { name: TileName, bitmap: ImageBitmap }>} */
  const loaded = new Map();
  /** @type {Map<string, { since: number, attempts: number }>} */
  const asked = new Map();
  /** @type {Picture | null} */
  let picture = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;
  signal.addEventListener("abort", () => {
    clearTimeout(retry);
    forget();
  });

  function forget() {
    for (const { bitmap } of loaded.values()) bitmap.close();
    loaded.clear();
    asked.clear();
  }

  /** @param {Picture} next */
  function setPicture(next) {
    if (next === picture) return;
    picture = next;
    forget();
  }

  const inFlight = () => [...asked.values()].filter(({ since }) => performance.now() - since < PATIENCE).length;

  /** @param {TileName[]} wanted */
  function request(wanted) {
    const missing = wanted.filter((name) => {
      const before = asked.get(keyOf(name));
      const waits = before && (performance.now() - before.since < PATIENCE || before.attempts >= ATTEMPTS);
      return !waits && !loaded.has(keyOf(name));
    });
    for (let k = 0; k < missing.length && inFlight() < CREDITS; k += BATCH) send(missing.slice(k, k + BATCH));
    clearTimeout(retry);
    if (missing.length && inFlight()) retry = setTimeout(changed, PATIENCE);
  }

  /** @param {TileName[]} names of one level */
  function send(names) {
    const sent = store.ask("tiles", { plane: picture?.plane ?? 0, level: names[0].level, tiles: names.map(({ col, row }) => [col, row]) });
    if (sent === null) return;
    for (const name of names) {
      const attempts = (asked.get(keyOf(name))?.attempts ?? 0) + 1;
      asked.set(keyOf(name), { since: performance.now(), attempts });
    }
  }

  /** @param {import("./wire.js").TilesMessage} message */
  async function receive({ client, plane, level, tiles }) {
    const of = picture;
    if (client !== store.client || plane !== of?.plane) return;
    for (const { col, row, mime, data } of tiles) {
      const name = { level, col, row };
      try {
        const bitmap = await createImageBitmap(new Blob([data], { type: mime }), { colorSpaceConversion: "none" });
        if (of !== picture || signal.aborted) return bitmap.close();
        keep(name, bitmap);
      } catch {
        // A tile that cannot be read is asked for again, a few times.
      }
    }
    changed();
  }

  /** @param {TileName} name @param {ImageBitmap} bitmap */
  function keep(name, bitmap) {
    loaded.get(keyOf(name))?.bitmap.close();
    loaded.set(keyOf(name), { name, bitmap });
    asked.delete(keyOf(name));
    for (const [key, old] of loaded) {
      if (loaded.size <= KEPT) return;
      old.bitmap.close();
      loaded.delete(key);
    }
  }

  /**
   * Draw what is there, coarse before fine, and ask for what is missing.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Picture} of
   * @param {Placement} placement
   * @param {Corners} view in image pixels
   * @param {() => void} below draws the first picture; not called where none of it would be seen
   */
  function draw(context, of, placement, view, below) {
    setPicture(of);
    const level = levelFor(of, placement.width / of.width);
    if (level === null) return below();
    const wanted = tilesIn(of, level, view);
    for (const name of wanted) touch(keyOf(name));
    const covered = wanted.every((name) => loaded.has(keyOf(name)));
    if (!covered) below();
    const shown = [...loaded.values()].filter(({ name }) => (covered ? name.level === level : name.level >= level));
    for (const { name, bitmap } of shown.sort((a, b) => b.name.level - a.name.level)) {
      const bounds = tileBounds(of, name);
      if (intersection(bounds, view)) drawBetween(context, bitmap, bounds, placement);
    }
    request(wanted);
  }

  /** @param {string} key */
  function touch(key) {
    const tile = loaded.get(key);
    if (tile && loaded.delete(key)) loaded.set(key, tile);
  }

  store.listen("tiles", receive, signal);
  return { draw };
}

/** @param {CanvasRenderingContext2D} context @param {ImageBitmap} bitmap @param {Corners} bounds @param {Placement} placement */
function drawBetween(context, bitmap, { x0, y0, x1, y1 }, placement) {
  const [low, high] = [toSurface({ x: x0, y: y0 }, placement), toSurface({ x: x1, y: y1 }, placement)];
  // Whole device pixels: neighbours meet without a seam.
  const [left, top] = [Math.round(low.x), Math.round(low.y)];
  context.drawImage(bitmap, left, top, Math.round(high.x) - left, Math.round(high.y) - top);
}
