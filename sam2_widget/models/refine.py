"""Outlines that follow the picture: the bundled model's logits, refined by a graph cut.

The logits are sure far from the outline and vague along it. There OpenCV's GrabCut decides, by the
colours on both sides and by edges, with the clicks as hard seeds. Measured in
``training/MODEL_CARD.md``.
"""

from __future__ import annotations

import cv2
import numpy as np

from sam2_widget.masks.logits import BoolArray, Float32Array
from sam2_widget.predictor import PromptArrays, UInt8Array

BAND = 2.0
"""Logits within ± this are GrabCut's to decide."""
WEIGHT = 2.0
"""What its decision adds to them, with its sign."""
LIMIT = 8.0
"""Logits are clamped to this first."""
SEED_RADIUS = 2
"""Radius in pixels of the disk that a click is sure of."""
SEED_LOGIT = 6.0
AROUND = 8
"""Pixels around the vague ones whose colours are compared."""
LEAST_PIXELS = 16
"""With fewer pixels on a side there are no colours to compare."""


def refine(image: UInt8Array, logits: Float32Array, prompts: PromptArrays) -> Float32Array:
    """Move the outline of a mask to where the picture has one.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
        RGB.
    logits : (H, W) float32 ndarray
    prompts : PromptArrays
        In pixels of `image`. Outside of a box without points nothing is inside.

    Returns
    -------
    (H, W) float32 ndarray
        Logits that stay vague along the outline, for the next click to correct.
    """
    beside = _beside_box(prompts, logits.shape)
    labels = _labels(logits, prompts, beside)
    _grab_cut(image, labels)
    decided = cv2.GaussianBlur((labels & 1).astype(np.float32), (0, 0), 1)
    refined = np.clip(logits, -LIMIT, LIMIT) + WEIGHT * (2 * decided - 1)
    refined[beside] = -LIMIT
    for x, y, label in _seeds(prompts):
        cv2.circle(refined, (x, y), SEED_RADIUS, SEED_LOGIT if label == 1 else -SEED_LOGIT, -1)
    return refined


def _labels(logits: Float32Array, prompts: PromptArrays, beside: BoolArray) -> UInt8Array:
    """GrabCut's starting labels, (H, W) uint8; the lowest bit is set inside."""
    labels = np.where(logits > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[logits > BAND] = cv2.GC_FGD
    labels[(logits < -BAND) | beside] = cv2.GC_BGD
    for x, y, label in _seeds(prompts):
        cv2.circle(labels, (x, y), SEED_RADIUS, cv2.GC_FGD if label == 1 else cv2.GC_BGD, -1)
    return labels


def _beside_box(prompts: PromptArrays, shape: tuple[int, ...]) -> BoolArray:
    """Where nothing can be inside, (H, W): beside the box while there is nothing else."""
    beside = np.full(shape, prompts.only_box)
    if prompts.box is not None:
        x0, y0, x1, y1 = np.rint(prompts.box).clip(0).astype(int)
        beside[y0:y1, x0:x1] = False
    return beside


def _grab_cut(image: UInt8Array, labels: UInt8Array) -> None:
    """Decide the pixels that are only probably on a side, in place."""
    open_ = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_PR_BGD)
    rows, columns = np.flatnonzero(open_.any(axis=1)), np.flatnonzero(open_.any(axis=0))
    if not rows.size:
        return
    # Time grows with the area: only what is around the outline is looked at.
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
