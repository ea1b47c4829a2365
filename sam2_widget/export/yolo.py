"""YOLO segmentation labels: one text file per image, one line per object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

from sam2_widget._utils.files import (
    NamedFile,
    Source,
    Target,
    check_free,
    decoded,
    name_of,
    read_bytes,
    write_bytes,
)
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.bridges import join_rings
from sam2_widget.export.folders import (
    Files,
    Folder,
    find_for_image,
    is_folder_or_zip,
    is_zip,
    open_folder,
    write_files,
)
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill
from sam2_widget.export.sheets import all_rings
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ResultLike,
    categories_of,
    file_name_of,
    label_of,
)
from sam2_widget.export.yolo_classes import MAX_CLASSES, ClassNames, class_names
from sam2_widget.export.yolo_lines import Line, parsed_lines
from sam2_widget.prompts.categories import Categories, ClassesLike

DIGITS = 9
"""Significant digits of a coordinate in fractions of the image: exact to 0.001 pixels."""


def write_yolo(
    result: ResultLike,
    target: Target,
    *,
    classes: ClassesLike | None = None,
    data: str | Path | None = None,
    name: str | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write a YOLO segmentation label file.

    A line is ``class x y x y …``, in fractions of the width and height of the image. YOLO has one
    ring per object: holes and further parts are joined to it by zero-width bridges, with a
    `LossWarning`. Empty masks are left out. YOLO keeps the order of the objects, but neither their
    numbers nor their scores.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
        Usually the name of the image with the suffix ``.txt``. With ``.zip``, a ZIP file with
        ``labels/name.txt`` and ``data.yaml`` is written.
    classes : sequence of str, or mapping of str to int, optional
        The classes, numbered from 0 in this order, or a mapping from name to number; by default
        those of the result. Labels that are missing are appended.
    data : path, optional
        Where to write a ``data.yaml`` with the class names; label files have numbers only.
    name : str, optional
        Name of the label file in a ZIP file, without suffix; by default that of the image.
    tolerance : float
        Maximum deviation of simplified polygons, in image pixels; 0 keeps all vertices.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    ExportError
        If a number of a class is too large for a ``data.yaml``.
    """
    categories = categories_of(result, classes)
    ids = categories.numbers(first=0)
    names = data_yaml(categories) if data is not None else b""
    if data is not None:
        check_free(Path(data), overwrite=overwrite)
    outlines = all_rings([obj.crop for obj in result.objects], tolerance=tolerance)
    lines = [
        _format_line(
            ids[label_of(obj)], join_rings([ring for part in outline for ring in part]), result
        )
        for obj, outline in zip(result.objects, outlines, strict=True)
        if outline
    ]
    _warn(outlines)
    labels = "".join(lines).encode()
    if is_zip(target):
        stem = name or PurePath(file_name_of(result)).stem
        _write_zip(target, labels, categories, stem, overwrite=overwrite)
    else:
        write_bytes(target, labels, overwrite=overwrite)
    if data is not None:
        write_bytes(data, names, overwrite=overwrite)


LABELS, YAML = "labels", "data.yaml"
"""Names in a YOLO data set: the folder with the label files, and the file with the class names."""


def _write_zip(
    target: Target, labels: bytes, categories: Categories, name: str, *, overwrite: bool
) -> None:
    """Write a ZIP file with ``labels/name.txt`` and ``data.yaml``."""
    files: Files = {f"{LABELS}/{name}.txt": lambda: labels, YAML: partial(data_yaml, categories)}
    write_files(target, files, overwrite=overwrite)


def data_yaml(categories: Categories) -> bytes:
    """Content of a ``data.yaml``; trainers require a name for every number from 0."""
    if max(categories.ids or (), default=0) >= MAX_CLASSES:
        raise ExportError(
            f"YOLO numbers classes from 0 without gaps, got the number {max(categories.ids or ())}:"
            " pass classes= with the names in order"
        )
    names = categories.names_from_zero()
    # JSON is valid YAML, and quotes names that YAML would read as other types.
    return f"names: {json.dumps(names, ensure_ascii=False)}\nnc: {len(names)}\n".encode()


def _format_line(number: int, ring: Ring, result: ResultLike) -> str:
    fractions = ring / (result.size[1], result.size[0])
    return " ".join([str(number), *(f"{v:.{DIGITS}g}" for v in fractions.ravel())]) + "\n"


