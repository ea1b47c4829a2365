/**
 * The messages and traits between kernel and page. Made of the Python definitions by
 * `python -m sam2_widget.comm.protocol_docs` and `npm run types`; do not edit.
 */

/** Binary data as the hosts deliver it. */
export type Binary = DataView | Uint8Array | ArrayBuffer | number[];

export type Action =
  | Commit
  | Select
  | Delete
  | Rename
  | Show
  | Lock
  | Order
  | UseLabel
  | AddClass
  | SetSetting
  | SetColorBy
  | Undo
  | Redo
  | Clear
  | ShowPlane
  | Restore
  | Merge
  | Split
  | Track
  | CancelTrack
  | Untrack
  | Absent
  | Mark
  | Advance
  | Propose
  | CancelPropose
  | Reject
  | Accept;
export type Query = Hover | Press | Tiles | Probe | Frames;
export type Transfer = Save | Part | Upload;
export type PageMessage =
  | Commit
  | Select
  | Delete
  | Rename
  | Show
  | Lock
  | Order
  | UseLabel
  | AddClass
  | SetSetting
  | SetColorBy
  | Undo
  | Redo
  | Clear
  | ShowPlane
  | Restore
  | Merge
  | Split
  | Track
  | CancelTrack
  | Untrack
  | Absent
  | Mark
  | Advance
  | Propose
  | CancelPropose
  | Reject
  | Accept
  | Hover
  | Press
  | Tiles
  | Probe
  | Frames
  | Save
  | Part
  | Upload
  | Dismiss
  | Hello
  | AckProbe
  | Traits;
export type SentPrompt = Point | Box | Scribble | Choice | Stroke | Known;
export type KernelMessage =
  | ObjectsMessage
  | PictureMessage
  | TimelineMessage
  | ProposalsMessage
  | PreviewAnswer
  | TilesAnswer
  | FrameAnswer
  | ProbeAnswer
  | FileAnswer
  | PartAnswer
  | UploadedAnswer
  | TimingsRequest;
export type ShownPrompt = Point | Box | Scribble | Choice | ShownStroke | ShownMask;
export type SetAction =
  | ShowImage
  | SeekImage
  | StepImage
  | FinishImage
  | SkipImage
  | ChangeState
  | SearchImages
  | ChangeNote
  | ChangeValues
  | RelabelObjects
  | DeleteObjects
  | AcceptObjects
  | UndoReview
  | MeasureObjects
  | OpenObject;
export type SetRequest =
  ItemsRequest | ThumbnailsRequest | ReviewRequest | RowsRequest | CropsRequest | ResendRequest;
export type SetMessage =
  | ShowImage
  | SeekImage
  | StepImage
  | FinishImage
  | SkipImage
  | ChangeState
  | SearchImages
  | ChangeNote
  | ChangeValues
  | RelabelObjects
  | DeleteObjects
  | AcceptObjects
  | UndoReview
  | MeasureObjects
  | OpenObject
  | ItemsRequest
  | ThumbnailsRequest
  | ReviewRequest
  | RowsRequest
  | CropsRequest
  | ResendRequest;
export type SetKernelMessage =
  ItemsAnswer | ThumbnailAnswer | ReviewAnswer | RowsAnswer | CropAnswer;

/**
 * What crosses the comm.
 */
export interface Protocol {
  SyncedTraits?: SyncedTraits;
  Action?: Action;
  Query?: Query;
  Transfer?: Transfer;
  PageMessage?: PageMessage;
  SentPrompt?: SentPrompt;
  KernelMessage?: KernelMessage;
  ShownPrompt?: ShownPrompt;
  SetAction?: SetAction;
  SetRequest?: SetRequest;
  SetMessage?: SetMessage;
  SetKernelMessage?: SetKernelMessage;
  Answers?: Answers;
  SetTraits?: SetTraits;
  SetAnswers?: SetAnswers;
}
/**
 * All traits that cross the comm.
 */
export interface SyncedTraits {
  tool: "box" | "brush" | "eraser" | "pan" | "point" | "propose" | "scribble" | "select";
  opacity: number;
  mask_style: "both" | "contour" | "fill";
  height: number;
  brush_size: number;
  new_object_per_click: boolean;
  hover_preview: boolean;
  brightness: number;
  contrast: number;
  retrack: boolean;
  save_picture: boolean;
  _image: ImageTrait;
  _stack: StackTrait;
  _status: Status;
  /**
   * Classes, then labels that objects have and that were not declared.
   */
  _labels: ClassColor[];
  /**
   * All classes with their numbers in files.
   */
  _categories: Category[];
  /**
   * Classes as a file of prompts lists them.
   */
  _prompt_classes: Class[];
  _state: StateTrait;
  _saved: SavedTrait;
  _tracking: TrackingTrait;
  _proposing: ProposingTrait;
  /**
   * Whether the server sends without Nagle's delay, so that pages need not send ``ack_probe``.
   */
  _nodelay: boolean;
  /**
   * Identifies the widget in the saved notebook's picture.
   */
  _picture_key: string;
  _prompts: PromptsRequest;
}
/**
 * The picture of the plane shown.
 */
export interface ImageTrait {
  plane: number;
  width: number;
  height: number;
  mime: string;
  name: string;
  view_width: number;
  view_height: number;
  tiles: TileScheme | null;
  data: Binary;
}
/**
 * Tiles in full resolution that pages can request.
 */
export interface TileScheme {
  /**
   * Pixels a side.
   */
  size: number;
  /**
   * Level k has half the pixels of level k - 1 a side; level 0 is the whole image.
   */
  levels: number;
}
/**
 * Empty for a plain image.
 */
