/**
 * The masks that this page shows as a COCO file, made without a kernel. `SegmentWidget(image,
 * masks=file)` loads it.
 *
 * @typedef {import("../pixels/mask.js").Mask} Mask
 * @typedef {import("../pixels/geometry.js").Size} Size
 * @typedef {import("./store.js").Snapshot} Snapshot
 * @typedef {import("./annotation.js").Category} Category
 * @typedef {import("./annotation.js").SegmentedObject} SegmentedObject
 */
import { boundsOf, rasterize } from "../pixels/mask.js";

/** Each character holds five bits of a run length and a flag that more follow; the last one holds the sign, too. */
const [OFFSET, MORE, SIGN, BITS] = [48, 0x20, 0x10, 5];

/** The category of objects without a label: every COCO annotation needs one. */
const UNLABELED = "object";

/** Largest annotation id that the kernel reads. */
const MAX_NUMBER = 2 ** 53;

/** @param {number} value */
function written(value) {
  let text = "";
  let rest = value;
  for (;;) {
    const bits = rest & (MORE - 1);
    rest >>= BITS;
    const ends = rest === (bits & SIGN ? -1 : 0);
    text += String.fromCharCode((ends ? bits : bits | MORE) + OFFSET);
    if (ends) return text;
  }
}

/** COCO's compressed run lengths. @param {readonly number[]} runs of background and mask in turn, down the columns */
export const writeRuns = (runs) =>
  runs.map((run, k) => written(k > 2 ? run - runs[k - 2] : run)).join("");

/**
 * @param {Mask} mask
 * @param {readonly Mask[]} above masks whose pixels are left out
 * @param {Size} image
 */
export function encodeMask(mask, above, image) {
  const bounds = boundsOf(mask, image);
  const window = bounds ?? { x0: 0, y0: 0, x1: 0, y1: 0 };
  const placement = { image, left: 0, top: 0, ...image };
  const { inside } = rasterize(mask, placement, undefined, window);
  for (const other of above) {
    const cover = rasterize(other, placement, undefined, window).inside;
    for (let at = 0; at < inside.length; at++) inside[at] &= ~cover[at];
  }
  return runsOf(inside, window, image);
}

/**
 * @param {Uint8Array} inside of the window, row by row
 * @param {import("../pixels/geometry.js").Corners} window image pixels
 * @param {Size} image
 */
function runsOf(inside, { x0, y0, x1, y1 }, { width, height }) {
  const runs = [];
  const box = { x0: x1, y0: y1, x1: x0, y1: y0 };
  let [area, last, before] = [0, 0, 0];
  for (let x = x0; x < x1; x++) {
    for (let y = y0; y < y1; y++) {
      if (!inside[(y - y0) * (x1 - x0) + x - x0]) continue;
      const at = x * height + y;
      if (!area || at !== last) {
        if (area) runs.push(last - before);
        before = area ? last : 0;
        runs.push(at - before);
        before = at;
      }
      last = at + 1;
      area += 1;
      [box.x0, box.y0] = [Math.min(box.x0, x), Math.min(box.y0, y)];
      [box.x1, box.y1] = [Math.max(box.x1, x + 1), Math.max(box.y1, y + 1)];
    }
  }
  if (area) runs.push(last - before);
  if (last < width * height) runs.push(width * height - last);
  return {
    counts: writeRuns(runs),
    area,
    bbox: area ? [box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0] : [0, 0, 0, 0],
  };
}

/** @param {Pick<SegmentedObject, "label">} row */
const classOf = ({ label }) => label ?? UNLABELED;

/**
 * The categories as the kernel numbers them, then the labels of objects that it has not numbered.
 *
 * @param {readonly Category[]} known
 * @param {readonly SegmentedObject[]} rows
 */
function allCategories(known, rows) {
  const ids = new Map(known.map(({ id, name }) => [name, id]));
  let last = known.reduce((most, { id }) => Math.max(most, id), 0);
  for (const name of rows.map(classOf)) if (!ids.has(name)) ids.set(name, ++last);
  return ids;
}

/**
 * The ids of annotations: the objects' own numbers unless used twice, and new ones after the largest.
 *
 * @param {readonly Pick<SegmentedObject, "number">[]} rows
 */
export function numbersOf(rows) {
  /** @type {Set<number>} */
  const taken = new Set();
  const own = rows.map(({ number }) => {
    if (number === null || taken.has(number)) return null;
    taken.add(number);
    return number;
  });
  let last = own.reduce((/** @type {number} */ most, number) => Math.max(most, number ?? 0), 0);
  const free = () => {
    do last = last < MAX_NUMBER ? last + 1 : 1;
    while (taken.has(last));
    return last;
  };
  return own.map((number) => number ?? free());
}

/** @param {Pick<Snapshot, "picture" | "rows" | "active" | "mask" | "settings" | "categories">} snapshot @returns {string} JSON */
export function toCoco({ picture, rows, active, mask, settings, categories }) {
  const image = { width: picture?.width ?? 1, height: picture?.height ?? 1 };
  const masks = rows.map((row) => (row.id === active?.id ? mask : row.mask));
  const [ids, numbers] = [allCategories(categories, rows), numbersOf(rows)];
  const annotations = rows.flatMap((row, k) => {
    const own = masks[k];
    if (!own) return [];
    const above =
      settings.overlap === "cut out" ? masks.slice(k + 1).filter((each) => each !== null) : [];
    const { counts, area, bbox } = encodeMask(own, above, image);
    const segmentation = { size: [image.height, image.width], counts };
    const [category, score] = [
      ids.get(classOf(row)),
      row.score === null ? {} : { score: row.score },
    ];
    return [
      {
        id: numbers[k],
        image_id: 1,
        category_id: category,
        segmentation,
        area,
        bbox,
        iscrowd: Number(row.crowd),
        ...score,
      },
    ];
  });
  return JSON.stringify({
    info: { description: "Written by sam2-widget", version: "1.0" },
    licenses: [],
    images: [{ id: 1, file_name: picture?.name || "image.jpg", ...image }],
    categories: [...ids].map(([name, id]) => ({ id, name })),
    annotations,
  });
}
