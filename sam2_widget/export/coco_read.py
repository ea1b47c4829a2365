"""Read COCO JSON: data sets, detection results, SA-1B files, and what sam2 itself returns."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np

from sam2_widget._utils.files import Source, decoded, name_of, read_json
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError
from sam2_widget.export import rle
from sam2_widget.export.notes import Repairs
from sam2_widget.export.outlines import Ring, fill
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.values import (
    MAX_NUMBER,
    LabeledMask,
    LabeledMasks,
    crop_of,
    read_number,
    read_score,
)
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.categories import Categories


class _Image(msgspec.Struct):
    id: Any = None
    image_id: Any = None
    file_name: Any = None
    width: Any = None
    height: Any = None

    @property
    def key(self) -> str:
        """Its id for comparison; SA-1B calls the field ``image_id``."""
        return _id_key(self.image_id if self.id is None else self.id)

    @property
    def name(self) -> str:
        return self.file_name if isinstance(self.file_name, str) else ""

    @property
    def size(self) -> tuple[float, float]:
        """(height, width); 0 where the file does not have it."""
        return _side(self.height), _side(self.width)


class _Category(msgspec.Struct):
    name: Any
    id: Any = None


class _Annotation(msgspec.Struct):
    id: Any = None
    image_id: Any = None
    category_id: Any = None
    segmentation: Any = None
    bbox: Any = None
    score: Any = None
    predicted_iou: Any = None
    iscrowd: Any = 0

    @property
    def description(self) -> str:
        return "an annotation" if self.id is None else f"annotation {shown(self.id)}"


class _Coco(msgspec.Struct):
    annotations: list[_Annotation]
    images: list[_Image] | None = None
    image: _Image | None = None
    categories: list[_Category] | None = None


def read_coco(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    image: str | int | None = None,
    image_name: str | None = None,
) -> LabeledMasks:
    """Read the masks of one image from COCO JSON.

    Reads data sets, files of SA-1B, and arrays of detection results
    (``[{"image_id": …, "score": …}, …]``), whose labels are the category ids.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        Expected (height, width) of the image.
    image : str or int, optional
        File name or id of the image to read, if the file describes several.
    image_name : str, optional
        Name of the image that the masks are for. Among several images in the file, the one with
        the same file name is read, else the one with the same name without folder, then without
        suffix, else the one whose id equals the name.

    Returns
    -------
    LabeledMasks
        Annotations that have a box but no segmentation become rectangles; a `RepairWarning` lists
        these and all other repairs.

    Raises
    ------
    AnnotationError
        If the file is not COCO JSON, is for another image or another image size, or its masks
        would take too much memory.
    """
    name = name_of(source)
    parsed: Any = read_json(source, _Coco | list[_Annotation])  # type: ignore[arg-type]
    if isinstance(parsed, list):
        return decoded(lambda: _read_results(parsed, size, image, image_name, name), name)
    return decoded(lambda: _read_set(parsed, size, image, image_name, name), name)


class CocoSet:
    """A data set that is parsed once; the masks of an image are decoded when they are requested.

    Parameters
    ----------
    source : path or file object

    Attributes
    ----------
    file_names : tuple of str
        Of its images, in the order of the file.
    categories : Categories

    Raises
    ------
    AnnotationError
        If the file is no COCO data set with images.
    """

    def __init__(self, source: Source) -> None:
        self._name = name_of(source)
        coco = read_json(source, _Coco)
        self._images = [one for one in coco.images or [] if one.name]
        if not self._images:
            raise AnnotationError(
                f"{self._name} has no images with a file_name: it is no COCO data set"
            )
        self.file_names = tuple(one.name for one in self._images)
        self.categories = _categories(coco.categories or [])
        self._category_names = {_id_key(e.id): _category(e) for e in coco.categories or []}
        self._annotations: dict[str, list[_Annotation]] = {}
        for one in coco.annotations:
            self._annotations.setdefault(_id_key(one.image_id), []).append(one)

    def masks(self, place: int, size: tuple[int, int]) -> LabeledMasks:
        """Masks of the image at a place of `file_names`; what has only a box is left out.

        Raises
        ------
        AnnotationError
            If they cannot be decoded, or the image has another size.
        """
        image, name = self._images[place], f"{self._name}, {self.file_names[place]}"
        masked = [one for one in self._of(place) if one.segmentation]
        read = partial(_read, masked, image.size, size, self._category_names, name)
        masks = decoded(read, name)
        return replace(masks, categories=self.categories)

    def boxes(self, place: int) -> list[tuple[tuple[float, float, float, float], str | None]]:
        """Boxes (x0, y0, x1, y1) in image pixels, and labels, of what has no segmentation."""
        repairs, found = Repairs(), []
        for one in self._of(place):
            if not one.segmentation and one.bbox is not None:
                corners = decoded(partial(_box_ring, one.bbox), one.description)
                (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
                label = _label(one, self._category_names, repairs)
                found.append(((float(x0), float(y0), float(x1), float(y1)), label))
        repairs.warn(self._name)
        return found

    def _of(self, place: int) -> list[_Annotation]:
        return self._annotations.get(self._images[place].key, [])


class _CategoriesOnly(msgspec.Struct):
    categories: list[_Category]


def read_coco_categories(source: Source) -> Categories:
    """The categories of a COCO JSON file and their ids; AnnotationError if it has none."""
    return _categories(read_json(source, _CategoriesOnly).categories)


def read_annotations(
    annotations: Sequence[Mapping[str, Any]], size: tuple[int, int] | None, name: str
) -> LabeledMasks:
    """Convert annotations in memory, as sam2's ``SAM2AutomaticMaskGenerator`` returns them.

    Each has a ``segmentation``: an array (H, W) of bool, an RLE, or polygons.
    """
    fields = _Annotation.__struct_fields__
    parsed = [
        _Annotation(**{key: value for key, value in annotation.items() if key in fields})
        for annotation in annotations
    ]
    return decoded(lambda: _read_results(parsed, size, None, None, name), name)


def _read_set(
    coco: _Coco,
    size: tuple[int, int] | None,
    image: str | int | None,
    image_name: str | None,
    name: str,
) -> LabeledMasks:
    if coco.image is not None and not coco.images:  # SA-1B has one file for each image
        return _read(coco.annotations, coco.image.size, size, None, name)
    chosen = _choose_image(coco.images or [], image, image_name, name)
    of_image = [entry for entry in coco.annotations if _id_key(entry.image_id) == chosen.key]
    names = {_id_key(entry.id): _category(entry) for entry in coco.categories or []}
    masks = _read(of_image, chosen.size, size, names, name)
    return replace(masks, categories=_categories(coco.categories or []))


def _categories(categories: Sequence[_Category]) -> Categories:
    """Categories with their ids; categories whose id is not a usable number are left out."""
    numbered = (
        (read_number(category.id, minimum=0), _category(category)) for category in categories
    )
    usable = {n: name for n, name in numbered if n is not None and n <= MAX_NUMBER}
    return Categories.from_ids(usable, first=1)


def _read_results(
    results: Sequence[_Annotation],
    size: tuple[int, int] | None,
    image: str | int | None,
    image_name: str | None,
    name: str,
) -> LabeledMasks:
    keys = dict.fromkeys(_id_key(result.image_id) for result in results)
    if len(keys) > 1 or image is not None:
        chosen = _choose_image([_Image(id=key) for key in keys], image, image_name, name).key
        results = [result for result in results if _id_key(result.image_id) == chosen]
    numbers = {
        _id_key(n): _id_key(n) for n in (result.category_id for result in results) if n is not None
    }
    masks = _read(results, (0, 0), size, numbers or None, name)
    return replace(masks, categories=_categories([_Category(n, n) for n in numbers]))


def _read(
    annotations: Sequence[_Annotation],
    stated_size: tuple[float, float],
    size: tuple[int, int] | None,
    category_names: Mapping[str, str] | None,
    name: str,
) -> LabeledMasks:
    """Masks from the annotations of one image; without `category_names` they have no labels."""
    if not any(stated_size) and size is None:
        stated_size = next(filter(any, map(_segmentation_size, annotations)), stated_size)
    image_size = checked_size(stated_size, size, name)
    repairs, budget = Repairs(), Budget(name)
    seen_ids: set[str] = set()
    objects = []
    for annotation in annotations:
        budget.charge_object()
        _check_id(annotation.id, seen_ids, repairs)
        crop = _crop(annotation, image_size, repairs, budget)
        if crop is not None:
            label = None if category_names is None else _label(annotation, category_names, repairs)
            score = read_score(
                annotation.predicted_iou if annotation.score is None else annotation.score
            )
            number, crowd = read_number(annotation.id), annotation.iscrowd in (1, "1")
            mask = LabeledMask(crop, image_size, label, score, number=number, crowd=crowd)
            objects.append(mask)
    repairs.warn(name)
    return LabeledMasks(tuple(objects), image_size)


def _id_key(value: Any) -> str:
    """An id for comparison: some programs write 1, some "1", some 1.0."""
    if isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else shown(value)


def _side(value: Any) -> float:
    """A width or height of an untrusted file; 0 if it is not a finite number."""
    try:
        side = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return side if math.isfinite(side) else 0


def _category(category: _Category) -> str:
    return _id_key(category.id if category.name is None else category.name)


def _segmentation_size(annotation: _Annotation) -> tuple[float, float]:
    """(height, width) of an RLE or an array; (0, 0) for other segmentations."""
    segmentation = annotation.segmentation
    size = (
        segmentation.get("size")
        if isinstance(segmentation, dict)
        else getattr(segmentation, "shape", None)
    )
    if not isinstance(size, (list, tuple)) or len(size) != 2:  # noqa: PLR2004
        return 0, 0
    return _side(size[0]), _side(size[1])


def _choose_image(
    images: Sequence[_Image], image: str | int | None, image_name: str | None, name: str
) -> _Image:
    wanted = image_name if image is None else image
    if image is None and len(images) == 1:
        return images[0]
    matching = (
        [] if wanted is None else _matching_images(images, str(wanted), ignore_suffix=image is None)
    )
    if len(matching) == 1:
        return matching[0]
    names = [candidate.name or candidate.key for candidate in images[:10]]
    if not images or (image is not None and not matching):
        raise AnnotationError(f"{name} has no image {shown(image)}: it has {shown(names)}")
    mismatch = f", none of them {shown(wanted)}" if wanted is not None and not matching else ""
    raise AnnotationError(
        f"{name} describes {len(matching) or len(images)} images{mismatch}: pass image=, e.g. "
        f"image={shown(names[0])}"
    )


def _matching_images(images: Sequence[_Image], wanted: str, *, ignore_suffix: bool) -> list[_Image]:
    """The images that `wanted` refers to, by the strictest rule that matches any.

    With `ignore_suffix`, names without suffix and ids padded with zeros match, too.
    """
    path = _path(wanted)
    number = path.stem.lstrip("0") or path.stem
    rules: list[Callable[[_Image], bool]] = [
        lambda candidate: candidate.name == wanted,
        lambda candidate: candidate.key == wanted,
        lambda candidate: bool(candidate.name) and _path(candidate.name).name == path.name,
        lambda candidate: bool(candidate.name) and _path(candidate.name).stem == path.stem,
        lambda candidate: candidate.key in (path.stem, number),
    ]
    for matches_rule in rules if ignore_suffix else rules[:3]:
        matches = [candidate for candidate in images if matches_rule(candidate)]
        if matches:
            return matches
    return []


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(os.fspath(name).replace("\\", "/"))


def _check_id(value: Any, seen: set[str], repairs: Repairs) -> None:
    if value is None:
        return
    key = _id_key(value)
    if key in seen:
        repairs.add(f"the annotation id {shown(value)} occurs twice; both annotations were kept")
    seen.add(key)


def _label(
    annotation: _Annotation, category_names: Mapping[str, str], repairs: Repairs
) -> str | None:
    key = _id_key(annotation.category_id)
    if key not in category_names:
        repairs.add(
            f"{annotation.description} has an unknown category and was read without a label"
        )
    return category_names.get(key)


def _crop(
    annotation: _Annotation, size: tuple[int, int], repairs: Repairs, budget: Budget
) -> MaskCrop | None:
    segmentation = annotation.segmentation
    try:
        if isinstance(segmentation, dict):
            return rle.decode(segmentation, size, budget)
        if isinstance(segmentation, np.ndarray):
            return _array_crop(segmentation, size, budget)
        polygons = _polygons(segmentation)
        if polygons:
            return fill([[_ring(polygon)] for polygon in polygons], size, repairs, budget)
        if annotation.bbox is not None:
            repairs.add(f"{annotation.description} has no segmentation; its box was used instead")
            return fill([[_box_ring(annotation.bbox)]], size, repairs, budget)
    except AnnotationError as error:
        raise AnnotationError(f"{annotation.description}: {error}") from error
    repairs.add(f"{annotation.description} has neither a segmentation nor a box and was left out")
    return None


def _array_crop(mask: np.ndarray[Any, Any], size: tuple[int, int], budget: Budget) -> MaskCrop:
    if mask.shape != size or mask.dtype.kind not in "biu":
        raise AnnotationError(
            f"its mask must be an array (H, W) = {size} of bool, got {mask.shape} of {mask.dtype}"
        )
    budget.charge_plane(mask.size)
    return crop_of(mask)


def _polygons(value: Any) -> list[Any]:
    """Polygons of a segmentation: one flat list, a list of flat lists, or a list of pairs."""
    if not isinstance(value, list):
        return []
    if not value or not isinstance(value[0], list):
        return [value] if value else []
    if all(isinstance(pair, list) and len(pair) == 2 for pair in value):  # noqa: PLR2004
        return [value]
    return [polygon for polygon in value if polygon != []]


def _ring(flat: Any) -> Ring:
    try:
        return np.array(flat, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnnotationError("a polygon must be a flat list of numbers x, y, x, y, …") from error


def _box_ring(box: Any) -> Ring:
    numbers = _ring(box).ravel().tolist()
    if len(numbers) != 4:  # noqa: PLR2004
        raise AnnotationError(f"a box must be [x, y, width, height], got {shown(box)}")
    x, y, width, height = numbers
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)
