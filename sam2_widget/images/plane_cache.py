"""A cache of planes with a limited size in bytes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy.typing as npt
from cachetools import LRUCache

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.images.arrays import LoadedImage

CAPACITY = 256 * 2**20
"""Capacity in bytes: users go back and forth between a few planes."""

MIN_PLANES = 3
"""Planes that are kept at any size: the one shown and its neighbours."""


class PlaneCache:
    """Planes by number, each read on demand, and again after it was evicted.

    Parameters
    ----------
    planes : sequence of LoadedImage
        A sequence that reads a plane whenever it is indexed, like `ImageStack`.
    capacity : int
        Bytes.
    """

    def __init__(self, planes: Sequence[LoadedImage], capacity: int = CAPACITY) -> None:
        self._planes = planes
        self._lock = threading.Lock()
        self._capacity = capacity
        self._loaded: LRUCache[int, LoadedImage] | None = None

    def get(self, index: int) -> LoadedImage:
        """The plane of that number, in memory."""
        with self._lock:
            found = None if self._loaded is None else self._loaded.get(index)
        if found is None:
            found = self._planes[index]
            found.rgb.setflags(write=False)
            self._keep(index, found)
        return found

    def _keep(self, index: int, plane: LoadedImage) -> None:
        with self._lock:
            least = max(self._capacity, MIN_PLANES * _nbytes(plane))
            if self._loaded is None or self._loaded.maxsize < least:
                before: Mapping[int, LoadedImage] = self._loaded or {}
                self._loaded = LRUCache(least, getsizeof=_nbytes)
                self._loaded.update(before)
            self._loaded[index] = plane


class Planes(Protocol):
    """Planes by number, each read on demand."""

    def get(self, index: int) -> LoadedImage:
        """The plane of that number, in memory."""


def _nbytes(plane: LoadedImage) -> int:
    return int(plane.rgb.nbytes + plane.values.nbytes)


class CachedPlane:
    """A plane of a cache, as an `ImageSource`."""

    def __init__(self, cache: Planes, index: int) -> None:
        self._cache = cache
        self._index = index

    @property
    def rgb(self) -> UInt8Array:
        """(H, W, 3) uint8."""
        return self._cache.get(self._index).rgb

    @property
    def values(self) -> npt.NDArray[Any]:
        """The numbers behind the colours, (H, W) or (H, W, C)."""
        return self._cache.get(self._index).values

    @property
    def name(self) -> str:
        """Name of the file, "" if there is none."""
        return self._cache.get(self._index).name

    @property
    def record(self) -> MappingProxyType[str, Any]:
        """How `rgb` was made."""
        return self._cache.get(self._index).record
