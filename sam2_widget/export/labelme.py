"""LabelMe JSON: polygons to be edited by hand, and bitmaps where a polygon would lose something."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
from PIL import Image

from sam2_widget.errors import AnnotationError
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill, outline, rings, union
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    clipped,
    crop_of,
    label_of,
)
from sam2_widget.files import Source, Target, decoded, name_of, read_json, write_json
from sam2_widget.masks.logits import MaskCrop

VERSION = "5.5.0"
"""Version of LabelMe whose form this is."""

Shapes: TypeAlias = Literal["auto", "polygons", "masks"]


def write_labelme(
    result: ResultLike,
    target: Target,
    *,
    shapes: Shapes = "auto",
    file_name: str = "image.jpg",
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write LabelMe JSON, without the image in it.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    shapes : {"auto", "polygons", "masks"}
        LabelMe's polygons have no holes, its masks (since version 5.3) are exact, but cannot be
        edited by their vertices. "auto" takes masks for objects with holes and polygons for others.
        Several polygons of one object share a ``group_id``.
    file_name : str
        Path of the image, relative to the file.
    tolerance : float
        How far polygons may be off, in image pixels, to have fewer vertices.
    overwrite : bool
        Whether a file that is there already may be replaced.
    """
    written = [
        shape
        for group, found in enumerate(result.objects, start=1)
        for shape in _shapes(found, group, shapes, tolerance)
    ]
    _warn(result, shapes)
    value: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": written,
        "imagePath": file_name,
        "imageData": None,
        "imageHeight": result.size[0],
        "imageWidth": result.size[1],
    }
    write_json(target, value, overwrite=overwrite)


def _warn(result: ResultLike, shapes: Shapes) -> None:
    empty = sum(not found.crop.pixels.size for found in result.objects)
    if empty:
        warn_loss(f"LabelMe cannot hold an empty mask: {empty} were left out.")
    if shapes == "polygons":
        holes = sum(len(part) - 1 for o in result.objects for part in rings(outline(o.crop)))
        if holes:
            warn_loss(
                f"LabelMe's polygons know no holes: {holes} were filled. "
                "shapes='auto' or 'masks' keeps them."
            )


def _shapes(
    found: ObjectLike, group: int, shapes: Shapes, tolerance: float
) -> list[dict[str, Any]]:
    if not found.crop.pixels.size:
        return []
    parts = rings(outline(found.crop, tolerance=tolerance)) if shapes != "masks" else []
    if shapes == "masks" or (shapes == "auto" and any(len(part) > 1 for part in parts)):
        return [_mask_shape(found)]
    group_id = group if len(parts) > 1 else None
    return [_shape(found, "polygon", part[0].tolist(), group_id) for part in parts]


def _shape(found: ObjectLike, kind: str, points: list[Any], group: int | None) -> dict[str, Any]:
    return {
        "label": label_of(found),
        "points": points,
        "group_id": group,
        "description": "" if found.score is None else f"score {found.score:.3f}",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }


def _mask_shape(found: ObjectLike) -> dict[str, Any]:
    """A bitmap in its box, whose second corner is the last pixel and not one past it."""
    x0, y0, x1, y1 = found.crop.bbox
    file = io.BytesIO()
    Image.fromarray(found.crop.pixels).save(file, "PNG")
    shape = _shape(found, "mask", [[x0, y0], [x1 - 1, y1 - 1]], None)
    return {**shape, "mask": base64.b64encode(file.getvalue()).decode("ascii")}


class _Shape(msgspec.Struct):
    label: str
    points: list[tuple[float, float]]
    group_id: Any = None
    shape_type: str = "polygon"
    mask: str | None = None


class _LabelMe(msgspec.Struct):
    shapes: list[_Shape]
    imageHeight: float = 0  # noqa: N815 - as the file names it
    imageWidth: float = 0  # noqa: N815


def read_labelme(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read LabelMe JSON: polygons, masks, rectangles and circles.

    Shapes of one ``group_id`` and label become one object. Points and lines have no area: they are
    left out, and a `RepairWarning` lists them.

    Raises
    ------
    AnnotationError
        If the file is no LabelMe JSON, or of another size than `size`, (height, width).
    """
    file, name, repairs = read_json(source, _LabelMe), name_of(source), Repairs()
    found_size = checked_size((file.imageHeight, file.imageWidth), size, name)
    groups: dict[Any, LabeledMask] = {}
    for number, shape in enumerate(file.shapes):
        crop = _read_shape(shape, found_size, f"shape {number} ({shape.label!r})", repairs)
        if crop is None:
            continue
        own = shape.group_id is None or isinstance(shape.group_id, (list, dict))
        key = ("shape", number) if own else (shape.label, shape.group_id)
        if key in groups:
            crop = union(groups[key].crop, crop)
        groups[key] = LabeledMask(crop, found_size, shape.label)
    repairs.warn(name)
    return LabeledMasks(tuple(groups.values()), found_size)


def _read_shape(
    shape: _Shape, size: tuple[int, int], what: str, repairs: Repairs
) -> MaskCrop | None:
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    try:
        match shape.shape_type:
            case "polygon":
                return fill([[points]], size, repairs)
            case "mask":
                return _read_mask(shape.mask, points, size, repairs)
            case "rectangle" | "circle" if len(points) == 2:  # noqa: PLR2004
                make = _rectangle if shape.shape_type == "rectangle" else _circle
                return fill([[make(points)]], size, repairs)
    except AnnotationError as error:
        raise AnnotationError(f"{what}: {error}") from error
    repairs.add(f"{what} is a {shape.shape_type!r}, which has no area, and was left out")
    return None


def _rectangle(points: Ring) -> Ring:
    (x0, y0), (x1, y1) = points
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _circle(points: Ring) -> Ring:
    """A polygon of 128 vertices about the first point, through the second."""
    radius = np.hypot(*(points[1] - points[0]))
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    return np.asarray(points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))


def _read_mask(
    encoded: str | None, points: Ring, size: tuple[int, int], repairs: Repairs
) -> MaskCrop:
    if encoded is None or len(points) != 2 or not np.isfinite(points).all():  # noqa: PLR2004
        raise AnnotationError("a mask needs a box of two points and a PNG in base64")
    (x0, y0), (x1, y1) = np.rint(np.clip(points, -(2.0**31), 2.0**31)).astype(int).tolist()
    pixels = decoded(lambda: _png_pixels(encoded, size), "its PNG")
    if pixels.shape != (y1 - y0 + 1, x1 - x0 + 1):
        repairs.add(
            f"a mask of {pixels.shape[1]} x {pixels.shape[0]} pixels does not fill its box of "
            f"{x1 - x0 + 1} x {y1 - y0 + 1}; it was placed at the box's first corner"
        )
    whole = crop_of(pixels, x0, y0)
    inside = clipped(whole, size)
    if inside.area < whole.area:
        repairs.add("a mask reaches outside the image and was cut off there")
    return inside


def _png_pixels(encoded: str, size: tuple[int, int]) -> Any:
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise AnnotationError(f"its mask is not base64: {error}") from error
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if image.width * image.height > 4 * size[0] * size[1] + 4096:
            raise AnnotationError(f"its mask is far larger than the image: {image.size}")
        pixels = np.asarray(image.convert("RGB" if image.mode == "P" else image.mode))
    return pixels.reshape(*pixels.shape[:2], -1).any(axis=2)
