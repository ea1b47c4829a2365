"""One proposal: a mask that the model gives for a point, with the values that filters use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sam2_widget.masks.logits import LogitMask, MaskCrop, tight
from sam2_widget.proposals.grid import Crop
from sam2_widget.proposals.measure import Measures


@dataclass(frozen=True, slots=True, eq=False)
class PointMasks:
    """All masks that the model gives for one point, a few KiB.

    Attributes
    ----------
    point : (float, float)
        (x, y) in image pixels.
    crop : Crop
        The part of the image that was encoded, which the masks cover.
    masks : tuple of LogitMask
    scores : tuple of float
        The model's estimate of each mask's IoU.
    best : int
        Index of the best-scored mask.
    """

    point: tuple[float, float]
    crop: Crop
    masks: tuple[LogitMask, ...]
    scores: tuple[float, ...]
    best: int


# Without slots, which a cached property cannot have.
@dataclass(frozen=True, eq=False)
class Proposal:
    """A mask that may be an object.

    Attributes
    ----------
    number : int
        From 1, in the order in which proposals were found.
    found : PointMasks
        The model's masks for the point.
    choice : int
        Index of its mask among these.
    measures : Measures
        Its measurements in image pixels.
    """

    number: int
    found: PointMasks
    choice: int
    measures: Measures

    @property
    def mask(self) -> LogitMask:
        """The mask; it covers ``found.crop``."""
        return self.found.masks[self.choice]

    @property
    def point(self) -> tuple[float, float]:
        """The point that it was found by, (x, y) in image pixels."""
        return self.found.point

    @property
    def score(self) -> float:
        """The model's estimate of its mask's IoU, about 0..1."""
        return self.found.scores[self.choice]

    @property
    def stability(self) -> float:
        """Stability of the mask when the threshold changes, 0..1."""
        return self.measures.stability

    @property
    def area(self) -> int:
        """In image pixels."""
        return self.measures.area

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in image pixels, the upper ends exclusive."""
        return self.measures.box

    def sees_whole(self, size: tuple[int, int]) -> bool:
        """Whether the model saw all of an image of `size`, (height, width), and not a crop."""
        return self.found.crop.box == (0, 0, size[1], size[0])

    @cached_property
    def cells(self) -> MaskCrop:
        """The mask at the resolution of the logits."""
        return tight(0, 0, self.mask.logits > 0)

    def pixels(self) -> MaskCrop:
        """The mask at the resolution of the image."""
        crop = self.found.crop
        found = self.mask.crop(crop.height, crop.width)
        return MaskCrop(found.x + crop.x0, found.y + crop.y0, found.pixels)


def mask_iou(one: MaskCrop, other: MaskCrop) -> float:
    """IoU of two masks of the same image; 0 if both are empty."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = one.bbox, other.bbox
    x0, y0, x1, y1 = max(ax0, bx0), max(ay0, by0), min(ax1, bx1), min(ay1, by1)
    if x0 >= x1 or y0 >= y1:
        return 0.0
    first = one.pixels[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0]
    second = other.pixels[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0]
    common = int(np.count_nonzero(first & second))
    return common / (one.area + other.area - common)