export interface StackTrait {
  /**
   * A letter.
   */
  axis?: string;
  count?: number;
  /**
   * Numbers of the planes with objects.
   */
  annotated?: number[];
  /**
   * Number of images of a set, which has no other field.
   */
  images?: number;
}
/**
 * What the widget is doing.
 */
export interface Status {
  /**
   * ``"downloading"``, ``"loading"``, ``"encoding"``, ``"ready"``, ``"predicting"``, ``"error"`` or ``"closed"``.
   */
  phase: "closed" | "downloading" | "encoding" | "error" | "loading" | "predicting" | "ready";
  /**
   * One sentence for the user.
   */
  message: string;
  /**
   * Fraction that is done, 0..1; None if it is unknown.
   */
  progress?: number | null;
  /**
   * Model and device in use, empty before they are known.
   */
  model?: string;
  /**
   * Model and device in use, empty before they are known.
   */
  device?: string;
  /**
   * What to do after an error, else empty.
   */
  hint?: string;
}
/**
 * A label and its colour.
 */
export interface ClassColor {
  name: string;
  /**
   * ``#rrggbb``; None for a label that objects have and that was not declared as a class.
   */
  color: string | null;
}
/**
 * A class and its number in files.
 */
export interface Category {
  id: number;
  name: string;
}
/**
 * A class as files have it: its id is its number, unless the order numbers it.
 */
export interface Class {
  name: string;
  id?: number | null;
}
/**
 * The annotation without its finished objects.
 */
export interface StateTrait {
  /**
   * Increased when the active object is changed by something other than a page's prompts.
   */
  epoch: number;
  /**
   * By client, the newest request that was handled.
   */
  ack: {
    [k: string]: number;
  };
  /**
   * The active object.
   */
  active: ActiveObject | null;
  can_undo: boolean;
  can_redo: boolean;
  /**
   * Label and colour of the next object.
   */
  label: string | null;
  /**
   * Label and colour of the next object.
   */
  next_color: string;
  color_by: "class" | "object";
  /**
   * Notice about the active mask.
   */
  notice: string;
  /**
   * Other notices, by browser tab, or ``""`` for all pages.
   */
  notices: {
    [k: string]: string;
  };
  /**
   * Number of notices so far.
   */
  noticed: number;
  settings: MaskSettings;
  plane: number;
  /**
   * The plane that will be shown.
   */
  pending_plane: number | null;
  /**
   * Number of the last message of objects that belongs to this state.
   */
  objects: number;
  /**
   * Number of the state; pages ignore an older one than they have.
   */
  revision: number;
  /**
   * The kernel's share of the newest click, sent once with its mask.
   */
  timing: ClickTiming | null;
}
/**
 * The active object, which is being edited.
 */
export interface ActiveObject {
  id: number;
  index: number;
  prompts: (Point | Box | Scribble | Choice | ShownStroke | ShownMask)[];
  color: string;
  label: string | null;
  score: number | null;
  number: number | null;
  crowd: boolean;
  visible: boolean;
  locked: boolean;
  own_color?: string;
  tracked?: boolean;
  mask: MaskContent | null;
  /**
   * Whether the model's prediction is pending.
   */
  pending: boolean;
  /**
   * Whether the mask has no pixels.
   */
  empty: boolean;
  /**
   * If the prompts are ambiguous.
   */
  candidates: CandidateContent[] | null;
  /**
   * Position of the candidate shown.
   */
  choice: number;
}
/**
 * A click.
 */
export interface Point {
  type: "point";
  /**
   * Image pixels, see the module's convention.
   */
  x: number;
  /**
   * Image pixels, see the module's convention.
   */
  y: number;
  /**
   * 1: this belongs to the object. 0: this does not.
   */
  label?: number;
}
/**
 * A rectangle around the object; a box drawn right to left or upwards is turned around.
 */
export interface Box {
  type: "box";
  /**
   * Two opposite corners in image pixels, see the module's convention. After construction ``x0 < x1`` and ``y0 < y1``.
   */
  x0: number;
  /**
   * Two opposite corners in image pixels, see the module's convention. After construction ``x0 < x1`` and ``y0 < y1``.
   */
  y0: number;
  /**
   * Two opposite corners in image pixels, see the module's convention. After construction ``x0 < x1`` and ``y0 < y1``.
   */
  x1: number;
  /**
   * Two opposite corners in image pixels, see the module's convention. After construction ``x0 < x1`` and ``y0 < y1``.
   */
  y1: number;
}
/**
 * A freehand line over the object, or over what is not part of it: many clicks in one.
 */
export interface Scribble {
  type: "scribble";
  /**
   * 2 to 256 vertices in image pixels, see the module's convention.
   */
  points: [number, number][];
  /**
   * 1: the line runs over the object. 0: it runs over what is not part of it.
   */
  label?: number;
}
/**
 * Which candidate is meant, where the model's answer to the prompts before it is ambiguous.
 */
export interface Choice {
  type: "choice";
  /**
   * Position among the candidates. Ignored where the answer has fewer.
   */
  index: number;
}
/**
 * A stroke among the prompts; its points are among the message's ``large_prompts``.
 */
export interface ShownStroke {
  type: "stroke";
  key: string;
  radius: number;
  label: number;
}
/**
 * A mask among the prompts, identified by its key.
 */
export interface ShownMask {
  type: "mask";
  key: string;
}
/**
 * A mask. Its data is in `data` or in a buffer of the message, or was sent before.
 */
