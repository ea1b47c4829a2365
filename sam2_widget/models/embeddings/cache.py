"""A cache of embeddings, which are computed once per image and model.

It has three tiers: the memory of the device that computed them, the host's memory, and the disk, if
the user has enabled it (`sam2_widget.config`). Each has a limit for all widgets together; the least
recently used embedding is evicted first.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from sam2_widget import config
from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.config import Resources
from sam2_widget.models import worker
from sam2_widget.models.embeddings.store import Arrays, EmbeddingStore
from sam2_widget.predictor import Embedding, MovableEmbedding, Predictor, StorablePredictor

logger = logging.getLogger(__name__)

HOST = "cpu"
WAITING_TO_BE_WRITTEN = 4
"""Embeddings that may wait in memory for a slow disk beyond the limits; others are not stored."""

_Key: TypeAlias = tuple[object, str]
"""Keys of the model and of the image's content."""


_known_keys: dict[int, tuple[weakref.ref[UInt8Array], str]] = {}
"""Keys of arrays that live and cannot change, by their `id`."""


def image_key(rgb: UInt8Array) -> str:
    """Key of the image's content: equal pixels have equal keys."""
    known = _known_keys.get(id(rgb))
    if known is not None and known[0]() is rgb and not rgb.flags.writeable:
        return known[1]
    key = _hashed(rgb)
    # Hashing 48 megapixels takes 0.2 s, and each widget asks for the key of its image again.
    if not rgb.flags.writeable and rgb.flags.owndata:
        identity = id(rgb)
        kept = weakref.ref(rgb, lambda _: _known_keys.pop(identity, None))
        _known_keys[identity] = (kept, key)
    return key


def _hashed(rgb: UInt8Array) -> str:
    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(rgb.data if rgb.flags.c_contiguous else rgb.tobytes())
    return digest.hexdigest()


def _model_key(predictor: Predictor) -> object:
    # A predictor without `identity` shares embeddings with no other.
    return getattr(predictor, "identity", predictor)


def place_of(embedding: Embedding) -> str:
    """Device of an embedding, e.g. ``"cuda:0"``."""
    return str(getattr(embedding, "device", HOST))


