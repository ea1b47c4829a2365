"""Definitions of the trait and the message about tracks."""

from __future__ import annotations

from typing import Literal, TypedDict

from sam2_widget.annotation.tracks import Run


class Lane(TypedDict):
    """One object over all planes of the stack.

    Attributes
    ----------
    number : int
        The object's number, on all planes.
    label : str or None
    color : str
        ``#rrggbb``.
    visible, locked : bool
    keyframes : list of (int, int)
        Planes where it has prompts, as ranges: first, and one past the last.
    absent : list of (int, int)
        Planes that the user has marked it as absent from, likewise.
    runs : list of Run
        By ascending planes; without `keyframes`, `absent` and planes of unknown state.
    """

    number: int
    label: str | None
    color: str
    visible: bool
    locked: bool
    keyframes: list[tuple[int, int]]
    absent: list[tuple[int, int]]
    runs: list[Run]


class TimelineMessage(TypedDict):
    """Lanes of the timeline that are new or changed, of a stack.

    Attributes
    ----------
    n : int
        Number of the message; `TrackingTrait.timeline` is that of the last one, so that a page
        notices a lost one.
    reset : bool
        Whether pages must drop all other lanes.
    put : list of Lane
        Pages order lanes by their numbers.
    drop : list of int
        Numbers of removed objects.
    """

    type: Literal["timeline"]
    n: int
    reset: bool
    put: list[Lane]
    drop: list[int]


class TrackingTrait(TypedDict, total=False):
    """The job that tracks objects, or the last one; empty for a plain image.

    Attributes
    ----------
    timeline : int
        Number of the last message ``timeline`` that was sent.
    marks : (int, int) or None
        Planes between which objects are tracked: first, and one past the last; None for all.
    unavailable : str
        Why tracking is unavailable, one sentence; empty if it is available.
    running : bool
    numbers : list of int
        The objects that are tracked.
    done, total : int
        Frames; a frame counts for each object that is tracked on it.
    plane : int or None
        The plane that was tracked last.
    fps : float or None
        Frames a second, averaged over the last seconds; None while there are too few.
    seconds_left : float or None
    error : str
        Why the job ended early; empty if it did not. Masks that were found before stay.
    """

    timeline: int
    marks: tuple[int, int] | None
    unavailable: str
    running: bool
    numbers: list[int]
    done: int
    total: int
    plane: int | None
    fps: float | None
    seconds_left: float | None
    error: str
