"""What is written and what is read: masks with labels, whoever made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from sam2_widget.masks.logits import BoolArray, Cropped, MaskCrop, tight


class ObjectLike(Protocol):
    """An object that can be written: a `SegmentedObject`, or a `LabeledMask` that was read."""

    @property
    def label(self) -> str | None:
        """Its class."""

    @property
    def score(self) -> float | None:
        """The model's estimate of the mask's IoU."""

    @property
    def color(self) -> str | None:
        """``"#rrggbb"``."""

    @property
    def crop(self) -> MaskCrop:
        """Its pixels."""


class ResultLike(Protocol):
    """What can be written: a `Segmentation`, or `LabeledMasks` that were read."""

    @property
    def objects(self) -> Sequence[ObjectLike]:
        """From bottom to top."""

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
    """

    crop: MaskCrop = field(repr=False)
    size: tuple[int, int]
    label: str | None = None
    score: float | None = None
    color: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LabeledMasks(Sequence[LabeledMask]):
    """Masks that were read: a sequence, and a result that can be written again.

    Attributes
    ----------
    objects : tuple of LabeledMask
        From bottom to top.
    size : (int, int)
        (height, width) of the image in pixels.
    """

    objects: tuple[LabeledMask, ...]
    size: tuple[int, int]

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
        return tuple(found.label for found in self.objects)

    @property
    def masks(self) -> BoolArray:
        """All masks, (N, H, W) bool."""
        return full_masks(self)

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: 0 is background, ``i + 1`` is ``objects[i]``; later objects lie on top."""
        return paint(self)


def full_masks(result: ResultLike) -> BoolArray:
    """All masks, (N, H, W) bool."""
    masks = np.zeros((len(result.objects), *result.size), bool)
    for mask, found in zip(masks, result.objects, strict=True):
        found.crop.paste(mask, value=True)
    return masks


def paint(result: ResultLike, values: Sequence[int] | None = None) -> npt.NDArray[np.int32]:
    """One map of all objects, (H, W) int32, later objects on top; `values` else 1, 2, …, N."""
    label_map = np.zeros(result.size, np.int32)
    numbers = range(1, len(result.objects) + 1) if values is None else values
    for number, found in zip(numbers, result.objects, strict=True):
        found.crop.paste(label_map, number)
    return label_map


def crop_of(mask: npt.NDArray[np.generic], x: int = 0, y: int = 0) -> MaskCrop:
    """The part of `mask`, (h, w), that is not zero; its first pixel is (x, y) of the image."""
    found = tight(x, y, mask.astype(bool, copy=False))
    # Not a view, which would keep the whole mask in memory.
    return replace(found, pixels=np.ascontiguousarray(found.pixels))


def clipped(crop: MaskCrop, size: tuple[int, int]) -> MaskCrop:
    """The part of a crop that lies inside an image of `size` (height, width)."""
    height, width = crop.pixels.shape
    left, top = max(0, -crop.x), max(0, -crop.y)
    right, bottom = min(width, size[1] - crop.x), min(height, size[0] - crop.y)
    inside = crop.pixels[top : max(top, bottom), left : max(left, right)]
    return crop_of(inside, crop.x + left, crop.y + top)


def class_names(result: ResultLike, classes: Sequence[str] | None = None) -> tuple[str, ...]:
    """The classes of a result: `classes`, then all other labels in the order they appear.

    Objects without a label are of the class ``"object"``, for most formats know no object without.
    """
    names = dict.fromkeys(classes or ())
    names.update(dict.fromkeys(label_of(found) for found in result.objects))
    return tuple(names)


UNLABELED = "object"
"""The class of objects without a label, in formats that know no object without."""


def label_of(found: ObjectLike) -> str:
    """The class of an object, `UNLABELED` if it has none."""
    return UNLABELED if found.label is None else found.label


def told_provenance(result: ResultLike) -> dict[str, Any]:
    """How the masks were made, if the result knows it, as plain values."""
    provenance = getattr(result, "provenance", None)
    return {} if provenance is None else dict(provenance.to_dict())


def read_score(found: object) -> float | None:
    """A score as a file has it that anybody may have written; None for what is no number."""
    try:
        return float(found) if isinstance(found, (int, float)) else None
    except OverflowError:  # whole numbers in JSON may have any size
        return None
