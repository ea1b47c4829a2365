"""Labelled images as cases: one object to be found in one image.

A set is what `training.datasets` reads. A mask with just 0, 128 and 255 has one object and an
uncertain band around it (Oxford-IIIT Pets); each pixel of the band belongs to what is nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets import VOID, image_paths, read_image, read_labels, shrink

Mask = NDArray[np.bool_]

OBJECT, BAND = 255, 128
LEAST_AREA = 0.01
"""Share of its image that an object covers at least."""


@dataclass(frozen=True, eq=False)
class Case:
    """One object to be found.

    Attributes
    ----------
    image : (H, W, 3) uint8 ndarray
        RGB.
    target : (H, W) bool ndarray
    void : (H, W) bool ndarray or None
        Pixels that no user looks at and no figure counts.
    """

    image: NDArray[np.uint8]
    target: Mask
    void: Mask | None = None

    def seen(self, mask: Mask) -> Mask:
        """Return a mask, (H, W), as a user judges it: right wherever nobody can say."""
        return mask if self.void is None else np.where(self.void, self.target, mask)


def load_cases(
    folder: Path, *, count: int, seed: int, longest: int, least_area: float = LEAST_AREA
) -> list[Case]:
    """Return a fixed choice of the objects in a set, in the order of their images.

    Parameters
    ----------
    folder : Path
        From `training.datasets.opened`.
    count : int
        How many at most.
    seed : int
    longest : int
        The longest side of an image in pixels; larger images are shrunk to it.
    least_area : float
        Objects that cover a smaller share of their image are left out.
    """
    found: list[Case] = []
    for path in image_paths(folder):
        image = shrink(read_image(path), longest)
        labels = read_labels(folder / "masks" / f"{path.stem}.png")
        found += _cases(image, labels, least_area)
    if not found:
        raise ValueError(f"no object in {folder} covers {least_area:.0%} of its image")
    chosen = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[index] for index in sorted(chosen)]


def _cases(image: NDArray[np.uint8], labels: NDArray[np.integer], least_area: float) -> list[Case]:
    if np.array_equal(np.unique(labels), [0, BAND, OBJECT]):
        labels = split_band(labels)
    size = image.shape[1::-1]
    small = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
    void = small == VOID
    masks = [np.asarray(small == label) for label in np.unique(small[(small > 0) & ~void])]
    uncertain = void if void.any() else None
    return [Case(image, mask, uncertain) for mask in masks if mask.mean() >= least_area]


def split_band(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the object of a mask with an uncertain band: 1 where it is nearer than the rest."""
    to_object, to_rest = (
        cv2.distanceTransform((labels != value).astype(np.uint8), cv2.DIST_L2, 5)
        for value in (OBJECT, 0)
    )
    return np.asarray(to_object < to_rest, np.uint8)
