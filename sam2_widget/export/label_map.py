"""Label maps as PNG: one number a pixel, in the colours of the objects."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ResultLike,
    class_names,
    crop_of,
    label_of,
    paint,
    read_score,
)
from sam2_widget.files import Source, Target, decoded, name_of, read_bytes, write_bytes
from sam2_widget.masks.logits import MaskCrop

Values: TypeAlias = Literal["objects", "classes"]

KEY = "sam2-widget"
"""Keyword of the text in a PNG, and of the entry in a TIFF, that names what the numbers mean."""

MAX_8_BIT, MAX_16_BIT = 255, 65535


def write_png(
    result: ResultLike,
    target: Target,
    *,
    values: Values = "objects",
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a label map as PNG.

    8 bits with a palette of the objects' colours; 16 bits without where there are more than 255
    objects. 0 is background, later objects lie on top: where objects overlap, the lower one loses
    these pixels, and a `LossWarning` says so. Labels and scores are kept in a text of the PNG.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    values : {"objects", "classes"}
        What the numbers are: 1, 2, … of the objects, or of their classes, in which case objects of
        one class become one.
    classes : sequence of str, optional
        The classes in their order, numbered from 1; labels that are missing are appended.
    overwrite : bool
        Whether a file that is there already may be replaced.
    """
    label_map, legend = numbered(result, values, classes)
    file = io.BytesIO()
    info = PngInfo()
    info.add_itxt(KEY, json.dumps(legend, ensure_ascii=False))
    picture(label_map, legend).save(file, "PNG", pnginfo=info)
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def numbered(
    result: ResultLike, values: Values, classes: Sequence[str] | None
) -> tuple[npt.NDArray[np.int32], list[dict[str, Any]]]:
    """The label map, (H, W) int32, and what its numbers mean, from 1 on."""
    warn_of_overlaps(result)
    if values == "classes":
        names = class_names(result, classes)
        numbers = [names.index(label_of(found)) + 1 for found in result.objects]
        colors = {label_of(found): found.color for found in reversed(result.objects)}
        legend = [{"label": n, "score": None, "color": colors.get(n)} for n in names]
        return paint(result, numbers), legend
    return paint(result), legend_of(result)


def warn_of_overlaps(result: ResultLike) -> None:
    """Tell how many pixels belong to several objects, of which a map can keep one only."""
    count = np.zeros(result.size, np.uint16)
    for found in result.objects:
        rows, columns = found.crop.pixels.shape
        count[found.crop.y : found.crop.y + rows, found.crop.x : found.crop.x + columns] += (
            found.crop.pixels
        )
    overlapping = int(np.count_nonzero(count > 1))
    if overlapping:
        warn_loss(
            f"a label map holds one object a pixel: {overlapping} pixels belong to several and "
            "were given to the uppermost."
        )


def picture(label_map: npt.NDArray[np.int32], legend: Sequence[dict[str, Any]]) -> Image.Image:
    """A label map as an image of 8 bits with a palette, or of 16 bits."""
    if len(legend) > MAX_16_BIT:
        raise ExportError(f"a label map can hold {MAX_16_BIT} objects, got {len(legend)}")
    if len(legend) > MAX_8_BIT:
        return Image.fromarray(label_map.astype(np.uint16))
    image = Image.fromarray(label_map.astype(np.uint8), "P")
    image.putpalette(palette([entry["color"] for entry in legend]))
    return image


def palette(colors: Sequence[str | None]) -> list[int]:
    """Flat list of R, G, B: black for the background, then `colors`, white for None."""
    found = [0, 0, 0]
    for color in colors:
        found += [int(color[i : i + 2], 16) for i in (1, 3, 5)] if color else [255, 255, 255]
    return found


