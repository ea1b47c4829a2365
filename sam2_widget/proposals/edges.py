"""How much of a mask's outline follows edges of the picture.

Some models propose parts of plain ground: nothing in the picture ends at their outline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import Float32Array, UInt8Array

NEAR, FAR = 3, 6
"""Distance from the outline, in cells, of the surroundings that it is compared with."""

LEAST_EDGE = 1.0
"""An edge is this much steeper than the surroundings, in steps of colour per cell."""

BRUSH = np.ones((3, 3), np.uint8)


class EdgeMap:
    """The edges of a picture at the resolution of the logits.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
    cells : (int, int)
        (h, w) of the logits.
    """

    def __init__(self, image: UInt8Array, cells: tuple[int, int]) -> None:
        import cv2  # noqa: PLC0415 - as in `masks.logits`

        small = cv2.resize(image, cells[::-1], interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
        slopes = [cv2.Sobel(lab, cv2.CV_32F, *along) for along in ((1, 0), (0, 1))]
        self._steepness: Float32Array = np.sqrt(sum((s**2).sum(axis=2) for s in slopes)) / 4

    def share(self, logits: Float32Array) -> float:
        """Share of a mask's outline, 0..1, that is steeper than what lies on both sides of it.

        Where the image ends there is no outline; 1 for a mask of the whole image.
        """
        import cv2  # noqa: PLC0415 - as above

        inside = (logits > 0).astype(np.uint8)
        grown: list[npt.NDArray[Any]] = [inside]
        shrunk: list[npt.NDArray[Any]] = [inside]
        for _ in range(FAR):
            grown.append(cv2.dilate(grown[-1], BRUSH))
            shrunk.append(cv2.erode(shrunk[-1], BRUSH))
        outline = self._steepness[grown[1] != shrunk[1]]
        sides = (grown[FAR] != grown[NEAR]) | (shrunk[FAR] != shrunk[NEAR])
        around = float(self._steepness[sides].mean()) if sides.any() else 0.0
        return float(np.mean(outline > around + LEAST_EDGE)) if outline.size else 1.0
