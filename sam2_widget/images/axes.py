"""Finds which axes of an array are rows, columns, channels and planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sam2_widget.errors import ImageError

Plane: TypeAlias = int | Mapping[str, int]
"""A plane of a stack: its number, or an index for each further axis, ``{"T": 0, "Z": 12}``."""

FEW = (1, 3, 4)
"""Numbers of channels with a known meaning: grey, RGB, and RGB with transparency."""

CHANNEL, SAMPLE = "C", "S"
"""Channels of a microscope, and samples of a colour image: tifffile distinguishes them."""

NAMES: dict[str, str] = {
    **dict.fromkeys(("y", "row", "rows", "height", "lat", "latitude"), "Y"),
    **dict.fromkeys(("x", "col", "column", "cols", "columns", "width", "lon", "longitude"), "X"),
    **dict.fromkeys(("c", "ch", "channel", "channels", "band", "bands", "wavelength"), "C"),
    **dict.fromkeys(("s", "rgb", "rgba", "color", "colour", "sample", "samples"), "S"),
    **dict.fromkeys(("z", "depth", "slice", "plane"), "Z"),
    **dict.fromkeys(("t", "time", "frame"), "T"),
}
"""Letters for common names of dimensions in xarray."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Letters of an array's axes.

    Attributes
    ----------
    letters : str
        One for each axis: Y, X, C or S, and any other for planes.
    """

    letters: str

    @property
    def channel(self) -> int | None:
        """Position of the channels."""
        found = [i for i, letter in enumerate(self.letters) if letter in (CHANNEL, SAMPLE)]
        return found[0] if found else None

    @property
    def planes(self) -> tuple[str, ...]:
        """Letters of the axes of planes."""
        return tuple(a for a in self.letters if a not in ("Y", "X", CHANNEL, SAMPLE))

    def picked(self, plane: Plane | None, shape: Sequence[int]) -> tuple[int | slice, ...]:
        """Index that selects one plane of the array; axes of length 1 need not be given.

        Raises
        ------
        ImageError
            If a plane must be chosen and is not, or there is no such plane.
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
        found = ", ".join(f"{sizes[axis]} along {axis}" for axis in axes) or "no further axis"
        raise ImageError(
            f"the image is a stack with {found}: choose a plane, e.g. plane={example}, or make "
            "an ImageStack"
        )
    for axis, index in wanted.items():
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        if axis not in sizes or not whole or not -sizes[axis] <= index < sizes[axis]:
            raise ImageError(f"there is no plane {index!r} along {axis}: there are {dict(sizes)}")
    return {axis: int(index) for axis, index in wanted.items()}


def parsed(axes: str, ndim: int) -> Layout:
    """The layout given by a user or file; ImageError unless it fits the array."""
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
    """The layout of named dimensions, as in xarray."""
    letters = "".join(NAMES.get(str(dim).lower(), "?") for dim in dims)
    spare = iter("QIJKLMNOPRUVW")
    letters = "".join(next(spare, "?") if letter == "?" else letter for letter in letters)
    if "Y" not in letters or "X" not in letters:
        raise ImageError(
            f"the image has the dimensions {tuple(dims)}: rename them to y and x, or pass axes="
        )
    return parsed(letters, len(letters))


def guessed(shape: Sequence[int], *, channels: bool, first_wins: bool = False) -> Layout:
    """The layout of an array of which only the shape is known.

    Parameters
    ----------
    shape : sequence of int
    channels : bool
        Whether the user has chosen channels: then the array has channels, of any number.
    first_wins : bool
        Whether (C, H, W) is preferred where both readings fit, as for tensors.

    Raises
    ------
    ImageError
        If the shape is ambiguous.
    """
    if len(shape) == 2:  # noqa: PLR2004
        return Layout("YX")
    if len(shape) != 3:  # noqa: PLR2004
        raise ImageError(_unclear(shape))
    first, last = shape[0] in FEW, shape[2] in FEW
    if channels and not first and not last:
        # Channels are taken to be fewer than rows and columns; otherwise `axes` must be given.
        first, last = shape[0] < min(shape[1:]), shape[2] < min(shape[:2])
        if first == last:
            raise ImageError(_unclear(shape))
    # Arrays of shape (3, H, W) are accepted, too, but a tiny image with an unusual number of
    # channels must not be misread as one.
    plainly_first = first and not last and (channels or min(shape[1:]) > max(FEW))
    if first and (first_wins or plainly_first):
        return Layout("CYX")
    if last:
        return Layout("YXC")
    raise ImageError(_unclear(shape))


def _unclear(shape: Sequence[int]) -> str:
    return (
        f"an image array must have the shape (H, W) or (H, W, C) with C = 1, 3 or 4, got "
        f"{tuple(shape)}: name its axes, e.g. {_example(shape)}"
    )


def _example(shape: Sequence[int]) -> str:
    """Likely axes of an array of this shape, with their meaning."""
    if len(shape) == 3:  # noqa: PLR2004
        return _example_of_three(shape)
    letters = {4: "ZCYX", 5: "TZCYX"}
    if len(shape) == 4 and shape[-1] in FEW:  # noqa: PLR2004
        return (
            f"axes='ZYXC' for a stack of {shape[0]} colour images, "
            "with plane=0 if only one is meant"
        )
    if len(shape) in letters:
        found = letters[len(shape)]
        named_ = ", ".join(f"{n} along {a}" for a, n in zip(found, shape, strict=True))
        return f"axes='{found}' ({named_}), with plane= and channels="
    return "axes='YX' with image.reshape(height, width)"


def _example_of_three(shape: Sequence[int]) -> str:
    first, _, last = shape
    if last < min(shape[:2]):
        return f"axes='YXC' with {_example_of_channels(last)}"
    channels = _example_of_channels(first)
    return f"axes='ZYX' for a stack of {first} planes, or axes='CYX' with {channels} for channels"


def _example_of_channels(count: int) -> str:
    return "channels=(0, 1, 2)" if count > 2 else "channels=0"  # noqa: PLR2004
