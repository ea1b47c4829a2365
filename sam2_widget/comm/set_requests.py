"""Definitions and validation of what the page of a set of images sends.

Requests are answered and change nothing; actions have a request id, are carried out once and in
order, and are acknowledged by the trait ``_acks``.
"""

from __future__ import annotations

from typing import Annotated, Protocol, TypeAlias

import msgspec

from sam2_widget.comm.requests import ClientId, Count, RequestId, converted
from sam2_widget.comm.review_requests import (
    CropsRequest,
    ReviewAction,
    ReviewActions,
    ReviewRequest,
    RowsRequest,
)
from sam2_widget.datasets.annotations import State, Value
from sam2_widget.datasets.classes import MAX_TEXT
from sam2_widget.prompts.label_text import MAX_LABEL_LENGTH

MAX_ITEMS = 200
"""Largest number of images in a request for their names and states."""

MAX_THUMBNAILS = 64
"""Largest number of thumbnails in a request."""

MAX_SEARCH = 1000
"""Largest number of characters of a search or of a name that is typed."""

MAX_STEPS = 1000
"""Largest number of images that an action goes further."""

MAX_VALUES = 100
"""Largest number of attributes in an action."""

SearchText = Annotated[str, msgspec.Meta(max_length=MAX_SEARCH)]
Note = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Label = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_LENGTH)]
Values = Annotated[dict[str, Value], msgspec.Meta(max_length=MAX_VALUES)]


class SetActions(ReviewActions, Protocol):
    """What a page can do with a set; each method may raise a `SegmentationError`."""

    def show(self, number: int) -> None:
        """Show an image."""

    def seek(self, text: str) -> None:
        """Show the image with this name, or number counted from 1."""

    def step(self, steps: int) -> None:
        """Show the match of the search that is so many further, or back if it is negative."""

    def finish(self, number: int | None) -> None:
        """Mark an image as done and go on, if it is still the one shown; None for whichever is."""

    def skip(self, number: int | None) -> None:
        """Leave out an image and go on, if it is still the one shown; None for whichever is."""

    def set_state(self, number: int, state: State) -> None:
        """Set the state of an image."""

    def search(self, text: str, state: State | None, label: str | None) -> None:
        """Go through the images that match from now on."""

    def set_note(self, number: int, object_id: int | None, text: str) -> None:
        """Set the note of an image, or of one of its objects."""

    def set_values(self, number: int, object_id: int | None, values: dict[str, Value]) -> None:
        """Set attributes of an image, or of one of its objects."""


# --- requests -------------------------------------------------------------------------------------


class ItemsRequest(msgspec.Struct, frozen=True, tag_field="type", tag="items"):
    """Request names and states of matches of the search.

    Attributes
    ----------
    list : int
        The list that the page shows: see `ImagesTrait`.
    first, count : int
        Positions in the list: `count` from `first` on.
    """

    client: ClientId
    n: Count
    list: Count
    first: Count
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_ITEMS)]


class ThumbnailsRequest(msgspec.Struct, frozen=True, tag_field="type", tag="thumbnails"):
    """Request small pictures of images: a message for each. A later request replaces it."""

    client: ClientId
    n: Count
    numbers: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MAX_THUMBNAILS)]


class ResendRequest(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """Request all traits, from a page that may have missed some."""


# --- actions --------------------------------------------------------------------------------------


class _SetAction(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    rid: RequestId


class ShowImage(_SetAction, frozen=True, tag="show"):
    """Show an image."""

    number: Count

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.show(self.number)


class SeekImage(_SetAction, frozen=True, tag="seek"):
    """Show the image with a name, or number counted from 1, that the user has typed."""

    text: SearchText

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.seek(self.text)


class StepImage(_SetAction, frozen=True, tag="step"):
    """Show the match of the search that is so many further, or back; steps that wait are added."""

    steps: Annotated[int, msgspec.Meta(ge=-MAX_STEPS, le=MAX_STEPS)]

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.step(self.steps)


class FinishImage(_SetAction, frozen=True, tag="done"):
    """Mark the image as done and go on to the next that is not finished.

    Attributes
    ----------
    number : int or None
        Without effect if another image is shown by now, as when a button was pressed twice. None
        for the one that is shown by then: the page's own steps to it are not shown there yet.
    """

    number: Count | None

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.finish(self.number)


class SkipImage(_SetAction, frozen=True, tag="skip"):
    """Leave out the image and go on, otherwise as `done`."""

    number: Count | None

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.skip(self.number)


class ChangeState(_SetAction, frozen=True, tag="state"):
    """Set the state of an image."""

    number: Count
    state: State

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.set_state(self.number, self.state)


class SearchImages(_SetAction, frozen=True, tag="search"):
    """Show and go through only the images that match; without conditions all."""

    text: SearchText = ""
    state: State | None = None
    label: Label | None = None

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.search(self.text, self.state, self.label)


class ChangeNote(_SetAction, frozen=True, tag="note"):
    """Set the note of an image or, with `object`, of the object with that id."""

    number: Count
    text: Note
    object: Count | None = None

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.set_note(self.number, self.object, self.text)


class ChangeValues(_SetAction, frozen=True, tag="values"):
    """Set attributes of an image or, with `object`, of the object with that id; null removes."""

    number: Count
    values: Values
    object: Count | None = None

    def apply(self, actions: SetActions) -> None:
        """Carry it out."""
        actions.set_values(self.number, self.object, self.values)


SetAction: TypeAlias = (
    ShowImage
    | SeekImage
    | StepImage
    | FinishImage
    | SkipImage
    | ChangeState
    | SearchImages
    | ChangeNote
    | ChangeValues
    | ReviewAction
)
SetRequest: TypeAlias = (
    ItemsRequest | ThumbnailsRequest | ReviewRequest | RowsRequest | CropsRequest | ResendRequest
)
SetMessage: TypeAlias = SetAction | SetRequest


ON_IMAGE = ""
"""Client of an action that a key on the image itself has caused, not one on the set's page."""


def action_of_key(number: int, to: str) -> SetAction:
    """The action of a key that was pressed on image `number`: see `requests.Advance`."""
    rid = RequestId(ON_IMAGE, 0)
    if to == "done":
        return FinishImage(rid=rid, number=number)
    if to == "skip":
        return SkipImage(rid=rid, number=number)
    return StepImage(rid=rid, steps=1 if to == "next" else -1)


def parse_set_message(content: object) -> SetMessage:
    """Parse a custom message; MessageError if it is malformed."""
    message: SetMessage = converted(content, SetMessage)
    return message
