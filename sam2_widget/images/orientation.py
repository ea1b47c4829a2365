"""Applies the orientation of EXIF and TIFF to stored pixels."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

TAG: Final = 0x0112
"""Number of the tag, in EXIF and in TIFF."""

_FLIPS = {2: (False, True), 3: (True, True), 4: (True, False), 6: (False, True), 7: (True, True)}
_FLIPS |= {8: (True, False)}
"""Whether rows and columns are reversed, after they were exchanged for orientations 5 to 8."""


def is_turned(orientation: int) -> bool:
    """Whether rows and columns are exchanged."""
    return orientation in (5, 6, 7, 8)


def upright(array: npt.NDArray[Any], orientation: int, y: int = 0, x: int = 1) -> npt.NDArray[Any]:
    """An upright view of the pixels; `y` and `x` are the axes of rows and columns."""
    if is_turned(orientation):
        array = array.swapaxes(y, x)
    rows, columns = _FLIPS.get(orientation, (False, False))
    index = [slice(None)] * array.ndim
    index[y] = slice(None, None, -1) if rows else slice(None)
    index[x] = slice(None, None, -1) if columns else slice(None)
    return array[tuple(index)]
