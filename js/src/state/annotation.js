/**
 * The annotation as the kernel has it: what its traits and messages hold once they are parsed.
 *
 * @typedef {import("./prompts.js").Prompt} Prompt
 * @typedef {import("../pixels/mask.js").Mask} Mask
 *
 * @typedef {{ size: number, levels: number }} TileScheme level k has half the pixels of level k - 1 a side; 0 is full size
 * @typedef {object} Picture
 * @property {number} width of the image
 * @property {number} height of the image
 * @property {number} viewWidth of the picture sent
 * @property {number} viewHeight of the picture sent
 * @property {string} mime
 * @property {Uint8Array<ArrayBuffer>} data
 * @property {string} name
 * @property {number} plane
 * @property {TileScheme | null} tiles
 *
 * @typedef {{ axis: string, count: number, annotated: number[] }} Stack planes, and the numbers of those with objects
 *
 * @typedef {object} Status
 * @property {string} phase
 * @property {string} message
 * @property {string} hint what to do about it, or ""
 * @property {number | null} progress
 * @property {string} model
 * @property {string} device
 *
 * @typedef {{ name: string, color: string | null }} ObjectClass color: null for a label that objects have and that was not declared as a class
 * @typedef {{ id: number, name: string }} Category a class and its id in files
 * @typedef {{ id?: number, name: string }} PromptClass a class as files of prompts list it
 * @typedef {import("../protocol/messages.d.ts").MaskSettings["overlap"]} Overlap
 * @typedef {import("../protocol/messages.d.ts").StateTrait["color_by"]} ColorBy
 * @typedef {{ overlap: Overlap, fillHoles: number, dropSpecks: number }} MaskSettings areas in image pixels, 0 for off
 * @typedef {{ score: number | null, mask: Mask | null }} Candidate
 *
 * @typedef {object} SegmentedObject
 * @property {number} id
 * @property {number} index position in the list
 * @property {string} color "#rrggbb"
 * @property {string | null} label
 * @property {number | null} score
 * @property {number | null} number its id in files; null: it is numbered by its position
 * @property {boolean} crowd a group of objects with one mask
 * @property {boolean} visible
 * @property {boolean} locked
 * @property {boolean} tracked it was tracked to this plane, and has no prompts here
 * @property {readonly Prompt[]} prompts
 * @property {string | null} ownColor "#rrggbb", the color that is stored with it in files, if any
 * @property {Mask | null} mask null: not computed yet
 *
 * @typedef {object} EditingDetails known only of the object being edited
 * @property {boolean} pending
 * @property {boolean} empty
 * @property {readonly Candidate[] | null} candidates if the newest prediction was ambiguous
 * @property {number} choice index of the candidate shown
 * @typedef {SegmentedObject & EditingDetails} ActiveObject
 *
 * @typedef {object} State the annotation as the kernel has it
 * @property {number} revision
 * @property {number} epoch
 * @property {Readonly<Record<string, number>>} ack
 * @property {ActiveObject | null} active
 * @property {boolean} canUndo
 * @property {boolean} canRedo
 * @property {string | null} label
 * @property {string} nextColor of the object that the next prompt would start
 * @property {ColorBy} colorBy whether objects have the color of their class, or each its own
 * @property {string} notice about the mask
 * @property {Readonly<Record<string, string>>} notices messages to single pages, by their tab's id, and to all pages, under ""
 * @property {number} noticeCount how many notices there have been
 * @property {MaskSettings} settings
 * @property {number} plane that this state describes
 * @property {number | null} pendingPlane the plane that is being loaded
 * @property {boolean} isMaskMissing the mask is referred to by a key that this page does not know
 * @property {number} newestObjectsMessage number of the last message of objects that was sent before this state
 *
 * @typedef {object} Saved where the prompts are saved automatically
 * @property {string} key identifies the image by its pixels
 * @property {string} owner id of this widget
 * @property {boolean} onDisk whether they are saved on the kernel's disk
 * @property {string} folder where, "" if the page need not know
 * @property {string} file in that folder, "" before the first one is written
 * @property {string} error why the newest version could not be written
 * @property {{ count: number, seconds: number } | null} offer objects of the same image that were saved before
 *
 * @typedef {{ n: number, plane: number, reset: boolean, put: SegmentedObject[], drop: number[] }} ObjectsMessage
 */

/** Drawn for an object whose colour did not arrive as #rrggbb. */
export const FALLBACK_COLOR = "#3b82f6";

/** @type {MaskSettings} */
export const DEFAULT_MASK_SETTINGS = Object.freeze({
  overlap: "on top",
  fillHoles: 0,
  dropSpecks: 0,
});

/** @type {State} */
export const EMPTY_STATE = Object.freeze({
  revision: -1,
  epoch: 0,
  ack: Object.freeze({}),
  active: null,
  canUndo: false,
  canRedo: false,
  label: null,
  nextColor: FALLBACK_COLOR,
  colorBy: "class",
  notice: "",
  notices: Object.freeze({}),
  noticeCount: 0,
  settings: DEFAULT_MASK_SETTINGS,
  plane: 0,
  pendingPlane: null,
  isMaskMissing: false,
  newestObjectsMessage: -1,
});

/** Before the kernel has sent its status. @type {Status} */
export const UNKNOWN_STATUS = Object.freeze({
  phase: "loading",
  message: "",
  hint: "",
  progress: null,
  model: "",
  device: "",
});

/** @type {Saved} */
export const NOTHING_SAVED = Object.freeze({
  key: "",
  owner: "",
  onDisk: false,
  folder: "",
  file: "",
  error: "",
  offer: null,
});

/**
 * Insert objects at their positions in the list, one after the other.
 *
 * @param {readonly SegmentedObject[]} objects
 * @param {readonly SegmentedObject[]} put
 */
export function insertAll(objects, put) {
  let list = [...objects];
  const known = new Set(list.map(({ id }) => id));
  for (const object of put) {
    if (known.has(object.id)) list = list.filter(({ id }) => id !== object.id);
    known.add(object.id);
    list.splice(Math.max(object.index, 0), 0, object);
  }
  return list;
}
