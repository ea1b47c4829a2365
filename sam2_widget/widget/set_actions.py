"""Carries out the requests of a set's page; see `sam2_widget.comm.set_requests`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sam2_widget.comm.review_requests import Ranges
from sam2_widget.datasets.annotated_image import AnnotatedImage
from sam2_widget.datasets.annotations import FINISHED, State, Value
from sam2_widget.datasets.matches import Matches
from sam2_widget.datasets.review import Review
from sam2_widget.datasets.review_edits import ReviewEdit
from sam2_widget.errors import ImageError, PromptError, SettingError
from sam2_widget.widget.set_reviewing import SetReviewing


class BrowsedSet(Protocol):
    """The interface of a `SegmentSet` that actions use."""

    state: State

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all images."""

    @property
    def shown(self) -> int:
        """Number of the image shown."""

    @property
    def name(self) -> str:
        """Name of the image shown."""

    @property
    def matches(self) -> Matches:
        """The images that match the search."""

    def __getitem__(self, which: int) -> AnnotatedImage: ...

    def go(self, which: str | int) -> AnnotatedImage:
        """Show an image."""

    def show_first(self, numbers: Iterable[int]) -> bool:
        """Show the first of these images that can be read."""

    def mark_done(self) -> None:
        """The image shown is done."""

    def search(self, text: str, state: State | None, label: str | None) -> None:
        """Go through the images that match."""

    @property
    def reviewing(self) -> SetReviewing:
        """The review on the pages."""

    def undo_review(self) -> ReviewEdit:
        """Undo the newest bulk edit."""

    def measure_later(self) -> None:
        """Measure the objects that were not measured yet."""

    def open_object(self, number: int, object_id: int) -> None:
        """Show an image and select one of its objects."""


class PageActions:
    """The actions of a page on a set.

    Parameters
    ----------
    images : BrowsedSet
    """

    def __init__(self, images: BrowsedSet) -> None:
        self._images = images

    def show(self, number: int) -> None:
        """Show an image."""
        self._images.go(number)

    def seek(self, text: str) -> None:
        """Show the image with this name, or number counted from 1."""
        wanted = text.strip()
        is_number = wanted.isdecimal() and wanted not in self._images.names
        self._images.go(_index(wanted) if is_number else wanted)

    def step(self, steps: int) -> None:
        """Show the match of the search that is so many further, or back if it is negative.

        If it cannot be read, the next one beyond it that can be; at the end the last one.
        """
        images = self._images
        if not steps:
            return
        following = images.matches.following(images.shown, steps)
        skipped = min(abs(steps), len(following)) - 1
        if skipped < 0 or not images.show_first((*following[skipped:], *following[:skipped][::-1])):
            where = "after" if steps > 0 else "before"
            raise ImageError(f"there is no image {where} {images.name!r} that can be shown")

    def finish(self, number: int | None) -> None:
        """Mark an image as done and go on, if it is still the one shown; None for whichever is."""
        if number in (None, self._images.shown):
            self._images.mark_done()
            self._go_on()

    def skip(self, number: int | None) -> None:
        """Leave out an image and go on, if it is still the one shown; None for whichever is."""
        if number in (None, self._images.shown):
            self._images.state = "skipped"
            self._go_on()

    def _go_on(self) -> None:
        """Show the next match that is not finished; after the last, the first.

        If the search is for a state of finished images, simply the next.
        """
        images = self._images
        following = images.matches.following(images.shown, 1)
        if images.matches.query.state in FINISHED:
            images.show_first(following)
            return
        numbers = (*following, *images.matches.following(images.shown, -1)[::-1])
        images.show_first(n for n in numbers if not images[n].is_finished)

    def set_state(self, number: int, state: State) -> None:
        """Set the state of an image."""
        self._images[number].state = state

    def search(self, text: str, state: State | None, label: str | None) -> None:
        """Go through the images that match from now on."""
        self._images.search(text, state, label)

    def set_note(self, number: int, object_id: int | None, text: str) -> None:
        """Set the note of an image, or of one of its objects."""
        image = self._images[number]
        if object_id is None:
            image.note = text
        else:
            image.change_object(self._place(number, object_id), note=text)

    def set_values(self, number: int, object_id: int | None, values: dict[str, Value]) -> None:
        """Set attributes of an image, or of one of its objects."""
        image = self._images[number]
        if object_id is None:
            image.change_attributes(values)
        else:
            image.change_object(self._place(number, object_id), values)

    # --- review -----------------------------------------------------------------------------------

    def relabel(self, client: str, listed: int, ranges: Ranges, label: str | None) -> None:
        """Give objects a label."""
        _check(self._selected(client, listed, ranges).relabel(label, warn=False))

    def delete(self, client: str, listed: int, ranges: Ranges) -> None:
        """Delete objects."""
        _check(self._selected(client, listed, ranges).delete(warn=False))

    def accept(self, client: str, listed: int, ranges: Ranges, *, accepted: bool) -> None:
        """Accept objects."""
        _check(self._selected(client, listed, ranges).accept(accepted=accepted, warn=False))

    def undo_review(self) -> None:
        """Undo the newest bulk edit."""
        self._images.undo_review()

    def measure(self) -> None:
        """Measure the objects that were not measured yet."""
        self._images.measure_later()

    def open_object(self, number: int, object_id: int) -> None:
        """Show an image and select one of its objects."""
        self._images.open_object(number, object_id)

    def _selected(self, client: str, listed: int, ranges: Ranges) -> Review:
        return self._images.reviewing.selected(client, listed, ranges)

    def _place(self, number: int, object_id: int) -> int:
        for place, one in enumerate(self._images[number].objects):
            if one.id == object_id:
                return place
        raise SettingError("that object is no longer there")


def _check(edit: ReviewEdit) -> None:
    """Raise `PromptError` for the first image that was left as it is."""
    for name, why in edit.skipped.items():
        more = f" (and {len(edit.skipped) - 1} more images)" if len(edit.skipped) > 1 else ""
        raise PromptError(f"{name} was left as it is{more}: {why}")


def _index(text: str) -> int:
    """The number from 0 of a number counted from 1; ImageError if there is no such image."""
    if (number := int(text)) == 0:
        raise ImageError("the first image has the number 1")
    return number - 1
