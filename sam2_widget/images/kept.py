"""Planes that are in memory only as long as there is room."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy.typing as npt
from cachetools import LRUCache

from sam2_widget.images.arrays import LoadedImage
from sam2_widget.predictor import UInt8Array

CAPACITY = 256 * 2**20
"""Bytes of planes that are kept: a user goes back and forth between a few."""

LEAST_KEPT = 3
"""Planes that are kept however large they are: the one shown and its neighbours."""


class KeptPlanes:
    """Planes by number, each read when it is asked for, and again when it was forgotten.

    Parameters
    ----------
    planes : sequence of LoadedImage
        One that reads a plane whenever it is indexed, as `ImageStack` does.
    capacity : int
        Bytes.
    """

    def __init__(self, planes: Sequence[LoadedImage], capacity: int = CAPACITY) -> None:
        self._planes = planes
        self._lock = threading.Lock()
        self._capacity = capacity
        self._kept: LRUCache[int, LoadedImage] | None = None

    def get(self, index: int) -> LoadedImage:
        """The plane of that number, in memory."""
        with self._lock:
            found = None if self._kept is None else self._kept.get(index)
        if found is None:
            found = self._planes[index]
            found.rgb.setflags(write=False)
            self._keep(index, found)
        return found

    def _keep(self, index: int, plane: LoadedImage) -> None:
        with self._lock:
            if self._kept is None:
                capacity = max(self._capacity, LEAST_KEPT * _nbytes(plane))
                self._kept = LRUCache(capacity, getsizeof=_nbytes)
            self._kept[index] = plane


def _nbytes(plane: LoadedImage) -> int:
    return int(plane.rgb.nbytes + plane.values.nbytes)


class KeptPlane:
    """One of `KeptPlanes`, as an `ImageSource`."""

    def __init__(self, kept: KeptPlanes, index: int) -> None:
        self._kept = kept
        self._index = index

    @property
    def rgb(self) -> UInt8Array:
        """(H, W, 3) uint8."""
        return self._kept.get(self._index).rgb

    @property
    def values(self) -> npt.NDArray[Any]:
        """The numbers behind the colours, (H, W) or (H, W, C)."""
        return self._kept.get(self._index).values

    @property
    def name(self) -> str:
        """Name of the file, "" if there is none."""
        return self._kept.get(self._index).name

    @property
    def record(self) -> MappingProxyType[str, Any]:
        """How `rgb` was made."""
        return self._kept.get(self._index).record
