"""COCO JSON with masks as RLE, which keeps every pixel, or as polygons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sam2_widget._utils.files import Target, write_json
from sam2_widget.export import rle
from sam2_widget.export.bridges import join_rings
from sam2_widget.export.coco_read import read_coco, read_coco_categories
from sam2_widget.export.notes import warn_loss
from sam2_widget.export.sheets import all_rings
from sam2_widget.export.values import (
    ObjectLike,
    ResultLike,
    categories_of,
    file_name_of,
    label_of,
    numbers_of,
    provenance_record,
)
from sam2_widget.prompts.categories import NO_CATEGORIES, ClassesLike, as_categories
from sam2_widget.prompts.collections import MAX_ID

__all__ = ["read_coco", "read_coco_categories", "write_coco"]

Segmentation: TypeAlias = Literal["rle", "polygons"]


def write_coco(
    result: ResultLike,
    target: Target,
    *,
    segmentation: Segmentation = "rle",
    file_name: str | None = None,
    classes: ClassesLike | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write COCO JSON.

    Parameters
    ----------
    result : Segmentation or LabeledMasks
    target : path or file object
    segmentation : {"rle", "polygons"}
        RLE keeps every pixel. Polygons are read by more programs, but COCO's cannot have holes:
        each hole is joined to its outline by a zero-width bridge, with a `LossWarning`.
    file_name : str, optional
        Name of the image in the file; by default that of the result.
    classes : sequence of str, or mapping of str to int, optional
        The categories, numbered from 1 in this order, or a mapping from name to id; by default
        those of the result. Labels that are missing are appended.
    tolerance : float
        Maximum deviation of simplified polygons, in image pixels; 0 keeps all vertices.
    overwrite : bool
        Whether an existing file may be replaced.
    """
    value = _coco_document(
        {file_name or file_name_of(result): result}, segmentation, classes, tolerance
    )
    value["info"]["provenance"] = provenance_record(result)
    write_json(target, value, overwrite=overwrite)


def write_coco_set(
    results: Mapping[str, ResultLike],
    target: Target,
    *,
    segmentation: Segmentation = "rle",
    classes: ClassesLike | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write COCO JSON of several images that share their categories.

    Parameters
    ----------
    results : mapping of str to Segmentation or LabeledMasks
        Results by the file names of the images. Image ids are 1, 2, … in this order. An annotation
        keeps its number as its id unless another annotation already has it.
    target, segmentation, classes, tolerance, overwrite
        See `write_coco`.
    """
    value = _coco_document(results, segmentation, classes, tolerance)
    for image, result in zip(value["images"], results.values(), strict=True):
        image["provenance"] = provenance_record(result)
    write_json(target, value, overwrite=overwrite)


def _coco_document(
    results: Mapping[str, ResultLike],
    segmentation: Segmentation,
    classes: ClassesLike | None,
    tolerance: float,
) -> dict[str, Any]:
    everything = _AllObjects(tuple(obj for result in results.values() for obj in result.objects))
    categories = NO_CATEGORIES if classes is None else as_categories(classes)
    for result in results.values():
        categories = categories_of(result, categories if categories.names else None)
    ids = categories.numbers(first=1)
    numbers = iter(numbers_of(everything, max_number=MAX_ID))
    images, annotations = [], []
    for place, (name, result) in enumerate(results.items(), start=1):
        height, width = result.size
        images.append({"id": place, "file_name": name, "width": width, "height": height})
        of_image = [_annotation(next(numbers), obj, place, ids) for obj in result.objects]
        _add_segmentations(of_image, result, segmentation, tolerance)
        annotations += of_image
    return {
        "info": {"description": "Written by sam2-widget", "version": "1.0"},
        "licenses": [],
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": annotations,
    }


@dataclass(frozen=True, slots=True)
class _AllObjects:
    """The objects of several images, which get unique numbers together."""

    objects: tuple[ObjectLike, ...]
    size: tuple[int, int] = (0, 0)


def _add_segmentations(
    annotations: list[dict[str, Any]],
    result: ResultLike,
    segmentation: Segmentation,
    tolerance: float,
) -> None:
    if segmentation == "polygons":
        _add_polygons(annotations, result, tolerance)
        return
    encoded = rle.encode_all((obj.crop for obj in result.objects), result.size)
    for annotation, counts in zip(annotations, encoded, strict=True):
        annotation["segmentation"] = counts


def _annotation(number: int, obj: ObjectLike, image: int, ids: Mapping[str, int]) -> dict[str, Any]:
    crop = obj.crop
    x0, y0, x1, y1 = crop.bbox
    annotation = {
        "id": number,
        "image_id": image,
        "category_id": ids[label_of(obj)],
        "segmentation": None,
        "area": crop.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": int(obj.crowd),
    }
    return annotation if obj.score is None else {**annotation, "score": float(obj.score)}


def _add_polygons(annotations: list[dict[str, Any]], result: ResultLike, tolerance: float) -> None:
    holes = 0
    outlines = all_rings([obj.crop for obj in result.objects], tolerance=tolerance)
    for annotation, parts in zip(annotations, outlines, strict=True):
        holes += sum(len(part) - 1 for part in parts)
        annotation["segmentation"] = [join_rings(part).ravel().tolist() for part in parts]
    if holes:
        warn_loss(
            f"COCO polygons cannot have holes: {holes} were joined to their outline by zero-width "
            "bridges. Programs that draw outlines show these lines; segmentation='rle' avoids them."
        )
