"""Definitions of what the kernel sends to pages: traits and custom messages.

`sam2_widget.comm.wire` makes them, and `sam2_widget.comm.requests` defines what pages send. The
types of the front end and the tables of the documentation are generated from both, see
`sam2_widget.comm.protocol_docs`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, TypedDict

import msgspec

from sam2_widget.annotation.status import Status
from sam2_widget.annotation.timings import ClickTiming
from sam2_widget.autosave.autosave import SavedTrait
from sam2_widget.comm.proposals import ProposalsMessage, ProposingTrait
from sam2_widget.comm.requests import PromptsRequest
from sam2_widget.comm.timeline import TimelineMessage, TrackingTrait
from sam2_widget.masks.settings import Overlap
from sam2_widget.prompts.collections import Class
from sam2_widget.prompts.colors import ColorBy
from sam2_widget.prompts.types import Box, Choice, Point, Scribble, Vertices

Binary = Annotated[bytes, msgspec.Meta(extra_json_schema={"tsType": "Binary"})]
"""Bytes that are sent beside the JSON; hosts deliver them as values of different types."""

Tool: TypeAlias = Literal["point", "box", "scribble", "brush", "eraser", "propose", "select", "pan"]
MaskStyle: TypeAlias = Literal["fill", "contour", "both"]


# --- traits ---------------------------------------------------------------------------------------


class TileScheme(TypedDict):
    """Tiles in full resolution that pages can request.

    Attributes
    ----------
    size : int
        Pixels a side.
    levels : int
        Level k has half the pixels of level k - 1 a side; level 0 is the whole image.
    """

    size: int
    levels: int


class PictureContent(TypedDict):
    """The picture of a plane, without its data.

    Attributes
    ----------
    width, height : int
        Pixels of the image.
    view_width, view_height : int
        Pixels of the picture, which may be smaller.
    mime : str
        ``image/png`` or ``image/jpeg``.
    tiles : TileScheme or None
        None if the picture has all pixels.
    """

    plane: int
    width: int
    height: int
    mime: str
    name: str
    view_width: int
    view_height: int
    tiles: TileScheme | None


class ImageTrait(PictureContent):
    """The picture of the plane shown."""

    data: Binary


class StackTrait(TypedDict, total=False):
    """The planes of a stack; empty for a plain image.

    Attributes
    ----------
    axis : str
        A letter.
    annotated : list of int
        Numbers of the planes with objects.
    images : int
        Number of images of a set, which has no other field.
    """

    axis: str
    count: int
    annotated: list[int]
    images: int


class ClassColor(TypedDict):
    """A label and its colour.

    Attributes
    ----------
    color : str or None
        ``#rrggbb``; None for a label that objects have and that was not declared as a class.
    """

    name: str
    color: str | None


class Category(TypedDict):
    """A class and its number in files."""

    id: int
    name: str


class StrokeEntry(TypedDict):
    """A stroke on top of a mask, identified by its `key`."""

    key: str
    radius: float
    label: int


class MaskStroke(StrokeEntry, total=False):
    """A stroke that sets pixels of a mask by hand.

    Attributes
    ----------
    points : Vertices
        Sent once; later messages refer to the stroke by its key.
    """

    points: Vertices


class _MaskGrid(TypedDict):
    kind: Literal["logits", "pixels"]
    width: int
    height: int


class MaskContent(_MaskGrid, total=False):
    """A mask. Its data is in `data` or in a buffer of the message, or was sent before.

    Attributes
    ----------
    kind : str
        ``"logits"``: deflated int8 values of a grid over the whole image. ``"pixels"``: deflated
        rows of bits of a crop.
    width, height : int
        Size of the grid or the crop.
    x, y : int
        Top-left corner of the crop.
    strokes : list of MaskStroke
        Drawn by hand on top.
    data : Binary
        The data, in traits.
    buffer : int
        In custom messages: index of the data among the message's buffers.
    known : str
        In place of `data`: key of a mask that was sent before.
    key : str
        Key under which the page stores this mask for later.
    """

    x: int
    y: int
    strokes: list[MaskStroke]
    data: Binary
    buffer: int
    known: str
    key: str


class ShownStroke(msgspec.Struct, frozen=True, tag_field="type", tag="stroke"):
    """A stroke among the prompts; its points are among the message's ``large_prompts``."""

    key: str
    radius: float
    label: int


class ShownMask(msgspec.Struct, frozen=True, tag_field="type", tag="mask"):
    """A mask among the prompts, identified by its key."""

    key: str


ShownPrompt: TypeAlias = Point | Box | Scribble | Choice | ShownStroke | ShownMask
"""A prompt as it is sent to pages: large ones are replaced by their keys."""