export interface MaskContent {
  /**
   * ``"logits"``: deflated int8 values of a grid over the whole image. ``"pixels"``: deflated rows of bits of a crop.
   */
  kind: "logits" | "pixels";
  /**
   * Size of the grid or the crop.
   */
  width: number;
  /**
   * Size of the grid or the crop.
   */
  height: number;
  /**
   * Top-left corner of the crop.
   */
  x?: number;
  /**
   * Top-left corner of the crop.
   */
  y?: number;
  /**
   * Drawn by hand on top.
   */
  strokes?: MaskStroke[];
  /**
   * The data, in traits.
   */
  data?: Binary;
  /**
   * In custom messages: index of the data among the message's buffers.
   */
  buffer?: number;
  /**
   * In place of `data`: key of a mask that was sent before.
   */
  known?: string;
  /**
   * Key under which the page stores this mask for later.
   */
  key?: string;
}
/**
 * A stroke that sets pixels of a mask by hand.
 */
export interface MaskStroke {
  key: string;
  radius: number;
  label: number;
  /**
   * Sent once; later messages refer to the stroke by its key.
   */
  points?: [number, number][];
}
/**
 * A mask to choose from.
 */
export interface CandidateContent {
  score: number | null;
  /**
   * None for the chosen one, whose mask is the object's.
   */
  mask: MaskContent | null;
}
/**
 * Settings that affect masks; areas in image pixels, 0 for off.
 */
export interface MaskSettings {
  overlap: "cut out" | "on top";
  fill_holes: number;
  drop_specks: number;
}
/**
 * The kernel's share of a click, as it is sent to pages.
 */
export interface ClickTiming {
  /**
   * The page that has sent the request.
   */
  client: string;
  /**
   * The request's sequence number.
   */
  n: number;
  /**
   * Microseconds: in total, and in the model.
   */
  kernel: number;
  /**
   * Microseconds: in total, and in the model.
   */
  decoder: number;
}
/**
 * Where prompts are saved, and which earlier prompts of the image can be restored.
 */
export interface SavedTrait {
  /**
   * Identifies the image by its pixels; empty until it is known.
   */
  key: string;
  /**
   * Eight hexadecimal digits of the widget.
   */
  owner: string;
  /**
   * Whether they are saved on the kernel's disk.
   */
  on_disk: boolean;
  /**
   * Path of the folder; empty if pages do not show it.
   */
  folder: string;
  /**
   * Its name; empty before it is first written.
   */
  file: string;
  /**
   * Why the newest version could not be written, or empty.
   */
  error: string;
  offer: Offer | null;
}
/**
 * Saved prompts that can be restored.
 */
export interface Offer {
  /**
   * Number of objects.
   */
  objects: number;
  /**
   * Time of their last change, in seconds since 1970.
   */
  seconds: number;
}
/**
 * The job that tracks objects of a stack, or the last one; empty for a plain image.
 */
export interface TrackingTrait {
  /**
   * Number of the last message ``timeline`` that was sent.
   */
  timeline?: number;
  /**
   * Planes between which objects are tracked: first, and one past the last; None for all.
   */
  marks?: [number, number] | null;
  /**
   * Why tracking is unavailable, one sentence; empty if it is available.
   */
  unavailable?: string;
  running?: boolean;
  /**
   * The objects that are tracked.
   */
  numbers?: number[];
  /**
   * Frames; a frame counts for each object that is tracked on it.
   */
  done?: number;
  /**
   * Frames; a frame counts for each object that is tracked on it.
   */
  total?: number;
  /**
   * The plane that was tracked last.
   */
  plane?: number | null;
  /**
   * Frames a second, averaged over the last seconds; None while there are too few.
   */
  fps?: number | null;
  seconds_left?: number | null;
  /**
   * Why the job ended early; empty if it did not. Masks that were found before stay.
   */
  error?: string;
}
/**
 * The search for proposals; empty if there was none.
 */
export interface ProposingTrait {
  /**
   * Number of the search.
   */
  job?: number;
  /**
   * Number of the last message of proposals that was sent.
   */
  message?: number;
  /**
   * x0, y0, x1, y1 in image pixels.
   *
   * @minItems 4
   * @maxItems 4
   */
  region?: [number, number, number, number];
  running?: boolean;
  /**
   * Points that were tried, and points in total.
   */
  done?: number;
  /**
   * Points that were tried, and points in total.
   */
  total?: number;
  /**
   * Why there can be no proposals; empty if there can be.
   */
  note?: string;
  /**
   * Why it ended early; empty if it did not.
   */
  error?: string;
  thresholds?: ProposalThresholds;
  examples?: ProposalExamples;
}
/**
 * Thresholds that suit the model.
 */
export interface ProposalThresholds {
  min_score: number;
  min_stability: number;
  min_area: number;
  max_area: number | null;
  max_overlap: number;
}
/**
 * The objects that proposals are compared with: those with the label of the next object.
 */
export interface ProposalExamples {
  /**
   * How many there are; 0 if proposals cannot be compared.
   */
  count: number;
  label: string | null;
  /**
   * Thresholds to start with, 0..1.
   */
  min_likeness: number;
  /**
   * Thresholds to start with, 0..1.
   */
  max_overlap: number;
}
/**
 * Written by pages: all prompts of the active object.
 */
export interface PromptsRequest {
  rid: RequestId;
  /**
   * The epoch of the page's state. If it differs from the kernel's, the list is of an object that is no longer active.
   */
  epoch: number;
  prompts: (Point | Box | Scribble | Choice | Stroke | Known)[];
  /**
   * Whether they are added to the existing prompts, which the page does not know, because it has left the plane before it received the result of an undo.
   */
  adds?: boolean;
}
/**
 * Sender and sequence number. Not named ``id``: ipykernel 7.4 stores messages with that field.
 */
