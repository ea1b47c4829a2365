/**
 * The parts of a large image that are in view, at the resolution in view. A few requests are
 * in flight at a time: the server drops messages of a burst.
 *
 * @typedef {import("../state/annotation.js").Picture} Picture
 * @typedef {import("../pixels/geometry.js").Corners} Corners
 * @typedef {import("../pixels/geometry.js").Placement} Placement
 * @typedef {{ level: number, col: number, row: number }} TileName
 */
import { intersection, toSurface } from "../pixels/geometry.js";
import { TILES_TIMEOUT } from "../state/timeouts.js";

/** Tiles that are in flight at a time, and in one message. */
const MAX_IN_FLIGHT = 8;
const BATCH_SIZE = 4;

/** Decoded tiles in memory: a megabyte each at 512 pixels a side. */
const MAX_LOADED = 96;

/** How often a tile is requested. */
const MAX_ATTEMPTS = 3;

/** @param {TileName} name */
const keyOf = ({ level, col, row }) => `${level}/${col}/${row}`;

/** @param {number} side @param {number} level */
const levelSide = (side, level) => Math.ceil(side / 2 ** level);

/**
 * The coarsest level that is as sharp as the screen.
 *
 * @param {Picture} picture
 * @param {number} scale device pixels in an image pixel
 * @returns {number | null} null when the picture that was sent first is sharp enough
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
  const [across, down] = [
    levelSide(width, level) / width / size,
    levelSide(height, level) / height / size,
  ];
  const columns = {
    from: Math.max(Math.floor(view.x0 * across), 0),
    to: Math.ceil(Math.min(view.x1, width) * across),
  };
  const rows = {
    from: Math.max(Math.floor(view.y0 * down), 0),
    to: Math.ceil(Math.min(view.y1, height) * down),
  };
  const names = [];
  for (let row = rows.from; row < rows.to; row++)
    for (let col = columns.from; col < columns.to; col++) names.push({ level, col, row });
  const middle = { x: (columns.from + columns.to - 1) / 2, y: (rows.from + rows.to - 1) / 2 };
  const distance = (/** @type {TileName} */ { col, row }) =>
    Math.hypot(col - middle.x, row - middle.y);
  return names.sort((a, b) => distance(a) - distance(b));
}

/**
 * @param {{ store: import("../state/store.js").Store, changed: () => void, signal: AbortSignal }} options
 */
