"""Composites: cut-outs and textured shapes pasted on photos, with exact masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.augment import crop, log_uniform, random_window, recolour, resize
from training.shapes import random_shape

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.library import Library

    Cutout = tuple[NDArray[np.uint8], NDArray[np.uint8]]

KINDS = {"emoji": 0.33, "objects": 0.35, "coco": 0.12, "shape": 0.2}
SIDES = (0.1, 0.85)
MOST_PASTED = 5
VISIBLE = 0.35
CAMOUFLAGED, SHADOWED, WITH_OWN_OBJECT = 0.33, 0.3, 0.3
"""How often a cut-out is like what is below, casts a shadow; how often the photo has an object."""


def _object_cutout(library: Library, source: str, rng: Generator) -> Cutout:
    """Cut one object out of a labelled image: (H, W, 3) pixels and (H, W) mask of 0 or 255."""
    drawn = library.draw(source, rng)
    labels = drawn.layers[0]
    present = np.unique(labels[labels > 0])
    mask = labels == rng.choice(present)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return drawn.image[box], np.where(mask[box], 255, 0).astype(np.uint8)


def _shape_cutout(library: Library, rng: Generator) -> Cutout:
    """Fill a random outline with a piece of some photo."""
    mask = random_shape(160, rng)
    photo = library.draw("photos", rng).image
    piece = photo[random_window(photo.shape, (0.1, 0.6), rng)]
    return resize(piece, 160), mask


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
    labels: NDArray[np.uint8],
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


def _drop_hidden(labels: NDArray[np.uint8], areas: dict[int, int]) -> None:
    """Unlabel what later cut-outs have covered almost wholly: nobody would ask for it."""
    for label, area in areas.items():
        visible = labels == label
        if np.count_nonzero(visible) < VISIBLE * area:
            labels[visible] = 0


def composite(
    library: Library, size: int, rng: Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an image, (S, S, 3), and its label map, (1, S, S).

    Label 1 is the background photo's own object, if it has one; the pasted ones follow.
    """
    photo = library.draw("objects" if rng.random() < WITH_OWN_OBJECT else "photos", rng)
    window = random_window(photo.image.shape, (0.4, 1.0), rng)
    pixels, layers = crop(photo.image, photo.layers[:1], size, window, rng)
    image, labels = pixels.astype(np.float32), (layers[0] > 0).astype(np.uint8)
    areas = {1: int(np.count_nonzero(labels))}
    for label in range(2, 2 + int(rng.integers(1, MOST_PASTED + 1))):
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        shape = kind == "shape"
        cutout = _shape_cutout(library, rng) if shape else _object_cutout(library, kind, rng)
        _paste(image, labels, cutout, label, rng)
        areas[label] = int(np.count_nonzero(labels == label))
    _drop_hidden(labels, areas)
    return image.clip(0, 255).astype(np.uint8), labels[None]
