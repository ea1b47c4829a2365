/**
 * What keys do in a set of images: they run commands for the planes of a stack, which a set does not have.
 *
 * @type {Readonly<Partial<Record<string, "next" | "previous" | "done" | "skip">>>}
 */
export const IN_SETS = {
  nextPlane: "next",
  previousPlane: "previous",
  nextDoubtful: "done",
  previousDoubtful: "skip",
};
