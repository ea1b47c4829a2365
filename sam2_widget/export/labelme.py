"""LabelMe JSON: editable polygons, and bitmaps for masks that a polygon cannot represent."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
from PIL import Image

from sam2_widget._utils.files import Source, Target, decoded, name_of, read_json, write_json
from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill, union
from sam2_widget.export.packed import pack
from sam2_widget.export.sheets import all_rings
from sam2_widget.export.sizes import Budget, check_bytes, checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    clip_to_image,
    crop_of,
    file_name_of,
    label_of,
    numbers_of,
    read_number,
    read_score,
)
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.pillow import opened
from sam2_widget.masks.logits import MaskCrop

VERSION = "5.5.0"
"""Version of LabelMe that this file format corresponds to."""

CROWD = "iscrowd"
"""Flag of shapes that stand for many objects, named as in COCO."""

Shapes: TypeAlias = Literal["auto", "polygons", "masks"]


def write_labelme(
    result: ResultLike,
    target: Target,
    *,
    shapes: Shapes = "auto",
    file_name: str | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write LabelMe JSON without the embedded image.

    The ``group_id`` of a shape is the number of its object: the polygons of one object share it.
    ``score`` is X-AnyLabeling's key, which LabelMe keeps; crowds have the flag ``iscrowd``.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    shapes : {"auto", "polygons", "masks"}
        LabelMe's polygons cannot have holes; its masks (since version 5.3) are exact, but have no
        vertices to edit. "auto" writes masks for objects with holes and polygons for others.
    file_name : str, optional
        Path of the image relative to the file; by default the file name of the result's image.
    tolerance : float
        Maximum deviation of simplified polygons, in image pixels; 0 keeps all vertices.
    overwrite : bool
        Whether an existing file may be replaced.
    """
    crops = [obj.crop for obj in result.objects]
    outlines = all_rings(crops if shapes != "masks" else [], tolerance=tolerance)
    written = [
        shape
        for number, obj, parts in zip_longest(numbers_of(result), result.objects, outlines)
        for shape in _shapes(obj, number, shapes, parts or [])
    ]
    _warn(result, shapes, outlines)
    value: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": written,
        "imagePath": file_name or file_name_of(result),
        "imageData": None,
        "imageHeight": result.size[0],
        "imageWidth": result.size[1],
    }
    write_json(target, value, overwrite=overwrite)


def _warn(result: ResultLike, shapes: Shapes, outlines: list[list[list[Ring]]]) -> None:
    empty = sum(not obj.crop.pixels.size for obj in result.objects)
    if empty:
        warn_loss(f"LabelMe cannot hold an empty mask: {empty} were left out.")
    if shapes == "polygons":
        holes = sum(len(part) - 1 for parts in outlines for part in parts)
        if holes:
            warn_loss(
                f"LabelMe's polygons cannot have holes: {holes} were filled. "
                "shapes='auto' or 'masks' keeps them."
            )


def _shapes(
    obj: ObjectLike, number: int, shapes: Shapes, parts: list[list[Ring]]
) -> list[dict[str, Any]]:
    if not obj.crop.pixels.size:
        return []
    if shapes == "masks" or (shapes == "auto" and any(len(part) > 1 for part in parts)):
        return [_mask_shape(obj, number)]
    return [_shape(obj, "polygon", part[0].tolist(), number) for part in parts]


def _shape(obj: ObjectLike, kind: str, points: list[Any], number: int) -> dict[str, Any]:
    shape = {
        "label": label_of(obj),
        "points": points,
        "group_id": number,
        "description": "" if obj.score is None else f"score {obj.score:.3f}",
        "shape_type": kind,
        "flags": {CROWD: True} if obj.crowd else {},
        "mask": None,
    }
    return shape if obj.score is None else {**shape, "score": float(obj.score)}


def _mask_shape(obj: ObjectLike, number: int) -> dict[str, Any]:
    """A bitmap in its bounding box; LabelMe's second corner is the last pixel, inclusive."""
    x0, y0, x1, y1 = obj.crop.bbox
    file = io.BytesIO()
    Image.fromarray(obj.crop.pixels).save(file, "PNG")
    shape = _shape(obj, "mask", [[x0, y0], [x1 - 1, y1 - 1]], number)
    return {**shape, "mask": base64.b64encode(file.getvalue()).decode("ascii")}


class _Shape(msgspec.Struct):
    label: str | int | float | None
    points: list[tuple[float, float]] | None = None
    group_id: Any = None
    shape_type: str | None = None
    mask: str | None = None
    score: Any = None
    description: Any = None
    flags: Any = None

    @property
    def kind(self) -> str:
        """The type of the shape, which old versions of LabelMe do not write."""
        return self.shape_type or ("polygon" if self.mask is None else "mask")

    @property
    def name(self) -> str | None:
        return None if self.label is None else str(self.label)

    @property
    def score_or_description(self) -> float | None:
        """The score; earlier versions of this package wrote it to the description only."""
        score = read_score(self.score)
        text = re.fullmatch(r"score ([01]\.[0-9]{3})", str(self.description))
        return float(text[1]) if score is None and text else score

    @property
    def crowd(self) -> bool:
        return isinstance(self.flags, dict) and self.flags.get(CROWD) is True


class _LabelMe(msgspec.Struct):
    shapes: list[_Shape]
    imageHeight: int | float | None = None  # noqa: N815 - as the file names it
    imageWidth: int | float | None = None  # noqa: N815


BYTES_A_SAMPLE = 4
"""Memory per sample while a PNG is decoded: two copies of up to 16 bits."""

POLYGONS = ("polygon", "rectangle", "rotation", "oriented_rectangle", "quadrilateral")
"""Shape types of LabelMe and X-AnyLabeling whose points are the corners of a polygon."""


