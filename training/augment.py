"""Random changes to an image and its labels: crop, flip, colour, blur, noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

DEGRADED = 0.25
"""The share of images that are blurred, and that are made noisy."""
ZOOM_MARGIN, SLIMMEST, LEAST_WINDOW = (1.05, 2.4), 0.7, 40
"""Sides of a window around an object as multiples of the object's; how slim; in pixels."""
OFF_CENTRE = 0.07
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def random_window(
    shape: tuple[int, ...], scale: tuple[float, float], rng: Generator
) -> tuple[slice, slice]:
    """Return a crop that keeps ``scale`` of the sides, with its aspect varied by up to 4:3."""
    height, width = shape[:2]
    keep, aspect = log_uniform(rng, *scale), log_uniform(rng, 0.75, 1.33) ** 0.5
    rows = int(np.clip(height * keep * aspect, 8, height))
    columns = int(np.clip(width * keep / aspect, 8, width))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    return slice(top, top + rows), slice(left, left + columns)


def window_around(mask: NDArray[np.bool_], rng: Generator) -> tuple[slice, slice]:
    """Return a crop as the predictor takes it: the object fills 40 to 95 % of its sides."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    starts = np.array([rows[0], columns[0]])
    extent = np.array([rows[-1], columns[-1]]) + 1 - starts
    side = np.maximum(extent, SLIMMEST * extent.max()) * log_uniform(rng, *ZOOM_MARGIN)
    side = np.minimum(np.maximum(side, LEAST_WINDOW), mask.shape).astype(int)
    centre = starts + extent / 2 + rng.normal(size=2) * OFF_CENTRE * side
    # The window stays in the image and, where it can, around the whole object.
    first = np.clip(centre - side / 2, starts + extent - side, starts)
    top, left = np.clip(first, 0, mask.shape - side).astype(int)
    return slice(top, top + side[0]), slice(left, left + side[1])


def crop(
    image: NDArray[np.uint8],
    labels: NDArray[np.uint16],
    size: int,
    window: tuple[slice, slice],
    rng: Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return a crop, perhaps mirrored, as (size, size, 3) and its label map, (size, size)."""
    mirror = np.s_[:, :: rng.choice([-1, 1])]
    part = np.ascontiguousarray(labels[window][mirror])
    small = cv2.resize(part, (size, size), interpolation=cv2.INTER_NEAREST)
    return resize(image[window][mirror], size), np.asarray(small, np.uint16)


def resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return (size, size, 3), averaged where it shrinks; the aspect is not kept."""
    smaller = size < min(image.shape[:2])
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(np.ascontiguousarray(image), (size, size), interpolation=how), np.uint8
    )


def recolour(image: NDArray[np.float32], strength: float, rng: Generator) -> NDArray[np.float32]:
    """Vary gain, offset, saturation and gamma of an (..., 3) image in 0 to 255."""
    grey = (image @ LUMA)[..., None]
    saturation, contrast = (
        1 + strength * rng.uniform(-1, 0.6),
        1 + strength * rng.uniform(-0.6, 0.6),
    )
    gain = 1 + strength * rng.uniform(-0.25, 0.25, 3).astype(np.float32)
    image = (grey + saturation * (image - grey)) * gain
    centre = image.mean(axis=tuple(range(image.ndim - 1)))
    image = (image - centre) * contrast + centre + strength * rng.uniform(-45, 45)
    gamma = np.float32(log_uniform(rng, 1 / (1 + strength), 1 + strength) ** 0.7)
    return np.asarray(255 * (image.clip(0, 255) / 255) ** gamma, np.float32)


def degrade(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Blur and add noise, each to some images only."""
    if rng.random() < DEGRADED:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4)), np.float32)
    if rng.random() < DEGRADED:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + noise * np.float32(rng.uniform(2, 10))
    return image


def photometric(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Apply all changes that leave the outlines where they are."""
    changed = degrade(recolour(image.astype(np.float32), 0.5, rng), rng)
    return np.asarray(changed.clip(0, 255), np.uint8)
