"""The photo of all measurements, and the places that are clicked."""

from __future__ import annotations

import random

import cv2
import numpy as np
import numpy.typing as npt

SIZES = {
    "0.3 MP": (640, 480),
    "2 MP": (1920, 1080),
    "8 MP": (3840, 2160),
    "48 MP": (8000, 6000),
    "100 MP": (12000, 8400),
}
"""(width, height) in pixels."""


def photo(width: int, height: int) -> npt.NDArray[np.uint8]:
    """scikit-image's photo of a cup of coffee, enlarged; (height, width, 3) uint8."""
    from skimage import data  # noqa: PLC0415 - only where it is made

    enlarged = cv2.resize(data.coffee(), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(enlarged, np.uint8)


def places(count: int, seed: int = 7) -> list[tuple[float, float]]:
    """Where to click, as shares of width and height: the same for all that are compared."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    return [(draw.uniform(0.15, 0.85), draw.uniform(0.15, 0.85)) for _ in range(count)]
