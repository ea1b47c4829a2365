"""What a replica holds for tracks: pixels of frames, and what the model remembers of objects."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cachetools import LRUCache

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.errors import MessageError
from sam2_widget.models.cluster import track_protocol as tracking
from sam2_widget.predictor import Embedding, Frame, Track, TrackMemory

DEFAULT_CAPACITY = 2**30
"""Bytes that a replica keeps of what its model remembers of objects."""

FRAME_BYTES = 2**29
"""Bytes of frames whose pixels are kept: 80 of 1080p."""


class MemoryLostError(Exception):
    """Something that a track goes on with is not here, or no longer."""


class HeldTracks:
    """Frames and memories, the least recently used of which go first. For one thread.

    Parameters
    ----------
    capacity : int
        Most bytes of memories.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._memories: LRUCache[str, TrackMemory] = LRUCache(
            capacity, getsizeof=lambda one: min(one.nbytes, capacity)
        )
        self._pixels: LRUCache[str, UInt8Array] = LRUCache(
            FRAME_BYTES, getsizeof=lambda one: min(one.nbytes, FRAME_BYTES)
        )

    def keep_pixels(self, key: str, rgb: UInt8Array) -> None:
        """Keep the pixels of a frame for a while."""
        self._pixels[key] = rgb

    def has_pixels(self, key: str) -> bool:
        """Whether they are here."""
        return key in self._pixels

    def frame(self, name: tracking.FrameName, embedding: Embedding | None) -> Frame | None:
        """A frame, as a tracker takes it; None if it is not here.

        Raises
        ------
        MessageError
            If there is no such frame in a film of so many.
        """
        if name.index >= name.count:
            raise MessageError(f"there is no frame {name.index}: there are {name.count}")
        rgb = self._pixels.get(name.key)
        if rgb is None or embedding is None:
            return None
        return Frame(name.index, name.count, rgb, lambda: embedding)

    def track(self, name: tracking.TrackName) -> Track:
        """A track; `MemoryLostError` if a part of it is not here."""
        keyframes = tuple(self._memory(one) for one in name.keyframes)
        memory = None if name.memory is None else self._memory(name.memory)
        return Track(keyframes, memory, name.reverse)

    def _memory(self, name: str) -> TrackMemory:
        found = self._memories.get(name)
        if found is None:
            raise MemoryLostError(f"the memory {name} is not here")
        return found

    def keep(self, memories: Sequence[TrackMemory]) -> list[tracking.Remembered]:
        """Keep what the model remembers; returns the names."""
        found = []
        for one in memories:
            name = secrets.token_hex(16)
            self._memories[name] = one
            found.append(tracking.Remembered(name, one.nbytes))
        return found