class _Tier:
    """Embeddings on one device, the least recently used first."""

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

    def items(self) -> list[tuple[_Key, Embedding]]:
        return list(self._entries.items())

    def put(self, key: _Key, embedding: Embedding) -> None:
        self.pop(key)
        self._entries[key] = embedding
        self.nbytes += embedding.nbytes

    def pop(self, key: _Key) -> Embedding | None:
        found = self._entries.pop(key, None)
        self.nbytes -= found.nbytes if found is not None else 0
        return found

    def pop_over(self, capacity: int) -> Iterator[tuple[_Key, Embedding]]:
        """Remove and return embeddings beyond the limit."""
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
        Returns the current limits.

    Attributes
    ----------
    forgotten : int
        Number of embeddings that were evicted from the last tier.
    """

    def __init__(self, limits: Callable[[], Resources] = config.current) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._tiers: dict[str, _Tier] = {HOST: _Tier()}
        self.forgotten = 0
        # The disk may be slow: only the end of the kernel waits for it.
        self._writer = TransientThreadExecutor("sam2-widget-store", daemon=False)
        self._to_write = threading.Semaphore(WAITING_TO_BE_WRITTEN)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, on all devices together."""
        with self._lock:
            return sum(tier.nbytes for tier in self._tiers.values())

    @property
    def store(self) -> EmbeddingStore | None:
        """The embeddings on disk; None if that is not enabled."""
        limits = self._limits()
        return EmbeddingStore(limits.store, limits.store_size) if limits.store else None

    def usage(self) -> dict[str, int]:
        """Bytes in each tier: ``"cpu"``, ``"disk"``, and devices like ``"cuda:0"``."""
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
    ) -> EmbeddingSource:
        """A source of the embedding of `rgb`: the cache, or else the predictor.

        `rgb` may be a function that returns the pixels, which is called only when they are needed,
        so that they need not stay in memory. `before` and `after` are called around the encoder
        only. Images are identified by their content: a cell that is run again does not encode
        again.
        """
        pixels = rgb if callable(rgb) else lambda: rgb
        return EmbeddingSource(self, predictor, pixels, before, after)

    def has(self, predictor: Predictor, rgb: UInt8Array) -> bool:
        """Whether the embedding of `rgb` is cached."""
        source = self.source(predictor, rgb)
        source.fetch()
        return source.is_known

    def release_device(self, device: str) -> int:
        """Move all embeddings from a device to the host; returns their size in bytes.

        The memory stays reserved by the device's allocator; the caller may release it.
        """
        return worker.local.run(lambda: self._release(device))

    def clear(self, *, disk: bool = False) -> None:
        """Drop all embeddings in memory; with `disk`, delete those in the folder, too.

        In a shared folder this includes those of other users and models; other files stay.
        """
        with self._lock:
            self._tiers = {HOST: _Tier()}
        if disk and (store := self.store):
            self.flush()
            store.clear()

    def trim(self) -> None:
        """Evict embeddings beyond the limits, which may have changed."""
        with self._lock:
            devices = [place for place in self._tiers if place != HOST]
            is_over = any(self._tiers[place].nbytes > self._capacity(place) for place in devices)
        if is_over:
            # Only the models' thread moves embeddings off a device.
            worker.local.run(lambda: self._trim_all(devices))
        self._trim(HOST)

    def _trim_all(self, places: Iterable[str]) -> None:
        for place in places:
            self._trim(place)

    def wait_for_writer(self) -> None:
        """Wait until the queue of the disk is short, so that the next embedding is stored, too."""
        self._to_write.acquire()
        self._to_write.release()

    def flush(self) -> None:
        """Wait until all embeddings are written to disk."""
        self._writer.submit(lambda: None).result()

    def in_memory(self, key: _Key) -> Embedding | None:
        """An embedding in memory, on any device."""
        with self._lock:
            found = (tier.get(key) for tier in self._tiers.values())
            return next((one for one in found if one is not None), None)

    def keep(self, key: _Key, embedding: Embedding) -> None:
        """Keep an embedding in memory; on the thread of its model."""
        self._put(place_of(embedding), key, embedding)

    def _capacity(self, place: str) -> int:
        limits = self._limits()
        return limits.host_memory if place == HOST else limits.device_memory

    def _put(self, place: str, key: _Key, embedding: Embedding) -> None:
        if embedding.nbytes <= self._capacity(place):
            with self._lock:
                self._tiers.setdefault(place, _Tier()).put(key, embedding)
            self._trim(place)
        else:
            self._move_on(place, key, embedding)

    def _trim(self, place: str) -> None:
        with self._lock:
            tier = self._tiers.get(place, _Tier())
            excess = list(tier.pop_over(self._capacity(place)))
        for key, embedding in excess:
            self._move_on(place, key, embedding)

    def _move_on(self, place: str, key: _Key, embedding: Embedding) -> None:
        """Move an embedding from a device to the host, or drop it from the host.

        The lock is not held, because copying is slow.
        """
        if place != HOST and isinstance(embedding, MovableEmbedding):
            self._put(HOST, key, embedding.to(HOST))
        elif self._limits().store is None:
            self.forgotten += 1

    def _release(self, device: str) -> int:
        with self._lock:
            tier = self._tiers.get(device, _Tier())
            freed = tier.nbytes
            left = list(tier.pop_over(-1)) if freed else []
            on_host = self._tiers[HOST].items()
        for key, embedding in left:
            self._move_on(device, key, embedding)
        # New objects: copies of the old ones on the device are freed together with these.
        for key, embedding in on_host:
            if isinstance(embedding, MovableEmbedding):
                self._replace_on_host(key, embedding, embedding.to(HOST))
        return freed

    def _replace_on_host(self, key: _Key, old: Embedding, new: Embedding) -> None:
        with self._lock:
            if self._tiers[HOST].get(key) is old:
                self._tiers[HOST].put(key, new)

    def room_for(self, embedding: Embedding) -> int:
        """Number of embeddings like this one that fit into the memory of their device."""
        return self._capacity(place_of(embedding)) // max(embedding.nbytes, 1)

    def stores(self, predictor: Predictor) -> bool:
        """Whether embeddings of that predictor are stored on disk."""
        return self._limits().store is not None and isinstance(predictor, StorablePredictor)

    def read(self, predictor: Predictor, key: _Key) -> Arrays | None:
        """The packed arrays of an embedding on disk; None if there are none."""
        store = self.store
        if store is None or not isinstance(predictor, StorablePredictor):
            return None
        return store.read(predictor.identity, key[1])

    def write_later(self, predictor: Predictor, key: _Key, embedding: Embedding) -> None:
        """Write an embedding to disk in the background, if enabled and if the queue is not full."""
        store = self.store
        if store is None or not isinstance(predictor, StorablePredictor):
            return
        if not self._to_write.acquire(blocking=False):
            logger.info("an embedding is not stored: %s is too slow", store.folder)
            return
        identity, arrays = predictor.identity, predictor.pack(embedding)

        def write() -> None:
            try:
                store.write(identity, key[1], arrays)
            finally:
                self._to_write.release()

        self._writer.submit(write)