export interface RequestId {
  client: string;
  n: number;
  /**
   * Number of notices that the page had received when the user acted, see `Notices`.
   */
  seen?: number;
}
/**
 * An edit by hand: a brush or an eraser drawn along a line sets the pixels under it.
 */
export interface Stroke {
  type: "stroke";
  /**
   * 1 to 2048 vertices in image pixels; a single one is a disc. The line may leave the image.
   */
  points: [number, number][];
  /**
   * In image pixels, above 0.
   */
  radius: number;
  /**
   * 1: brush, the pixels become part of the object. 0: eraser.
   */
  label?: number;
}
/**
 * A prompt that the kernel has already, identified by its key.
 */
export interface Known {
  type: "known";
  key: string;
}
/**
 * Finish the active object.
 */
export interface Commit {
  type: "commit";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  label?: string | null;
}
/**
 * Make a finished object active, or none.
 */
export interface Select {
  type: "select";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object?: number | null;
}
/**
 * Remove an object from the plane, or, with `everywhere`, from all planes of the stack.
 */
export interface Delete {
  type: "delete";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object: number;
  everywhere?: boolean;
}
/**
 * Give an object another label.
 */
export interface Rename {
  type: "label";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object: number;
  label?: string | null;
}
/**
 * Show or hide an object.
 */
export interface Show {
  type: "show";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object: number;
  visible: boolean;
}
/**
 * Lock an object, so that it cannot be edited, or unlock it.
 */
export interface Lock {
  type: "lock";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object: number;
  locked: boolean;
}
/**
 * Move an object to another place of the list.
 */
export interface Order {
  type: "order";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object: number;
  index: number;
}
/**
 * Set the label of the next objects and, if `active`, of the active one.
 */
export interface UseLabel {
  type: "class";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  label?: string | null;
  active?: boolean;
}
/**
 * Add a class and, if `use`, make it the label of the next objects.
 */
export interface AddClass {
  type: "class_add";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  name: string;
  color?: string | null;
  use?: boolean;
}
/**
 * Change a setting that affects masks.
 */
export interface SetSetting {
  type: "setting";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  name: "drop_specks" | "fill_holes" | "overlap";
  value: string | number;
}
/**
 * Colour objects by their class, or each in its own colour; masks do not change.
 */
export interface SetColorBy {
  type: "color_by";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  value: "class" | "object";
}
/**
 * Undo the last step.
 */
export interface Undo {
  type: "undo";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
}
/**
 * Redo the last undone step.
 */
export interface Redo {
  type: "redo";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
}
/**
 * Remove all objects.
 */
export interface Clear {
  type: "clear";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
}
/**
 * Show another plane; `epoch` and `prompts` are of the previous plane.
 */
export interface ShowPlane {
  type: "plane";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  plane: number;
}
/**
 * Restore the earlier prompts of the image.
 */
export interface Restore {
  type: "restore";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
}
/**
 * Merge several objects into one.
 */
export interface Merge {
  type: "merge";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  /**
   * @minItems 2
   * @maxItems 10000
   */
  objects: number[];
}
/**
 * Split an object into its connected parts.
 */
export interface Split {
  type: "split";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  object: number;
}
/**
 * Track objects through the planes of a stack. No edit: no prompts are changed.
 */
export interface Track {
  type: "track";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  /**
   * Numbers of the objects; None for all.
   */
  numbers?: number[] | null;
  /**
   * Whether to track the active object, too.
   */
  active?: boolean;
  /**
   * First plane, and one past the last; None for those between the marks.
   */
  planes?: [number, number] | null;
  /**
   * From each keyframe to later planes, to earlier ones, or to both.
   */
  direction?: "backward" | "both" | "forward";
}
/**
 * Stop tracking; masks that were found stay.
 */
export interface CancelTrack {
  type: "cancel_track";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
}
/**
 * Remove tracked masks of objects; their keyframes stay.
 */
export interface Untrack {
  type: "untrack";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  /**
   * @maxItems 10000
   */
  numbers: number[];
  /**
   * As in `Track`; None for all.
   */
  planes?: [number, number] | null;
}
/**
 * Mark objects of a stack as absent from the plane, or, without `absent`, take that back.
 */
export interface Absent {
  type: "absent";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  /**
   * Numbers of the objects.
   *
   * @maxItems 10000
   */
  numbers: number[];
  absent?: boolean;
}
/**
 * Set the marks between which objects are tracked, or remove them.
 */
export interface Mark {
  type: "mark";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  /**
   * First plane, and one past the last.
   */
  planes: [number, number] | null;
}
/**
 * In a set of images, show another image, or mark this one as done or skipped and go on.
 */
export interface Advance {
  type: "advance";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  to: "done" | "next" | "previous" | "skip";
}
/**
 * Search for proposals on the plane, which replace those of an earlier search. No edit.
 */
export interface Propose {
  type: "propose";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  /**
   * x0, y0, x1, y1 in image pixels; None for the whole image.
   */
  region?: [number, number, number, number] | null;
  /**
   * See `sam2_widget.propose`.
   */
  points_per_side?: number;
  /**
   * See `sam2_widget.propose`.
   */
  layers?: number;
}
/**
 * Stop the search; proposals that were found stay.
 */
export interface CancelPropose {
  type: "cancel_propose";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
}
/**
 * Reject proposals of the search `job` or, without `rejected`, take that back. No edit.
 */
export interface Reject {
  type: "reject";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  job: number;
  /**
   * @maxItems 100000
   */
  numbers: number[];
  rejected?: boolean;
}
/**
 * Make objects of proposals of the search `job`, with the label of the next object.
 */