class _ObjectContent(TypedDict):
    id: int
    index: int
    prompts: list[ShownPrompt]
    color: str
    label: str | None
    score: float | None
    number: int | None
    crowd: bool
    visible: bool
    locked: bool


class ObjectContent(_ObjectContent, total=False):
    """An object without its mask.

    Attributes
    ----------
    index : int
        Position in the list of objects.
    color : str
        ``#rrggbb``.
    own_color : str
        The colour that is stored with it in files, if any.
    tracked : bool
        True if it was tracked to this plane, and has no prompts here; else missing.
    score : float or None
        None if there is none, or the mask is pending.
    number : int or None
        Its id in files; None if it is numbered by its position.
    crowd : bool
        Whether it is a group of objects with one mask.
    """

    own_color: str
    tracked: bool


class FinishedObject(ObjectContent):
    """A finished object.

    Attributes
    ----------
    mask : MaskContent or None
        None while it is pending.
    """

    mask: MaskContent | None


class CandidateContent(TypedDict):
    """A mask to choose from.

    Attributes
    ----------
    mask : MaskContent or None
        None for the chosen one, whose mask is the object's.
    """

    score: float | None
    mask: MaskContent | None


class ActiveObject(FinishedObject):
    """The active object, which is being edited.

    Attributes
    ----------
    pending : bool
        Whether the model's prediction is pending.
    empty : bool
        Whether the mask has no pixels.
    candidates : list of CandidateContent or None
        If the prompts are ambiguous.
    choice : int
        Position of the candidate shown.
    """

    pending: bool
    empty: bool
    candidates: list[CandidateContent] | None
    choice: int


class MaskSettings(TypedDict):
    """Settings that affect masks; areas in image pixels, 0 for off."""

    overlap: Overlap
    fill_holes: int
    drop_specks: int


class StateContent(TypedDict):
    """The state, without the fields that are added when it is sent."""

    epoch: int
    ack: dict[str, int]
    active: ActiveObject | None
    can_undo: bool
    can_redo: bool
    label: str | None
    next_color: str
    color_by: ColorBy
    notice: str
    notices: dict[str, str]
    noticed: int
    settings: MaskSettings
    plane: int
    pending_plane: int | None
    objects: int


class StateTrait(StateContent):
    """The annotation without its finished objects.

    Attributes
    ----------
    revision : int
        Number of the state; pages ignore an older one than they have.
    epoch : int
        Increased when the active object is changed by something other than a page's prompts.
    ack : dict of str to int
        By client, the newest request that was handled.
    active : ActiveObject or None
        The active object.
    label, next_color : str
        Label and colour of the next object.
    notice : str
        Notice about the active mask.
    notices : dict of str to str
        Other notices, by browser tab, or ``""`` for all pages.
    noticed : int
        Number of notices so far.
    pending_plane : int or None
        The plane that will be shown.
    objects : int
        Number of the last message of objects that belongs to this state.
    timing : ClickTiming or None
        The kernel's share of the newest click, sent once with its mask.
    """

    revision: int
    timing: ClickTiming | None


class Options(TypedDict):
    """Traits that the kernel and pages both write. They affect neither prompts nor masks.

    Attributes
    ----------
    retrack : bool
        Whether objects are tracked again automatically where a correction has made masks stale.
    """

    tool: Tool
    opacity: float
    mask_style: MaskStyle
    height: int
    brush_size: float
    new_object_per_click: bool
    hover_preview: bool
    brightness: float
    contrast: float
    retrack: bool
    save_picture: bool


class SyncedTraits(Options):
    """All traits that cross the comm.

    Attributes
    ----------
    _image : ImageTrait
        The picture of the plane shown.
    _stack : StackTrait
        Empty for a plain image.
    _status : Status
        What the widget is doing.
    _labels : list of ClassColor
        Classes, then labels that objects have and that were not declared.
    _categories : list of Category
        All classes with their numbers in files.
    _prompt_classes : list of Class
        Classes as a file of prompts lists them.
    _state : StateTrait
        The annotation without its finished objects.
    _saved : SavedTrait
        Where prompts are saved, and which earlier prompts of the image can be restored.
    _tracking : TrackingTrait
        The job that tracks objects of a stack, or the last one; empty for a plain image.
    _proposing : ProposingTrait
        The search for proposals; empty if there was none.
    _nodelay : bool
        Whether the server sends without Nagle's delay, so that pages need not send ``ack_probe``.
    _picture_key : str
        Identifies the widget in the saved notebook's picture.
    _prompts : PromptsRequest
        Written by pages: all prompts of the active object.
    """

    _image: ImageTrait
    _stack: StackTrait
    _status: Status
    _labels: list[ClassColor]
    _categories: list[Category]
    _prompt_classes: list[Class]
    _state: StateTrait
    _saved: SavedTrait
    _tracking: TrackingTrait
    _proposing: ProposingTrait
    _nodelay: bool
    _picture_key: str
    _prompts: PromptsRequest


