"""COCO JSON, of one image: as RLE, which keeps every pixel, or as polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from sam2_widget.errors import AnnotationError
from sam2_widget.export import rle
from sam2_widget.export.notes import Repairs, warn_loss
from sam2_widget.export.outlines import Ring, fill, joined, outline, rings
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    class_names,
    label_of,
    told_provenance,
)
from sam2_widget.files import Source, Target, name_of, read_json, write_json
from sam2_widget.masks.logits import MaskCrop

Segmentation: TypeAlias = Literal["rle", "polygons"]


def write_coco(
    result: ResultLike,
    target: Target,
    *,
    segmentation: Segmentation = "rle",
    file_name: str = "image.jpg",
    classes: Sequence[str] | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write COCO JSON.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    segmentation : {"rle", "polygons"}
        RLE keeps every pixel. Polygons are understood by more programs; COCO's know no holes, so
        these are joined to their outline by lines of no width, and a `LossWarning` says so.
    file_name : str
        The image's, as the file will name it.
    classes : sequence of str, optional
        The categories in their order, numbered from 1; labels that are missing are appended.
    tolerance : float
        How far polygons may be off, in image pixels, to have fewer vertices.
    overwrite : bool
        Whether a file that is there already may be replaced.
    """
    names = class_names(result, classes)
    height, width = result.size
    annotations = [
        _annotation(number, found, names.index(label_of(found)) + 1, result.size)
        for number, found in enumerate(result.objects, start=1)
    ]
    if segmentation == "polygons":
        _use_polygons(annotations, result, tolerance)
    value = {
        "info": {
            "description": "Written by sam2-widget",
            "version": "1.0",
            "provenance": told_provenance(result),
        },
        "licenses": [],
        "images": [{"id": 1, "file_name": file_name, "width": width, "height": height}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
        "annotations": annotations,
    }
    write_json(target, value, overwrite=overwrite)


def _annotation(
    number: int, found: ObjectLike, category: int, size: tuple[int, int]
) -> dict[str, Any]:
    x0, y0, x1, y1 = found.crop.bbox
    annotation = {
        "id": number,
        "image_id": 1,
        "category_id": category,
        "segmentation": rle.encode(found.crop, size),
        "area": found.crop.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        # An object, not a crowd: evaluation leaves crowds out.
        "iscrowd": 0,
    }
    return annotation if found.score is None else {**annotation, "score": float(found.score)}


def _use_polygons(annotations: list[dict[str, Any]], result: ResultLike, tolerance: float) -> None:
    holes = 0
    for annotation, found in zip(annotations, result.objects, strict=True):
        parts = rings(outline(found.crop, tolerance=tolerance))
        holes += sum(len(part) - 1 for part in parts)
        annotation["segmentation"] = [joined(part).ravel().tolist() for part in parts]
    if holes:
        warn_loss(
            f"COCO polygons know no holes: {holes} were joined to their outline by lines of no "
            "width. Programs that paint outlines show these lines; segmentation='rle' has none."
        )


class _Image(msgspec.Struct):
    id: Any = None
    file_name: str = ""
    width: float = 0
    height: float = 0


class _Category(msgspec.Struct):
    id: Any
    name: str


class _Annotation(msgspec.Struct):
    id: Any = None
    image_id: Any = None
    category_id: Any = None
    segmentation: Any = None
    bbox: Any = None
    score: float | None = None


class _Coco(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []


def read_coco(
    source: Source, *, size: tuple[int, int] | None = None, image: str | int | None = None
) -> LabeledMasks:
    """Read the masks of one image from COCO JSON.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that the image must have.
    image : str or int, optional
        File name or id of the image, where the file describes several.

    Returns
    -------
    LabeledMasks
        Annotations with a box and no segmentation are read as boxes; a `RepairWarning` lists
        these and all else that was repaired.

    Raises
    ------
    AnnotationError
        If the file is no COCO JSON, or of another size.
    """
    coco = read_json(source, _Coco)
    repairs = Repairs()
    chosen = _choose(coco.images, image, name_of(source))
    found_size = checked_size((chosen.height, chosen.width), size, name_of(source))
    names = {_key(c.id): c.name for c in coco.categories}
    seen: set[Any] = set()
    objects = []
    for annotation in coco.annotations:
        if _key(annotation.image_id) != _key(chosen.id):
            continue
        _check_id(annotation.id, seen, repairs)
        crop = _read_segmentation(annotation, found_size, repairs)
        if crop is not None:
            label = _label(annotation, names, repairs)
            objects.append(LabeledMask(crop, found_size, label, annotation.score))
    repairs.warn(name_of(source))
    return LabeledMasks(tuple(objects), found_size)


def _key(value: Any) -> Any:
    """Ids as they are compared: some programs write 1, some "1", some 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _choose(images: list[_Image], image: str | int | None, name: str) -> _Image:
    fitting = [i for i in images if image is None or image in (i.file_name, i.id)]
    if len(fitting) == 1:
        return fitting[0]
    names = [i.file_name or i.id for i in images[:10]]
    if not fitting:
        raise AnnotationError(f"{name} describes no image {image!r}: it has {names}")
    raise AnnotationError(
        f"{name} describes {len(fitting)} images: pass image=, e.g. image={names[0]!r}"
    )


def _check_id(value: Any, seen: set[Any], repairs: Repairs) -> None:
    key = _key(value)
    if value is not None and key in seen:
        repairs.add(f"the annotation id {value!r} is used twice; both were kept")
    seen.add(key)


def _label(annotation: _Annotation, names: dict[Any, str], repairs: Repairs) -> str | None:
    key = _key(annotation.category_id)
    if key not in names:
        repairs.add(f"annotation {annotation.id!r} has no known category and got no label")
    return names.get(key)


def _read_segmentation(
    annotation: _Annotation, size: tuple[int, int], repairs: Repairs
) -> MaskCrop | None:
    value = annotation.segmentation
    what = f"annotation {annotation.id!r}"
    try:
        if isinstance(value, dict):
            return rle.decode(value, size)
        if isinstance(value, list) and value:
            polygons = value if isinstance(value[0], list) else [value]
            return fill([[_ring(polygon)] for polygon in polygons], size, repairs)
        if annotation.bbox is not None:
            repairs.add(f"{what} has no segmentation; its box was taken")
            return fill([[_box_ring(annotation.bbox)]], size, repairs)
    except AnnotationError as error:
        raise AnnotationError(f"{what}: {error}") from error
    repairs.add(f"{what} has neither a segmentation nor a box and was left out")
    return None


def _ring(flat: Any) -> Ring:
    try:
        return np.array(flat, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnnotationError("a polygon must be a flat list of numbers x, y, x, y, …") from error


def _box_ring(box: Any) -> Ring:
    numbers = _ring(box).ravel().tolist()
    if len(numbers) != 4:  # noqa: PLR2004
        raise AnnotationError(f"a box must be [x, y, width, height], got {box!r}")
    x, y, width, height = numbers
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)