def _warn(outlines: list[list[list[Ring]]]) -> None:
    joined = sum(sum(map(len, outline)) - 1 for outline in outlines if outline)
    if joined:
        warn_loss(
            f"YOLO has one outline per object: {joined} holes and parts were joined to it by "
            "zero-width bridges. Programs that draw outlines show these lines."
        )
    empty = sum(not outline for outline in outlines)
    if empty:
        warn_loss(f"YOLO cannot hold an empty mask: {empty} were left out.")


def is_yolo(source: Source) -> bool:
    """Whether a folder or ZIP file has label files and a ``data.yaml``."""
    folder = open_folder(source)
    return folder.has_folder(LABELS) and YAML in folder.names()


def read_yolo(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    image_name: str | None = None,
    classes: ClassNames | None = None,
) -> LabeledMasks:
    """Read a YOLO label file with polygons; lines with boxes become rectangles.

    Lines of predictions end with a confidence, which becomes the score, or a track id, which is
    ignored, or both.

    Parameters
    ----------
    source : path or file object
        A label file; or a folder or ZIP file with ``labels`` and ``data.yaml``.
    size : (int, int)
        (height, width) of the image in pixels; required, because the file does not contain it.
    image_name : str, optional
        Name of the image that the masks are for; selects among several label files.
    classes : sequence of str or path, optional
        The names of the classes, or a ``data.yaml`` or ``classes.txt`` with them. Without names,
        the labels are the class numbers.

    Raises
    ------
    AnnotationError
        If a line is not a valid label, or `size` is not given.
    """
    name = name_of(source)
    if size is None:
        raise AnnotationError(
            f"YOLO labels do not contain the image size: pass size=(height, width) for {name}"
        )
    checked = checked_size(size, None, name)
    if is_folder_or_zip(source):
        source, yaml = _label_file(open_folder(source), image_name, name)
        classes = yaml if classes is None else classes
        name = name_of(source)
    names = class_names(classes)
    text = decoded(lambda: read_bytes(source).decode("utf-8-sig"), name)
    return decoded(lambda: _read(parsed_lines(text, name), checked, names, name), name)


def _label_file(
    folder: Folder, image_name: str | None, source: str
) -> tuple[NamedFile, NamedFile | None]:
    """The label file of the image `image_name`, or the only one, and the ``data.yaml`` if any."""
    names = folder.names(LABELS)
    name = find_for_image(names, image_name)
    if name is None:
        stems = [PurePath(name).stem for name in names]
        raise AnnotationError(
            f"{source} has labels of {len(stems)} images, {shown(stems)}, but none for "
            f"{PurePath(image_name or '').stem!r}: pass the label file of the image instead"
        )
    yaml = NamedFile(folder.read(YAML), YAML) if YAML in folder.names() else None
    return NamedFile(folder.read(name), name), yaml


def _read(
    lines: Sequence[Line], size: tuple[int, int], names: Sequence[str] | None, name: str
) -> LabeledMasks:
    repairs, budget = Repairs(), Budget(name)
    objects = []
    for line in lines:
        budget.charge_object()
        label = _label(line, names, repairs)
        crop = fill([[line.ring * (size[1], size[0])]], size, repairs, budget)
        objects.append(LabeledMask(crop, size, label, line.score))
    repairs.warn(name)
    return LabeledMasks(tuple(objects), size, _categories(names or [], objects))


def _categories(names: Sequence[str], objects: Sequence[LabeledMask]) -> Categories:
    """Classes by number; a class without a name is included if used, with its number as name."""
    used = {obj.label for obj in objects if obj.label is not None}
    named = {i: name for i, name in enumerate(names) if name != str(i) or name in used}
    unnamed = {int(label): label for label in used - set(names)}
    return Categories.from_ids({**named, **unnamed}, first=0)


def _label(line: Line, names: Sequence[str] | None, repairs: Repairs) -> str:
    if names is not None and line.number < len(names):
        return names[line.number]
    if names is not None:
        repairs.add(f"{line.location} has the class {line.number}, which has no name")
    return str(line.number)


def read_class_names(source: str | Path) -> Categories:
    """Read classes from a ``data.yaml``, or a text file with one name per line; numbered from 0."""
    return _categories(class_names(source) or [], ())
