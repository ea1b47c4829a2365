"""Masks and label maps in image files of any mode.

matplotlib and others save every image with an alpha channel. If it is opaque everywhere, the mask
is in the colours; if some pixels are transparent, the image is a cut-out and the rest is the mask.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.errors import AnnotationError
from sam2_widget.images.mask_files import stored_numbers

ONE_CHANNEL = ("1", "L", "P", "I", "I;16", "I;16B")

WITH_ALPHA = ("RGBA", "LA", "PA")


def is_cutout(image: Image.Image) -> bool:
    """Whether an image has an alpha channel that is not opaque everywhere."""
    return image.mode in WITH_ALPHA and image.getchannel("A").getextrema()[0] != 255  # noqa: PLR2004


def label_values(image: Image.Image, name: str) -> npt.NDArray[Any]:
    """The numbers of a label map, (H, W): the values of its only channel, or its grey values."""
    if image.mode in ONE_CHANNEL:
        return stored_numbers(image)
    if is_cutout(image):
        raise AnnotationError(
            f"{name} is partly transparent, so it is a cut-out and not a label map: "
            "read its mask with sam2_widget.export.cutout.read_cutout"
        )
    if image.mode in WITH_ALPHA:
        colors = _colors(image)
        if _is_grey(colors):
            return colors[..., 0]
    raise AnnotationError(
        f"{name} is a colour image of mode {image.mode}, not a label map: save the label map with "
        "one channel, a palette or grey values, e.g. plt.imsave(path, mask, cmap='gray')"
    )


def mask_of_image(image: Image.Image, name: str) -> BoolArray:
    """The mask in an image, (H, W) bool: pixels that are not transparent, or not black."""
    if is_cutout(image):
        return stored_numbers(image)[..., -1] > 0
    colors = _colors(image)
    mask = np.asarray(colors.any(axis=2))
    if mask.all() and not _is_grey(colors):
        raise AnnotationError(
            f"{name} is a colour image without black pixels, so its background is unknown: save "
            "the mask in black and white, e.g. plt.imsave(path, mask, cmap='gray')"
        )
    return mask


def _colors(image: Image.Image) -> npt.NDArray[Any]:
    """The channels without alpha, (H, W, C)."""
    pixels = stored_numbers(image.convert("RGB") if image.mode in ("P", "PA") else image)
    channels = pixels[..., :-1] if image.mode in ("RGBA", "LA") else pixels
    return channels.reshape(*channels.shape[:2], -1)


def _is_grey(colors: npt.NDArray[Any]) -> bool:
    return bool((colors == colors[..., :1]).all())
