/**
 * Decoded pictures: of the image shown, and of those that may be shown next.
 *
 * @typedef {import("../state/annotation.js").Picture} Picture
 * @typedef {{ bitmap: ImageBitmap | null, done: Promise<void> }} Decoded bitmap: null while it is decoded, and if that failed
 */

/** @param {Picture} picture @returns {Promise<ImageBitmap | null>} null if it cannot be decoded */
async function bitmapOf({ data, mime }) {
  try {
    // Without colour conversion: these pixels are the model's input.
    return await createImageBitmap(new Blob([data], { type: mime }), {
      colorSpaceConversion: "none",
    });
  } catch {
    return null;
  }
}

/** @param {AbortSignal} signal */
export function createDecodedPictures(signal) {
  /** @type {Map<Picture, Decoded>} */
  const decoded = new Map();

  /** @param {Picture} picture */
  function start(picture) {
    /** @type {Decoded} */
    const entry = { bitmap: null, done: decode() };
    async function decode() {
      const bitmap = await bitmapOf(picture);
      if (decoded.get(picture) === entry) entry.bitmap = bitmap;
      else bitmap?.close();
    }
    decoded.set(picture, entry);
    return entry;
  }

  /** @param {Picture} picture */
  function drop(picture) {
    decoded.get(picture)?.bitmap?.close();
    decoded.delete(picture);
  }

  signal.addEventListener("abort", () => [...decoded.keys()].forEach(drop));

  return {
    /** @param {Picture} picture @returns {Decoded} */
    get: (picture) => decoded.get(picture) ?? start(picture),

    /** Have these decoded, and no others. @param {readonly (Picture | null)[]} pictures */
    keep(pictures) {
      if (signal.aborted) return;
      const wanted = new Set(pictures.filter((picture) => picture !== null));
      [...decoded.keys()].filter((picture) => !wanted.has(picture)).forEach(drop);
      for (const picture of wanted) if (!decoded.has(picture)) start(picture);
    },
  };
}
