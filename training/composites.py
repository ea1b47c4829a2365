"""Composites: objects of labelled photos pasted on other photos, with exact masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.augment import crop, log_uniform, random_window, recolour
from training.datasets import VOID, LabelledImage

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.datasets import Library

    Cutout = tuple[NDArray[np.uint8], NDArray[np.uint8]]

BACKGROUNDS = "photos"
CUTOUTS = {"train-voc": 0.5, "train-coco2": 0.3, "train-wild": 0.2}
SIDES = (0.1, 0.85)
MOST_PASTED = 5
LEAST_PIXELS = 600
"""Pixels of an object that is worth to be cut out."""
VISIBLE = 0.35
CAMOUFLAGED, SHADOWED = 0.33, 0.3
"""How often a cut-out takes on the colour of what is below, and casts a shadow."""


def _cutout(library: Library, source: str, rng: Generator) -> Cutout:
    """Cut one object out of a labelled image: (H, W, 3) pixels and (H, W) mask of 0 or 255."""
    while True:
        drawn = library.draw(source, rng)
        counts = np.bincount(drawn.labels.ravel(), minlength=VOID + 1)[:VOID]
        present = 1 + np.flatnonzero(counts[1:] > LEAST_PIXELS)
        if len(present):
            break
    mask = drawn.labels == rng.choice(present)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return drawn.image[box], np.where(mask[box], 255, 0).astype(np.uint8)


def _turning(
    shape: tuple[int, ...], factor: float, rng: Generator
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return a random 2 x 3 matrix that scales by about ``factor``, and the (W, H) it fills."""
    height, width = shape
    stretch, angle = log_uniform(rng, 0.8, 1.25), rng.normal() * 0.25
    scale = np.diag([factor * stretch * rng.choice([-1, 1]), factor / stretch])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ scale
    extent = np.abs(turn) @ [width, height]
    shift = extent / 2 - turn @ [width / 2, height / 2]
    return np.column_stack([turn, shift]), (max(2, int(extent[0])), max(2, int(extent[1])))


def _soften(cutout: Cutout, sigma: float) -> Cutout:
    pixels, mask = (cv2.GaussianBlur(part, (0, 0), sigma) for part in cutout)
    return np.asarray(pixels, np.uint8), np.asarray(mask, np.uint8)


def _turn(cutout: Cutout, side: float, rng: Generator) -> Cutout:
    """Scale a cut-out to about ``side`` pixels, mirror it, stretch it and turn it a little."""
    factor = side / max(cutout[1].shape)
    matrix, size = _turning(cutout[1].shape, factor, rng)
    if factor < 0.5:  # noqa: PLR2004
        # warpAffine does not average: blur first what it would alias.
        cutout = _soften(cutout, 0.4 / factor)
    pixels = cv2.warpAffine(cutout[0], matrix, size, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(cutout[1], matrix, size)
    return np.asarray(pixels, np.uint8), np.asarray(mask, np.uint8)


def _blend_in(
    pixels: NDArray[np.float32], below: NDArray[np.float32], rng: Generator
) -> NDArray[np.float32]:
    """Recolour a cut-out; every third takes on the mean colour of what is below it."""
    pixels = recolour(pixels, 0.4, rng)
    if rng.random() < CAMOUFLAGED:
        offset = below.mean((0, 1)) - pixels.mean((0, 1))
        pixels = pixels + np.float32(rng.uniform(0.4, 1)) * offset
    return pixels.clip(0, 255)


def _place(
    extent: tuple[int, int], size: int, rng: Generator
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a cut-out lands and which part of it does; its centre is in the image."""
    into, part = [], []
    for length in extent:
        start = int(rng.integers(-(length // 2), size - length // 2))
        first, last = max(start, 0), min(start + length, size)
        into.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return (into[0], into[1]), (part[0], part[1])


def _cast_shadow(image: NDArray[np.float32], alpha: NDArray[np.float32], rng: Generator) -> None:
    reach = max(1.0, 0.03 * len(image))
    shift = np.array([[1, 0, rng.uniform(-reach, reach)], [0, 1, rng.uniform(0, 1.5 * reach)]])
    shadow = cv2.warpAffine(alpha, shift, alpha.shape[::-1])
    shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(1, reach))
    image *= 1 - np.float32(rng.uniform(0.15, 0.6)) * shadow[..., None]


def _paste(
    image: NDArray[np.float32],
    labels: NDArray[np.uint16],
    cutout: Cutout,
    label: int,
    rng: Generator,
) -> None:
    """Draw one cut-out into an image and its label map, in place."""
    size = len(image)
    pixels, mask = _turn(cutout, size * log_uniform(rng, *SIDES), rng)
    into, part = _place((mask.shape[0], mask.shape[1]), size, rng)
    alpha = mask[part].astype(np.float32) / 255
    whole = np.zeros((size, size), np.float32)
    whole[into] = alpha
    if rng.random() < SHADOWED:
        _cast_shadow(image, whole, rng)
    soft = cv2.GaussianBlur(whole, (0, 0), rng.uniform(0.3, 1.2))[into][..., None]
    pasted = _blend_in(pixels[part].astype(np.float32), image[into], rng)
    image[into] += soft * (pasted - image[into])
    labels[into][alpha > 0.5] = label  # noqa: PLR2004


def _drop_hidden(labels: NDArray[np.uint16], areas: dict[int, int]) -> None:
    """Unlabel what later cut-outs have covered almost wholly: nobody would ask for it."""
    for label, area in areas.items():
        visible = labels == label
        if np.count_nonzero(visible) < VISIBLE * area:
            labels[visible] = 0


def composite(library: Library, size: int, rng: Generator) -> LabelledImage:
    """Return a photo with objects of other photos pasted on it, (S, S).

    What the photo itself shows is unlabelled.
    """
    photo = library.draw(BACKGROUNDS, rng)
    window = random_window(photo.image.shape, (0.4, 1.0), rng)
    pixels, labels = crop(photo.image, photo.labels, size, window, rng)
    image, areas = pixels.astype(np.float32), {}
    for label in range(1, 1 + int(rng.integers(1, MOST_PASTED + 1))):
        name = str(rng.choice(list(CUTOUTS), p=list(CUTOUTS.values())))
        _paste(image, labels, _cutout(library, name, rng), label, rng)
        areas[label] = int(np.count_nonzero(labels == label))
    _drop_hidden(labels, areas)
    return LabelledImage(image.clip(0, 255).astype(np.uint8), labels)
