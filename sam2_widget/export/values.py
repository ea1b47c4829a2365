"""The types that writers take and readers return, and functions that both use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import isfinite
from typing import Any, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.errors import AnnotationError
from sam2_widget.export.packed import pack
from sam2_widget.masks.logits import Cropped, MaskCrop, tight
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories, ClassesLike, as_categories
from sam2_widget.prompts.collections import MAX_ID
from sam2_widget.prompts.label_text import label_fault

MasksLike: TypeAlias = Any
"""Every type of value that `read_masks` accepts."""


class ObjectLike(Protocol):
    """An object that can be written: a `SegmentedObject` or a `LabeledMask`."""

    @property
    def label(self) -> str | None:
        """The name of its class."""

    @property
    def score(self) -> float | None:
        """The model's estimate of the mask's IoU."""

    @property
    def color(self) -> str | None:
        """``"#rrggbb"``."""

    @property
    def crop(self) -> MaskCrop:
        """Its pixels."""

    @property
    def number(self) -> int | None:
        """Its value in a label map and its id in COCO; None if it has not been assigned one."""

    @property
    def crowd(self) -> bool:
        """COCO's ``iscrowd``: whether it stands for many objects, which evaluation ignores."""


class ResultLike(Protocol):
    """A result that can be written: a `Segmentation` or `LabeledMasks`."""

    @property
    def objects(self) -> Sequence[ObjectLike]:
        """All objects, from bottom to top."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class LabeledMask(Cropped):
    """A mask that was read from a file or made by another program.

    Attributes
    ----------
    crop : MaskCrop
    size : (int, int)
        (height, width) of the image in pixels.
    label : str or None
    score : float or None
    color : str or None
        ``"#rrggbb"``.
    number : int or None
        Its value in the label map, or its id in the file; None if it has none.
    crowd : bool
        COCO's ``iscrowd``: it stands for many objects, which evaluation ignores.

    Raises
    ------
    AnnotationError
        If the label is too long, or cannot be encoded (half of a surrogate pair).
    """

    crop: MaskCrop = field(repr=False)
    size: tuple[int, int]
    label: str | None = None
    score: float | None = None
    color: str | None = None
    number: int | None = None
    crowd: bool = False

    def __post_init__(self) -> None:
        # Every mask from a file or another program passes here.
        if fault := label_fault(self.label):
            raise AnnotationError(fault)
        object.__setattr__(self, "crop", pack(self.crop))


@dataclass(frozen=True, slots=True, eq=False)
class LabeledMasks(Sequence[LabeledMask]):
    """Masks that were read: a sequence of `LabeledMask`, and a result that can be written.

    Attributes
    ----------
    objects : tuple of LabeledMask
        From bottom to top.
    size : (int, int)
        (height, width) of the image in pixels.
    categories : Categories
        The classes in the file, with their numbers.
    """

    objects: tuple[LabeledMask, ...]
    size: tuple[int, int]
    categories: Categories = NO_CATEGORIES

    @overload
    def __getitem__(self, index: int) -> LabeledMask: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LabeledMask, ...]: ...
    def __getitem__(self, index: int | slice) -> LabeledMask | tuple[LabeledMask, ...]:
        return self.objects[index]

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[LabeledMask]:
        return iter(self.objects)

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The label of each object."""
        return tuple(obj.label for obj in self.objects)

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        return full_masks(self)

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``objects[i]`` has ``numbers[i]``; later ones on top."""
        return paint(self)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The value of each object in `label_map`."""
        return numbers_of(self)


def full_masks(result: ResultLike) -> BoolArray:
    """All masks, (N, H, W) bool."""
    masks = np.zeros((len(result.objects), *result.size), bool)
    for mask, obj in zip(masks, result.objects, strict=True):
        obj.crop.paste(mask, value=True)
    return masks


MAX_NUMBER = 2**31 - 1
"""Largest value in a label map in memory."""


