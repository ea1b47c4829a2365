"""Warps a mask from one frame to the next by dense optical flow.

Images are grey and scaled to a square; masks have a cell for each of their pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from sam2_widget._utils.arrays import Float32Array, UInt8Array

SIDE = 512
"""Side of images and masks in pixels."""
TOLERANCE, RELATIVE_TOLERANCE = 1.0, 0.1
"""Tolerated difference of forward and backward flow, in pixels and as a fraction of the flow."""


def picture(image: UInt8Array) -> UInt8Array:
    """Convert an RGB image, (H, W, 3), to the input of the flow: grey, (SIDE, SIDE)."""
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.array(small.convert("L"))


class Motion:
    """The flow between two frames.

    Parameters
    ----------
    before, now : (SIDE, SIDE) uint8 ndarray
        From `picture`.

    Attributes
    ----------
    trust : (SIDE, SIDE) float32 ndarray
        Consistency of forward and backward flow in each pixel of `now`, 0 to 1.
    """

    def __init__(self, before: UInt8Array, now: UInt8Array) -> None:
        self._flow = _flow(now, before)
        back = _flow(before, now)
        error = np.linalg.norm(self._flow + _moved(back, self._flow), axis=-1)
        tolerance = TOLERANCE + RELATIVE_TOLERANCE * np.linalg.norm(self._flow, axis=-1)
        self.trust = np.asarray(np.exp(-((error / tolerance) ** 2)), np.float32)

    def carry(self, mask: Float32Array) -> Float32Array:
        """Warp a mask of the frame before, (SIDE, SIDE), to this one; 0 where it was outside."""
        return _moved(mask, self._flow)


def _flow(one: UInt8Array, other: UInt8Array) -> Float32Array:
    """Displacement of the pixels from one image to the other, (SIDE, SIDE, 2)."""
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*one.shape, 2), np.float32)
    return np.asarray(method.calc(one, other, start), np.float32)


def _moved(values: Float32Array, flow: Float32Array) -> Float32Array:
    """Sample values, (SIDE, SIDE) or (SIDE, SIDE, C), where the flow of each pixel points to."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    moved = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(moved, np.float32)
