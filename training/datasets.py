"""Labelled images on disk: folders of images and label maps.

A set is a folder, or a tar file of one, with ``images`` and, of the same names, ``masks``: label
maps in PNG where 0 is unlabelled and `VOID` is uncertain. A set without ``masks`` holds photos
whose content is unknown.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LONGEST = 640
"""Longest side in pixels of an image to learn from; larger ones are shrunk to it."""
VOID = 65535
"""The label of pixels whose object is uncertain: no part of losses, clicks and figures."""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and its label map."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    labels: NDArray[np.uint16]
    """(H, W); 0 is unlabelled, `VOID` uncertain."""


def iou(a: Mask, b: Mask, void: Mask | None = None) -> float:
    """Return the intersection over union of two (H, W) masks, 0 where both are empty.

    Pixels that are set in ``void`` do not count.
    """
    if void is not None:
        a, b = a & ~void, b & ~void
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) RGB."""
    return np.asarray(cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def read_labels(path: Path) -> NDArray[np.uint16]:
    """Read a label map as (H, W)."""
    return _read(path, cv2.IMREAD_UNCHANGED).astype(np.uint16)


def _read(path: Path, flags: int) -> NDArray[np.integer[Any]]:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f"{path} is not an image that OpenCV reads")
    return np.asarray(image)


def shrink(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return (H, W, 3) with its longest side at most ``longest`` pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def image_paths(folder: Path) -> list[Path]:
    """Return the images of a set in a fixed order."""
    root = folder / "images" if (folder / "images").is_dir() else folder
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)


@cache
def load_labelled(path: Path) -> LabelledImage:
    """Read an image and the label map beside it, or one of zeros if there is none; keep both."""
    image = shrink(read_image(path), LONGEST)
    mask = path.parents[1] / "masks" / f"{path.stem}.png"
    labels = read_labels(mask) if mask.exists() else np.zeros(image.shape[:2], np.uint16)
    size = image.shape[1::-1]
    small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return LabelledImage(image, np.asarray(small, np.uint16))


@dataclass(frozen=True)
class Library:
    """The sets below one folder, by the names of their folders."""

    root: Path

    @cached_property
    def paths(self) -> dict[str, list[Path]]:
        """The images of each set in a fixed order."""
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        return {folder.name: image_paths(folder) for folder in folders}

    def draw(self, name: str, rng: Generator) -> LabelledImage:
        """Return a random image of a set."""
        paths = self.paths[name]
        return load_labelled(paths[rng.integers(len(paths))])


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the folder of a labelled set, unpacked for the time being if it is a tar file.

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
