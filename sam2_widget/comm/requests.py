"""Definitions and validation of the messages of pages.

There are the trait ``prompts``, of which only the newest value counts (`parse_prompts`), and a
custom message for each action or query (`parse_message`). A client of the kernel can run any code
anyway, so this is not for security: a faulty or outdated page must not corrupt the widget's state.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from sam2_widget.annotation.session import Session
from sam2_widget.annotation.stretches import Direction
from sam2_widget.errors import MessageError
from sam2_widget.export.registry import DOWNLOADS
from sam2_widget.prompts.collections import MAX_ID
from sam2_widget.prompts.colors import ColorBy
from sam2_widget.prompts.label_text import MAX_LABEL_LENGTH
from sam2_widget.prompts.types import Box, Choice, Point, Scribble, Stroke
from sam2_widget.proposals.grid import MAX_LAYERS, MAX_POINTS_PER_SIDE

MAX_TILES = 16
"""Largest number of tiles in a request."""

MAX_LEVEL = 16

MAX_TIMINGS = 100
"""Largest number of timings in a message."""

MAX_MERGED = 10_000
"""Largest number of objects that are merged at a time."""

MAX_PROPOSALS = 100_000
"""Largest number of proposals that are accepted or rejected at a time."""

MAX_FRAMES = 32
"""Largest number of frames in a request: two seconds of playback."""

MAX_FRAME_STEP = 64

FRAME_SIDES = (64, 2048)
"""Smallest and largest longer side of a frame's picture, in pixels."""

MAX_MICROSECONDS = 600_000_000
"""Largest time of a click in milliseconds; longer ones mean that the page was suspended."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,64}\Z")]
Label = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_LENGTH)]
Color = Annotated[str, msgspec.Meta(pattern=r"^#[0-9a-fA-F]{6}\Z")]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Format = Annotated[str, msgspec.Meta(pattern=rf"^({'|'.join(DOWNLOADS)})\Z")]
Level = Annotated[int, msgspec.Meta(ge=0, le=MAX_LEVEL)]
ObjectNumber = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
ObjectNumbers = Annotated[tuple[ObjectNumber, ...], msgspec.Meta(max_length=MAX_MERGED)]
PointsPerSide = Annotated[int, msgspec.Meta(ge=1, le=MAX_POINTS_PER_SIDE)]
Layers = Annotated[int, msgspec.Meta(ge=0, le=MAX_LAYERS)]
ProposalNumbers = Annotated[tuple[Count, ...], msgspec.Meta(max_length=MAX_PROPOSALS)]
PlaneRange: TypeAlias = tuple[Count, Count]
Side = Annotated[int, msgspec.Meta(ge=FRAME_SIDES[0], le=FRAME_SIDES[1])]
# Integers, because a float could be NaN.
Microseconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_MICROSECONDS)]


class Known(msgspec.Struct, frozen=True, tag_field="type", tag="known", forbid_unknown_fields=True):
    """A prompt that the kernel has already, identified by its key."""

    key: Annotated[str, msgspec.Meta(max_length=64)]


SentPrompt: TypeAlias = Point | Box | Scribble | Choice | Stroke | Known
SentPrompts: TypeAlias = tuple[SentPrompt, ...]


class RequestId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sender and sequence number. Not named ``id``: ipykernel 7.4 stores messages with that field.

    Attributes
    ----------
    client : str
    n : int
    seen : int
        Number of notices that the page had received when the user acted, see `Notices`.
    """

    client: ClientId
    n: Count
    seen: Count = 0


class PromptsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trait ``prompts``: the whole list of the active object.

    Attributes
    ----------
    rid : RequestId
    epoch : int
        The epoch of the page's state. If it differs from the kernel's, the list is of an object
        that is no longer active.
    prompts : tuple of SentPrompt
    adds : bool
        Whether they are added to the existing prompts, which the page does not know, because it has
        left the plane before it received the result of an undo.
    """

    rid: RequestId
    epoch: Count
    prompts: SentPrompts
    adds: bool = False


class _Action(msgspec.Struct, frozen=True, tag_field="type"):
    rid: RequestId
    epoch: Count
    prompts: SentPrompts | None = None
    adds: bool = False

    @property
    def needs_epoch(self) -> bool:
        """Whether it refers to no object id, so that it is valid only in its own epoch."""
        return False


class Commit(_Action, frozen=True, tag="commit"):
    """Finish the active object."""

    label: Label | None = None

    @property
    def needs_epoch(self) -> bool:
        """True: it is about the active object."""
        return True

    def apply(self, session: Session) -> None:
        """Do so."""
        session.commit(self.label)


class Select(_Action, frozen=True, tag="select"):
    """Make a finished object active, or none.

    In a stack, 2**32 plus an object's number selects an object without prompts on the plane: with
    its tracked mask or, if it was not found, without a mask. The next prompt makes a keyframe.
    """

    object: Count | None = None

    def apply(self, session: Session) -> None:
        """Do so."""
        session.select(self.object)


class Delete(_Action, frozen=True, tag="delete", kw_only=True):
    """Remove an object from the plane, or, with `everywhere`, from all planes of the stack."""

    object: Count
    everywhere: bool = False

    def apply(self, session: Session) -> None:
        """Do so."""
        session.delete(self.object, everywhere=self.everywhere)


class Merge(_Action, frozen=True, tag="merge", kw_only=True):
    """Merge several objects into one."""

    objects: Annotated[tuple[Count, ...], msgspec.Meta(min_length=2, max_length=MAX_MERGED)]

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no masks. `Receiver` carries it out."""