export interface Accept {
  type: "accept";
  rid: RequestId;
  epoch: number;
  prompts?: (Point | Box | Scribble | Choice | Stroke | Known)[] | null;
  adds?: boolean;
  job: number;
  /**
   * @maxItems 100000
   */
  numbers: number[];
}
/**
 * Request the mask that a click at a point would give.
 */
export interface Hover {
  type: "hover";
  client: string;
  n: number;
  epoch: number;
  x: number;
  y: number;
  label?: 0 | 1;
  fresh?: boolean;
}
/**
 * Predict the click of a pressed button, before it is released.
 */
export interface Press {
  type: "press";
  client: string;
  n: number;
  epoch: number;
  x: number;
  y: number;
  label?: 0 | 1;
  fresh?: boolean;
}
/**
 * Request parts of the image in full resolution.
 */
export interface Tiles {
  type: "tiles";
  client: string;
  level: number;
  /**
   * Column and row of each.
   *
   * @maxItems 16
   */
  tiles: [number, number][];
  plane?: number;
}
/**
 * Request the original values of a pixel.
 */
export interface Probe {
  type: "probe";
  client: string;
  n: number;
  x: number;
  y: number;
  plane?: number;
}
/**
 * Request pictures and masks of planes for playback: a message for each, in their order.
 */
export interface Frames {
  type: "frames";
  client: string;
  n: number;
  /**
   * Planes ``first``, ``first + step``, …, `count` of them.
   */
  first: number;
  /**
   * Planes ``first``, ``first + step``, …, `count` of them.
   */
  count: number;
  /**
   * Planes ``first``, ``first + step``, …, `count` of them.
   */
  step?: number;
  /**
   * Longer side of the pictures in pixels.
   */
  side?: number;
  /**
   * Whether earlier requests of the page are dropped, because the playhead was moved. With a `count` of 0 this ends the playback.
   */
  restart?: boolean;
}
/**
 * Request a file with the objects of the plane of `epoch`: bytes, never a path.
 */
export interface Save {
  type: "save";
  client: string;
  n: number;
  epoch: number;
  format: string;
}
/**
 * Request a part of the file that was made; the next one when this has arrived.
 */
export interface Part {
  type: "part";
  client: string;
  n: number;
  part: number;
}
/**
 * Send a part of a file of the user, or of prompts that the page has stored, as a buffer.
 */
export interface Upload {
  type: "upload";
  client: string;
  n: number;
  epoch: number;
  name: string;
  /**
   * Bytes of the whole file.
   */
  size: number;
  /**
   * Offset of this part.
   */
  at: number;
  /**
   * For prompts of the same image that the page has stored, the time of their last change, in milliseconds since 1970; they are offered to the user. None for a file.
   */
  kept?: number | null;
}
/**
 * Dismiss the offer of earlier prompts.
 */
export interface Dismiss {
  type: "dismiss";
}
/**
 * Request the state and missing objects, from a page that has opened or may have missed some.
 */
export interface Hello {
  type: "hello";
  /**
   * Number of the last message of objects, of lanes, and of proposals, that the page has received; -1 if some may be missing.
   */
  objects?: number;
  /**
   * Number of the last message of objects, of lanes, and of proposals, that the page has received; -1 if some may be missing.
   */
  timeline?: number;
  /**
   * Number of the last message of objects, of lanes, and of proposals, that the page has received; -1 if some may be missing.
   */
  proposals?: number;
}
/**
 * A message without effect, whose packet carries TCP's acknowledgement of the last answer.
 */
export interface AckProbe {
  type: "ack_probe";
  /**
   * Timings of earlier clicks.
   *
   * @maxItems 100
   */
  timings?: PageTiming[];
}
/**
 * The page's timings of its request `n`, see `sam2_widget.annotation.timings`.
 */
export interface PageTiming {
  client: string;
  n: number;
  browser: number;
  trip: number;
  paint: number;
}
/**
 * Traits in a custom message, from a page whose trait updates are blocked.
 */
export interface Traits {
  type: "traits";
  traits: {};
}
/**
 * Finished objects that are new or changed, and ids of removed ones.
 */
export interface ObjectsMessage {
  type: "objects";
  /**
   * Number of their plane.
   */
  plane: number;
  /**
   * Whether the page must drop all other objects.
   */
  reset: boolean;
  /**
   * By ascending index.
   */
  put: FinishedObject[];
  /**
   * Ids of removed objects.
   */
  drop: number[];
  /**
   * Strokes and masks among the prompts that were not sent before, as JSON by their keys.
   */
  large_prompts: {
    [k: string]: string;
  };
  /**
   * Number of the message, by which a page notices a lost one.
   */
  n: number;
}
/**
 * A finished object.
 */
export interface FinishedObject {
  id: number;
  index: number;
  prompts: (Point | Box | Scribble | Choice | ShownStroke | ShownMask)[];
  color: string;
  label: string | null;
  score: number | null;
  number: number | null;
  crowd: boolean;
  visible: boolean;
  locked: boolean;
  own_color?: string;
  tracked?: boolean;
  /**
   * None while it is pending.
   */
  mask: MaskContent | null;
}
/**
 * The picture of an image of a set that will probably be shown next.
 */
export interface PictureMessage {
  plane: number;
  width: number;
  height: number;
  mime: string;
  name: string;
  view_width: number;
  view_height: number;
  tiles: TileScheme | null;
  type: "picture";
  /**
   * Index of its data among the message's buffers.
   */
  buffer: number;
}
/**
 * Lanes of the timeline that are new or changed, of a stack.
 */
