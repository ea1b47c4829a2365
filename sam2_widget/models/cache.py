"""Embeddings: computed once per image and model, and kept where there is room.

In three places: the memory of the device that made them, then the host's, and on disk, if the user
wants that (`sam2_widget.resources`). Each has a cap for all widgets together. What leaves a place
for want of room was used least recently.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from sam2_widget import resources
from sam2_widget.models import worker
from sam2_widget.models.store import EmbeddingStore
from sam2_widget.predictor import (
    Embedding,
    MovableEmbedding,
    Predictor,
    StorablePredictor,
    UInt8Array,
)
from sam2_widget.resources import Resources

logger = logging.getLogger(__name__)

HOST = "cpu"
WAITING_TO_BE_WRITTEN = 4
"""Embeddings that a slow disk may keep in memory beyond the caps."""

_Key: TypeAlias = tuple[object, str]
"""What identifies the model, and the image's content."""


def image_key(rgb: UInt8Array) -> str:
    """Key of the image's content: equal pixels, equal key."""
    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(rgb.data if rgb.flags.c_contiguous else rgb.tobytes())
    return digest.hexdigest()


def _model_key(predictor: Predictor) -> object:
    # A predictor that does not say what it is, is only known to be itself.
    return getattr(predictor, "identity", predictor)


def place_of(embedding: Embedding) -> str:
    """Where an embedding is, e.g. ``"cuda:0"``."""
    return str(getattr(embedding, "device", HOST))