class Split(_Action, frozen=True, tag="split", kw_only=True):
    """Split an object into its connected parts."""

    object: Count

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no masks. `Receiver` carries it out."""


class Rename(_Action, frozen=True, tag="label", kw_only=True):
    """Give an object another label."""

    object: Count
    label: Label | None = None

    def apply(self, session: Session) -> None:
        """Do so."""
        session.rename(self.object, self.label)


class Show(_Action, frozen=True, tag="show", kw_only=True):
    """Show or hide an object."""

    object: Count
    visible: bool

    def apply(self, session: Session) -> None:
        """Do so."""
        session.show(self.object, visible=self.visible)


class Lock(_Action, frozen=True, tag="lock", kw_only=True):
    """Lock an object, so that it cannot be edited, or unlock it."""

    object: Count
    locked: bool

    def apply(self, session: Session) -> None:
        """Do so."""
        session.lock(self.object, locked=self.locked)


class Order(_Action, frozen=True, tag="order", kw_only=True):
    """Move an object to another place of the list."""

    object: Count
    index: Count

    def apply(self, session: Session) -> None:
        """Do so."""
        session.move(self.object, self.index)


class UseLabel(_Action, frozen=True, tag="class"):
    """Set the label of the next objects and, if `active`, of the active one."""

    label: Label | None = None
    active: bool = False

    def apply(self, session: Session) -> None:
        """Do so."""
        session.use_label(self.label)
        active_id = session.annotation.active_id
        if self.active and active_id is not None:
            session.rename(active_id, self.label)


class AddClass(_Action, frozen=True, tag="class_add", kw_only=True):
    """Add a class and, if `use`, make it the label of the next objects."""

    name: Label
    color: Color | None = None
    use: bool = True

    def apply(self, session: Session) -> None:
        """Do so."""
        session.add_class(self.name, self.color, use=self.use)


class SetSetting(_Action, frozen=True, tag="setting", kw_only=True):
    """Change a setting that affects masks."""

    name: Literal["overlap", "fill_holes", "drop_specks"]
    value: str | int

    def apply(self, session: Session) -> None:
        """Do so."""
        session.set_setting(self.name, self.value)


class SetColorBy(_Action, frozen=True, tag="color_by", kw_only=True):
    """Colour objects by their class, or each in its own colour; masks do not change."""

    value: ColorBy

    def apply(self, session: Session) -> None:
        """Do so."""
        session.color_by = self.value


class Undo(_Action, frozen=True, tag="undo"):
    """Undo the last step."""

    @property
    def needs_epoch(self) -> bool:
        """It is about the whole annotation."""
        return True

    def apply(self, session: Session) -> None:
        """Do so."""
        session.undo()


class Redo(_Action, frozen=True, tag="redo"):
    """Redo the last undone step."""

    @property
    def needs_epoch(self) -> bool:
        """It is about the whole annotation."""
        return True

    def apply(self, session: Session) -> None:
        """Do so."""
        session.redo()


class Clear(_Action, frozen=True, tag="clear"):
    """Remove all objects."""

    @property
    def needs_epoch(self) -> bool:
        """It is about the whole annotation."""
        return True

    def apply(self, session: Session) -> None:
        """Do so."""
        session.clear()


class Restore(_Action, frozen=True, tag="restore"):
    """Restore the earlier prompts of the image."""

    def apply(self, session: Session) -> None:
        """Do nothing: a session does not have it. `Receiver` carries it out."""


class ShowPlane(_Action, frozen=True, tag="plane", kw_only=True):
    """Show another plane; `epoch` and `prompts` are of the previous plane."""

    plane: Count

    def apply(self, session: Session) -> None:
        """Do nothing: no session changes."""


class Track(_Action, frozen=True, tag="track"):
    """Track objects through the planes of a stack. No edit: no prompts are changed.

    Attributes
    ----------
    numbers : tuple of int or None
        Numbers of the objects; None for all.
    active : bool
        Whether to track the active object, too.
    planes : (int, int) or None
        First plane, and one past the last; None for those between the marks.
    direction : str
        From each keyframe to later planes, to earlier ones, or to both.
    """

    numbers: ObjectNumbers | None = ()
    active: bool = False
    planes: PlaneRange | None = None
    direction: Direction = "both"

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no tracks. `Receiver` carries it out."""


