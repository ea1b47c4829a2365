"""What a browser may say, and the check of it.

The trait ``prompts``, of which the newest wins (`parse_prompts`), and one custom message per action
or question (`parse_message`). Whoever can talk to the kernel can run code in it anyway, but a stray
or outdated page must not bring the widget into a state it cannot be in.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from sam2_widget.colors import MAX_LABEL_LENGTH
from sam2_widget.errors import MessageError
from sam2_widget.kinds import Box, Choice, Point, Scribble, Stroke
from sam2_widget.session import Session

MAX_TILES = 16
"""Tiles in one request."""

MAX_LEVEL = 16

MAX_TIMINGS = 100
"""Clicks that a page tells of at once."""

MAX_MICROSECONDS = 600_000_000
"""A page that took longer for a click has slept."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,64}\Z")]
Label = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_LENGTH)]
Color = Annotated[str, msgspec.Meta(pattern=r"^#[0-9a-fA-F]{6}\Z")]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Format = Literal[
    "coco",
    "yolo",
    "labelme",
    "geojson",
    "png",
    "pngs",
    "tiff",
    "npz",
    "cutout",
    "voc",
    "csv",
    "prompts",
    "stack-tiff",
    "stack-prompts",
]
Level = Annotated[int, msgspec.Meta(ge=0, le=MAX_LEVEL)]
# Whole numbers: a float could be NaN.
Microseconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_MICROSECONDS)]


class Known(msgspec.Struct, frozen=True, tag_field="type", tag="known", forbid_unknown_fields=True):
    """A prompt that the kernel has already, by the key that it came with."""

    key: Annotated[str, msgspec.Meta(max_length=64)]


SentPrompt: TypeAlias = Point | Box | Scribble | Choice | Stroke | Known
SentPrompts: TypeAlias = tuple[SentPrompt, ...]


class RequestId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks, and the how manieth request it is. Not called ``id``: ipykernel 7.4 keeps those.

    Attributes
    ----------
    client : str
    n : int
    seen : int
        How many notices there were when the user did what is asked for, see `Notices`.
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
        The state's epoch that the browser knew: with another one, the list is about an object that
        is no longer being worked on.
    prompts : tuple of SentPrompt
    adds : bool
        Whether they come on top of those that are there, which the page does not know: it has left
        the plane before it was told what undo made of them.
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


class Commit(_Action, frozen=True, tag="commit"):
    """Finish the active object."""

    label: Label | None = None

    def apply(self, session: Session) -> None:
        """Do so."""
        session.commit(self.label)


class Select(_Action, frozen=True, tag="select"):
    """Work on a finished object again, or on none."""

    object: Count | None = None

    def apply(self, session: Session) -> None:
        """Do so."""
        session.select(self.object)


class Delete(_Action, frozen=True, tag="delete", kw_only=True):
    """Remove an object."""

    object: Count

    def apply(self, session: Session) -> None:
        """Do so."""
        session.delete(self.object)


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
    """Keep an object from being edited, or let it be edited again."""

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
    """Set the label of the next object."""

    label: Label | None = None

    def apply(self, session: Session) -> None:
        """Do so."""
        session.use_label(self.label)


class AddClass(_Action, frozen=True, tag="class_add", kw_only=True):
    """Add a label that objects may have, and use it for the next."""

    name: Label
    color: Color | None = None

    def apply(self, session: Session) -> None:
        """Do so."""
        session.add_class(self.name, self.color)


class SetSetting(_Action, frozen=True, tag="setting", kw_only=True):
    """Change a setting that changes masks."""

    name: Literal["overlap", "fill_holes", "drop_specks"]
    value: str | int

    def apply(self, session: Session) -> None:
        """Do so."""
        session.set_setting(self.name, self.value)


class Undo(_Action, frozen=True, tag="undo"):
    """Take a step back."""

    def apply(self, session: Session) -> None:
        """Do so."""
        session.undo()


class Redo(_Action, frozen=True, tag="redo"):
    """Take a step forward."""

    def apply(self, session: Session) -> None:
        """Do so."""
        session.redo()


class Clear(_Action, frozen=True, tag="clear"):
    """Remove all objects."""

    def apply(self, session: Session) -> None:
        """Do so."""
        session.clear()


