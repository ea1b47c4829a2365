"""Refines outlines of the bundled model to the image's edges, by a graph cut.

The logits are certain far from the outline and uncertain along it. Uncertain pixels are classified
by OpenCV's GrabCut, from the colours on both sides and edges, with the clicks as hard seeds.
Measured in ``training/MODEL_CARD.md``.
"""

from __future__ import annotations

import cv2
import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget.predictor import PromptArrays

BAND = 2.0
"""Pixels with logits within ± this are classified by GrabCut."""
WEIGHT = 2.0
"""Added to the logits, with the sign of GrabCut's class."""
LIMIT = 8.0
"""Logits are clamped to ± this first."""
SEED_RADIUS = 2
"""Radius in pixels of the disk around a click that is used as a hard seed."""
SEED_LOGIT = 6.0
SURE = 2.0
"""Least mean logit of the network in a region without clicks that is kept."""
LEAST_ISLAND = 0.01
"""Least area of such a region, as a fraction of the largest region."""
AROUND = 8
"""Pixels around the uncertain ones whose colours are compared."""
LEAST_PIXELS = 16
"""Least number of pixels inside and outside, with fewer no colours can be compared."""


def refine(image: UInt8Array, logits: Float32Array, prompts: PromptArrays) -> Float32Array:
    """Move the outline of a mask to an edge in the image.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
        RGB.
    logits : (H, W) float32 ndarray
    prompts : PromptArrays
        In pixels of `image`. If there is only a box, everything outside it is background.

    Returns
    -------
    (H, W) float32 ndarray
        Logits that stay uncertain along the outline, so that the next click can correct them.
    """
    beside = _beside_box(prompts, logits.shape)
    labels = _labels(logits, prompts, beside)
    _grab_cut(image, labels)
    decided = cv2.GaussianBlur((labels & 1).astype(np.float32), (0, 0), 1)
    refined = np.clip(logits, -LIMIT, LIMIT) + WEIGHT * (2 * decided - 1)
    refined[beside] = -LIMIT
    for x, y, label in _seeds(prompts):
        cv2.circle(refined, (x, y), SEED_RADIUS, SEED_LOGIT if label == 1 else -SEED_LOGIT, -1)
    return without_islands(refined, logits, prompts)


def without_islands(
    refined: Float32Array, logits: Float32Array, prompts: PromptArrays
) -> Float32Array:
    """Remove regions of a mask that have no click and low logits of the network.

    The largest region is kept, unless only other regions have clicks.

    Parameters
    ----------
    refined : (H, W) float32 ndarray
        Logits of the mask.
    logits : (H, W) float32 ndarray
        Logits of the network.
    prompts : PromptArrays
        In pixels of the mask.
    """
    count, regions, stats, _ = cv2.connectedComponentsWithStats((refined > 0).astype(np.uint8))
    if count <= 2:  # noqa: PLR2004 - the background and one region
        return refined
    areas = stats[:, cv2.CC_STAT_AREA]
    means = np.bincount(regions.ravel(), logits.ravel(), count) / areas
    keep = (means > SURE) & (areas >= LEAST_ISLAND * areas[1:].max())
    height, width = regions.shape
    seeds = [(min(x, width - 1), min(y, height - 1)) for x, y, label in _seeds(prompts) if label]
    clicked = [region for x, y in seeds if (region := regions[y, x])]
    keep[clicked or [1 + int(areas[1:].argmax())]] = True
    return np.where(keep[regions] | (regions == 0), refined, -np.abs(refined))


def _labels(logits: Float32Array, prompts: PromptArrays, beside: BoolArray) -> UInt8Array:
    """GrabCut's initial labels, (H, W) uint8; the lowest bit is set inside."""
    labels = np.where(logits > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[logits > BAND] = cv2.GC_FGD
    labels[(logits < -BAND) | beside] = cv2.GC_BGD
    for x, y, label in _seeds(prompts):
        cv2.circle(labels, (x, y), SEED_RADIUS, cv2.GC_FGD if label == 1 else cv2.GC_BGD, -1)
    return labels


def _beside_box(prompts: PromptArrays, shape: tuple[int, ...]) -> BoolArray:
    """Certain background, (H, W): the pixels outside the box if there are no other prompts."""
    beside = np.full(shape, prompts.only_box)
    if prompts.box is not None:
        x0, y0, x1, y1 = np.rint(prompts.box).clip(0).astype(int)
        beside[y0:y1, x0:x1] = False
    return beside


def _grab_cut(image: UInt8Array, labels: UInt8Array) -> None:
    """Classify the pixels whose labels are only probable, in place."""
    open_ = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_PR_BGD)
    rows, columns = np.flatnonzero(open_.any(axis=1)), np.flatnonzero(open_.any(axis=0))
    if not rows.size:
        return
    # Time grows with the area: only the surroundings of the outline are used.
    top, left = max(0, rows[0] - AROUND), max(0, columns[0] - AROUND)
    near = np.s_[top : rows[-1] + AROUND + 1, left : columns[-1] + AROUND + 1]
    part = np.ascontiguousarray(labels[near])
    inside = np.count_nonzero(part & 1)
    if min(inside, part.size - inside) < LEAST_PIXELS:
        return
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    pixels = np.ascontiguousarray(image[near])
    cv2.grabCut(pixels, part, (0, 0, 1, 1), *models, 1, cv2.GC_INIT_WITH_MASK)
    labels[near] = part


def _seeds(prompts: PromptArrays) -> list[tuple[int, int, int]]:
    """The clicked pixels, (x, y, label)."""
    columns, rows = prompts.points.astype(int).T.tolist()
    return list(zip(columns, rows, prompts.labels.tolist(), strict=True))
