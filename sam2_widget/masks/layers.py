"""Finds the objects above another one whose boxes overlap it, by one vectorized comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sam2_widget.masks.logits import PixelMask

Boxes = npt.NDArray[np.int64]


class Layer(Protocol):
    """An object with its whole mask."""

    @property
    def uncut(self) -> PixelMask:
        """The mask before other objects are cut out."""


class Layers:
    """The objects of one segmentation, from the topmost to the lowest.

    Attributes
    ----------
    objects : list of Layer
        Filled by the creator of the objects.
    """

    def __init__(self) -> None:
        self.objects: list[Layer] = []
        self._boxes: Boxes = np.zeros((0, 4), np.int64)

    def above(self, place: int) -> list[PixelMask]:
        """Masks above the object at `place` whose boxes overlap its own."""
        boxes = self._boxes_to(place)
        x0, y0, x1, y1 = boxes[place]
        left, top, right, bottom = boxes[:place].T
        across = np.maximum(left, x0) < np.minimum(right, x1)
        down = np.maximum(top, y0) < np.minimum(bottom, y1)
        return [self.objects[i].uncut for i in np.flatnonzero(across & down).tolist()]

    def _boxes_to(self, place: int) -> Boxes:
        """x0, y0, x1, y1 of each object down to `place`; masks below are not computed."""
        known = self._boxes  # read once: another thread may replace it with a longer one
        if len(known) <= place:
            new = _boxes_of(self.objects[len(known) : place + 1])
            known = self._boxes = np.concatenate([known, new])
        return known


def _boxes_of(objects: Sequence[Layer]) -> Boxes:
    masks = [one.uncut for one in objects]
    rows = [(m.x, m.y, m.x + m.width, m.y + m.height) for m in masks]
    return np.array(rows, np.int64).reshape(-1, 4)