class EmbeddingSource:
    """Provides the embedding of one image: from memory, disk or encoder.

    A call on a model's thread does not read from disk: `fetch` does so before, on another thread.

    Parameters
    ----------
    cache : EmbeddingCache
    predictor : Predictor
    pixels : callable
        Returns the image.
    before, after : callable
        Called around the encoder.
    """

    def __init__(
        self,
        cache: EmbeddingCache,
        predictor: Predictor,
        pixels: Callable[[], UInt8Array],
        before: Callable[[], None],
        after: Callable[[], None],
    ) -> None:
        self._cache = cache
        self._predictor = predictor
        self._pixels = pixels
        self._before = before
        self._after = after
        self._found_key: _Key | None = None
        self._has_fetched = False
        self._arrays: Arrays | None = None

    @property
    def _key(self) -> _Key:
        if self._found_key is None:
            # Deferred: hashing a large image would delay the widget.
            self._found_key = (_model_key(self._predictor), image_key(self._pixels()))
        return self._found_key

    @property
    def is_loaded(self) -> bool:
        """Whether a call does not need the disk."""
        if not self._cache.stores(self._predictor) or self._has_fetched:
            return True
        return self._found_key is not None and self._cache.in_memory(self._key) is not None

    @property
    def is_known(self) -> bool:
        """Whether a call after `fetch` does not need the encoder."""
        return self._arrays is not None or self._cache.in_memory(self._key) is not None

    def fetch(self) -> None:
        """Read the embedding from disk if it is stored; not on a model's thread.

        If the image cannot be read, the call that needs the embedding raises the error.
        """
        if self._has_fetched or not self._cache.stores(self._predictor):
            return
        with contextlib.suppress(Exception):
            if self._cache.in_memory(self._key) is not None:
                return
            self._arrays = self._cache.read(self._predictor, self._key)
        self._has_fetched = True

    def prepare(self) -> None:
        """Do what a call needs besides the model: hash the image, and `fetch`."""
        _ = self._key
        self.fetch()

    def __call__(self) -> Embedding:
        """The embedding, which is encoded if it is not cached."""
        if not worker.on_model_thread():
            self.fetch()
        arrays, self._arrays, self._has_fetched = self._arrays, None, False
        found = self._cache.in_memory(self._key)
        if found is None and arrays is not None:
            found = self._unpacked(arrays)
        return self._encoded() if found is None else found

    def _unpacked(self, arrays: Arrays) -> Embedding | None:
        try:
            assert isinstance(self._predictor, StorablePredictor)  # noqa: S101 - for the type checker
            found = self._predictor.unpack(arrays)
        except ValueError as error:
            logger.warning("a stored embedding is ignored: %s", error)
            return None
        self._cache.keep(self._key, found)
        return found

    def _encoded(self) -> Embedding:
        self._before()
        found = self._predictor.embed(self._pixels())
        self._cache.keep(self._key, found)
        self._cache.write_later(self._predictor, self._key, found)
        self._after()
        return found


embeddings = EmbeddingCache()
"""The embeddings of this kernel."""

config.subscribe(embeddings.trim)
