"""Planes in the form in which pages show them, and a cache of those of a collection."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sam2_widget.images.arrays import ImageSource, LoadedImage
from sam2_widget.images.collection import ImageCollection
from sam2_widget.images.pyramid import Pyramid
from sam2_widget.images.view import MAX_VIEW_SIDE, View, encode_view

COLLECTION_SIDE = 1536
"""Longer side of the picture of an image of a collection, in pixels.

Each turn to another image sends and decodes one. It is as sharp as a cell is wide; sharper tiles
follow where they are needed.
"""

MIN_PICTURES = 3
"""Images that are kept at any size: the one shown, the last and the next."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownPlane:
    """A plane as pages show it."""

    index: int
    image: LoadedImage
    view: View
    pyramid: Pyramid

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        rgb, values = self.image.rgb, self.image.values
        own = 0 if np.may_share_memory(rgb, values) else values.nbytes
        return int(rgb.nbytes + own + len(self.view.data))


def shown_plane(index: int, image: ImageSource, *, side: int = MAX_VIEW_SIDE) -> ShownPlane:
    """Read and compress a plane, to a picture whose longer side is at most `side` pixels."""
    loaded = LoadedImage(image.rgb, image.values, image.name, image.record)
    loaded.rgb.setflags(write=False)
    view = encode_view(loaded.rgb, side=side)
    pyramid = Pyramid(loaded.rgb, max(view.view_width, view.view_height))
    return ShownPlane(index, loaded, view, pyramid)


class PictureCache:
    """Images of a collection that can be shown at once; the least recently used are dropped.

    Parameters
    ----------
    collection : ImageCollection
    capacity : callable
        Returns the limit in bytes.
    """

    def __init__(self, collection: ImageCollection, capacity: Callable[[], int]) -> None:
        self._collection = collection
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, ShownPlane] = OrderedDict()
        self._reading: dict[int, threading.Lock] = {}

    def __contains__(self, index: object) -> bool:
        return index in self._kept

    def get(self, index: int) -> LoadedImage:
        """An image, in memory."""
        return self.picture(index).image

    def picture(self, index: int) -> ShownPlane:
        """An image as it is shown; ImageError if it cannot be read."""
        found = self._find(index)
        if found is not None:
            return found
        with self._lock:
            reading = self._reading.setdefault(index, threading.Lock())
        # If it is being prepared on another thread, waiting is faster than reading it twice.
        with reading:
            found = self._find(index)
            if found is None:
                try:
                    image = self._collection[index]
                    found = shown_plane(index, image, side=COLLECTION_SIDE)
                    self._keep(found)
                finally:
                    self._reading.pop(index, None)
        return found

    def prefer(self, indices: Iterable[int]) -> None:
        """Drop these last, the first of them after all others."""
        for index in reversed(list(indices)):
            self._find(index)

    def most_ahead(self, nbytes: int) -> int:
        """Images of that size that fit beside the one shown and the last one; 1 at least."""
        return max(1, self._capacity() // max(nbytes, 1) - (MIN_PICTURES - 1))

    def _find(self, index: int) -> ShownPlane | None:
        with self._lock:
            found = self._kept.get(index)
            if found is not None:
                self._kept.move_to_end(index)
            return found

    def _keep(self, picture: ShownPlane) -> None:
        with self._lock:
            self._kept[picture.index] = picture
            total = sum(one.nbytes for one in self._kept.values())
            while total > self._capacity() and len(self._kept) > MIN_PICTURES:
                total -= self._kept.popitem(last=False)[1].nbytes
