"""The prepared images, read when first asked for and then kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Labelled:
    """An image with layers of labels."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    layers: NDArray[np.uint8] | NDArray[np.uint16]
    """(L, H, W), 0 is unlabelled."""


@cache
def load(path: Path) -> Labelled:
    """Read one prepared image."""
    with np.load(path) as arrays:
        image, layers = arrays["image"], arrays["layers"]
    few = layers.max(initial=0) <= np.iinfo(np.uint8).max
    return Labelled(image, layers.astype(np.uint8) if few else layers)


@dataclass(frozen=True)
class Library:
    """Every prepared source below one folder: ``photos``, ``coco``, ``nuclei``, ``emoji``."""

    root: Path

    @cached_property
    def names(self) -> dict[str, list[Path]]:
        """The prepared files by source, in a fixed order."""
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        return {folder.name: sorted(folder.glob("*.npz")) for folder in folders}

    @cached_property
    def photos_with_object(self) -> list[Path]:
        """The photos whose pseudo-object was kept."""
        return [path for path in self.names["photos"] if load(path).layers[0].any()]

    def draw(self, source: str, rng: Generator) -> Labelled:
        """Return a random image of a source; ``objects`` are the photos with a pseudo-object."""
        paths = self.photos_with_object if source == "objects" else self.names[source]
        return load(paths[rng.integers(len(paths))])
