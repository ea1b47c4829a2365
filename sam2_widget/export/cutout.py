"""Cut-outs: the image's pixels inside masks, transparent elsewhere."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import LabeledMask, LabeledMasks, ResultLike, crop_of
from sam2_widget.files import Source, Target, decoded, name_of, read_bytes, write_bytes
from sam2_widget.predictor import UInt8Array


def cutout(
    result: ResultLike, image: UInt8Array, *, index: int | None = None, crop: bool = True
) -> UInt8Array:
    """The image where objects are, transparent elsewhere.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    image : (H, W, 3) uint8 ndarray
    index : int, optional
        Which object; all by default.
    crop : bool
        Whether to cut to the box around what is left.

    Returns
    -------
    (h, w, 4) uint8 ndarray
        RGBA; colour is 0 where it is transparent.
    """
    if image.shape != (*result.size, 3):
        raise ExportError(f"image must have the shape {(*result.size, 3)}, got {image.shape}")
    objects = result.objects if index is None else [result.objects[index]]
    mask = np.zeros(result.size, bool)
    for found in objects:
        found.crop.paste(mask, value=True)
    x0, y0, x1, y1 = crop_of(mask).bbox if crop else (0, 0, result.size[1], result.size[0])
    inside = mask[y0:y1, x0:x1, None]
    alpha = np.where(inside, np.uint8(255), np.uint8(0))
    return np.concatenate([image[y0:y1, x0:x1] * inside, alpha], axis=2)


def write_cutout(
    result: ResultLike,
    image: UInt8Array,
    target: Target,
    *,
    index: int | None = None,
    crop: bool = True,
    overwrite: bool = False,
) -> None:
    """Write what `cutout` returns as a PNG."""
    pixels = cutout(result, image, index=index, crop=crop)
    if not pixels.size:
        raise ExportError("there is nothing to cut out: the mask is empty")
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def read_cutout(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read one mask from the transparency of an image: what is more opaque than not is inside.

    Raises
    ------
    AnnotationError
        If the file is no image with transparency, or of another size than `size`, (height, width).
    """
    name = name_of(source)
    alpha = decoded(lambda: _alpha(read_bytes(source), size, name), name)
    found_size = (alpha.shape[0], alpha.shape[1])
    return LabeledMasks((LabeledMask(crop_of(alpha >= 128), found_size),), found_size)  # noqa: PLR2004


def _alpha(data: bytes, size: tuple[int, int] | None, name: str) -> npt.NDArray[Any]:
    with Image.open(io.BytesIO(data)) as image:
        checked_size((image.height, image.width), size, name)
        if not image.has_transparency_data:
            raise AnnotationError(f"{name} has no transparency: save the cut-out as RGBA")
        return np.asarray(image.convert("RGBA"))[..., 3]
