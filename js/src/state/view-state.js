/**
 * The state of one display of the widget; never sent to the kernel.
 *
 * @typedef {import("../pixels/geometry.js").Position} Position
 * @typedef {import("./prompts.js").Prompt} Prompt
 *
 * @typedef {"help" | "settings" | "files"} Popover
 *
 * @typedef {{ kind: "point", point: import("./prompts.js").PointPrompt }} PointDraft a press that has not moved
 * @typedef {{ kind: "box", from: Position, to: Position }} BoxDraft
 * @typedef {{ kind: "scribble", points: [number, number][], label: 0 | 1 }} ScribbleDraft
 * @typedef {{ kind: "stroke", points: number[], radius: number, label: 0 | 1 }} StrokeDraft
 * @typedef {{ kind: "move", index: number, prompt: Prompt }} MoveDraft
 * @typedef {{ kind: "pick", numbers: number[], rejects: boolean, at: Position }} PickDraft proposals under the pointer since it was pressed
 * @typedef {PickDraft | PointDraft | BoxDraft | ScribbleDraft | StrokeDraft | MoveDraft} Draft what the user is drawing or moving
 *
 * @typedef {object} ViewState
 * @property {boolean} negative clicks remove
 * @property {Popover | null} open
 * @property {boolean} full whether it fills the screen
 * @property {boolean} fills whether it fills a panel of its own
 * @property {number | null} hovered object under the pointer in the list
 * @property {number | null} proposal number of the proposal under the pointer
 * @property {Partial<import("./proposals.js").Thresholds>} thresholds of proposals that the user has chosen
 * @property {number} pointsPerSide of the next search for proposals
 * @property {boolean} drawsRegion the next drag is the region of a search, although there are proposals
 * @property {number | null} candidate index of the candidate under the pointer in the strip
 * @property {number | null} grabbed index of the placed prompt under the pointer
 * @property {Position | null} cursor in image coordinates
 * @property {Position | null} lineStart where a straight line to the cursor would begin, while Shift is held
 * @property {boolean} crosshair the cursor is moved by keys and drawn
 * @property {boolean} hideMasks while a key is held
 * @property {boolean} holdPan the pointer moves the view while a key is held
 * @property {boolean} onionSkin whether the object is outlined as on the planes before and after
 * @property {number | null} playing the plane that playback shows
 * @property {Draft | null} draft
 */

/** @returns {ViewState} */
export const newViewState = () => ({
  negative: false,
  open: null,
  full: false,
  fills: false,
  hovered: null,
  proposal: null,
  thresholds: {},
  pointsPerSide: 16,
  drawsRegion: false,
  candidate: null,
  grabbed: null,
  cursor: null,
  lineStart: null,
  crosshair: false,
  hideMasks: false,
  holdPan: false,
  onionSkin: false,
  playing: null,
  draft: null,
});