def read_png(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> LabeledMasks:
    """Read a label map: each number but 0 is an object.

    Parameters
    ----------
    source : path or file object
        PNG or any other image without loss, of one channel or with a palette.
    size : (int, int), optional
        (height, width) that the image must have.
    classes : sequence of str, optional
        Labels of the numbers, from 1 on. Files of this package know them.

    Raises
    ------
    AnnotationError
        If the file is no such image, or of another size.
    """
    name = name_of(source)
    label_map, text = read_map(source, size=size)
    legend = parsed_legend(text, classes)
    return from_label_map(label_map, legend=legend, size=size, name=name)


def read_map(
    source: Source, *, size: tuple[int, int] | None = None
) -> tuple[npt.NDArray[Any], object]:
    """The numbers of a label map, (H, W), and the text that says what they mean, if any."""
    name = name_of(source)
    return decoded(lambda: _decode(read_bytes(source), size, name), name)


def _decode(
    data: bytes, size: tuple[int, int] | None, name: str
) -> tuple[npt.NDArray[Any], object]:
    with Image.open(io.BytesIO(data)) as image:
        checked_size((image.height, image.width), size, name)
        if image.format == "JPEG":
            raise AnnotationError(
                f"{name} is a JPEG, which changes the numbers of a label map: save it as PNG"
            )
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise AnnotationError(
                f"{name} is a picture of mode {image.mode}, not a label map: a label map has one "
                "channel or a palette"
            )
        return np.asarray(image), image.info.get(KEY)


def parsed_legend(text: object, classes: Sequence[str] | None) -> list[dict[str, Any]]:
    """What the numbers from 1 on mean, as far as it is known."""
    if classes is not None:
        return [{"label": str(name)} for name in classes]
    try:
        legend = json.loads(text) if isinstance(text, str) else []
    except (ValueError, RecursionError):
        return []
    usable = isinstance(legend, list) and all(isinstance(entry, dict) for entry in legend)
    return legend if usable else []


def from_label_map(
    label_map: npt.NDArray[Any],
    *,
    legend: Sequence[dict[str, Any]] = (),
    size: tuple[int, int] | None = None,
    name: str = "the label map",
) -> LabeledMasks:
    """Objects of a label map, (H, W) of whole numbers: one for each number above 0, in order.

    Raises
    ------
    AnnotationError
        If it is of another shape, type or size.
    """
    if label_map.ndim != 2 or label_map.dtype.kind not in "biu":  # noqa: PLR2004
        raise AnnotationError(
            f"{name} must be an array (H, W) of whole numbers, got shape {label_map.shape} and "
            f"dtype {label_map.dtype}: for probabilities pass e.g. probabilities > 0.5"
        )
    found_size = checked_size(label_map.shape, size, name)
    numbers = np.unique(label_map)
    repairs = Repairs()
    if numbers[0] < 0:
        repairs.add(f"numbers below 0 (from {numbers[0]}) were taken as background")
    repairs.warn(name)
    boxes = _boxes(label_map, numbers := numbers[numbers > 0])
    # Numbers that the legend knows and nobody has: empty masks, or such that others cover.
    known = range(1, len(legend) + 1)
    wanted = sorted({*numbers.tolist(), *known})
    objects = tuple(
        _object(label_map, n, boxes.get(n), legend[n - 1] if n <= len(legend) else {})
        for n in wanted
    )
    return LabeledMasks(objects, found_size)


def _boxes(
    label_map: npt.NDArray[Any], numbers: npt.NDArray[Any]
) -> dict[int, tuple[int, int, int, int]]:
    """y0, y1, x0, x1 of each number: one pass, however many there are."""
    if not numbers.size:
        return {}
    y, x = np.nonzero(label_map > 0)
    place = np.searchsorted(numbers, label_map[y, x])
    low = np.full((2, len(numbers)), max(label_map.shape), np.intp)
    high = np.zeros((2, len(numbers)), np.intp)
    for axis, values in enumerate((y, x)):
        np.minimum.at(low[axis], place, values)
        np.maximum.at(high[axis], place, values + 1)
    bounds = np.stack([low[0], high[0], low[1], high[1]], axis=1).tolist()
    return {n: (a, b, c, d) for n, (a, b, c, d) in zip(numbers.tolist(), bounds, strict=True)}


def _object(
    label_map: npt.NDArray[Any],
    number: int,
    box: tuple[int, int, int, int] | None,
    entry: dict[str, Any],
) -> LabeledMask:
    y0, y1, x0, x1 = box or (0, 0, 0, 0)
    crop = crop_of(label_map[y0:y1, x0:x1] == number, x0, y0)
    return described(crop, (label_map.shape[0], label_map.shape[1]), entry)


def legend_of(result: ResultLike) -> list[dict[str, Any]]:
    """What is told of each object beside its pixels."""
    return [{"label": o.label, "score": o.score, "color": o.color} for o in result.objects]


def described(crop: MaskCrop, size: tuple[int, int], entry: dict[str, Any]) -> LabeledMask:
    """A mask with what a legend, which anybody may have written, tells of it."""
    label, score, color = entry.get("label"), entry.get("score"), entry.get("color")
    is_color = isinstance(color, str) and re.fullmatch("#[0-9a-fA-F]{6}", color)
    return LabeledMask(
        crop,
        size,
        None if label is None else str(label),
        read_score(score),
        color if is_color else None,
    )
