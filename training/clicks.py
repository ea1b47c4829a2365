"""Simulated users: where they click first, and where they correct."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class Click(NamedTuple):
    """A click on a pixel of a mask."""

    x: int
    y: int
    label: int
    """1 on the object, 0 beside it."""


def depth(mask: Mask) -> NDArray[np.float32]:
    """Return the distance of each inner pixel to the outside; the image's edge is outside."""
    padded = np.pad(mask, 1).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1], np.float32)


def _deepest(depths: NDArray[np.float32], rng: Generator | None, slack: float) -> tuple[int, int]:
    """Return (x, y) of the deepest pixel, or of a random one nearly as deep."""
    if rng is None:
        row, column = divmod(int(depths.argmax()), depths.shape[1])
        return column, row
    candidates = np.flatnonzero(depths >= (1 - slack) * depths.max())
    row, column = divmod(int(rng.choice(candidates)), depths.shape[1])
    return column, row


def first_click(target: Mask, rng: Generator | None = None, slack: float = 0.0) -> Click:
    """Click the target's innermost pixel; with ``slack`` (0 to 1) one that is less deep."""
    return Click(*_deepest(depth(target), rng, slack), 1)


def correcting_click(
    predicted: Mask, target: Mask, rng: Generator | None = None, slack: float = 0.0
) -> Click | None:
    """Click the centre of the largest error: on what is missing, or beside what is too much.

    There is nothing to click where the masks are equal.
    """
    missing, excess = depth(target & ~predicted), depth(predicted & ~target)
    if not missing.any() and not excess.any():
        return None
    label = int(missing.max() >= excess.max())
    return Click(*_deepest(missing if label else excess, rng, slack), label)


def bounding_box(target: Mask) -> tuple[float, float, float, float]:
    """Return the tight box as (x0, y0, x1, y1) of its outermost pixels."""
    rows, columns = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])
