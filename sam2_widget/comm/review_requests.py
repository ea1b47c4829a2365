"""Definitions and validation of what pages send of the review of a set.

Objects are named by their positions in a list: they keep them until the page asks for another.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol, TypeAlias

import msgspec

from sam2_widget.comm.requests import ClientId, Count, RequestId
from sam2_widget.datasets.annotations import State
from sam2_widget.prompts.label_text import MAX_LABEL_LENGTH

MAX_ROWS = 200
"""Largest number of objects in a request for rows."""

MAX_CROPS = 64
"""Largest number of pictures in a request."""

MAX_RANGES = 10_000
"""Largest number of ranges in an action."""

ReviewLabel = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_LENGTH)]
Range: TypeAlias = tuple[Count, Count]
Ranges = Annotated[tuple[Range, ...], msgspec.Meta(min_length=1, max_length=MAX_RANGES)]


class ReviewActions(Protocol):
    """What a page can do in a review; each method may raise a `SegmentationError`."""

    def relabel(self, client: str, listed: int, ranges: Ranges, label: str | None) -> None:
        """Give objects a label."""

    def delete(self, client: str, listed: int, ranges: Ranges) -> None:
        """Delete objects."""

    def accept(self, client: str, listed: int, ranges: Ranges, *, accepted: bool) -> None:
        """Accept objects."""

    def undo_review(self) -> None:
        """Undo the newest bulk edit."""

    def measure(self) -> None:
        """Measure the objects that were not measured yet."""

    def open_object(self, number: int, object_id: int) -> None:
        """Show an image and select one of its objects."""


# --- requests -------------------------------------------------------------------------------------


class ReviewRequest(msgspec.Struct, frozen=True, tag_field="type", tag="review"):
    """Request a list of the objects of all images.

    Attributes
    ----------
    labels : tuple of (str or None), or None
        Their labels; None for any.
    state : State or None
        The state of their images; None for any.
    accepted : bool or None
        None for both.
    keep : bool
        Whether objects that the page has already keep their order.
    """

    client: ClientId
    n: Count
    sort: Literal["image", "score", "area", "time"] = "image"
    descending: bool = False
    labels: Annotated[tuple[ReviewLabel | None, ...], msgspec.Meta(max_length=1000)] | None = None
    state: State | None = None
    accepted: bool | None = None
    keep: bool = False


class RowsRequest(msgspec.Struct, frozen=True, tag_field="type", tag="review_rows"):
    """Request a part of a list of objects: `count` from `first` on."""

    client: ClientId
    n: Count
    list: Count
    first: Count
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS)]


class CropsRequest(msgspec.Struct, frozen=True, tag_field="type", tag="crops"):
    """Request small pictures of objects: a message for each. A later request replaces it.

    Attributes
    ----------
    objects : tuple of (int, int)
        Number of the image and id of the object.
    """

    client: ClientId
    n: Count
    objects: Annotated[tuple[tuple[Count, Count], ...], msgspec.Meta(max_length=MAX_CROPS)]


# --- actions --------------------------------------------------------------------------------------


class _ReviewAction(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    rid: RequestId


class _SelectionAction(_ReviewAction, frozen=True):
    list: Count
    ranges: Ranges


class RelabelObjects(_SelectionAction, frozen=True, tag="relabel"):
    """Give objects a label, or none.

    Attributes
    ----------
    list : int
        The list that the page shows.
    ranges : tuple of (int, int)
        Positions of the first and the last object of each range.
    """

    label: ReviewLabel | None

    def apply(self, actions: ReviewActions) -> None:
        """Do so."""
        actions.relabel(self.rid.client, self.list, self.ranges, self.label)


class DeleteObjects(_SelectionAction, frozen=True, tag="delete_objects"):
    """Delete objects; see `relabel`."""

    def apply(self, actions: ReviewActions) -> None:
        """Do so."""
        actions.delete(self.rid.client, self.list, self.ranges)


class AcceptObjects(_SelectionAction, frozen=True, tag="accept"):
    """Mark objects as accepted, or as not accepted; see `relabel`."""

    accepted: bool

    def apply(self, actions: ReviewActions) -> None:
        """Do so."""
        actions.accept(self.rid.client, self.list, self.ranges, accepted=self.accepted)


class UndoReview(_ReviewAction, frozen=True, tag="undo_review"):
    """Undo the newest edit of several objects."""

    def apply(self, actions: ReviewActions) -> None:
        """Do so."""
        actions.undo_review()


class MeasureObjects(_ReviewAction, frozen=True, tag="measure"):
    """Measure the objects that were not measured yet."""

    def apply(self, actions: ReviewActions) -> None:
        """Do so."""
        actions.measure()


class OpenObject(_ReviewAction, frozen=True, tag="open_object"):
    """Show an image and select one of its objects, by its id."""

    number: Count
    object: Count

    def apply(self, actions: ReviewActions) -> None:
        """Do so."""
        actions.open_object(self.number, self.object)


ReviewAction: TypeAlias = (
    RelabelObjects | DeleteObjects | AcceptObjects | UndoReview | MeasureObjects | OpenObject
)
