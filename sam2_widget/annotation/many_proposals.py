"""The job that looks for proposals in several images or planes, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from sam2_widget.annotation.jobs import Job
from sam2_widget.errors import ImageError

T = TypeVar("T", str, int)


class ManyProposals(Job, Generic[T]):
    """A job over several images, by their names, or planes, by their numbers.

    Attributes
    ----------
    images : tuple of str, or of int
        What is searched, in this order.
    found : dict
        How many proposals each of them has got so far.
    failures : dict
        Those that could not be read, and why.
    completed : int
        How many images or planes were searched, or could not be read.
    """

    def __init__(self, images: Iterable[T]) -> None:
        super().__init__(threading.RLock())
        self.images: tuple[T, ...] = tuple(images)
        self.total = len(self.images)
        self.found: dict[T, int] = {}
        self.failures: dict[T, str] = {}
        self._share = 0.0

    @property
    def progress(self) -> float:
        """Fraction that is done, within 0..1."""
        return (self.completed + self._share) / len(self.images) if self.images else 1.0

    def note_share(self, share: float) -> None:
        """Note the fraction of the current image that is done."""
        self._share = share

    def run(self, search: Callable[[T], int | None]) -> None:
        """Call `search` with each image; it returns how much it found, None if it was cancelled."""
        self._run(lambda: self._search_all(search))

    def _search_all(self, search: Callable[[T], int | None]) -> None:
        for image in self.images:
            if self._is_cancelled:
                break
            self._search_one(search, image)
        self._end()

    def _search_one(self, search: Callable[[T], int | None], image: T) -> None:
        try:
            found = search(image)
        except ImageError as failure:
            self.failures[image] = str(failure)
        else:
            if found is not None:
                self.found[image] = found
        self.completed, self._share = len(self.found) + len(self.failures), 0.0

    def __repr__(self) -> str:
        return (
            f"ManyProposals({sum(self.found.values())} proposals, {self.completed} of "
            f"{len(self.images)} searched, {self._state})"
        )
