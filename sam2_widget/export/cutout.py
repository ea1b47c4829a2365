"""Cut-outs: the image inside the masks, transparent elsewhere."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.files import (
    Source,
    Target,
    decoded,
    name_of,
    peek_bytes,
    read_bytes,
    write_bytes,
)
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.mask_images import is_cutout
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import LabeledMask, LabeledMasks, ResultLike, crop_of
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.pillow import opened


def cutout(
    result: ResultLike, image: UInt8Array, *, index: int | None = None, crop: bool = True
) -> UInt8Array:
    """The image inside the masks, transparent elsewhere.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    image : (H, W, 3) uint8 ndarray
    index : int, optional
        Index of the only object to cut out; by default all.
    crop : bool
        Whether to crop the result to the bounding box of the masks.

    Returns
    -------
    (h, w, 4) uint8 ndarray
        RGBA; R, G and B are 0 where it is transparent.
    """
    if image.shape != (*result.size, 3):
        raise ExportError(f"image must have the shape {(*result.size, 3)}, got {image.shape}")
    objects = result.objects if index is None else [result.objects[index]]
    mask = np.zeros(result.size, bool)
    for obj in objects:
        obj.crop.paste(mask, value=True)
    x0, y0, x1, y1 = crop_of(mask).bbox if crop else (0, 0, result.size[1], result.size[0])
    inside = mask[y0:y1, x0:x1, None]
    alpha = np.where(inside, np.uint8(255), np.uint8(0))
    return np.concatenate([image[y0:y1, x0:x1] * inside, alpha], axis=2)


def write_cutout(
    result: ResultLike,
    target: Target,
    *,
    image: UInt8Array | None = None,
    index: int | None = None,
    crop: bool = True,
    overwrite: bool = False,
) -> None:
    """Write what `cutout` returns as a PNG.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    image : (H, W, 3) uint8 ndarray, optional
        Pixels to cut out; by default the image of the result.
    index, crop
        See `cutout`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If neither the result nor `image` has pixels, or no pixel is inside a mask.
    """
    pixels = cutout(result, image_of(result, image), index=index, crop=crop)
    if not pixels.size:
        raise ExportError("there is nothing to cut out: the mask is empty")
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def image_of(result: ResultLike, image: UInt8Array | None = None) -> UInt8Array:
    """`image`, or the image of the result; ExportError if there is neither."""
    pixels: UInt8Array | None = getattr(result, "image", None) if image is None else image
    if pixels is None:
        raise ExportError("this result has no image: pass image=")
    return pixels


def is_cutout_file(source: Source) -> bool:
    """Whether an image is partly transparent; AnnotationError if it is not an image."""
    name = name_of(source)
    return decoded(lambda: _is_cutout(peek_bytes(source), name), name)


def _is_cutout(data: bytes, name: str) -> bool:
    with opened(ImageFile("", data=data)) as image:
        # Before its transparency is decoded: a small file can state any size.
        checked_size((image.height, image.width), None, name)
        return is_cutout(image)


def read_cutout(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read one mask from the alpha channel of an image: pixels of alpha 128 and above are inside.

    Raises
    ------
    AnnotationError
        If the file is not an image with transparency, or its size differs from `size`, (height,
        width).
    """
    name = name_of(source)
    alpha = decoded(lambda: _alpha(read_bytes(source), size, name), name)
    image_size = (alpha.shape[0], alpha.shape[1])
    return LabeledMasks((LabeledMask(crop_of(alpha >= 128), image_size),), image_size)  # noqa: PLR2004


def _alpha(data: bytes, size: tuple[int, int] | None, name: str) -> npt.NDArray[Any]:
    with opened(ImageFile("", data=data)) as image:
        checked_size((image.height, image.width), size, name)
        if not image.has_transparency_data:
            raise AnnotationError(f"{name} has no alpha channel: save the cut-out as RGBA")
        return np.asarray(image.convert("RGBA"))[..., 3]
