"""Pascal VOC: a folder with boxes as XML and two maps, of the objects and of their classes."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.label_map import from_label_map, read_map, warn_of_overlaps
from sam2_widget.export.notes import Repairs, optional, warn_loss
from sam2_widget.export.pngs import make_folder
from sam2_widget.export.values import (
    UNLABELED,
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    class_names,
    label_of,
    paint,
)
from sam2_widget.files import check_free, decoded, read_bytes, write_bytes

VOID = 255
"""The number of pixels that belong to nothing: the rim of 5 pixels in VOC's own maps."""

MAX_OBJECTS = 254


def write_voc(
    result: ResultLike,
    target: str | os.PathLike[str],
    *,
    name: str = "image",
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``name`` as XML in ``Annotations`` and as PNG in ``SegmentationObject`` and ``…Class``.

    Maps of 8 bits in VOC's palette: where objects overlap, the lower one loses these pixels, and a
    `LossWarning` says so. Empty masks are left out. Boxes count pixels from 1, as VOC does.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path
        The folder, which is made if it is missing.
    name : str
        Name of the image without its suffix.
    classes : sequence of str, optional
        The classes in their order, numbered from 1; labels that are missing are appended.
    overwrite : bool
        Whether files that are there already may be replaced.
    """
    shown = LabeledMasks(
        tuple(
            LabeledMask(o.crop, result.size, o.label) for o in result.objects if o.crop.pixels.size
        ),
        result.size,
    )
    _warn(result, shown)
    names = class_names(shown, classes)
    numbers = [names.index(label_of(found)) + 1 for found in shown]
    files = {
        Path("Annotations", f"{name}.xml"): _xml(shown, name),
        Path("SegmentationObject", f"{name}.png"): _map(paint(shown)),
        Path("SegmentationClass", f"{name}.png"): _map(paint(shown, numbers)),
    }
    for path in files:  # before the first is written
        check_free(Path(target, path), overwrite=overwrite)
    for path, data in files.items():
        make_folder((Path(target, path)).parent)
        write_bytes(Path(target, path), data, overwrite=overwrite)


def _warn(result: ResultLike, shown: LabeledMasks) -> None:
    if len(shown) > MAX_OBJECTS:
        raise ExportError(
            f"VOC can hold {MAX_OBJECTS} objects, got {len(shown)}: write a TIFF or NPZ instead"
        )
    if len(shown) < len(result.objects):
        warn_loss(
            f"VOC cannot hold an empty mask: {len(result.objects) - len(shown)} were left out."
        )
    warn_of_overlaps(shown)


def _map(label_map: npt.NDArray[np.int32]) -> bytes:
    image = Image.fromarray(label_map.astype(np.uint8), "P")
    image.putpalette(voc_colors().ravel().tolist())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def voc_colors() -> npt.NDArray[np.uint8]:
    """VOC's palette, (256, 3): the bits of a number, dealt in turn to red, green and blue."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    padded = np.pad(bits, [(0, 0), (0, 1)]).reshape(256, 3, 3)
    # The lowest bits of the number are the highest of the colour.
    return np.asarray((padded * np.array([128, 64, 32])[:, None]).sum(axis=1), np.uint8)


def _xml(result: LabeledMasks, name: str) -> bytes:
    root = ET.Element("annotation")
    _text(root, "filename", f"{name}.jpg")
    size = ET.SubElement(root, "size")
    for key, value in zip(("width", "height", "depth"), (*result.size[::-1], 3), strict=True):
        _text(size, key, value)
    _text(root, "segmented", 1)
    for found in result:
        _add_object(root, found)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _add_object(root: ET.Element, found: ObjectLike) -> None:
    node = ET.SubElement(root, "object")
    _text(node, "name", label_of(found))
    _text(node, "pose", "Unspecified")
    _text(node, "truncated", 0)
    _text(node, "difficult", 0)
    x0, y0, x1, y1 = found.crop.bbox
    box = ET.SubElement(node, "bndbox")
    for key, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
        _text(box, key, value)


def _text(parent: ET.Element, tag: str, value: object) -> None:
    # XML has no way to write most control characters.
    text = "".join(c for c in str(value) if c.isprintable())
    ET.SubElement(parent, tag).text = text


def read_voc(
    source: str | os.PathLike[str], *, name: str = "image", size: tuple[int, int] | None = None
) -> LabeledMasks:
    """Read the objects of ``SegmentationObject/name.png``, their labels from ``Annotations``.

    Parameters
    ----------
    source : path
        The folder.
    name : str
        Name of the image without its suffix.
    size : (int, int), optional
        (height, width) that the image must have.

    Raises
    ------
    AnnotationError
        If a file is missing, broken, or of another size.
    """
    path = Path(source, "Annotations", f"{name}.xml")
    labels = decoded(lambda: _labels(read_bytes(path)), repr(str(path)))
    label_map, _ = read_map(Path(source, "SegmentationObject", f"{name}.png"), size=size)
    label_map = np.where(label_map == VOID, 0, label_map)
    repairs = Repairs()
    if label_map.max(initial=0) > len(labels):
        repairs.add(f"the map has objects up to {label_map.max()}, the XML {len(labels)} of them")
    repairs.warn(repr(str(path)))
    legend = [{"label": label} for label in labels]
    return from_label_map(label_map, legend=legend, size=size, name=repr(str(path)))


def _labels(data: bytes) -> list[str]:
    # Not the standard library's: what strangers write may unfold to gigabytes.
    root: Any = optional("defusedxml.ElementTree", "defusedxml").fromstring(data)
    if root.tag != "annotation":
        raise AnnotationError(f"the XML is no VOC annotation: its root is {root.tag!r}")
    return [node.findtext("name") or UNLABELED for node in root.iter("object")]
