"""Reads pages of a TIFF: upright, with 0 as black, and with the colours of a palette.

tifffile reads nearly every TIFF, but needs imagecodecs for most compressions. Pages that it cannot
read without, and all pages where it is not installed, are read by Pillow and OpenCV, as far as
these preserve all bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL

from sam2_widget.errors import ImageError
from sam2_widget.images import deep
from sam2_widget.images.arrays import RGBA
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.orientation import is_turned, upright
from sam2_widget.images.pillow import managed, opened
from sam2_widget.images.tiff_tags import (
    BLACK_IS_ZERO,
    CMYK,
    FLOAT,
    INSTALL,
    JPEG,
    LAB,
    OLD_JPEG,
    PALETTE,
    RGB,
    SEPARATE,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    YCBCR,
    TiffTags,
)

BYTE = 8

YCBCR_SINCE = 13
"""First version of Pillow that reads uncompressed YCbCr; it needs Python 3.11."""

PICTURES = (CMYK, YCBCR, LAB, 9, 10)
"""Photometric interpretations that Pillow converts to RGB."""


def is_picture(tags: TiffTags) -> bool:
    """Whether a page is in a colour space that Pillow converts to RGB."""
    return tags.photometric in PICTURES or (tags.photometric == PALETTE and tags.samples > 1)


def finished(
    array: npt.NDArray[Any], letters: str, tags: TiffTags, *, numbers: bool = False
) -> npt.NDArray[Any]:
    """Convert stored numbers for display; `letters` name the axes, a palette adds S at the end.

    With `numbers`, as for label maps, indices of a palette and numbers of few bits are unchanged.
    """
    if tags.photometric == WHITE_IS_ZERO:
        array = inverted(array, tags.bits)
    if tags.photometric == PALETTE and not numbers:
        array = _in_palette(array, tags)
    elif tags.bits < BYTE and array.dtype == np.uint8 and not numbers:
        array = _as_bytes(array, tags.bits)
    return upright(array, tags.orientation, letters.index("Y"), letters.index("X"))


def finished_type(dtype: np.dtype[Any], tags: TiffTags, *, numbers: bool = False) -> np.dtype[Any]:
    """Type of the array that `finished` returns."""
    return np.dtype(np.uint8) if tags.photometric == PALETTE and not numbers else dtype


def page_shape(tags: TiffTags, *, numbers: bool = False) -> tuple[int, ...]:
    """Shape of the array that `read_page` returns."""
    size = (tags.height, tags.width)
    size = size[::-1] if is_turned(tags.orientation) else size
    if is_picture(tags) or (tags.photometric == PALETTE and not numbers):
        return (*size, 3)
    return (*size, tags.samples) if tags.samples > 1 else size


def page_type(tags: TiffTags, *, numbers: bool = False) -> np.dtype[Any]:
    """Type of the array that `read_page` returns."""
    if is_picture(tags) or (tags.photometric == PALETTE and not numbers):
        return np.dtype(np.uint8)
    if tags.bits == 1:
        return np.dtype(bool)
    kind = {SIGNED: "i", FLOAT: "f"}.get(tags.sample_format, "u")
    width = next((n for n in (1, 2, 4, 8) if tags.bits <= n * BYTE), 8)
    return np.dtype(f"{kind}{max(width, 2) if kind == 'f' else width}")


def inverted(array: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    """Invert numbers of which 0 is white, so that 0 is black."""
    if array.dtype.kind == "f":
        return np.asarray(1 - array)
    if array.dtype.kind in "bi":
        return np.asarray(~array)
    return np.asarray(array.dtype.type(2**bits - 1) - array)


def _in_palette(array: npt.NDArray[Any], tags: TiffTags) -> npt.NDArray[np.uint8]:
    if tags.colormap is None:
        raise ImageError("it has no colour map, which its numbers refer to")
    # Some programs write 8-bit values into the 16-bit colour map.
    colors = tags.colormap if tags.colormap.max() <= 255 else tags.colormap >> BYTE  # noqa: PLR2004
    table = np.zeros((max(2**tags.bits, colors.shape[1]), 3), np.uint8)
    table[: colors.shape[1]] = colors.T
    return np.asarray(table[array.astype(np.intp)])


def _as_bytes(array: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    most = 2**bits - 1
    table = (np.arange(most + 1) * 255 + most // 2) // most
    return np.asarray(table.astype(np.uint8)[array])


def read_page(
    file: ImageFile, index: int, tags: TiffTags, *, numbers: bool = False
) -> npt.NDArray[Any]:
    """Read a page without tifffile, (H, W) or (H, W, C), converted as by `finished`.

    Raises
    ------
    ImageError
        If neither Pillow nor OpenCV can read all its bits.
    """
    reader = _by_pillow if _suits_pillow(tags) else _by_opencv
    try:
        found = reader(file, index, tags, numbers=numbers)
        if found is None and reader is _by_pillow:
            found = _by_opencv(file, index, tags, numbers=numbers)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ImageError(_unreadable(file, tags)) from error
    if found is None:
        raise ImageError(_unreadable(file, tags))
    return found


def _suits_pillow(tags: TiffTags) -> bool:
    """Whether Pillow preserves the bits and their order."""
    return tags.bits <= BYTE or tags.bits == 12 or is_picture(tags)  # noqa: PLR2004


def _unreadable(file: ImageFile, tags: TiffTags) -> str:
    if is_picture(tags):
        return f"{file} is broken, or of a kind that Pillow cannot read: convert it to RGB first"
    return f"{file} is broken, or cannot be read without another package: {INSTALL}"


def _by_pillow(
    file: ImageFile, index: int, tags: TiffTags, *, numbers: bool
) -> npt.NDArray[Any] | None:
    """Read by Pillow, which applies the orientation; None if it would lose bits or channels."""
    in_planes = tags.planar == SEPARATE and tags.samples > 1
    if in_planes and (tags.bits > BYTE or tags.samples == 2):  # noqa: PLR2004
        return None  # of which it makes wrong colours
    with opened(file, ["TIFF"]) as image:
        image.seek(index)
        if _has_wrong_colors(tags):
            return None
        if is_picture(tags):
            return managed(image, tags.profile)[0]
        if len(image.getbands()) != tags.samples or (tags.bits > BYTE and tags.samples > 1):
            return None
        return _interpreted(np.asarray(image), tags, numbers=numbers)


def _has_wrong_colors(tags: TiffTags) -> bool:
    """Whether Pillow makes wrong colours of a page: 12 and older, of YCbCr outside of JPEG."""
    is_plain = tags.photometric == YCBCR and tags.compression not in (OLD_JPEG, JPEG)
    return is_plain and int(PIL.__version__.partition(".")[0]) < YCBCR_SINCE


def _interpreted(found: npt.NDArray[Any], tags: TiffTags, *, numbers: bool) -> npt.NDArray[Any]:
    """Undo Pillow's conversions of a page: orientation, inversion, and scaling to 8 bits."""
    if tags.photometric == PALETTE:
        return found if numbers else _in_palette(found, tags)
    if numbers and 1 < tags.bits < BYTE:
        return np.asarray(found // (255 // (2**tags.bits - 1)))
    if tags.bands.premultiplied and found.shape[-1] == RGBA:
        return _multiplied(found)
    return found.view(np.int8) if page_type(tags) == np.int8 else found


def _multiplied(rgba: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Undo Pillow's division of the colours by their transparency."""
    color = rgba[..., :3] * (rgba[..., 3:] / 255)
    return np.dstack([np.rint(color).astype(np.uint8), rgba[..., 3:]])


def _by_opencv(
    file: ImageFile, index: int, tags: TiffTags, *, numbers: bool
) -> npt.NDArray[Any] | None:
    """Read by OpenCV; None unless the page is of a kind that it reads without changing numbers."""
    if not _suits_opencv(tags):
        return None
    found = deep.decode(file.read(), index)
    if found is None or (found.shape[2] if found.ndim > 2 else 1) != tags.samples:  # noqa: PLR2004
        return None
    if found.dtype != page_type(tags):
        return None
    # OpenCV applies the orientation itself.
    return finished(found, "YXS"[: found.ndim], replace(tags, orientation=1), numbers=numbers)


def _suits_opencv(tags: TiffTags) -> bool:
    bits = (32, 64) if tags.sample_format == FLOAT else (8, 16, 32)
    kinds = (UNSIGNED, SIGNED, FLOAT)
    known = tags.bits in bits and tags.sample_format in kinds
    if tags.bits == BYTE and (tags.orientation != 1 or tags.photometric != RGB):
        return False  # these it turns or inverts, or not, as it pleases
    if tags.photometric == RGB:
        return known and tags.samples in (3, 4) and tags.planar != SEPARATE
    return known and tags.samples == 1 and tags.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
