"""YOLO segmentation labels: a text file an image, a line an object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2_widget.errors import AnnotationError
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill, joined, outline, rings
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ResultLike,
    class_names,
    label_of,
)
from sam2_widget.files import (
    Source,
    Target,
    check_free,
    decoded,
    name_of,
    read_bytes,
    write_bytes,
)

DIGITS = 9
"""Decimals of a coordinate, as a fraction of the image: exact to a thousandth of a pixel."""


def write_yolo(
    result: ResultLike,
    target: Target,
    *,
    classes: Sequence[str] | None = None,
    data: str | Path | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write a YOLO segmentation label file.

    A line is ``class x y x y …``, in fractions of the image's width and height. YOLO has one ring
    for an object: holes and further parts are joined to it by lines of no width, and a
    `LossWarning` says so. Empty masks cannot be written.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
        Usually of the image's name, with ``.txt``.
    classes : sequence of str, optional
        The classes in their order, numbered from 0; labels that are missing are appended.
    data : path, optional
        Where to write a ``data.yaml`` with the names of the classes, which the labels need.
    tolerance : float
        How far polygons may be off, in image pixels, to have fewer vertices.
    overwrite : bool
        Whether files that are there already may be replaced.
    """
    names = class_names(result, classes)
    if data is not None:
        check_free(Path(data), overwrite=overwrite)
    parts = [rings(outline(found.crop, tolerance=tolerance)) for found in result.objects]
    lines = [
        _line(names.index(label_of(found)), joined([ring for part in one for ring in part]), result)
        for found, one in zip(result.objects, parts, strict=True)
        if one
    ]
    _warn(parts)
    write_bytes(target, "".join(lines).encode(), overwrite=overwrite)
    if data is not None:
        # JSON is YAML, and quotes what YAML would misread.
        text = f"names: {json.dumps(list(names), ensure_ascii=False)}\nnc: {len(names)}\n"
        write_bytes(data, text.encode(), overwrite=overwrite)


def _line(number: int, ring: Ring, result: ResultLike) -> str:
    fractions = ring / (result.size[1], result.size[0])
    return " ".join([str(number), *(f"{v:.{DIGITS}g}" for v in fractions.ravel())]) + "\n"


def _warn(parts: list[list[list[Ring]]]) -> None:
    extra = sum(sum(map(len, one)) - 1 for one in parts if one)
    if extra:
        warn_loss(
            f"YOLO has one outline for an object: {extra} holes and parts were joined to it by "
            "lines of no width. Programs that paint outlines show these lines."
        )
    empty = sum(not one for one in parts)
    if empty:
        warn_loss(f"YOLO cannot hold an empty mask: {empty} were left out.")


def read_yolo(
    source: Source,
    *,
    size: tuple[int, int],
    classes: Sequence[str] | str | Path | None = None,
) -> LabeledMasks:
    """Read a YOLO label file of polygons; lines that are boxes are read as boxes.

    Parameters
    ----------
    source : path or file object
    size : (int, int)
        (height, width) of the image in pixels, which the file does not tell.
    classes : sequence of str or path, optional
        The names of the classes, or a ``data.yaml`` or ``classes.txt`` with them. Without them the
        labels are the classes' numbers.

    Raises
    ------
    AnnotationError
        If a line is no such label.
    """
    names = _names(classes)
    name, repairs = name_of(source), Repairs()
    checked = checked_size(size, None, name)
    text = decoded(lambda: read_bytes(source).decode("utf-8-sig"), name)
    objects = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            label, ring = _parsed(line, f"line {number} of {name}", names, repairs)
            crop = fill([[ring * (checked[1], checked[0])]], checked, repairs)
            objects.append(LabeledMask(crop, checked, label))
    repairs.warn(name)
    return LabeledMasks(tuple(objects), checked)


def _parsed(
    line: str, where: str, names: Sequence[str] | None, repairs: Repairs
) -> tuple[str, Ring]:
    try:
        number, *values = (float(word) for word in line.split())
    except ValueError as error:
        raise AnnotationError(f"{where} holds something else than numbers: {error}") from error
    if not number.is_integer() or number < 0 or len(values) % 2 or len(values) < 4:  # noqa: PLR2004
        raise AnnotationError(
            f"{where} is not 'class x y x y …': got class {number:g} and {len(values)} numbers"
        )
    index = int(number)
    if names is not None and index >= len(names):
        repairs.add(f"{where} is of class {index}, which has no name")
    label = names[index] if names is not None and index < len(names) else str(index)
    ring = np.array(values).reshape(-1, 2)
    return label, _box_ring(ring) if len(values) == 4 else ring  # noqa: PLR2004


def _box_ring(centre_and_size: Ring) -> Ring:
    centre, half = centre_and_size[0], centre_and_size[1] / 2
    return np.asarray(centre + half * [(-1, -1), (1, -1), (1, 1), (-1, 1)])


def _names(classes: Sequence[str] | str | Path | None) -> list[str] | None:
    if classes is None or not isinstance(classes, (str, Path)):
        return None if classes is None else [str(name) for name in classes]
    text = decoded(lambda: read_bytes(classes).decode("utf-8-sig"), name_of(classes))
    if Path(classes).suffix.lower() not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    return _yaml_names(text, name_of(classes))


def _yaml_names(text: str, name: str) -> list[str]:
    import yaml  # noqa: PLC0415

    value: Any = decoded(lambda: yaml.safe_load(text), name)
    names = value.get("names") if isinstance(value, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    # Aliases of YAML make lists of lists that, written out, fill the memory.
    if not isinstance(names, dict) or any(isinstance(n, (list, dict, set)) for n in names.values()):
        raise AnnotationError(f"{name} must have a list 'names' of texts, got {type(names)}")
    if not all(type(key) is int and 0 <= key < 10**5 for key in names):
        raise AnnotationError(f"the keys of 'names' in {name} must be numbers of classes")
    return [str(names.get(i, i)) for i in range(max(names, default=-1) + 1)]