export interface TimelineMessage {
  type: "timeline";
  /**
   * Number of the message; `TrackingTrait.timeline` is that of the last one, so that a page notices a lost one.
   */
  n: number;
  /**
   * Whether pages must drop all other lanes.
   */
  reset: boolean;
  /**
   * Pages order lanes by their numbers.
   */
  put: Lane[];
  /**
   * Numbers of removed objects.
   */
  drop: number[];
}
/**
 * One object over all planes of the stack.
 */
export interface Lane {
  /**
   * The object's number, on all planes.
   */
  number: number;
  label: string | null;
  /**
   * ``#rrggbb``.
   */
  color: string;
  visible: boolean;
  locked: boolean;
  /**
   * Planes where it has prompts, as ranges: first, and one past the last.
   */
  keyframes: [number, number][];
  /**
   * Planes that the user has marked it as absent from, likewise.
   */
  absent: [number, number][];
  /**
   * By ascending planes; without `keyframes`, `absent` and planes of unknown state.
   */
  runs: [number, number, "absent" | "doubtful" | "stale" | "tracked"][];
}
/**
 * New proposals, and what the user has done with those of the search.
 */
export interface ProposalsMessage {
  type: "proposals";
  /**
   * Number of the message, by which a page notices a lost one.
   */
  n: number;
  /**
   * Number of the search; 0 if there is none.
   */
  job: number;
  /**
   * Whether pages must drop all other proposals.
   */
  reset: boolean;
  put: ProposalContent[];
  /**
   * Numbers of all proposals that are objects now.
   */
  accepted: number[];
  /**
   * Numbers of all proposals that were rejected.
   */
  rejected: number[];
  /**
   * How much each proposal is like the examples, 0..1, by its number less 1, and empty without examples; None if nothing has changed.
   */
  likeness: number[] | null;
}
/**
 * A proposal; its logits are among the message's buffers.
 */
export interface ProposalContent {
  /**
   * From 1, in the order in which proposals were found.
   */
  number: number;
  /**
   * The part of the image that the logits cover: x0, y0, x1, y1 in image pixels.
   *
   * @minItems 4
   * @maxItems 4
   */
  crop: [number, number, number, number];
  /**
   * Of the mask, likewise.
   *
   * @minItems 4
   * @maxItems 4
   */
  box: [number, number, number, number];
  /**
   * 0..1.
   */
  score: number;
  /**
   * 0..1.
   */
  stability: number;
  /**
   * In image pixels.
   */
  area: number;
  /**
   * Size of the grid of logits.
   */
  width: number;
  /**
   * Size of the grid of logits.
   */
  height: number;
  /**
   * Index of the deflated int8 logits among the message's buffers.
   */
  buffer: number;
}
/**
 * The mask that a click would give; None if it cannot be predicted now.
 */
export interface PreviewAnswer {
  type: "preview";
  client: string;
  n: number;
  mask: MaskContent | null;
  score: number | null;
}
/**
 * The requested tiles that exist.
 */
export interface TilesAnswer {
  type: "tiles";
  client: string;
  plane: number;
  level: number;
  tiles: Tile[];
}
/**
 * A tile, whose file is among the message's buffers.
 */
export interface Tile {
  col: number;
  row: number;
  mime: string;
  buffer: number;
}
/**
 * A requested frame, or why it cannot be shown.
 */
export interface FrameAnswer {
  type: "frame";
  client: string;
  n: number;
  plane: number;
  /**
   * ``image/jpeg`` or ``image/png``.
   */
  mime?: string;
  /**
   * Size of the image in pixels.
   */
  width?: number;
  /**
   * Size of the image in pixels.
   */
  height?: number;
  /**
   * Size of the picture in pixels.
   */
  view_width?: number;
  /**
   * Size of the picture in pixels.
   */
  view_height?: number;
  /**
   * Position of the picture among the message's buffers.
   */
  buffer?: number;
  /**
   * Visible objects with a mask, from bottom to top.
   */
  objects?: FrameObject[];
  /**
   * Why the frame cannot be shown; replaces all these fields.
   */
  error?: string;
}
/**
 * An object of a frame for playback.
 */
export interface FrameObject {
  /**
   * None for an object without a number.
   */
  number: number | null;
  /**
   * ``#rrggbb``.
   */
  color: string;
  /**
   * Whether it has no prompts on this plane.
   */
  tracked: boolean;
  mask: MaskContent;
}
/**
 * The original values of a pixel, one per channel; none outside the image.
 */
export interface ProbeAnswer {
  type: "probe";
  client: string;
  n: number;
  x: number;
  y: number;
  values: number[];
}
/**
 * The requested file can be fetched in parts; no parts if it could not be made.
 */
export interface FileAnswer {
  type: "file";
  client: string;
  n: number;
  name: string;
  mime: string;
  size: number;
  parts: number;
}
/**
 * A part of a file, in the message's buffer; empty if it is no longer there.
 */
export interface PartAnswer {
  type: "part";
  client: string;
  n: number;
  part: number;
}
/**
 * How much of a file has arrived.
 */
export interface UploadedAnswer {
  type: "uploaded";
  client: string;
  n: number;
  /**
   * Number of bytes.
   */
  at: number;
  /**
   * Whether the file is complete.
   */
  done: boolean;
}
/**
 * A request for the timings of clicks that the page has not reported yet.
 */
export interface TimingsRequest {
  type: "timings";
}
/**
 * Show an image.
 */
export interface ShowImage {
  type: "show";
  rid: RequestId;
  number: number;
}
/**
 * Show the image with a name, or number counted from 1, that the user has typed.
 */
export interface SeekImage {
  type: "seek";
  rid: RequestId;
  text: string;
}
/**
 * Show the match of the search that is so many further, or back; steps that wait are added.
 */
export interface StepImage {
  type: "step";
  rid: RequestId;
  steps: number;
}
/**
 * Mark the image as done and go on to the next that is not finished.
 */