def read_labelme(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read LabelMe JSON: polygons, masks, rectangles, rotated rectangles and circles.

    Shapes with the same ``group_id`` and label become one object. The ``group_id`` becomes its
    number if it is a positive integer and no shape with another label has it. Points and lines have
    no area: they are left out, and a `RepairWarning` lists them.

    Raises
    ------
    AnnotationError
        If the file is not LabelMe JSON, its image size differs from `size`, (height, width), or its
        masks would take too much memory.
    """
    file, name = read_json(source, _LabelMe), name_of(source)
    return decoded(lambda: _read(file, size, name), name)


def _read(file: _LabelMe, size: tuple[int, int] | None, name: str) -> LabeledMasks:
    repairs, budget = Repairs(), Budget(name)
    image_size = checked_size((file.imageHeight or 0, file.imageWidth or 0), size, name)
    groups: dict[Any, list[tuple[_Shape, MaskCrop]]] = {}
    for number, shape in enumerate(file.shapes):
        budget.charge_object()
        description = f"shape {number} ({shown(shape.label)})"
        crop = _read_shape(shape, image_size, description, repairs, budget)
        if crop is not None:
            is_single = shape.group_id is None or isinstance(shape.group_id, (list, dict))
            key = ("shape", number) if is_single else (shape.name, shape.group_id)
            groups.setdefault(key, []).append((shape, pack(crop)))
    objects = [_merged_group(group, image_size, budget) for group in groups.values()]
    repairs.warn(name)
    return LabeledMasks(_without_shared_numbers(objects), image_size)


def _merged_group(
    group: Sequence[tuple[_Shape, MaskCrop]], size: tuple[int, int], budget: Budget
) -> LabeledMask:
    """Merge the shapes of a group into one object with all their pixels and the last score."""
    shapes, crops = zip(*group, strict=True)
    scores = [score for shape in shapes if (score := shape.score_or_description) is not None]
    return LabeledMask(
        union(crops, budget),
        size,
        shapes[0].name,
        scores[-1] if scores else None,
        number=read_number(shapes[-1].group_id),
        crowd=any(shape.crowd for shape in shapes),
    )


def _without_shared_numbers(objects: list[LabeledMask]) -> tuple[LabeledMask, ...]:
    """Remove numbers that several objects have: a ``group_id`` shared by different labels."""
    count = Counter(obj.number for obj in objects)
    return tuple(replace(obj, number=None) if count[obj.number] > 1 else obj for obj in objects)


def _read_shape(
    shape: _Shape, size: tuple[int, int], description: str, repairs: Repairs, budget: Budget
) -> MaskCrop | None:
    points = np.array(shape.points or [], np.float64).reshape(-1, 2)
    try:
        if shape.kind == "mask":
            return _read_mask(shape.mask, points, size, repairs, budget)
        ring = _outline(shape.kind, points)
        if ring is not None:
            return fill([[ring]], size, repairs, budget)
    except AnnotationError as error:
        raise AnnotationError(f"{description}: {error}") from error
    repairs.add(
        f"{description} is a {shown(shape.shape_type)}, which has no area, and was left out"
    )
    return None


def _outline(kind: str, points: Ring) -> Ring | None:
    """The outline of a shape; None if it has no area, or not the points of its type."""
    match kind, len(points):
        case "rectangle", 2:
            return _rectangle(points)
        case "circle", 2:
            return _circle(points)
        case "polygon", _:
            return points
        case _, count if kind in POLYGONS and count > 2:  # noqa: PLR2004
            return points
    return None


def _rectangle(points: Ring) -> Ring:
    (x0, y0), (x1, y1) = points
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _circle(points: Ring) -> Ring:
    """A polygon with 128 vertices; the first point is the centre, the second on the circle."""
    radius = np.hypot(*(points[1] - points[0]))
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    return np.asarray(points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))


def _read_mask(
    encoded: str | None, points: Ring, size: tuple[int, int], repairs: Repairs, budget: Budget
) -> MaskCrop:
    if encoded is None or len(points) != 2 or not np.isfinite(points).all():  # noqa: PLR2004
        raise AnnotationError("a mask must have a box of two finite points and a PNG in base64")
    (x0, y0), (x1, y1) = np.rint(np.clip(points, -(2.0**31), 2.0**31)).astype(int).tolist()
    pixels = decoded(lambda: _png_pixels(encoded, size, budget), "its PNG")
    if pixels.shape != (y1 - y0 + 1, x1 - x0 + 1):
        repairs.add(
            f"a mask of {pixels.shape[1]} x {pixels.shape[0]} pixels does not fit its box of "
            f"{x1 - x0 + 1} x {y1 - y0 + 1}; it was placed at the box's first corner"
        )
    whole = crop_of(pixels, x0, y0)
    inside = clip_to_image(whole, size)
    if inside.area < whole.area:
        repairs.add("a mask extends beyond the image and was clipped")
    return inside


def _png_pixels(encoded: str, size: tuple[int, int], budget: Budget) -> Any:
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise AnnotationError(f"its mask is not base64: {error}") from error
    with opened(ImageFile("", data=data), ["PNG"]) as image:
        count = image.width * image.height
        if count > min(4 * size[0] * size[1] + 4096, MAX_PIXELS):
            raise AnnotationError(
                f"its mask must not be far larger than the image of {size[1]} x {size[0]} pixels, "
                f"got {image.width} x {image.height}"
            )
        budget.charge_box(count)
        check_bytes(BYTES_A_SAMPLE * count * len(image.getbands()), "its mask")
        pixels = np.asarray(image.convert("RGB" if image.mode == "P" else image.mode))
    return pixels.reshape(*pixels.shape[:2], -1).any(axis=2)