def numbers_of(result: ResultLike, *, max_number: int = MAX_NUMBER) -> tuple[int, ...]:
    """The number of each object, for label maps and ids: unique, within 1..`max_number`.

    Objects that have a number keep it, unless an earlier object has the same. The others get the
    numbers after the largest; if no object has a number, they are 1, 2, …, N.
    """
    taken: set[int] = set()
    numbers: list[int | None] = []
    for obj in result.objects:
        usable = obj.number is not None and 0 < obj.number <= max_number
        number = obj.number if usable and obj.number not in taken else None
        numbers.append(number)
        if number is not None:
            taken.add(number)
    last = max(taken, default=0)
    free = (n for n in chain(range(last + 1, max_number + 1), range(1, last)) if n not in taken)
    return tuple(next(free) if number is None else number for number in numbers)


def paint(result: ResultLike, values: Sequence[int] | None = None) -> npt.NDArray[np.int32]:
    """Paint a label map of all objects, (H, W) int32, later objects on top.

    `values` are the pixel values of the objects; by default those of `numbers_of`.
    """
    label_map = np.zeros(result.size, np.int32)
    numbers = numbers_of(result) if values is None else values
    for number, obj in zip(numbers, result.objects, strict=True):
        obj.crop.paste(label_map, number)
    return label_map


def crop_of(mask: npt.NDArray[np.generic], x: int = 0, y: int = 0) -> MaskCrop:
    """Crop `mask`, (h, w), to its nonzero pixels; ``mask[0, 0]`` is pixel (x, y) of the image."""
    crop = tight(x, y, mask.astype(bool, copy=False))
    # A copy: a view would keep the whole mask in memory.
    return replace(crop, pixels=np.ascontiguousarray(crop.pixels))


def clip_to_image(crop: MaskCrop, size: tuple[int, int]) -> MaskCrop:
    """The part of a crop that lies inside an image of `size` (height, width)."""
    height, width = crop.pixels.shape
    left, top = max(0, -crop.x), max(0, -crop.y)
    right, bottom = min(width, size[1] - crop.x), min(height, size[0] - crop.y)
    inside = crop.pixels[top : max(top, bottom), left : max(left, right)]
    return crop_of(inside, crop.x + left, crop.y + top)


def categories_of(result: ResultLike, classes: ClassesLike | None = None) -> Categories:
    """The classes of a result: `classes` or else its own, then labels that these lack.

    Objects without a label get the class ``"object"``, because most formats require a class.
    """
    known: Categories = getattr(result, "categories", NO_CATEGORIES)
    base = known if classes is None else as_categories(classes)
    return base.with_names(label_of(obj) for obj in result.objects)


UNLABELED = "object"
"""The class of objects without a label, in formats that require a class."""


def label_of(obj: ObjectLike) -> str:
    """The label of an object, `UNLABELED` if it has none."""
    return UNLABELED if obj.label is None else obj.label


NO_NAME = "image.jpg"
"""File name of images that were not opened from a file."""


def file_name_of(result: ResultLike) -> str:
    """Name of the image's file, `NO_NAME` if the result has none."""
    return getattr(result, "file_name", None) or NO_NAME


def provenance_record(result: ResultLike) -> dict[str, Any]:
    """The provenance of a result as values for JSON; empty if it has none."""
    provenance = getattr(result, "provenance", None)
    return {} if provenance is None else dict(provenance.to_dict())


def read_score(value: object) -> float | None:
    """A score from an untrusted file; None if it is not a finite number."""
    try:
        return float(value) if isinstance(value, (int, float)) and isfinite(value) else None
    except OverflowError:  # whole numbers in JSON may have any size
        return None


def read_number(value: Any, *, minimum: int = 1) -> int | None:
    """An id from an untrusted file; None if it is not an integer of at least `minimum`."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"[0-9]{1,15}", value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value // 1 and minimum <= value <= MAX_ID else None


def rgb_of(color: str) -> list[int]:
    """R, G and B, each 0..255, of ``#rrggbb``."""
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def read_color(value: object) -> str | None:
    """A colour from an untrusted file; None if it is not ``#rrggbb``."""
    is_color = isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value)
    return str(value) if is_color else None
