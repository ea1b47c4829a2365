"""A PNG with the label map of each frame, in a folder or a zip file, as in DAVIS."""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget._utils.files import (
    Source,
    Target,
    check_free,
    decoded,
    name_of,
    write_bytes,
    writing,
)
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.folders import is_zip, make_folder, open_folder
from sam2_widget.export.label_map import from_label_map
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.tracks.frames import (
    FramesLike,
    LabeledFrames,
    flattened,
    gathered,
    in_order,
)
from sam2_widget.export.values import LabeledMask
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.pillow import opened

MAX_8_BIT: Final = 255
MAX_16_BIT: Final = 65535
BITS: Final = 8


def write_frame_pngs(frames: FramesLike, target: Target, *, overwrite: bool = False) -> None:
    """Write a label map for each frame, ``00000.png``, ``00001.png``, …, frame by frame.

    Each has 8 bits and a palette if its ids are at most 255, as in DAVIS and YouTube-VOS, else 16
    bits. Pixels that belong to several objects are given to the upper one, and a `LossWarning`
    states how many. Labels and scores are left out.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames. For frames without objects, empty maps are written.
    target : path or file object
        A folder, which is created if it is missing; or a zip file, if the name ends with ``.zip``
        or the target is a file object.
    overwrite : bool
        Whether existing files of these names may be replaced.

    Raises
    ------
    ExportError
        If frames are not in order, of different sizes, or an id is larger than 65535.
    """
    files = _files(frames)
    if is_zip(target) or hasattr(target, "write"):
        with writing(target, overwrite=overwrite) as file, zipfile.ZipFile(file, "w") as archive:
            for name, data in files:
                archive.writestr(name, data)
        return
    folder = Path(target)
    make_folder(folder)
    for there in folder.glob("[0-9]*.png"):  # before the first frame is computed
        check_free(there, overwrite=overwrite)
    for name, data in files:
        write_bytes(folder / name, data, overwrite=overwrite)


def _files(frames: FramesLike) -> Iterator[tuple[str, bytes]]:
    for number, _, label_map in flattened(in_order(frames)):
        yield f"{number:05d}.png", _encoded(number, label_map)


def _encoded(number: int, label_map: npt.NDArray[np.int32]) -> bytes:
    most = int(label_map.max(initial=0))
    if most > MAX_16_BIT:
        raise ExportError(f"the id {most} on frame {number} is larger than 65535: write a TIFF")
    if most > MAX_8_BIT:
        image = Image.fromarray(label_map.astype(np.uint16))
    else:
        image = Image.fromarray(label_map.astype(np.uint8), "P")
        image.putpalette(davis_palette().ravel().tolist())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def davis_palette() -> npt.NDArray[np.uint8]:
    """Colours of the ids 0 to 255, (256, 3) uint8, as DAVIS and Pascal VOC define them."""
    ids = np.arange(256)[:, None]
    channels = np.arange(3)
    colors = np.zeros((256, 3), int)
    for bit in range(BITS):
        colors |= ((ids >> (3 * bit + channels)) & 1) << (BITS - 1 - bit)
    return colors.astype(np.uint8)


def read_frame_pngs(source: Source, *, size: tuple[int, int] | None = None) -> LabeledFrames:
    """Read label maps of frames from a folder or a zip file; their names end with the number.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that frames must have.

    Raises
    ------
    AnnotationError
        If there are none, one cannot be read, a name has no number, or sizes differ.
    """
    found: dict[int, list[LabeledMask]] = defaultdict(list)
    folder, last = open_folder(source), -1
    for name in folder.names():
        path = PurePosixPath(name)
        if path.suffix.lower() != ".png" or path.name.startswith("."):
            continue
        number = _number(path.stem, name)
        data = folder.read(name)
        label_map = decoded(partial(_decoded, data), name)
        size = checked_size((label_map.shape[0], label_map.shape[1]), size, name)
        last = max(last, number)
        if masks := from_label_map(label_map, size=size, name=name):
            found[number].extend(masks)
    if size is None or last < 0:
        raise AnnotationError(f"there are no PNGs in {name_of(source)}")
    return gathered(found, size, length=last + 1)


def _number(stem: str, name: str) -> int:
    digits = re.search(r"([0-9]{1,9})$", stem)
    if digits is None:
        raise AnnotationError(f"{name} must end with the number of its frame, e.g. 00012.png")
    return int(digits[1])


def _decoded(data: bytes) -> npt.NDArray[np.int64]:
    with opened(ImageFile("", data=data), ["PNG"]) as image:
        checked_size((image.height, image.width), None, "its image")
        if image.mode not in ("P", "L", "1", "I", "I;16", "I;16B"):
            raise AnnotationError(f"it has colours (mode {image.mode}), and is no label map")
        return np.asarray(image).astype(np.int64)
