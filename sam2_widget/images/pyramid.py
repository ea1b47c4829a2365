"""Tile pyramid of a large image: tiles at full size, at half of it, and so on."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from sam2_widget._utils.arrays import UInt8Array

TILE = 512
"""Side of a tile, in pixels of its level."""

QUALITY = 88

ROWS_AT_ONCE = 1024
"""Rows halved at a time: Pillow's copy of a large image would not fit in memory."""


class Pyramid:
    """An image and its halved levels, each computed on demand. Not thread-safe.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 ndarray
        Level 0. Level k has ceil(W / 2^k) x ceil(H / 2^k) pixels.
    view_side : int
        Longer side of the view that pages have already, in pixels.

    Attributes
    ----------
    levels : int
        Number of levels that are larger than the view; only these have tiles.
    """

    def __init__(self, rgb: UInt8Array, view_side: int) -> None:
        side = max(rgb.shape[:2])
        self.levels = next(k for k in range(64) if -(-side >> k) <= view_side)
        self._made = [rgb]

    def tile(self, level: int, column: int, row: int) -> bytes | None:
        """A tile as a JPEG file, smaller at the right and lower edge; None if it does not exist."""
        if not 0 <= level < self.levels:
            return None
        y, x = row * TILE, column * TILE
        pixels = self._level(level)[y : y + TILE, x : x + TILE]
        if not pixels.size:
            return None
        buffer = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
        return buffer.getvalue()

    def _level(self, level: int) -> UInt8Array:
        while len(self._made) <= level:
            self._made.append(_halved(self._made[-1]))
        return self._made[level]


def _halved(rgb: UInt8Array) -> UInt8Array:
    height, width = rgb.shape[:2]
    half = np.empty((-(-height // 2), -(-width // 2), 3), np.uint8)
    for start in range(0, height, ROWS_AT_ONCE):
        rows = Image.fromarray(rgb[start : start + ROWS_AT_ONCE]).reduce(2)
        half[start // 2 : start // 2 + rows.height] = np.asarray(rows)
    return half