class Turn(_Action, frozen=True, tag="plane", kw_only=True):
    """Show another plane. No edit: `epoch` and `prompts` are those of the plane before."""

    plane: Count

    def apply(self, session: Session) -> None:
        """Nothing is changed in a session."""


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """A page has opened, or is not sure whether it has got everything.

    Attributes
    ----------
    objects : int
        Number of the last message of objects that it has got; -1 if it may lack some.
    """

    objects: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1


class Traits(msgspec.Struct, frozen=True, tag_field="type", tag="traits"):
    """What else comes as traits, from a page whose traits have ceased to be sent.

    The widget manager sends the next update of a model's traits when the last was handled; if that
    word is lost with a connection, it waits for ever.
    """

    traits: dict[str, Any]


class PageTiming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page measured of its request `n`: see `sam2_widget.timings`."""

    client: ClientId
    n: Count
    browser: Microseconds
    trip: Microseconds
    paint: Microseconds


class Nudge(msgspec.Struct, frozen=True, tag_field="type", tag="nudge"):
    """Nothing: its acknowledgement carries that of the message before it.

    Attributes
    ----------
    timings : tuple of PageTiming
        Of clicks before, as there is room.
    """

    timings: Annotated[tuple[PageTiming, ...], msgspec.Meta(max_length=MAX_TIMINGS)] = ()


class Hover(msgspec.Struct, frozen=True, tag_field="type", tag="hover"):
    """What a click here would give. Counted apart from requests, and never acknowledged."""

    client: ClientId
    n: Count
    epoch: Count
    x: float
    y: float
    label: Literal[0, 1] = 1


class Press(Hover, frozen=True, tag="press"):
    """What a click here will give, most likely: to be told before the button is released."""


class Tiles(msgspec.Struct, frozen=True, tag_field="type", tag="tiles"):
    """Parts of the image in full sharpness, (column, row) each."""

    client: ClientId
    level: Level
    tiles: Annotated[tuple[tuple[Count, Count], ...], msgspec.Meta(max_length=MAX_TILES)]
    plane: Count = 0


class Probe(msgspec.Struct, frozen=True, tag_field="type", tag="probe"):
    """What values this pixel has."""

    client: ClientId
    n: Count
    x: float
    y: float
    plane: Count = 0


class Save(msgspec.Struct, frozen=True, tag_field="type", tag="save"):
    """Make a file of what has been segmented on the plane of that epoch. No path: only bytes."""

    client: ClientId
    n: Count
    epoch: Count
    format: Format


class Part(msgspec.Struct, frozen=True, tag_field="type", tag="part"):
    """Send a part of the file that was made: the next is asked for when it has arrived."""

    client: ClientId
    n: Count
    part: Count


class Upload(msgspec.Struct, frozen=True, tag_field="type", tag="upload"):
    """A part of a file of the user's, in the message's buffer; it begins at byte `at`."""

    client: ClientId
    n: Count
    epoch: Count
    name: FileName
    size: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    at: Count


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
    | Undo
    | Redo
    | Clear
    | Turn
)
Transfer: TypeAlias = Save | Part | Upload
Question: TypeAlias = Hover | Press | Tiles | Probe
Message: TypeAlias = Action | Question | Transfer | Hello | Nudge | Traits


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
    """Check what ipywidgets unpacks; MessageError if it is malformed.

    Pages send no binary data: paths that say where buffers belong are therefore refused.
    """
    _convert(message, _Message)


def _convert(value: object, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    # UnicodeError: half a character where one of a few words was expected.
    except (msgspec.ValidationError, RecursionError, UnicodeError) as error:
        raise MessageError(f"malformed message from the browser: {error}") from error


def request_id(content: object) -> RequestId | None:
    """The request's id, if that much of a malformed message can be read."""
    try:
        rid: RequestId = _convert(content["rid"] if isinstance(content, dict) else None, RequestId)
    except (MessageError, KeyError):
        return None
    return rid


def parse_prompts(value: object) -> PromptsRequest:
    """Check the trait ``prompts``; MessageError if it is malformed."""
    request: PromptsRequest = _convert(value, PromptsRequest)
    return request


def parse_message(content: object) -> Message:
    """Check a custom message; MessageError if it is malformed."""
    message: Message = _convert(content, Message)
    return message
