"""Random outlines: blobs, polygons, rings and strokes, as masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

MARGIN = 0.45
KINDS = ("blob", "polygon", "ring", "stroke")
WEIGHTS = (0.4, 0.3, 0.12, 0.18)


def _outline(radii: NDArray[np.float64], side: int) -> NDArray[np.int32]:
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * (radii / radii.max())[:, None]
    return np.asarray(side / 2 + points * side * MARGIN, np.int32)


def _blob_radii(rng: Generator) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    waves = np.arange(1, 7)
    heights = rng.normal(size=6) * 0.35 / waves**0.7
    phases = rng.uniform(0, 2 * np.pi, 6)
    radii = 1 + np.cos(np.outer(angles, waves) + phases) @ heights
    return np.asarray(radii.clip(0.15, None))


def _polygon_radii(rng: Generator) -> NDArray[np.float64]:
    return rng.uniform(0.35, 1, rng.integers(3, 10))


def random_shape(side: int, rng: Generator) -> NDArray[np.uint8]:
    """Return (side, side) uint8, 255 inside."""
    mask = np.zeros((side, side), np.uint8)
    kind = rng.choice(KINDS, p=WEIGHTS)
    outline = _outline(_polygon_radii(rng) if kind == "polygon" else _blob_radii(rng), side)
    if kind == "stroke":
        part = outline[: rng.integers(30, 80)]
        width = max(2, side // int(rng.integers(8, 20)))
        cv2.polylines(mask, [part], isClosed=False, color=255, thickness=width)
        return mask
    cv2.fillPoly(mask, [outline], 255)
    if kind == "ring":
        inner = (outline - side / 2) * rng.uniform(0.35, 0.75) + side / 2
        cv2.fillPoly(mask, [np.asarray(inner, np.int32)], 0)
    return mask
