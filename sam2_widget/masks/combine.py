"""Union of masks, and their connected components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_widget.masks.logits import MaskCrop, tight
from sam2_widget.masks.regions import connected


def union(crops: Sequence[MaskCrop]) -> MaskCrop:
    """All pixels of several masks of one image."""
    boxes = [crop.bbox for crop in crops if crop.pixels.size]
    if not boxes:
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    left, top = min(lefts), min(tops)
    pixels = np.zeros((max(bottoms) - top, max(rights) - left), bool)
    for crop in crops:
        MaskCrop(crop.x - left, crop.y - top, crop.pixels).paste(pixels, value=True)
    return MaskCrop(left, top, pixels)


def parts(crop: MaskCrop, most: int) -> list[MaskCrop]:
    """The connected parts of a mask, the largest first; pixels that touch at a corner connect.

    Raises
    ------
    ValueError
        If there are more than `most`.
    """
    if not crop.pixels.size:
        return []
    labels, boxes = connected(crop.pixels)
    if len(boxes) > most:
        raise ValueError(f"the mask has {len(boxes)} parts")
    found = []
    for number, (x, y, width, height) in enumerate(boxes, start=1):
        pixels = labels[y : y + height, x : x + width] == number
        found.append(tight(crop.x + x, crop.y + y, pixels))
    return sorted(found, key=lambda part: -part.area)
