"""One PNG per object, in a folder or a ZIP file."""

from __future__ import annotations

import io
import json
import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sam2_widget._utils.files import Source, Target, decoded, name_of
from sam2_widget.errors import AnnotationError
from sam2_widget.export.folders import open_folder, write_files
from sam2_widget.export.label_map import LEGEND_KEY, labeled_mask, legend_of
from sam2_widget.export.mask_images import mask_of_image
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    crop_of,
    label_of,
)
from sam2_widget.images.formats import is_tiff_start
from sam2_widget.images.mask_files import tiff_mask, upright_size
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.pillow import opened

MAX_NAME = 60
"""Largest number of characters of a label in a file name."""


def write_pngs(result: ResultLike, target: Target, *, overwrite: bool = False) -> None:
    """Write a black and white PNG of the size of the image for each object.

    The files are named ``001_cat.png``, ``002_dog.png``, … from bottom to top. Nothing is lost: the
    label and score of an object are stored as text in its PNG.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
        A folder, which is created if it does not exist; or a ZIP file, if the target is a file
        object or its name ends with ``.zip``.
    overwrite : bool
        Whether existing files of these names may be replaced. Other files are never changed.
    """
    files = {
        _name(place, label_of(obj)): partial(_encoded, obj, result.size, entry)
        for place, (obj, entry) in enumerate(
            zip(result.objects, legend_of(result), strict=True), start=1
        )
    }
    write_files(target, files, overwrite=overwrite)


def _name(number: int, label: str) -> str:
    """A file name that every system accepts: letters of any language, digits, ``-`` and ``_``."""
    safe = re.sub(r"[^\w-]+", "_", label)[:MAX_NAME].strip("_")
    return f"{number:03d}_{safe or 'object'}.png"


def _encoded(obj: ObjectLike, size: tuple[int, int], entry: dict[str, Any]) -> bytes:
    mask = np.zeros(size, bool)
    obj.crop.paste(mask, value=True)
    info, file = PngInfo(), io.BytesIO()
    info.add_itxt(LEGEND_KEY, json.dumps(entry, ensure_ascii=False))
    Image.fromarray(mask).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def read_pngs(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read masks from the images in a folder or a ZIP file, one object per image, sorted by name.

    Pixels that are not black are inside. The label is the text in the file if this package wrote
    it, else the file name without a leading number.

    Raises
    ------
    AnnotationError
        If there are no images, one cannot be read, or their sizes differ.
    """
    objects: list[LabeledMask] = []
    budget = Budget(name_of(source))
    folder = open_folder(source)
    for name in filter(_is_image, folder.names()):
        data = folder.read(name)
        objects.append(decoded(partial(_read, data, name, size, budget), name))
        size = objects[0].size
    if size is None:
        raise AnnotationError(
            f"there are no images in {name_of(source)}: it must hold one for each object, as "
            f"{', '.join(_SUFFIXES)}"
        )
    return LabeledMasks(tuple(objects), size)


_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _read(data: bytes, name: str, size: tuple[int, int] | None, budget: Budget) -> LabeledMask:
    budget.charge_object()
    if is_tiff_start(data):
        mask, text = tiff_mask(data), None
        image_size = checked_size((mask.shape[0], mask.shape[1]), size, name)
        budget.charge_plane(mask.size)
    else:
        with opened(ImageFile("", data=data)) as image:
            image_size = checked_size(upright_size(image), size, name)
            budget.charge_plane(image_size[0] * image_size[1])
            mask, text = mask_of_image(image, name), image.info.get(LEGEND_KEY)
    crop = crop_of(mask)
    budget.charge_box(crop.pixels.size)
    return labeled_mask(crop, image_size, _entry(text, name))


def _entry(text: object, name: str) -> dict[str, Any]:
    try:
        entry = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        entry = None
    if isinstance(entry, dict):
        return entry
    return {"label": re.sub(r"^\d+[_ -]?", "", Path(name).stem) or None}
