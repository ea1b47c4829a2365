"""Axes: which of an array's are rows, columns, channels and planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sam2_widget.errors import ImageError

Plane: TypeAlias = int | Mapping[str, int]
"""Which plane of a stack: its number, or one for each further axis, e.g. ``{"T": 0, "Z": 12}``."""

FEW = (1, 3, 4)
"""Numbers of channels that need no explanation: grey, RGB, RGB and transparency."""

CHANNEL, SAMPLE = "C", "S"
"""Channels of a microscope, and samples of a colour picture: tifffile tells them apart."""

NAMES: dict[str, str] = {
    **dict.fromkeys(("y", "row", "rows", "height", "lat", "latitude"), "Y"),
    **dict.fromkeys(("x", "col", "column", "cols", "columns", "width", "lon", "longitude"), "X"),
    **dict.fromkeys(("c", "ch", "channel", "channels", "band", "bands", "wavelength"), "C"),
    **dict.fromkeys(("s", "rgb", "rgba", "color", "colour", "sample", "samples"), "S"),
    **dict.fromkeys(("z", "depth", "slice", "plane"), "Z"),
    **dict.fromkeys(("t", "time", "frame"), "T"),
}
"""Letters for the names that xarray's users give their dimensions."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Letters of an array's axes.

    Attributes
    ----------
    letters : str
        One an axis: Y, X, C or S, and any other for planes.
    """

    letters: str

    @property
    def channel(self) -> int | None:
        """Position of the channels."""
        found = [i for i, letter in enumerate(self.letters) if letter in (CHANNEL, SAMPLE)]
        return found[0] if found else None

    @property
    def planes(self) -> tuple[str, ...]:
        """Letters of the axes that make a stack."""
        return tuple(a for a in self.letters if a not in ("Y", "X", CHANNEL, SAMPLE))

    def picked(self, plane: Plane | None, shape: Sequence[int]) -> tuple[int | slice, ...]:
        """What to take of the array so that one plane is left; axes of one entry go by themselves.

        Raises
        ------
        ImageError
            If it has to be said which plane, and is not, or there is no such.
        """
        sizes = dict(zip(self.letters, shape, strict=True))
        wanted = _as_mapping(plane, [a for a in self.planes if sizes[a] > 1], sizes)
        return tuple(wanted.get(a, 0) if a in self.planes else slice(None) for a in self.letters)


def _as_mapping(
    plane: Plane | None, axes: Sequence[str], sizes: Mapping[str, int]
) -> dict[str, int]:
    if isinstance(plane, Mapping):
        wanted = {str(axis).upper(): index for axis, index in plane.items()}
    elif plane is not None and len(axes) <= 1:
        wanted = dict.fromkeys(axes, plane)
    else:
        wanted = {}
    missing = [axis for axis in axes if axis not in wanted]
    if missing or (plane is not None and not axes and wanted == {} and plane != 0):
        example = {axis: sizes[axis] // 2 for axis in axes}
        told = ", ".join(f"{sizes[axis]} along {axis}" for axis in axes) or "no further axis"
        raise ImageError(
            f"the image is a stack with {told}: say which plane is meant, e.g. plane={example}, or "
            "make an ImageStack"
        )
    for axis, index in wanted.items():
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        if axis not in sizes or not whole or not -sizes[axis] <= index < sizes[axis]:
            raise ImageError(f"there is no plane {index!r} along {axis}: there are {dict(sizes)}")
    return {axis: int(index) for axis, index in wanted.items()}


def parsed(axes: str, ndim: int) -> Layout:
    """The layout that a user or a file names; ImageError unless it fits."""
    letters = axes.upper()
    has_both = letters.count("Y") == 1 and letters.count("X") == 1
    too_many = sum(letter in (CHANNEL, SAMPLE) for letter in letters) > 1
    if len(letters) != ndim or not has_both or too_many or len(set(letters)) != ndim:
        raise ImageError(
            f"axes must name the {ndim} axes of the image with Y, X, C for channels and others "
            f"once each, e.g. 'ZCYX', got {axes!r}"
        )
    return Layout(letters)


def named(dims: Sequence[Any]) -> Layout:
    """The layout of dimensions with names, as xarray has them."""
    letters = "".join(NAMES.get(str(dim).lower(), "?") for dim in dims)
    spare = iter("QIJKLMNOPRUVW")
    letters = "".join(next(spare, "?") if letter == "?" else letter for letter in letters)
    if "Y" not in letters or "X" not in letters:
        raise ImageError(
            f"the image has the dimensions {tuple(dims)}: rename them to y and x, or pass axes="
        )
    return parsed(letters, len(letters))


def guessed(shape: Sequence[int], *, channels: bool, first_wins: bool = False) -> Layout:
    """The layout of an array that tells nothing but its shape.

    Parameters
    ----------
    shape : sequence of int
    channels : bool
        Whether it was said which channels are shown: then there are some, however many.
    first_wins : bool
        Whether (C, H, W) is taken where both readings fit, as for tensors.

    Raises
    ------
    ImageError
        If it could be anything.
    """
    if len(shape) == 2:  # noqa: PLR2004
        return Layout("YX")
    if len(shape) != 3:  # noqa: PLR2004
        raise ImageError(_unclear(shape))
    first, last = shape[0] in FEW, shape[2] in FEW
    if channels and not first and not last:
        # There are fewer channels than rows or columns, or it has to be said.
        first, last = shape[0] < min(shape[1:]), shape[2] < min(shape[:2])
        if first == last:
            raise ImageError(_unclear(shape))
    # For arrays this is a kindness to (3, H, W), so it must not turn a tiny image of a wrong
    # number of channels into a wrong picture.
    plainly_first = first and not last and (channels or min(shape[1:]) > max(FEW))
    if first and (first_wins or plainly_first):
        return Layout("CYX")
    if last:
        return Layout("YXC")
    raise ImageError(_unclear(shape))


def _unclear(shape: Sequence[int]) -> str:
    return (
        f"an image array must have the shape (H, W) or (H, W, C) with C = 1, 3 or 4, got "
        f"{tuple(shape)}: name its axes, e.g. axes='ZYX' with plane=0, or axes='CYX' with "
        "channels=(0, 1, 2); or pick what is meant, e.g. image[..., :3]"
    )
