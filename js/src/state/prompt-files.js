/** Files of prompts, made from the store without a kernel. */
import { promptsFile, stackFile } from "./prompt-format.js";

/** @param {import("./store.js").Store} store @returns {string} the prompts of the plane shown */
export function planeFile(store) {
  const { plane, promptClasses } = store.snapshot();
  const here = /** @type {import("./prompt-format.js").PlanePrompts} */ (
    store.promptsByPlane().get(plane)
  );
  return promptsFile(here, promptClasses);
}

/** @param {import("./store.js").Store} store @returns {{ file: string, count: number }} those of all planes, and how many objects */
export function fileOfAllPlanes(store) {
  const { stack, promptClasses } = store.snapshot();
  const planes = store.promptsByPlane();
  const count = [...planes.values()].reduce((sum, { objects }) => sum + objects.length, 0);
  return { file: stack ? stackFile(planes, stack.axis, promptClasses) : planeFile(store), count };
}
