/** A drawn picture of any size, sharp at every zoom, in place of a large photo. */

const COLORS = ["#e4572e", "#17bebb", "#ffc914", "#2e282a", "#76b041", "#a06cd5", "#f2f2f2"];

/**
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context scaled to image pixels
 * @param {number} width
 * @param {number} height
 */
export function paintScene(context, width, height) {
  const sky = context.createLinearGradient(0, 0, width, height);
  sky.addColorStop(0, "#f6d365");
  sky.addColorStop(0.55, "#8a8fb0");
  sky.addColorStop(1, "#26324d");
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  const unit = Math.min(width, height) / 12;
  for (let k = 0; k < 40; k++) {
    const x = ((k * 0.618) % 1) * width * 0.94 + width * 0.03;
    const y = ((k * 0.381 + 0.07) % 1) * height * 0.9 + height * 0.05;
    context.beginPath();
    context.ellipse(x, y, unit * (0.3 + (k % 5) * 0.13), unit * (0.3 + (k % 3) * 0.15), k, 0, 7);
    context.fillStyle = COLORS[k % COLORS.length];
    context.fill();
    context.fillStyle = "#0008";
    context.font = `${unit / 12}px sans-serif`;
    context.fillText(`object ${k}: fine print that only a tile can show`, x - unit * 0.3, y);
  }
}

/**
 * Part of the scene as an encoded picture.
 *
 * @param {{ width: number, height: number }} image
 * @param {{ x: number, y: number, width: number, height: number, scale: number }} part in image pixels; scale: its pixels in one of those
 * @param {string} mime
 */
export async function renderScene(image, { x, y, width, height, scale }, mime) {
  const canvas = new OffscreenCanvas(Math.ceil(width * scale), Math.ceil(height * scale));
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(canvas.width / width, canvas.height / height);
  context.translate(-x, -y);
  paintScene(context, image.width, image.height);
  return new DataView(
    await (await canvas.convertToBlob({ type: mime, quality: 0.85 })).arrayBuffer(),
  );
}
