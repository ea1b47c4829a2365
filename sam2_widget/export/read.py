"""Read masks from files of every supported format, arrays, and values of other libraries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2_widget._utils.files import NamedFile, read_bytes
from sam2_widget.errors import AnnotationError
from sam2_widget.export.arrays import as_array, as_bool, from_array
from sam2_widget.export.recognition import recognize_format
from sam2_widget.export.registry import accepts, load
from sam2_widget.export.sizes import checked_size
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    MasksLike,
    crop_of,
    read_number,
    read_score,
)
from sam2_widget.masks.logits import Cropped
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories


def read_masks(
    value: MasksLike,
    size: tuple[int, int] | None = None,
    *,
    image_name: str | None = None,
    **options: Any,
) -> LabeledMasks:
    """Read masks from a file, an array, or values of this and other libraries.

    Parameters
    ----------
    value : path, file object, ndarray, mapping, sequence, Segmentation, LabeledMasks, Detections
        - A file, or a file object with a ``.name``: COCO, LabelMe or GeoJSON (``.json``,
          ``.geojson``), YOLO (``.txt``), a label map (``.png``, ``.tif``, …), ``.npz``, ``.npy``
          (also Cellpose's), or a folder or ``.zip`` with one image per object.
        - An array: a label map (H, W) of integers, a mask (H, W) or masks (N, H, W) of bool.
        - Several masks: a mapping of labels to masks, or a list of masks, of pairs (label, mask),
          or of the dicts that sam2's automatic mask generator returns.
        - A result of this package, or a `supervision.Detections`.
    size : (int, int), optional
        Expected (height, width) of the image; required if `value` does not contain it.
    image_name : str, optional
        Name of the image that the masks are for; selects among the images in a COCO file.
    **options
        Passed on to the reader of the file's format, e.g. ``classes=`` or ``image=``.

    Returns
    -------
    LabeledMasks

    Raises
    ------
    AnnotationError
        If `value` holds no masks, or masks of another size.
    """
    if isinstance(value, (str, os.PathLike)) or _is_named_file(value):
        return _read_file(value, size, image_name, options)
    if hasattr(value, "objects") and hasattr(value, "size") and not isinstance(value, np.ndarray):
        return _from_result(value, size)
    if hasattr(value, "xyxy") and hasattr(value, "mask"):
        return _from_detections(value, size)
    if isinstance(value, Mapping):
        return _from_pairs(value.items(), size)
    if isinstance(value, (list, tuple)):
        return _from_list(value, size)
    return from_array(as_array(value), size)


def _is_named_file(value: object) -> bool:
    return hasattr(value, "read") and isinstance(getattr(value, "name", None), str)


def _read_file(
    source: Any, size: tuple[int, int] | None, image_name: str | None, options: dict[str, Any]
) -> LabeledMasks:
    # A file object is read twice: to recognize its format, and for its masks.
    is_path = isinstance(source, (str, os.PathLike))
    source = Path(source) if is_path else NamedFile(read_bytes(source), source.name)
    # Imported on demand: most sessions do not start from masks.
    reader = load(recognize_format(source).reader)
    if accepts(reader, "image_name"):
        options = {"image_name": image_name, **options}
    masks: LabeledMasks = reader(source, size=size, **options)
    return masks


def _from_result(result: Any, size: tuple[int, int] | None) -> LabeledMasks:
    image_size = checked_size(result.size, size, "the result")
    categories = getattr(result, "categories", NO_CATEGORIES)
    return LabeledMasks(
        tuple(_copied(obj, image_size) for obj in result.objects), image_size, categories
    )


def _copied(obj: Any, size: tuple[int, int]) -> LabeledMask:
    """Copy an object; one of another program may lack number and crowd."""
    number, crowd = getattr(obj, "number", None), getattr(obj, "crowd", False)
    return LabeledMask(obj.crop, size, obj.label, obj.score, obj.color, number, crowd)


def _from_list(value: Sequence[Any], size: tuple[int, int] | None) -> LabeledMasks:
    if value and all(isinstance(item, Cropped) for item in value):
        return _from_objects(value, size)
    if value and all(isinstance(item, Mapping) and "segmentation" in item for item in value):
        from sam2_widget.export.coco_read import read_annotations  # noqa: PLC0415

        return read_annotations(value, size, "the list")
    return _from_pairs(map(_as_pair, value), size)


def _from_objects(objects: Sequence[Any], size: tuple[int, int] | None) -> LabeledMasks:
    for place, obj in enumerate(objects):
        size = checked_size(obj.size, size, f"mask {place}")
    image_size = size or (0, 0)
    return LabeledMasks(tuple(_copied(obj, image_size) for obj in objects), image_size)


def _from_detections(value: Any, size: tuple[int, int] | None) -> LabeledMasks:
    if value.mask is None:
        raise AnnotationError("these Detections have only boxes: pass Detections with masks")
    masks = np.asarray(value.mask)
    parsed = from_array(masks.astype(bool), size, "the Detections")
    names, ids = value.data.get("class_name"), value.class_id
    labels = ids if names is None else names
    scores, tracks = value.confidence, value.tracker_id
    objects = tuple(
        LabeledMask(
            mask.crop,
            parsed.size,
            None if labels is None else str(labels[i]),
            None if scores is None else read_score(float(scores[i])),
            number=None if tracks is None else read_number(int(tracks[i])),
        )
        for i, mask in enumerate(parsed)
    )
    pairs = {} if ids is None else dict(zip(ids.tolist(), map(str, labels), strict=True))
    return LabeledMasks(objects, parsed.size, Categories.from_ids(pairs, first=0))


def _as_pair(item: Any) -> tuple[Any, Any]:
    """The (label, mask) of a pair, of a mask object of this package, or of a plain mask."""
    if hasattr(item, "label") and hasattr(item, "mask"):
        return item.label, item.mask
    match item:
        case (str() | None as label, mask):
            return label, mask
    return None, item


def _from_pairs(pairs: Iterable[tuple[Any, Any]], size: tuple[int, int] | None) -> LabeledMasks:
    objects: list[LabeledMask] = []
    for number, (label, value) in enumerate(pairs):
        name = f"mask {number}"
        mask = as_array(value)
        if mask.ndim != 2:  # noqa: PLR2004
            raise AnnotationError(f"{name} must have the shape (H, W), got {mask.shape}")
        size = checked_size((mask.shape[0], mask.shape[1]), size, name)
        crop = crop_of(as_bool(mask, name))
        objects.append(LabeledMask(crop, size, None if label is None else str(label)))
    if size is None:
        raise AnnotationError("there are no masks: pass at least one, or size=(height, width)")
    return LabeledMasks(tuple(objects), size)
