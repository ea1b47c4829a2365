"""The axis of the frames of a video or sequence, and the frame that `plane` selects."""

from __future__ import annotations

from collections.abc import Mapping, Sized

import numpy as np

from sam2_widget.errors import ImageError
from sam2_widget.images.axes import CHANNEL, SAMPLE, Layout, Plane

TIME = "T"
"""The letter by default."""


def frame_axis(axes: str | None, plane: Plane | None = None, along: str | None = None) -> str:
    """Letter of the axis of frames: the first of `axes`, else `along`, else the one in `plane`.

    Raises
    ------
    ImageError
        If it is no letter, or that of rows, columns or channels.
    """
    named = list(plane) if isinstance(plane, Mapping) and len(plane) == 1 else []
    letter = str(axes[0] if axes else along or (named[0] if named else TIME)).upper()
    if along and letter != along.upper():
        raise ImageError(f"along= must be the axis of the planes, one of {[letter]}, got {along!r}")
    if len(letter) != 1 or not letter.isalpha() or letter in ("Y", "X", CHANNEL, SAMPLE):
        raise ImageError(
            f"the first axis is that of the frames, e.g. T or Z: it cannot be {letter!r}"
        )
    return letter


def frame_number(plane: Plane | None, axis: str, frames: Sized) -> int:
    """Number of the selected frame, from 0; whether it exists is checked only if it is negative.

    Raises
    ------
    ImageError
        If none is named and there are several, or it is no whole number.
    """
    number = _along(plane, axis)
    if _is_whole(number) and number >= 0:  # type: ignore[operator]
        return int(number)  # type: ignore[arg-type]
    chosen = None if number is None else {axis: number}
    found = Layout(axis + "YX").picked(chosen, (len(frames), 1, 1))[0]
    return int(found) % len(frames)  # type: ignore[arg-type]


def other_axes(plane: Plane | None, axis: str) -> dict[str, int] | None:
    """The entries of `plane` for other axes; None if there are none."""
    if not isinstance(plane, Mapping):
        return None
    return {a: n for a, n in plane.items() if str(a).upper() != axis} or None


def _along(plane: Plane | None, axis: str) -> int | None:
    if not isinstance(plane, Mapping):
        return plane
    return {str(a).upper(): n for a, n in plane.items()}.get(axis)


def _is_whole(number: object) -> bool:
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)
