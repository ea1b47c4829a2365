"""Pseudo-masks for photos without labels: one likely object, and regions that hold together.

Both work on a small copy of the photo: a mask is learned at 64 x 64 cells, so that finer outlines
would be thrown away, and thousands of photos take minutes instead of hours.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from skimage.segmentation import felzenszwalb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    LabelMap = NDArray[np.uint16]

WORK_SIDE = 160
MARGINS = (0.03, 0.08)
AGREEMENT = 0.93
OBJECT_AREA = (0.04, 0.75)
FULL_BOX = 0.88
REGION_SCALES = (60, 150, 400, 1000)
REGION_AREA = (0.01, 0.5)
STABILITY = 0.8


def iou(a: Mask, b: Mask) -> float:
    """Return the intersection over union of two masks, 0 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def shrink(image: Image, longest: int) -> Image:
    """Return (H, W, 3) with its longest side at most ``longest`` pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _grabcut(image: Image, margin: float) -> Mask:
    """Cut out what differs from the frame that ``margin`` (of each side) leaves outside."""
    height, width = image.shape[:2]
    x, y = round(width * margin), round(height * margin)
    labels = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    rectangle = (x, y, width - 2 * x, height - 2 * y)
    cv2.grabCut(image, labels, rectangle, *models, 3, cv2.GC_INIT_WITH_RECT)
    return np.asarray(labels % 2 == 1)


def _largest_component(mask: Mask) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if len(stats) == 1:
        return mask
    return np.asarray(labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())


def is_plausible(mask: Mask) -> bool:
    """Refuse what is tiny, fills the photo, or fills its own box: that is a frame, not a thing."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not OBJECT_AREA[0] < mask.mean() < OBJECT_AREA[1]:
        return False
    return bool(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() < FULL_BOX)


def pseudo_object(image: Image) -> Mask | None:
    """Return the photo's likely main object, (H, W), where two frames give the same answer."""
    small = shrink(image, WORK_SIDE)
    first, second = (_largest_component(_grabcut(small, margin)) for margin in MARGINS)
    if iou(first, second) < AGREEMENT or not is_plausible(first):
        return None
    smooth = cv2.medianBlur(first.astype(np.uint8) * 255, 3)
    full = cv2.resize(smooth, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 127)  # noqa: PLR2004


def _survives(region: Mask, coarser: LabelMap) -> bool:
    """Whether a region stays what it is when the segmentation gets coarser."""
    partner = np.bincount(coarser[region]).argmax()
    return iou(region, coarser == partner) >= STABILITY


def _stable(finer: LabelMap, coarser: LabelMap) -> LabelMap:
    kept = np.zeros_like(finer)
    for label in range(1, int(finer.max()) + 1):
        region = finer == label
        if REGION_AREA[0] < region.mean() < REGION_AREA[1] and _survives(region, coarser):
            kept[region] = label
    return kept


def stable_regions(image: Image) -> NDArray[np.uint16]:
    """Return label maps, (S, H, W), of regions that two neighbouring scales agree on."""
    small = shrink(image, WORK_SIDE)
    maps = [
        felzenszwalb(small, scale=scale, sigma=0.8, min_size=40).astype(np.uint16) + 1
        for scale in REGION_SCALES
    ]
    kept = [_stable(*pair) for pair in pairwise(maps)]
    size = image.shape[1::-1]
    return np.stack([cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in kept])