class CancelTrack(_Action, frozen=True, tag="cancel_track"):
    """Stop tracking; masks that were found stay."""

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no tracks. `Receiver` carries it out."""


class Untrack(_Action, frozen=True, tag="untrack", kw_only=True):
    """Remove tracked masks of objects; their keyframes stay.

    Attributes
    ----------
    planes : (int, int) or None
        As in `Track`; None for all.
    """

    numbers: ObjectNumbers
    planes: PlaneRange | None = None

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no tracks. `Receiver` carries it out."""


class Absent(_Action, frozen=True, tag="absent", kw_only=True):
    """Mark objects of a stack as absent from the plane, or, without `absent`, take that back.

    An object that is marked is not on this plane, nor on those up to its next keyframe that the
    model does not find from there backward. Its prompts on this plane are removed.

    Attributes
    ----------
    numbers : tuple of int
        Numbers of the objects.
    absent : bool
    """

    numbers: ObjectNumbers
    absent: bool = True

    def apply(self, session: Session) -> None:
        """Do so."""
        (session.mark_absent if self.absent else session.unmark_absent)(self.numbers)


class Mark(_Action, frozen=True, tag="mark", kw_only=True):
    """Set the marks between which objects are tracked, or remove them.

    Attributes
    ----------
    planes : (int, int) or None
        First plane, and one past the last.
    """

    planes: PlaneRange | None

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no tracks. `Receiver` carries it out."""


class Propose(_Action, frozen=True, tag="propose"):
    """Search for proposals on the plane, which replace those of an earlier search. No edit.

    Attributes
    ----------
    region : (int, int, int, int) or None
        x0, y0, x1, y1 in image pixels; None for the whole image.
    points_per_side, layers : int
        See `sam2_widget.propose`.
    """

    region: tuple[Count, Count, Count, Count] | None = None
    points_per_side: PointsPerSide = 16
    layers: Layers = 0

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no proposals. `Receiver` carries it out."""


class CancelPropose(_Action, frozen=True, tag="cancel_propose"):
    """Stop the search; proposals that were found stay."""

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no proposals. `Receiver` carries it out."""


class Reject(_Action, frozen=True, tag="reject", kw_only=True):
    """Reject proposals of the search `job` or, without `rejected`, take that back. No edit."""

    job: Count
    numbers: ProposalNumbers
    rejected: bool = True

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no proposals. `Receiver` carries it out."""


class Accept(_Action, frozen=True, tag="accept", kw_only=True):
    """Make objects of proposals of the search `job`, with the label of the next object."""

    job: Count
    numbers: ProposalNumbers

    def apply(self, session: Session) -> None:
        """Do nothing: a session has no proposals. `Receiver` carries it out."""


class Dismiss(msgspec.Struct, frozen=True, tag_field="type", tag="dismiss"):
    """Dismiss the offer of earlier prompts."""


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """Request the state and missing objects, from a page that has opened or may have missed some.

    Attributes
    ----------
    objects, timeline, proposals : int
        Number of the last message of objects, of lanes, and of proposals, that the page has
        received; -1 if some may be missing.
    """

    objects: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1
    timeline: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1
    proposals: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1


class Traits(msgspec.Struct, frozen=True, tag_field="type", tag="traits"):
    """Traits in a custom message, from a page whose trait updates are blocked.

    The widget manager sends the next update of a model's traits when the kernel has confirmed the
    last. If the confirmation is lost with a connection, the manager waits forever.
    """

    traits: dict[str, Any]


class PageTiming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page's timings of its request `n`, see `sam2_widget.annotation.timings`."""

    client: ClientId
    n: Count
    browser: Microseconds
    trip: Microseconds
    paint: Microseconds


class AckProbe(msgspec.Struct, frozen=True, tag_field="type", tag="ack_probe"):
    """A message without effect, whose packet carries TCP's acknowledgement of the last answer.

    Attributes
    ----------
    timings : tuple of PageTiming
        Timings of earlier clicks.
    """

    timings: Annotated[tuple[PageTiming, ...], msgspec.Meta(max_length=MAX_TIMINGS)] = ()


class Advance(_Action, frozen=True, tag="advance", kw_only=True):
    """In a set of images, show another image, or mark this one as done or skipped and go on."""

    to: Literal["next", "previous", "done", "skip"]

    def apply(self, session: Session) -> None:
        """Do nothing: it is about the set. `Receiver` passes it on."""


