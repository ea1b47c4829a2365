"""Labelled images as cases: one object to be found in one image.

A set is a tar file or a folder with ``images`` and, of the same names, ``masks``: label maps in
PNG where 0 is background. A mask with just 0, 128 and 255 has one object and an uncertain band
around it (Oxford-IIIT Pets); each pixel of the band belongs to what is nearer.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.prepare import paths_of, read
from training.pseudo import shrink

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
    """

    image: NDArray[np.uint8]
    target: Mask


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the folder of a set, unpacked for the time being if it is a tar file.

    Raises
    ------
    ValueError
        If there is no such set, or nothing in it has ``images`` and ``masks``.
    """
    if path.is_dir():
        yield _find_set(path, path)
        return
    if not path.is_file() or not tarfile.is_tarfile(path):
        raise ValueError(f"a set must be a tar file or a folder with images and masks, got {path}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
        yield _find_set(Path(folder), path)


def _find_set(folder: Path, given: Path) -> Path:
    candidates = [folder, *(child for child in sorted(folder.iterdir()) if child.is_dir())]
    for candidate in candidates:
        if (candidate / "images").is_dir() and (candidate / "masks").is_dir():
            return candidate
    raise ValueError(f"{given} must have the folders images and masks, and has not")


def load_cases(
    folder: Path, *, count: int, seed: int, longest: int, least_area: float = LEAST_AREA
) -> list[Case]:
    """Return a fixed choice of the objects in a set, in the order of their images.

    Parameters
    ----------
    folder : Path
        From `opened`.
    count : int
        How many at most.
    seed : int
    longest : int
        The longest side of an image in pixels; larger images are shrunk to it.
    least_area : float
        Objects that cover a smaller share of their image are left out.
    """
    found: list[Case] = []
    for path in paths_of("instances", folder):
        image = shrink(read(path), longest)
        labels = read(folder / "masks" / f"{path.stem}.png", cv2.IMREAD_UNCHANGED)
        masks = _objects(labels, image.shape[1::-1])
        found += [Case(image, mask) for mask in masks if mask.mean() >= least_area]
    if not found:
        raise ValueError(f"no object in {folder} covers {least_area:.0%} of its image")
    chosen = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[index] for index in sorted(chosen)]


def _objects(labels: NDArray[np.integer], size: tuple[int, int]) -> list[Mask]:
    if np.array_equal(np.unique(labels), [0, BAND, OBJECT]):
        labels = split_band(labels)
    small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return [np.asarray(small == label) for label in np.unique(small[small > 0])]


def split_band(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the object of a mask with an uncertain band: 1 where it is nearer than the rest."""
    to_object, to_rest = (
        cv2.distanceTransform((labels != value).astype(np.uint8), cv2.DIST_L2, 5)
        for value in (OBJECT, 0)
    )
    return np.asarray(to_object < to_rest, np.uint8)
