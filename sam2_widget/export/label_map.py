"""Label maps as PNG: one number per pixel, with a palette of the objects' colours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sam2_widget._utils.files import Source, Target, decoded, name_of, read_bytes, write_bytes
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.mask_images import label_values
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.sizes import MAX_OBJECTS, Budget, checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    categories_of,
    crop_of,
    label_of,
    numbers_of,
    paint,
    read_color,
    read_number,
    read_score,
    rgb_of,
)
from sam2_widget.images.mask_files import upright_size
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.pillow import opened
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.categories import Categories, ClassesLike

Values: TypeAlias = Literal["objects", "classes"]

LEGEND_KEY = "sam2-widget"
"""Key of the PNG text or TIFF entry with the legend: what each number of the map means."""

MAX_8_BIT, MAX_16_BIT = 255, 65535


def write_png(
    result: ResultLike,
    target: Target,
    *,
    values: Values = "objects",
    classes: ClassesLike | None = None,
    overwrite: bool = False,
) -> None:
    """Write a label map as PNG.

    The PNG has 8 bits with a palette of the objects' colours, or 16 bits without a palette if
    numbers exceed 255. 0 is background. Later objects lie on top: where objects overlap, the lower
    one loses these pixels, with a `LossWarning`. Labels and scores are stored as text in the PNG.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    values : {"objects", "classes"}
        Whether pixels have the number of their object (1, 2, … unless objects already have
        numbers) or of its class; with classes, objects of the same class cannot be distinguished.
    classes : sequence of str, or mapping of str to int, optional
        The classes, numbered from 1 in this order, or a mapping from name to number; by default
        those of the result. Labels that are missing are appended.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If there are more than 65,535 objects, or a number of a class does not fit.
    """
    label_map, legend = numbered_map(result, values, classes, max_number=MAX_16_BIT)
    file = io.BytesIO()
    info = PngInfo()
    info.add_itxt(LEGEND_KEY, json.dumps(legend, ensure_ascii=False))
    map_image(label_map, legend).save(file, "PNG", pnginfo=info)
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def numbered_map(
    result: ResultLike, values: Values, classes: ClassesLike | None, *, max_number: int
) -> tuple[npt.NDArray[np.int32], list[dict[str, Any]]]:
    """Paint the label map, (H, W) int32 with values up to `max_number`, and make its legend."""
    if len(result.objects) > MAX_16_BIT:
        raise ExportError(
            f"a label map can hold {MAX_16_BIT} objects, got {len(result.objects)}: write COCO or "
            "NPZ instead"
        )
    warn_of_overlaps(result)
    if values == "classes":
        return _class_map(result, categories_of(result, classes), max_number)
    numbers = numbers_of(result)
    legend = [
        {**entry, "number": number}
        for entry, number in zip(legend_of(result), numbers, strict=True)
    ]
    if max(numbers, default=0) <= max_number:
        return paint(result, numbers), legend
    warn_loss(
        f"this format can hold numbers up to {max_number}, got numbers up to {max(numbers)}: the "
        "pixels have the values 1, 2, … instead, and the text in the file has the numbers. "
        "to_tiff and to_npz keep them in the pixels."
    )
    places = range(1, len(numbers) + 1)
    return paint(result, places), [
        {**entry, "value": place} for place, entry in zip(places, legend, strict=True)
    ]


def _class_map(
    result: ResultLike, categories: Categories, max_number: int
) -> tuple[npt.NDArray[np.int32], list[dict[str, Any]]]:
    ids = categories.numbers(first=1)
    numbers = [ids[label_of(obj)] for obj in result.objects]
    if any(not 0 < number <= max_number for number in ids.values()):
        raise ExportError(
            f"a class map can hold the numbers 1 to {max_number}, got {sorted(ids.values())}: 0 is "
            "the background; pass classes= with the names in order"
        )
    colors = {label_of(obj): obj.color for obj in reversed(result.objects)}
    legend = [
        {"label": name, "score": None, "color": colors.get(name), "number": number}
        for name, number in ids.items()
    ]
    return paint(result, numbers), legend


def warn_of_overlaps(*results: ResultLike) -> None:
    """Warn of pixels that belong to several objects; a label map keeps only the uppermost."""
    warn_of_shared(sum(map(shared_pixels, results)))


def warn_of_shared(count: int) -> None:
    """Warn of so many pixels that belong to several objects, if there are any."""
    if count:
        warn_loss(
            f"a label map holds one object per pixel: {count} pixels belong to several objects and "
            "got the number of the uppermost."
        )


def shared_pixels(result: ResultLike) -> int:
    """How many pixels belong to several objects."""
    count = np.zeros(result.size, np.uint16)
    for obj in result.objects:
        crop = obj.crop
        x0, y0, x1, y1 = crop.bbox
        count[y0:y1, x0:x1] += crop.pixels
    return int(np.count_nonzero(count > 1))


def map_image(label_map: npt.NDArray[np.int32], legend: Sequence[dict[str, Any]]) -> Image.Image:
    """Convert a label map to an image with 8 bits and a palette, or with 16 bits."""
    if max_value(legend) > MAX_8_BIT:
        return Image.fromarray(label_map.astype(np.uint16))
    image = Image.fromarray(label_map.astype(np.uint8), "P")
    image.putpalette(palette(legend).ravel().tolist())
    return image


def max_value(legend: Sequence[dict[str, Any]]) -> int:
    """The largest pixel value in a label map with this legend."""
    return max(map(_value, legend), default=0)


def _value(entry: dict[str, Any]) -> int:
    """The pixel value of an object: its number, unless the entry has another value."""
    value: int = entry.get("value", entry["number"])
    return value


def palette(legend: Sequence[dict[str, Any]]) -> npt.NDArray[np.uint8]:
    """R, G, B of each pixel value: black for the background, white for unknown colours."""
    colors = np.full((max_value(legend) + 1, 3), 255, np.uint8)
    colors[0] = 0
    for entry in legend:
        if color := entry["color"]:
            colors[_value(entry)] = rgb_of(color)
    return colors


def read_png(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    classes: Sequence[str] | None = None,
) -> LabeledMasks:
    """Read a label map: each number above 0 becomes an object with that number.

    Parameters
    ----------
    source : path or file object
        PNG or another lossless image format, with one channel or a palette.
    size : (int, int), optional
        Expected (height, width) of the image.
    classes : sequence of str, optional
        Labels of the numbers 1, 2, …; files written by this package have their own.

    Raises
    ------
    AnnotationError
        If the file is not such an image, or has another size.
    """
    name = name_of(source)
    label_map, text = read_map(source, size=size)
    legend = parse_legend(text)
    return from_label_map(label_map, legend=legend, classes=classes, size=size, name=name)


def read_map(
    source: Source, *, size: tuple[int, int] | None = None
) -> tuple[npt.NDArray[Any], object]:
    """The numbers of a label map, (H, W), and the text with its legend, or None."""
    name = name_of(source)
    return decoded(lambda: _decode(read_bytes(source), size, name), name)


def _decode(
    data: bytes, size: tuple[int, int] | None, name: str
) -> tuple[npt.NDArray[Any], object]:
    with opened(ImageFile("", data=data)) as image:
        checked_size(upright_size(image), size, name)
        if image.format == "JPEG":
            raise AnnotationError(
                f"{name} is a JPEG, whose compression changes the numbers of a label map: save it "
                "as PNG"
            )
        return label_values(image, name), image.info.get(LEGEND_KEY)


def parse_legend(text: object) -> list[dict[str, Any]]:
    """Parse the text of a legend; [] if it is not one."""
    try:
        legend = json.loads(text) if isinstance(text, str) else []
    except (ValueError, RecursionError):
        return []
    usable = isinstance(legend, list) and all(isinstance(entry, dict) for entry in legend)
    return legend if usable else []


def with_labels(
    legend: Sequence[dict[str, Any]], names: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The entries of a legend, with their labels replaced by `names` if these are given."""
    if names is None:
        return list(legend)
    pairs = zip_longest(legend, names[: MAX_16_BIT + 1])
    return [
        {**(entry or {}), **({} if name is None else {"label": str(name)})} for entry, name in pairs
    ]


