/**
 * A small picture of one object: what is around it, and its mask.
 *
 * @typedef {import("../pixels/geometry.js").Size} Size
 */
import { drawPatch } from "./layers.js";
import { boundsOf, rasterize } from "../pixels/mask.js";
import { blendMask, newPatch } from "../pixels/tint.js";

/** Share of the object's size that is shown around it. */
const MARGIN = 0.15;

/**
 * @param {HTMLCanvasElement} canvas painted at the size that it has
 * @param {{
 *   mask: import("../pixels/mask.js").Mask,
 *   color: string,
 *   image: Size,
 *   picture: ImageBitmap | null,
 *   bounds?: import("../pixels/geometry.js").Corners | null,
 * }} what bounds: image pixels to show, those of the mask if not given
 */
export function paintThumbnail(
  canvas,
  { mask, color, image, picture, bounds = boundsOf(mask, image) },
) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.clearRect(0, 0, canvas.width, canvas.height);
  const placement = closeUp(bounds, image, canvas);
  if (picture) {
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, placement.left, placement.top, placement.width, placement.height);
  }
  const bitmap = rasterize(mask, placement, {
    x0: -3,
    y0: -3,
    x1: canvas.width + 3,
    y1: canvas.height + 3,
  });
  const patch = newPatch({ x0: 0, y0: 0, x1: canvas.width, y1: canvas.height });
  blendMask(patch, bitmap, color, "active", { opacity: 0.45, maskStyle: "both", unit: 1 });
  drawPatch(context, patch);
}

/**
 * @param {import("../pixels/geometry.js").Corners | null} bounds
 * @param {Size} image
 * @param {Size} surface
 * @returns {import("../pixels/geometry.js").Placement}
 */
function closeUp(bounds, image, surface) {
  const { x0, y0, x1, y1 } = bounds ?? { x0: 0, y0: 0, x1: image.width, y1: image.height };
  const margin = bounds ? 1 + 2 * MARGIN : 1;
  const scale = Math.min(surface.width / (x1 - x0) / margin, surface.height / (y1 - y0) / margin);
  return {
    image,
    left: surface.width / 2 - ((x0 + x1) / 2) * scale,
    top: surface.height / 2 - ((y0 + y1) / 2) * scale,
    width: image.width * scale,
    height: image.height * scale,
  };
}
