"""Reads masks and label maps from image files: their numbers, upright, with 0 as background."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget.images.opening import ImageFile
from sam2_widget.images.orientation import TAG, is_turned, upright
from sam2_widget.images.tiff_arrays import tiff_image

_FACTORS = {"L;2": 85, "L;4": 17}
"""Factor by which Pillow scales numbers of fewer than 8 bits, so that the largest is white."""


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of an image after its orientation is applied, without decoding pixels."""
    size = (image.height, image.width)
    # Pillow applies the orientation of TIFFs itself.
    if image.format == "TIFF" or "exif" not in image.info:
        return size
    return size[::-1] if is_turned(image.getexif().get(TAG, 1)) else size


def stored_numbers(image: Image.Image) -> npt.NDArray[Any]:
    """The numbers of an image that Pillow has opened: (H, W), or (H, W, C) for several channels.

    Indices of a palette are returned as such, and numbers of few bits are not scaled.
    """
    tiles = getattr(image, "tile", ())
    factor = _FACTORS.get(str(tiles[0].args), 1) if tiles else 1
    found = np.asarray(image)
    turned = 1 if image.format == "TIFF" else image.getexif().get(TAG, 1)
    return upright(found if factor == 1 else found // factor, turned)


def tiff_numbers(data: bytes) -> npt.NDArray[Any]:
    """The numbers of the first image of a TIFF, (N, H, W) of N planes or channels.

    Raises
    ------
    ImageError, or whatever a decoder raises
        If it cannot be read.
    """
    pixels, letters = _of_tiff(data, numbers=True, first=False)
    rest = [i for i, letter in enumerate(letters) if letter not in "YX"]
    pixels = pixels.transpose([*rest, letters.index("Y"), letters.index("X")])
    return np.asarray(pixels.reshape(-1, *pixels.shape[-2:]))


def tiff_mask(data: bytes) -> npt.NDArray[np.bool_]:
    """Pixels that are not 0 on the first page of a TIFF, (H, W) bool."""
    pixels, letters = _of_tiff(data, numbers=False, first=True)
    left = "".join(letter for letter in letters if letter in "YXS")
    planes = np.moveaxis(pixels, (left.index("Y"), left.index("X")), (0, 1))
    return np.asarray(planes.reshape(*planes.shape[:2], -1).any(axis=2))


def _of_tiff(data: bytes, *, numbers: bool, first: bool) -> tuple[npt.NDArray[Any], str]:
    """The numbers of all planes or only of the `first`, and the letters of the file's axes."""
    with_tifffile = find_spec("tifffile") is not None
    file = ImageFile("", data=data)
    with tiff_image(file, with_tifffile=with_tifffile, numbers=numbers) as found:
        index = tuple(
            0 if first and letter not in "YXS" else slice(None) for letter in found.letters
        )
        return np.asarray(found.array[index]), found.letters


def upright_tiff_size(page: Any) -> tuple[int, int]:
    """(height, width) of a page of tifffile after its orientation is applied."""
    orientation = page.tags.get(TAG)
    size = (int(page.imagelength), int(page.imagewidth))
    return size[::-1] if orientation is not None and is_turned(orientation.value) else size
