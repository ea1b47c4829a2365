"""Progress of the work on a set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sam2_widget.datasets.annotations import FINISHED, ImageAnnotations, State


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the work on a set.

    Attributes
    ----------
    total : int
        Number of images.
    counts : mapping of str to int
        Number of images in each state.
    seconds : float
        Time spent on the finished images.
    unreadable : int
        Number of images that cannot be read and are not finished: nobody can finish them.
    """

    total: int
    counts: dict[State, int]
    seconds: float
    unreadable: int = 0

    @property
    def readable(self) -> int:
        """Number of images that are finished or can be: when all are done, so is the set."""
        return self.total - self.unreadable

    @property
    def done(self) -> int:
        """Number of images that need no more work: done, empty or skipped."""
        return sum(self.counts.get(state, 0) for state in FINISHED)

    @property
    def seconds_per_image(self) -> float | None:
        """Mean time spent on a finished image; None if none is finished."""
        return self.seconds / self.done if self.done else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated time for the other images at that speed; None if none is finished."""
        per_image = self.seconds_per_image
        return None if per_image is None else per_image * (self.readable - self.done)

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.readable} done"]
        if self.unreadable:
            parts.append(f"{self.unreadable} cannot be read")
        left = self.seconds_left
        if left and self.seconds:
            parts.append(f"{self.seconds_per_image:.0f} s an image")
            parts.append(f"about {_duration(left)} left")
        return ", ".join(parts)


def progress_of(images: Iterable[ImageAnnotations], unreadable: int = 0) -> Progress:
    """The progress of all images of a set, of which some cannot be read."""
    counts: Counter[State] = Counter()
    total, seconds = 0, 0.0
    for one in images:
        total += 1
        counts[one.state] += 1
        seconds += one.seconds if one.is_finished else 0.0
    return Progress(total, dict(counts), seconds, unreadable)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 90:  # noqa: PLR2004 - an hour and a half
        return f"{max(minutes, 1)} min"
    return f"{round(minutes / 60)} h"
