"""Pascal VOC: a folder with boxes as XML, and an object map and a class map as PNG."""

from __future__ import annotations

import io
from functools import partial
from pathlib import PurePath
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget._utils.files import NamedFile, Source, Target, decoded, name_of
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.folders import Folder, find_for_image, open_folder, write_files
from sam2_widget.export.label_map import from_label_map, read_map, warn_of_overlaps
from sam2_widget.export.notes import Repairs, import_optional, warn_loss
from sam2_widget.export.values import (
    UNLABELED,
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    categories_of,
    file_name_of,
    label_of,
    paint,
)
from sam2_widget.prompts.categories import ClassesLike

VOID = 255
"""Pixel value without an object; VOC's own maps have a border of it around each object."""

MAX_OBJECTS = 254

XML, OBJECTS, CLASSES = "Annotations", "SegmentationObject", "SegmentationClass"
"""VOC's names of its subfolders."""


def write_voc(
    result: ResultLike,
    target: Target,
    *,
    name: str | None = None,
    classes: ClassesLike | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``Annotations/name.xml``, and ``name.png`` in ``SegmentationObject`` and ``…Class``.

    The maps have 8 bits and VOC's palette: where objects overlap, the lower one loses these pixels,
    with a `LossWarning`. Empty masks are left out. Boxes count pixels from 1, as VOC does. Objects
    are numbered 1, 2, … in order: VOC keeps neither existing numbers nor scores.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
        A folder, which is created if it does not exist; or a ZIP file, if the target is a file
        object or its name ends with ``.zip``.
    name : str, optional
        Name of the image without its suffix; by default that of the image's file.
    classes : sequence of str, or mapping of str to int, optional
        The classes, numbered from 1 in this order, or a mapping from name to number; by default
        those of the result. Labels that are missing are appended.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    ExportError
        If there are more than 254 objects, or a number of a class is not within 1..254.
    """
    non_empty = LabeledMasks(
        tuple(
            LabeledMask(o.crop, result.size, o.label) for o in result.objects if o.crop.pixels.size
        ),
        result.size,
        categories_of(result, classes),
    )
    _check_and_warn(result, non_empty)
    numbers = _class_numbers(non_empty)
    stem = name or PurePath(file_name_of(result)).stem
    files = {
        f"{XML}/{stem}.xml": partial(_xml, non_empty, stem),
        f"{OBJECTS}/{stem}.png": partial(_png, paint(non_empty)),
        f"{CLASSES}/{stem}.png": partial(_png, paint(non_empty, numbers)),
    }
    write_files(target, files, overwrite=overwrite)


def _check_and_warn(result: ResultLike, non_empty: LabeledMasks) -> None:
    if len(non_empty) > MAX_OBJECTS:
        raise ExportError(
            f"VOC can hold {MAX_OBJECTS} objects, got {len(non_empty)}: write a TIFF or NPZ instead"
        )
    if len(non_empty) < len(result.objects):
        warn_loss(
            f"VOC cannot hold an empty mask: {len(result.objects) - len(non_empty)} were left out."
        )
    warn_of_overlaps(non_empty)


def _class_numbers(non_empty: LabeledMasks) -> list[int]:
    ids = non_empty.categories.numbers(first=1)
    numbers = [ids[label_of(obj)] for obj in non_empty]
    if any(not 0 < number < VOID for number in numbers):
        raise ExportError(
            f"VOC can hold class numbers from 1 to {VOID - 1}, got {sorted(set(numbers))}: "
            "pass classes= with the names in order"
        )
    return numbers


def _png(label_map: npt.NDArray[np.int32]) -> bytes:
    image = Image.fromarray(label_map.astype(np.uint8), "P")
    image.putpalette(voc_colors().ravel().tolist())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def voc_colors() -> npt.NDArray[np.uint8]:
    """VOC's palette, (256, 3): the bits of a number are assigned in turn to red, green and blue."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    padded = np.pad(bits, [(0, 0), (0, 1)]).reshape(256, 3, 3)
    # The lowest bits of the number become the highest bits of the colour.
    return np.asarray((padded * np.array([128, 64, 32])[:, None]).sum(axis=1), np.uint8)


def _xml(result: LabeledMasks, name: str) -> bytes:
    root = ET.Element("annotation")
    _text(root, "filename", f"{name}.jpg")
    size = ET.SubElement(root, "size")
    for key, value in zip(("width", "height", "depth"), (*result.size[::-1], 3), strict=True):
        _text(size, key, value)
    _text(root, "segmented", 1)
    for obj in result:
        _add_object(root, obj)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _add_object(root: ET.Element, obj: ObjectLike) -> None:
    node = ET.SubElement(root, "object")
    _text(node, "name", label_of(obj))
    _text(node, "pose", "Unspecified")
    _text(node, "truncated", 0)
    _text(node, "difficult", 0)
    x0, y0, x1, y1 = obj.crop.bbox
    box = ET.SubElement(node, "bndbox")
    for key, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
        _text(box, key, value)


def _text(parent: ET.Element, tag: str, value: object) -> None:
    # XML cannot represent most control characters.
    text = "".join(c for c in str(value) if c.isprintable())
    ET.SubElement(parent, tag).text = text


def is_voc(source: Source) -> bool:
    """Whether a folder or ZIP file has the subfolders of VOC."""
    folder = open_folder(source)
    return folder.has_folder(OBJECTS) and folder.has_folder(XML)


def read_voc(
    source: Source,
    *,
    name: str | None = None,
    image_name: str | None = None,
    size: tuple[int, int] | None = None,
) -> LabeledMasks:
    """Read objects from ``SegmentationObject/name.png``, and labels from ``Annotations/name.xml``.

    Parameters
    ----------
    source : path or file object
        A folder, or a ZIP file of a folder.
    name : str, optional
        Name, without suffix, of the image to read, if the folder has several.
    image_name : str, optional
        Name of the image that the masks are for; selects among several if `name` is not given.
    size : (int, int), optional
        Expected (height, width) of the image.

    Raises
    ------
    AnnotationError
        If a file is missing or broken or has another size, or several images are in the folder and
        none has that name.
    """
    folder = open_folder(source)
    stem = name or _choose_image(folder, image_name, name_of(source))
    xml, png = f"{XML}/{stem}.xml", f"{OBJECTS}/{stem}.png"
    labels = decoded(lambda: _labels(folder.read(xml)), repr(xml))
    label_map, _ = read_map(NamedFile(folder.read(png), png), size=size)
    label_map = np.where(label_map == VOID, 0, label_map)
    repairs = Repairs()
    if label_map.max(initial=0) > len(labels):
        repairs.add(
            f"the map has objects up to {label_map.max()}, but the XML describes {len(labels)}"
        )
    repairs.warn(repr(xml))
    legend = [{"label": label} for label in labels]
    return from_label_map(label_map, legend=legend, size=size, name=repr(xml))


def _choose_image(folder: Folder, image_name: str | None, source: str) -> str:
    """Name, without suffix, of the image with the name `image_name`, or of the only image."""
    names = folder.names(OBJECTS)
    found = find_for_image(names, image_name)
    if found is not None:
        return PurePath(found).stem
    stems = [PurePath(name).stem for name in names]
    raise AnnotationError(
        f"{source} has {len(stems)} images, {shown(stems)}: pass name= of one of them"
    )


def _labels(data: bytes) -> list[str]:
    # defusedxml: with the standard library, entities in an untrusted file may expand to gigabytes.
    root: Any = import_optional("defusedxml.ElementTree", "defusedxml").fromstring(data)
    if root.tag != "annotation":
        raise AnnotationError(
            f"the XML must be a VOC file with the root element 'annotation', got {root.tag!r}"
        )
    return [node.findtext("name") or UNLABELED for node in root.iter("object")]