class _Tier:
    """Embeddings in one place, the least recently used first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[_Key, Embedding] = OrderedDict()
        self.nbytes = 0

    def __iter__(self) -> Iterator[_Key]:
        return iter(list(self._entries))

    def get(self, key: _Key) -> Embedding | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: _Key, embedding: Embedding) -> None:
        self.pop(key)
        self._entries[key] = embedding
        self.nbytes += embedding.nbytes

    def pop(self, key: _Key) -> Embedding | None:
        found = self._entries.pop(key, None)
        self.nbytes -= found.nbytes if found is not None else 0
        return found

    def pop_over(self, capacity: int) -> Iterator[tuple[_Key, Embedding]]:
        """Take out what is too much."""
        while self._entries and self.nbytes > capacity:
            key = next(iter(self._entries))
            embedding = self.pop(key)
            assert embedding is not None  # noqa: S101 - for the type checker
            yield key, embedding


class EmbeddingCache:
    """Embeddings of all widgets, by the content of the image and the identity of the model.

    Parameters
    ----------
    limits : callable
        Returns the caps that hold now.

    Attributes
    ----------
    forgotten : int
        How many embeddings had to leave the last place that there was for them.
    """

    def __init__(self, limits: Callable[[], Resources] = resources.current) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._tiers: dict[str, _Tier] = {HOST: _Tier()}
        self.forgotten = 0
        # Of disks nobody knows how slow they are: nothing waits for one, but the kernel's end.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sam2-widget-store")
        self._to_write = threading.Semaphore(WAITING_TO_BE_WRITTEN)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, in all places together."""
        with self._lock:
            return sum(tier.nbytes for tier in self._tiers.values())

    @property
    def store(self) -> EmbeddingStore | None:
        """The embeddings on disk; None if none are to be kept there."""
        limits = self._limits()
        return EmbeddingStore(limits.store, limits.store_size) if limits.store else None

    def usage(self) -> dict[str, int]:
        """Bytes in each place: ``"cpu"``, ``"disk"``, and devices like ``"cuda:0"``."""
        with self._lock:
            found = {place: tier.nbytes for place, tier in self._tiers.items()}
        store = self.store
        return {**found, "disk": store.nbytes if store else 0}

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
                key.append((_model_key(predictor), image_key(pixels())))
            found = self._find(predictor, key[0])
            if found is None:
                before()
                found = predictor.embed(pixels())
                self._keep(key[0], found)
                self._write_later(predictor, key[0], found)
                after()
            return found

        return embedding

    def has(self, predictor: Predictor, rgb: UInt8Array) -> bool:
        """Whether the embedding of `rgb` can be had without the encoder."""
        return self._find(predictor, (_model_key(predictor), image_key(rgb))) is not None

    def release_device(self, device: str) -> int:
        """Move all embeddings from a device to the host; returns the bytes that were there.

        What the device's allocator still holds is not given back to other processes: that is up to
        the caller.
        """
        return worker.local.run(lambda: self._release(device))

    def clear(self, *, disk: bool = False) -> None:
        """Forget everything in memory; with `disk`, delete the embeddings in the folder, too.

        In a folder that is shared these are other users' and other models' as well; other files are
        left alone.
        """
        with self._lock:
            self._tiers = {HOST: _Tier()}
        if disk and (store := self.store):
            self.flush()
            store.clear()

    def trim(self) -> None:
        """Keep to the caps, which may have changed."""
        with self._lock:
            for place in [*(p for p in self._tiers if p != HOST), HOST]:
                self._trim(place)

    def flush(self) -> None:
        """Wait until everything is on disk that should be."""
        self._writer.submit(lambda: None).result()

    def _find(self, predictor: Predictor, key: _Key) -> Embedding | None:
        with self._lock:
            for tier in self._tiers.values():
                found = tier.get(key)
                if found is not None:
                    return found
        found = self._read(predictor, key)
        if found is not None:
            self._keep(key, found)
        return found

    def _keep(self, key: _Key, embedding: Embedding) -> None:
        with self._lock:
            self._put(place_of(embedding), key, embedding)

    def _capacity(self, place: str) -> int:
        limits = self._limits()
        return limits.host_memory if place == HOST else limits.device_memory

    def _put(self, place: str, key: _Key, embedding: Embedding) -> None:
        if embedding.nbytes <= self._capacity(place):
            self._tiers.setdefault(place, _Tier()).put(key, embedding)
            self._trim(place)
        else:
            self._move_on(place, key, embedding)

    def _trim(self, place: str) -> None:
        for key, embedding in self._tiers[place].pop_over(self._capacity(place)):
            self._move_on(place, key, embedding)

    def _move_on(self, place: str, key: _Key, embedding: Embedding) -> None:
        """From a device to the host; from there to nowhere, as what is on disk stays there."""
        if place != HOST and isinstance(embedding, MovableEmbedding):
            self._put(HOST, key, embedding.to(HOST))
        elif self._limits().store is None:
            self.forgotten += 1

    def _release(self, device: str) -> int:
        with self._lock:
            tier = self._tiers.get(device, _Tier())
            freed = tier.nbytes
            for key, embedding in tier.pop_over(-1) if tier.nbytes else ():
                self._move_on(device, key, embedding)
            # A new object each: copies that the device has for the old ones go with these.
            host = self._tiers[HOST]
            for key in host:
                kept = host.get(key)
                if isinstance(kept, MovableEmbedding):
                    host.put(key, kept.to(HOST))
        return freed

    def _read(self, predictor: Predictor, key: _Key) -> Embedding | None:
        store = self.store
        if store is None or not isinstance(predictor, StorablePredictor):
            return None
        arrays = store.read(predictor.identity, key[1])
        try:
            return predictor.unpack(arrays) if arrays is not None else None
        except ValueError as error:
            logger.warning("a stored embedding is ignored: %s", error)
            return None

    def _write_later(self, predictor: Predictor, key: _Key, embedding: Embedding) -> None:
        store = self.store
        if store is None or not isinstance(predictor, StorablePredictor):
            return
        identity, arrays = predictor.identity, predictor.pack(embedding)
        self._to_write.acquire()

        def write() -> None:
            try:
                store.write(identity, key[1], arrays)
            finally:
                self._to_write.release()

        self._writer.submit(write)


embeddings = EmbeddingCache()
"""The embeddings of this kernel."""

resources.subscribe(embeddings.trim)
