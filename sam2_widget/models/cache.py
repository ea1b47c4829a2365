"""Embeddings: computed once per image and model, kept as long as there is room."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import TypeAlias

from cachetools import LRUCache

from sam2_widget.predictor import Embedding, Predictor, UInt8Array

DEFAULT_CAPACITY = 512 * 2**20
"""Bytes: 32 embeddings of SAM 2 in float32. Small beside the model, also on a shared GPU."""


def image_key(rgb: UInt8Array) -> str:
    """Key of the image's content: equal pixels, equal key."""
    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(rgb.data if rgb.flags.c_contiguous else rgb.tobytes())
    return digest.hexdigest()


# Predictors are shared and live as long as the kernel: the object itself says which model it is.
_Key: TypeAlias = tuple[Predictor, str]


class EmbeddingCache:
    """A bytes-capped, least-recently-used cache of embeddings, shared by all widgets.

    Parameters
    ----------
    capacity : int
        Most bytes to keep. An embedding larger than that is returned, but not kept.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._lock = threading.Lock()
        self._entries: LRUCache[_Key, Embedding] = LRUCache(
            capacity, getsizeof=lambda embedding: embedding.nbytes
        )

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return int(self._entries.currsize)

    def source(
        self,
        predictor: Predictor,
        rgb: UInt8Array | Callable[[], UInt8Array],
        *,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> Callable[[], Embedding]:
        """Where to get the embedding of `rgb`: from here, or from the predictor.

        A function that returns the pixels is called only when they are needed, so that nobody has
        to keep them. `before` and `after` are called around the encoder only. The image is looked
        up by its content, so a cell run twice does not encode twice.
        """
        key: list[_Key] = []
        pixels = rgb if callable(rgb) else lambda: rgb

        def embedding() -> Embedding:
            if not key:
                # Hashing a large image takes a moment: not where the widget is made.
                key.append((predictor, image_key(pixels())))
            found = self._find(key[0])
            if found is None:
                before()
                found = predictor.embed(pixels())
                self._keep(key[0], found)
                after()
            return found

        return embedding

    def _find(self, key: _Key) -> Embedding | None:
        with self._lock:
            found: Embedding | None = self._entries.get(key)
            return found

    def _keep(self, key: _Key, embedding: Embedding) -> None:
        with self._lock:
            if embedding.nbytes <= self._entries.maxsize:
                self._entries[key] = embedding

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


embeddings = EmbeddingCache()
"""The cache of this kernel."""