class Hover(msgspec.Struct, frozen=True, tag_field="type", tag="hover"):
    """Request the mask that a click at a point would give."""

    client: ClientId
    n: Count
    epoch: Count
    x: float
    y: float
    label: Literal[0, 1] = 1
    fresh: bool = False
    """Whether it would start a new object, also if one is active."""


class Press(Hover, frozen=True, tag="press"):
    """Predict the click of a pressed button, before it is released."""


class Tiles(msgspec.Struct, frozen=True, tag_field="type", tag="tiles"):
    """Request parts of the image in full resolution.

    Attributes
    ----------
    tiles : tuple of (int, int)
        Column and row of each.
    """

    client: ClientId
    level: Level
    tiles: Annotated[tuple[tuple[Count, Count], ...], msgspec.Meta(max_length=MAX_TILES)]
    plane: Count = 0


class Probe(msgspec.Struct, frozen=True, tag_field="type", tag="probe"):
    """Request the original values of a pixel."""

    client: ClientId
    n: Count
    x: float
    y: float
    plane: Count = 0


class Frames(msgspec.Struct, frozen=True, tag_field="type", tag="frames"):
    """Request pictures and masks of planes for playback: a message for each, in their order.

    Attributes
    ----------
    first, count, step : int
        Planes ``first``, ``first + step``, …, `count` of them.
    side : int
        Longer side of the pictures in pixels.
    restart : bool
        Whether earlier requests of the page are dropped, because the playhead was moved. With a
        `count` of 0 this ends the playback.
    """

    client: ClientId
    n: Count
    first: Count
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_FRAMES)]
    step: Annotated[int, msgspec.Meta(ge=1, le=MAX_FRAME_STEP)] = 1
    side: Side = FRAME_SIDES[1]
    restart: bool = False


class Save(msgspec.Struct, frozen=True, tag_field="type", tag="save"):
    """Request a file with the objects of the plane of `epoch`: bytes, never a path."""

    client: ClientId
    n: Count
    epoch: Count
    format: Format


class Part(msgspec.Struct, frozen=True, tag_field="type", tag="part"):
    """Request a part of the file that was made; the next one when this has arrived."""

    client: ClientId
    n: Count
    part: Count


class Upload(msgspec.Struct, frozen=True, tag_field="type", tag="upload"):
    """Send a part of a file of the user, or of prompts that the page has stored, as a buffer.

    Attributes
    ----------
    size : int
        Bytes of the whole file.
    at : int
        Offset of this part.
    kept : int or None
        For prompts of the same image that the page has stored, the time of their last change, in
        milliseconds since 1970; they are offered to the user. None for a file.
    """

    client: ClientId
    n: Count
    epoch: Count
    name: FileName
    size: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    at: Count
    kept: Count | None = None


Action: TypeAlias = (
    Commit
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
)
Tracking: TypeAlias = Track | CancelTrack | Untrack | Mark
Searching: TypeAlias = Propose | CancelPropose | Reject
Transfer: TypeAlias = Save | Part | Upload
Query: TypeAlias = Hover | Press | Tiles | Probe | Frames
Message: TypeAlias = Action | Query | Transfer | Dismiss | Hello | AckProbe | Traits


class _Update(msgspec.Struct, tag_field="method", tag="update"):
    state: dict[str, Any]
    buffer_paths: Annotated[list[Any], msgspec.Meta(max_length=0)] = []


class _Custom(msgspec.Struct, tag_field="method", tag="custom"):
    content: Any


class _RequestState(msgspec.Struct, tag_field="method", tag="request_state"):
    pass


class _Content(msgspec.Struct):
    data: _Update | _Custom | _RequestState


class _Message(msgspec.Struct):
    content: _Content


def check_frame(message: object) -> None:
    """Validate a message before ipywidgets unpacks it; MessageError if it is malformed.

    Pages send no binary traits: paths of buffers are therefore rejected.
    """
    converted(message, _Message)


def converted(value: object, kind: Any) -> Any:
    """Validate a message of a page; MessageError if it is malformed."""
    try:
        return msgspec.convert(value, kind)
    # UnicodeError: half a character where one of a few words was expected.
    except (msgspec.ValidationError, RecursionError, UnicodeError) as error:
        raise MessageError(f"malformed message from the browser: {error}") from error


def request_id(content: object) -> RequestId | None:
    """The request's id, also of a malformed message if possible."""
    try:
        rid: RequestId = converted(content["rid"] if isinstance(content, dict) else None, RequestId)
    except (MessageError, KeyError):
        return None
    return rid


def parse_prompts(value: object) -> PromptsRequest:
    """Parse the trait ``prompts``; MessageError if it is malformed."""
    request: PromptsRequest = converted(value, PromptsRequest)
    return request


def parse_message(content: object) -> Message:
    """Parse a custom message; MessageError if it is malformed."""
    message: Message = converted(content, Message)
    return message