# --- custom messages ------------------------------------------------------------------------------


class ObjectsBatch(TypedDict):
    """Changes of the finished objects, without the message's number."""

    type: Literal["objects"]
    plane: int
    reset: bool
    put: list[FinishedObject]
    drop: list[int]
    large_prompts: dict[str, str]


class ObjectsMessage(ObjectsBatch):
    """Finished objects that are new or changed, and ids of removed ones.

    Attributes
    ----------
    n : int
        Number of the message, by which a page notices a lost one.
    plane : int
        Number of their plane.
    reset : bool
        Whether the page must drop all other objects.
    put : list of FinishedObject
        By ascending index.
    drop : list of int
        Ids of removed objects.
    large_prompts : dict of str to str
        Strokes and masks among the prompts that were not sent before, as JSON by their keys.
    """

    n: int


class PictureMessage(PictureContent):
    """The picture of an image of a set that will probably be shown next.

    Attributes
    ----------
    buffer : int
        Index of its data among the message's buffers.
    """

    type: Literal["picture"]
    buffer: int


class PreviewAnswer(TypedDict):
    """The mask that a click would give; None if it cannot be predicted now."""

    type: Literal["preview"]
    client: str
    n: int
    mask: MaskContent | None
    score: float | None


class Tile(TypedDict):
    """A tile, whose file is among the message's buffers."""

    col: int
    row: int
    mime: str
    buffer: int


class TilesAnswer(TypedDict):
    """The requested tiles that exist."""

    type: Literal["tiles"]
    client: str
    plane: int
    level: int
    tiles: list[Tile]


class FrameObject(TypedDict):
    """An object of a frame for playback.

    Attributes
    ----------
    number : int or None
        None for an object without a number.
    color : str
        ``#rrggbb``.
    tracked : bool
        Whether it has no prompts on this plane.
    """

    number: int | None
    color: str
    tracked: bool
    mask: MaskContent


class _Frame(TypedDict):
    type: Literal["frame"]
    client: str
    n: int
    plane: int


class FrameAnswer(_Frame, total=False):
    """A requested frame, or why it cannot be shown.

    Attributes
    ----------
    mime : str
        ``image/jpeg`` or ``image/png``.
    width, height : int
        Size of the image in pixels.
    view_width, view_height : int
        Size of the picture in pixels.
    buffer : int
        Position of the picture among the message's buffers.
    objects : list of FrameObject
        Visible objects with a mask, from bottom to top.
    error : str
        Why the frame cannot be shown; replaces all these fields.
    """

    mime: str
    width: int
    height: int
    view_width: int
    view_height: int
    buffer: int
    objects: list[FrameObject]
    error: str


class ProbeAnswer(TypedDict):
    """The original values of a pixel, one per channel; none outside the image."""

    type: Literal["probe"]
    client: str
    n: int
    x: float
    y: float
    values: list[float]


class FileAnswer(TypedDict):
    """The requested file can be fetched in parts; no parts if it could not be made."""

    type: Literal["file"]
    client: str
    n: int
    name: str
    mime: str
    size: int
    parts: int


class PartAnswer(TypedDict):
    """A part of a file, in the message's buffer; empty if it is no longer there."""

    type: Literal["part"]
    client: str
    n: int
    part: int


class UploadedAnswer(TypedDict):
    """How much of a file has arrived.

    Attributes
    ----------
    at : int
        Number of bytes.
    done : bool
        Whether the file is complete.
    """

    type: Literal["uploaded"]
    client: str
    n: int
    at: int
    done: bool


class TimingsRequest(TypedDict):
    """A request for the timings of clicks that the page has not reported yet."""

    type: Literal["timings"]


Answer: TypeAlias = (
    PreviewAnswer
    | TilesAnswer
    | FrameAnswer
    | ProbeAnswer
    | FileAnswer
    | PartAnswer
    | UploadedAnswer
)
KernelMessage: TypeAlias = (
    ObjectsMessage | PictureMessage | TimelineMessage | ProposalsMessage | Answer | TimingsRequest
)


class Answers(TypedDict):
    """The answer to each request that is answered by a message, by the request's type."""

    hover: PreviewAnswer
    press: PreviewAnswer
    tiles: TilesAnswer
    probe: ProbeAnswer
    frames: FrameAnswer
    save: FileAnswer
    part: PartAnswer
    upload: UploadedAnswer