export interface FinishImage {
  type: "done";
  rid: RequestId;
  /**
   * Without effect if another image is shown by now, as when a button was pressed twice. None for the one that is shown by then: the page's own steps to it are not shown there yet.
   */
  number: number | null;
}
/**
 * Leave out the image and go on, otherwise as `done`.
 */
export interface SkipImage {
  type: "skip";
  rid: RequestId;
  number: number | null;
}
/**
 * Set the state of an image.
 */
export interface ChangeState {
  type: "state";
  rid: RequestId;
  number: number;
  state: "done" | "empty" | "in progress" | "review" | "skipped" | "untouched";
}
/**
 * Show and go through only the images that match; without conditions all.
 */
export interface SearchImages {
  type: "search";
  rid: RequestId;
  text?: string;
  state?: ("done" | "empty" | "in progress" | "review" | "skipped" | "untouched") | null;
  label?: string | null;
}
/**
 * Set the note of an image or, with `object`, of the object with that id.
 */
export interface ChangeNote {
  type: "note";
  rid: RequestId;
  number: number;
  text: string;
  object?: number | null;
}
/**
 * Set attributes of an image or, with `object`, of the object with that id; null removes.
 */
export interface ChangeValues {
  type: "values";
  rid: RequestId;
  number: number;
  values: {
    [k: string]: string | number | boolean | null;
  };
  object?: number | null;
}
/**
 * Give objects a label, or none.
 */
export interface RelabelObjects {
  type: "relabel";
  rid: RequestId;
  /**
   * The list that the page shows.
   */
  list: number;
  /**
   * Positions of the first and the last object of each range.
   *
   * @minItems 1
   * @maxItems 10000
   */
  ranges: [number, number][];
  label: string | null;
}
/**
 * Delete objects; see `relabel`.
 */
export interface DeleteObjects {
  type: "delete_objects";
  list: number;
  /**
   * @minItems 1
   * @maxItems 10000
   */
  ranges: [number, number][];
  rid: RequestId;
}
/**
 * Mark objects as accepted, or as not accepted; see `relabel`.
 */
export interface AcceptObjects {
  type: "accept";
  rid: RequestId;
  list: number;
  /**
   * @minItems 1
   * @maxItems 10000
   */
  ranges: [number, number][];
  accepted: boolean;
}
/**
 * Undo the newest edit of several objects.
 */
export interface UndoReview {
  type: "undo_review";
  rid: RequestId;
}
/**
 * Measure the objects that were not measured yet.
 */
export interface MeasureObjects {
  type: "measure";
  rid: RequestId;
}
/**
 * Show an image and select one of its objects, by its id.
 */
export interface OpenObject {
  type: "open_object";
  rid: RequestId;
  number: number;
  object: number;
}
/**
 * Request names and states of matches of the search.
 */
export interface ItemsRequest {
  type: "items";
  client: string;
  n: number;
  /**
   * The list that the page shows: see `ImagesTrait`.
   */
  list: number;
  /**
   * Positions in the list: `count` from `first` on.
   */
  first: number;
  /**
   * Positions in the list: `count` from `first` on.
   */
  count: number;
}
/**
 * Request small pictures of images: a message for each. A later request replaces it.
 */
export interface ThumbnailsRequest {
  type: "thumbnails";
  client: string;
  n: number;
  /**
   * @maxItems 64
   */
  numbers: number[];
}
/**
 * Request a list of the objects of all images.
 */
export interface ReviewRequest {
  type: "review";
  client: string;
  n: number;
  sort?: "area" | "image" | "score" | "time";
  descending?: boolean;
  /**
   * Their labels; None for any.
   */
  labels?: (string | null)[] | null;
  /**
   * The state of their images; None for any.
   */
  state?: ("done" | "empty" | "in progress" | "review" | "skipped" | "untouched") | null;
  /**
   * None for both.
   */
  accepted?: boolean | null;
  /**
   * Whether objects that the page has already keep their order.
   */
  keep?: boolean;
}
/**
 * Request a part of a list of objects: `count` from `first` on.
 */
export interface RowsRequest {
  type: "review_rows";
  client: string;
  n: number;
  list: number;
  first: number;
  count: number;
}
/**
 * Request small pictures of objects: a message for each. A later request replaces it.
 */
export interface CropsRequest {
  type: "crops";
  client: string;
  n: number;
  /**
   * Number of the image and id of the object.
   *
   * @maxItems 64
   */
  objects: [number, number][];
}
/**
 * Request all traits, from a page that may have missed some.
 */
export interface ResendRequest {
  type: "hello";
}
/**
 * Names and states of matches; none if the list is no longer the one asked for.
 */
export interface ItemsAnswer {
  type: "items";
  client: string;
  n: number;
  list: number;
  version: number;
  first: number;
  items: ImageItem[];
}
/**
 * An image of the list.
 */
export interface ImageItem {
  number: number;
  name: string;
  state: "done" | "empty" | "in progress" | "review" | "skipped" | "untouched";
  /**
   * Why it cannot be read, or how it has changed; "" if no problem is known.
   */
  problem: string;
}
/**
 * The picture of an image, in the message's buffer, or why there is none.
 */
export interface ThumbnailAnswer {
  type: "thumbnail";
  client: string;
  n: number;
  number: number;
  mime: string;
  /**
   * "" if there is a picture.
   */
  error: string;
}
/**
 * A list of objects, whose rows can be requested.
 */