def _entries_by_value(
    legend: Sequence[dict[str, Any]], names: Sequence[str] | None
) -> dict[int, dict[str, Any]]:
    """The legend entry of each pixel value, each with a number.

    An entry without a valid number gets its position in the legend, counted from 1. If several
    entries have the same pixel value, the first is used.
    """
    entries: dict[int, dict[str, Any]] = {}
    for place, entry in enumerate(legend, start=1):
        number = read_number(entry.get("number")) or place
        value = read_number(entry.get("value")) or number
        entries.setdefault(value, {**entry, "number": number})
    for value, name in enumerate(names or (), start=1):
        entries[value] = {"number": value, **entries.get(value, {}), "label": str(name)}
    return entries


def from_label_map(
    label_map: npt.NDArray[Any],
    *,
    legend: Sequence[dict[str, Any]] = (),
    classes: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    name: str = "the label map",
) -> LabeledMasks:
    """Convert a label map, (H, W) of integers, to objects: one for each number above 0.

    Objects in the legend come first, in its order, then others by ascending number.

    Raises
    ------
    AnnotationError
        If it has another shape, dtype or size, or more numbers than a file may have objects.
    """
    if label_map.ndim != 2 or label_map.dtype.kind not in "biu":  # noqa: PLR2004
        raise AnnotationError(
            f"{name} must be an array (H, W) of integers, got shape {label_map.shape} and "
            f"dtype {label_map.dtype}: for probabilities pass e.g. probabilities > 0.5"
        )
    image_size = checked_size(label_map.shape, size, name)
    if label_map.dtype == np.bool_:
        label_map = label_map.view(np.uint8)
    repairs = Repairs()
    if (below := int(label_map.min())) < 0:
        repairs.add(f"negative numbers (the lowest is {below}) were read as background")
    repairs.warn(name)
    boxes, budget = _boxes(label_map, name), Budget(name)
    for y0, y1, x0, x1 in boxes.values():
        budget.charge_box((y1 - y0) * (x1 - x0))
    # Numbers in the legend without pixels are empty masks, or masks that others cover.
    if len(legend) > MAX_OBJECTS:
        raise _too_many(name, "describes")
    entries = _entries_by_value(legend, classes)
    entries.update({n: {"number": n} for n in boxes if n not in entries})
    objects = tuple(
        _object(label_map, value, boxes.get(value), entry) for value, entry in entries.items()
    )
    return LabeledMasks(objects, image_size)