export function createTiles({ store, changed, signal }) {
  /** Oldest use first. @type {Map<string, { name: TileName, bitmap: ImageBitmap }>} */
  const loaded = new Map();
  /** Tiles that are on their way. @type {Map<string, import("../state/requests.js").Request>} */
  const inFlight = new Map();
  /** How often each missing tile was requested. @type {Map<string, number>} */
  const attempts = new Map();
  /** @type {Picture | null} */
  let picture = null;
  signal.addEventListener("abort", forget);

  function forget() {
    for (const { bitmap } of loaded.values()) bitmap.close();
    for (const request of inFlight.values()) request.cancel();
    for (const each of [loaded, inFlight, attempts]) each.clear();
  }

  /** @param {Picture} next */
  function setPicture(next) {
    if (next === picture) return;
    picture = next;
    forget();
  }

  /** @param {string} key */
  const isMissing = (key) =>
    !loaded.has(key) && !inFlight.has(key) && (attempts.get(key) ?? 0) < MAX_ATTEMPTS;

  /** @param {TileName[]} wanted */
  function requestMissing(wanted) {
    const missing = wanted.filter((name) => isMissing(keyOf(name)));
    for (let k = 0; k < missing.length && inFlight.size < MAX_IN_FLIGHT; k += BATCH_SIZE)
      send(missing.slice(k, k + BATCH_SIZE));
  }

  /** @param {TileName[]} names of one level */
  function send(names) {
    const [plane, level] = [picture?.plane ?? 0, names[0].level];
    const keys = names.map(keyOf);
    const request = store.request(
      "tiles",
      { plane, level, tiles: names.map(({ col, row }) => [col, row]) },
      {
        matches: (answer) =>
          answer.plane === plane &&
          answer.level === level &&
          answer.tiles.every((tile) => keys.includes(keyOf({ level, ...tile }))),
        answered: (answer) => void receive(answer, keys),
        failed() {
          release(keys);
          changed();
        },
        timeout: TILES_TIMEOUT,
        signal,
      },
    );
    if (!request) return;
    for (const key of keys) {
      inFlight.set(key, request);
      attempts.set(key, (attempts.get(key) ?? 0) + 1);
    }
  }

  /** Tiles that have not arrived can be requested again. @param {readonly string[]} keys */
  function release(keys) {
    for (const key of keys) inFlight.delete(key);
  }

  /** @param {import("../state/answers.js").TilesMessage} message @param {readonly string[]} keys of the requested tiles */
  async function receive({ plane, level, tiles }, keys) {
    const of = picture;
    if (plane !== of?.plane) return;
    for (const { col, row, mime, data } of tiles) {
      const name = { level, col, row };
      try {
        const bitmap = await createImageBitmap(new Blob([data], { type: mime }), {
          colorSpaceConversion: "none",
        });
        if (of !== picture || signal.aborted) return bitmap.close();
        addTile(name, bitmap);
      } catch {
        // A tile that cannot be read is requested again, a few times.
      }
    }
    release(keys);
    changed();
  }

  /** @param {TileName} name @param {ImageBitmap} bitmap */
  function addTile(name, bitmap) {
    loaded.get(keyOf(name))?.bitmap.close();
    loaded.set(keyOf(name), { name, bitmap });
    attempts.delete(keyOf(name));
    for (const [key, old] of loaded) {
      if (loaded.size <= MAX_LOADED) return;
      old.bitmap.close();
      loaded.delete(key);
    }
  }

  /**
   * Draw the loaded tiles, coarse before fine, and request missing ones.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Picture} of
   * @param {Placement} placement
   * @param {Corners} view in image pixels
   * @param {() => void} below draws the first picture; not called if tiles cover it
   */
  function draw(context, of, placement, view, below) {
    setPicture(of);
    const level = levelFor(of, placement.width / of.width);
    if (level === null) return below();
    const wanted = tilesIn(of, level, view);
    for (const name of wanted) markUsed(keyOf(name));
    const covered = wanted.every((name) => loaded.has(keyOf(name)));
    if (!covered) below();
    const shown = [...loaded.values()].filter(({ name }) =>
      covered ? name.level === level : name.level >= level,
    );
    for (const { name, bitmap } of shown.sort((a, b) => b.name.level - a.name.level)) {
      const bounds = tileBounds(of, name);
      if (intersection(bounds, view)) drawBetween(context, bitmap, bounds, placement);
    }
    requestMissing(wanted);
  }

  /** @param {string} key */
  function markUsed(key) {
    const tile = loaded.get(key);
    if (tile && loaded.delete(key)) loaded.set(key, tile);
  }

  // A tile that arrives after its time-out is used, too.
  store.listen(
    "tiles",
    (message) => void (message.client === store.client && receive(message, [])),
    signal,
  );
  return { draw };
}

/** @param {CanvasRenderingContext2D} context @param {ImageBitmap} bitmap @param {Corners} bounds @param {Placement} placement */
function drawBetween(context, bitmap, { x0, y0, x1, y1 }, placement) {
  const [low, high] = [
    toSurface({ x: x0, y: y0 }, placement),
    toSurface({ x: x1, y: y1 }, placement),
  ];
  // Whole device pixels, so that there is no seam between neighbours.
  const [left, top] = [Math.round(low.x), Math.round(low.y)];
  context.drawImage(bitmap, left, top, Math.round(high.x) - left, Math.round(high.y) - top);
}