export interface ReviewAnswer {
  type: "review";
  client: string;
  n: number;
  /**
   * Its number: the one that the page had if it has the same objects in the same order.
   */
  list: number;
  /**
   * How many objects it has.
   */
  total: number;
  /**
   * How many of them have no score and area.
   */
  unmeasured: number;
}
/**
 * A part of a list of objects; none if the page has got another list since.
 */
export interface RowsAnswer {
  type: "review_rows";
  client: string;
  n: number;
  list: number;
  first: number;
  rows: ReviewRowItem[];
}
/**
 * An object of a list.
 */
export interface ReviewRowItem {
  /**
   * Number of its image.
   */
  number: number;
  /**
   * Its id in the image.
   */
  object: number;
  /**
   * Name of its image.
   */
  name: string;
  label: string | null;
  /**
   * State of its image.
   */
  state: "done" | "empty" | "in progress" | "review" | "skipped" | "untouched";
  score: number | null;
  /**
   * In pixels.
   */
  area: number | null;
  /**
   * When it was last changed, in seconds since 1970.
   */
  time: number | null;
  accepted: boolean;
  /**
   * As ``"#rrggbb"``.
   */
  color: string;
  /**
   * Identifies its picture.
   */
  look: string;
}
/**
 * The picture of an object, in the message's buffer, or why there is none.
 */
export interface CropAnswer {
  type: "crop";
  client: string;
  n: number;
  number: number;
  object: number;
  /**
   * Identifies the picture; "" if there is no such object.
   */
  look: string;
  mime: string;
  /**
   * "" if there is a picture.
   */
  error: string;
}
/**
 * The answer to each request that is answered by a message, by the request's type.
 */
export interface Answers {
  hover: PreviewAnswer;
  press: PreviewAnswer;
  tiles: TilesAnswer;
  probe: ProbeAnswer;
  frames: FrameAnswer;
  save: FileAnswer;
  part: PartAnswer;
  upload: UploadedAnswer;
}
/**
 * The traits of the page of a set.
 */
export interface SetTraits {
  _images: ImagesTrait;
  _shown: ShownTrait;
  _progress: ProgressTrait;
  _search: SearchTrait;
  _declared: DeclaredTrait;
  _review: ReviewTrait;
  _notice: NoticeTrait;
  /**
   * By client, the newest action that has arrived.
   */
  _acks: {
    [k: string]: number;
  };
}
/**
 * How many images there are, and where the one shown is.
 */
export interface ImagesTrait {
  /**
   * Images of the set.
   */
  total: number;
  /**
   * Images that match the search, in a list.
   */
  matches: number;
  /**
   * Number of that list; grows with each search, and numbers the positions of its images anew.
   */
  list: number;
  /**
   * Grows when names, states or problems of listed images have changed.
   */
  version: number;
  /**
   * Matches before the image shown: its position, if it is one of them.
   */
  before: number;
  /**
   * Whether the image shown is one of them.
   */
  is_match: boolean;
}
/**
 * The image shown.
 */
export interface ShownTrait {
  /**
   * From 0.
   */
  number: number;
  name: string;
  state: "done" | "empty" | "in progress" | "review" | "skipped" | "untouched";
  note: string;
  /**
   * Its attributes that have a value.
   */
  values: {
    [k: string]: string | number | boolean | null;
  };
  object: ObjectDetails | null;
  /**
   * By client, the newest of its actions that was carried out before.
   */
  actions: {
    [k: string]: number;
  };
}
/**
 * The object that is being worked on.
 */
export interface ObjectDetails {
  id: number;
  /**
   * Its number in the list of objects, from 1.
   */
  place: number;
  label: string | null;
  note: string;
  values: {
    [k: string]: string | number | boolean | null;
  };
}
/**
 * How far the set is.
 */
export interface ProgressTrait {
  /**
   * Images that need no more work.
   */
  done: number;
  /**
   * Other images that cannot be read, so that nobody can finish them.
   */
  unreadable: number;
  /**
   * None if no time is known.
   */
  seconds_per_image: number | null;
  /**
   * None if no time is known.
   */
  seconds_left: number | null;
  /**
   * Why the newest changes are not on disk; "" if they are.
   */
  error: string;
}
/**
 * The conditions of the search.
 */
export interface SearchTrait {
  text: string;
  state: ("done" | "empty" | "in progress" | "review" | "skipped" | "untouched") | null;
  label: string | null;
}
/**
 * Classes and attributes.
 */
export interface DeclaredTrait {
  /**
   * Names of the classes.
   */
  classes: string[];
  /**
   * Further labels that objects have.
   */
  used: string[];
  image: AttributeDeclaration[];
  object: AttributeDeclaration[];
}
/**
 * An attribute that images, or objects, may have.
 */
export interface AttributeDeclaration {
  name: string;
  /**
   * ``"text"``, ``"number"``, ``"flag"`` or ``"choice"``.
   */
  type: string;
  /**
   * The values of a choice.
   */
  choices: string[];
}
/**
 * The review of all objects.
 */
export interface ReviewTrait {
  /**
   * Grows when objects, or states of images, have changed.
   */
  version: number;
  /**
   * The edit of several objects that can be undone; "" if there is none.
   */
  undo: string;
  /**
   * How many edits were made and undone.
   */
  action: number;
  /**
   * What the newest of them has done.
   */
  message: string;
}
/**
 * Why an action was not carried out.
 */
export interface NoticeTrait {
  /**
   * Number of notices so far.
   */
  count: number;
  /**
   * The page whose action it was.
   */
  client: string;
  text: string;
}
/**
 * The answer to each request that is answered, by the request's type.
 */
export interface SetAnswers {
  items: ItemsAnswer;
  thumbnails: ThumbnailAnswer;
  review: ReviewAnswer;
  review_rows: RowsAnswer;
  crops: CropAnswer;
}