Box: TypeAlias = tuple[int, int, int, int]
"""(y0, y1, x0, x1) in pixels, upper ends exclusive."""


PIXELS_AT_ONCE = 1 << 21
"""Pixels processed at a time: each may be a run of its own, which takes about 70 bytes."""


def _boxes(label_map: npt.NDArray[Any], name: str) -> dict[int, Box]:
    """The bounding box of each number above 0, ascending; AnnotationError if there are too many."""
    rows = max(PIXELS_AT_ONCE // label_map.shape[1], 1)
    boxes: dict[int, Box] = {}
    for top in range(0, label_map.shape[0], rows):
        part = np.ascontiguousarray(label_map[top : top + rows])
        for number, box in _boxes_of_rows(part, top, name):
            boxes[number] = _enclosing_box(boxes[number], box) if number in boxes else box
        if len(boxes) > MAX_OBJECTS:
            raise _too_many(name, "has")
    return dict(sorted(boxes.items()))


def _enclosing_box(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def _too_many(name: str, verb: str) -> AnnotationError:
    return AnnotationError(
        f"{name} {verb} more than {MAX_OBJECTS} different numbers: pass a label map, not a "
        "photo or probabilities"
    )


def _boxes_of_rows(label_map: npt.NDArray[Any], top: int, name: str) -> Iterable[tuple[int, Box]]:
    """The bounding box of each number above 0 in some rows, computed from their horizontal runs."""
    width, flat = label_map.shape[1], label_map.ravel()
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    last = np.append(starts[1:], flat.size) - 1
    values = flat[starts]
    inside = np.flatnonzero(values > 0)
    order = inside[np.argsort(values[inside], kind="stable")]
    if not order.size:
        return ()
    (y0, x0), (y1, x1) = np.divmod(starts[order], width), np.divmod(last[order], width)
    # A run that continues in the next row spans the full width.
    x0, x1 = np.where(y0 < y1, 0, x0), np.where(y0 < y1, width - 1, x1)
    first = np.flatnonzero(np.append(True, np.diff(values[order]) != 0))
    if len(first) > MAX_OBJECTS:
        raise _too_many(name, "has")
    low = [np.minimum.reduceat(ends, first).tolist() for ends in (y0 + top, x0)]
    high = [(np.maximum.reduceat(ends, first) + 1).tolist() for ends in (y1 + top, x1)]
    boxes = zip(low[0], high[0], low[1], high[1], strict=True)
    return zip(values[order][first].tolist(), boxes, strict=True)


def _object(
    label_map: npt.NDArray[Any], number: int, box: Box | None, entry: dict[str, Any]
) -> LabeledMask:
    size = (label_map.shape[0], label_map.shape[1])
    if box is None:
        return labeled_mask(crop_of(np.zeros((0, 0), bool)), size, entry)
    y0, y1, x0, x1 = box
    return labeled_mask(MaskCrop(x0, y0, label_map[y0:y1, x0:x1] == number), size, entry)


def legend_of(result: ResultLike) -> list[dict[str, Any]]:
    """Label, score, colour and number of each object, as values for JSON."""
    return [_entry_of(obj) for obj in result.objects]


def _entry_of(obj: ObjectLike) -> dict[str, Any]:
    entry: dict[str, Any] = {"label": obj.label, "score": obj.score, "color": obj.color}
    if obj.number is not None:
        entry["number"] = obj.number
    return {**entry, "crowd": True} if obj.crowd else entry


def labeled_mask(crop: MaskCrop, size: tuple[int, int], entry: dict[str, Any]) -> LabeledMask:
    """A mask with the label, score, colour and number in an entry of an untrusted legend."""
    label = entry.get("label")
    return LabeledMask(
        crop,
        size,
        None if label is None else str(label),
        read_score(entry.get("score")),
        read_color(entry.get("color")),
        read_number(entry.get("number")),
        entry.get("crowd") is True,
    )
