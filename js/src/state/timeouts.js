/** How long the page waits for the kernel, in milliseconds, before it takes a message for lost. */

/** Until a request for prompts or an action is repeated. */
export const ACKNOWLEDGEMENT_TIMEOUT = 3000;

/** Until missing objects are requested: their messages may arrive before or after the state that counts them. */
export const OBJECTS_TIMEOUT = 1000;

/** Until missing lanes of the timeline are requested. */
export const LANES_TIMEOUT = 1000;

/** Until frames of playback are requested again. */
export const FRAMES_TIMEOUT = 4000;

/** Until the mask of an acknowledged request, or the plane that is being read, is requested again. */
export const MASK_TIMEOUT = 3000;

/** Upper limit: each of these doubles when nothing arrives, because a busy kernel handles all repetitions later. */
export const LONGEST_TIMEOUT = 30_000;

/** Until a hover preview is given up and the next one is requested. */
export const PREVIEW_TIMEOUT = 2000;

/** Until tiles are requested again. */
export const TILES_TIMEOUT = 4000;

/** Until a part of a file is requested again, or counts as not received. */
export const FILE_PART_TIMEOUT = 15_000;
