"""A PNG for each object, in a folder or a zip file."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.label_map import KEY, described, legend_of
from sam2_widget.export.sizes import MAX_OBJECTS, checked_size
from sam2_widget.export.values import LabeledMask, LabeledMasks, ResultLike, crop_of, label_of
from sam2_widget.files import (
    MAX_BYTES,
    Source,
    Target,
    check_free,
    decoded,
    name_of,
    read_bytes,
    write_bytes,
)

MAX_NAME = 60
"""Characters of a label that go into the name of a file."""


def write_pngs(result: ResultLike, target: Target, *, overwrite: bool = False) -> None:
    """Write a black and white PNG of the image's size for each object, nothing lost.

    The files are named ``001_cat.png``, ``002_dog.png``, … from bottom to top; label and score are
    kept in a text of each.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
        A folder, which is made if it is missing; or a zip file, if the name ends so or the target
        is a file object.
    overwrite : bool
        Whether files of these names that are there already may be replaced. Others are left alone.
    """
    names = [_name(i, label_of(found)) for i, found in enumerate(result.objects, start=1)]
    if isinstance(target, (str, os.PathLike)) and Path(target).suffix.lower() != ".zip":
        folder = Path(target)
        for name in names:  # before the first is written
            check_free(folder / name, overwrite=overwrite)
        make_folder(folder)
        for name, data in zip(names, _encoded(result), strict=True):
            write_bytes(folder / name, data, overwrite=overwrite)
        return
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in zip(names, _encoded(result), strict=True):
            archive.writestr(name, data)
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"cannot make the folder {str(folder)!r}: {error.strerror}: choose another place"
        ) from error


def _name(number: int, label: str) -> str:
    """File name that every system takes: letters of any language, digits, ``-`` and ``_``."""
    safe = re.sub(r"[^\w-]+", "_", label)[:MAX_NAME].strip("_")
    return f"{number:03d}_{safe or 'object'}.png"


def _encoded(result: ResultLike) -> Iterable[bytes]:
    for found, entry in zip(result.objects, legend_of(result), strict=True):
        mask = np.zeros(result.size, bool)
        found.crop.paste(mask, value=True)
        info, file = PngInfo(), io.BytesIO()
        info.add_itxt(KEY, json.dumps(entry, ensure_ascii=False))
        Image.fromarray(mask).save(file, "PNG", pnginfo=info)
        yield file.getvalue()


def read_pngs(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read masks from the images in a folder or a zip file, one object each, ordered by name.

    What is not black is inside. The label is the file's own if this package wrote it, else its name
    without a leading number.

    Raises
    ------
    AnnotationError
        If there are none, one cannot be read, or their sizes differ.
    """
    objects: list[LabeledMask] = []
    for name, data in _files(source):
        if len(objects) == MAX_OBJECTS:
            raise AnnotationError(f"{name_of(source)} has more than {MAX_OBJECTS} images")
        objects.append(decoded(partial(_read, data, name, size), name))
        size = objects[0].size
    if size is None:
        raise AnnotationError(f"there are no images in {name_of(source)}")
    return LabeledMasks(tuple(objects), size)


_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")


def _files(source: Source) -> Iterable[tuple[str, bytes]]:
    if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
        for path in sorted(Path(source).iterdir()):
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
                yield path.name, read_bytes(path)
        return
    data = read_bytes(source)
    archive = decoded(lambda: zipfile.ZipFile(io.BytesIO(data)), name_of(source))
    left = MAX_BYTES
    for name in sorted(archive.namelist()):
        if Path(name).suffix.lower() in _SUFFIXES and not Path(name).name.startswith("."):
            image = decoded(partial(_unpacked, archive, name, left), f"{name} of the zip file")
            left -= len(image)
            yield name, image


def _unpacked(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member of a zip file, of which a few bytes may unpack to gigabytes."""
    with archive.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise AnnotationError(f"the zip file unpacks to more than {MAX_BYTES // 2**20} MiB")
    return data


def _read(data: bytes, name: str, size: tuple[int, int] | None) -> LabeledMask:
    with Image.open(io.BytesIO(data)) as image:
        found_size = checked_size((image.height, image.width), size, name)
        text = image.info.get(KEY)
        pixels: npt.NDArray[Any] = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    if image.mode in ("RGBA", "LA"):
        pixels = pixels[..., -1]
    inside = np.asarray(pixels.reshape(*found_size, -1).any(axis=2))
    return described(crop_of(inside), found_size, _entry(text, name))


def _entry(text: object, name: str) -> dict[str, Any]:
    try:
        entry = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        entry = None
    if isinstance(entry, dict):
        return entry
    return {"label": re.sub(r"^\d+[_ -]?", "", Path(name).stem) or None}
