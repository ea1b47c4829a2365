import logging
import threading
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.config import Resources
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import WAITING_TO_BE_WRITTEN, EmbeddingCache, image_key
from sam2_widget.models.embeddings.store import EmbeddingStore
from sam2_widget.testing import FakePredictor, FakeRemotePredictor

KB = 1024


def image(seed, size=(8, 8)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


def cache_of(**limits):
    return EmbeddingCache(lambda: Resources(**limits))


@dataclass(frozen=True)
class MovableFake:
    width: int
    device: str
    nbytes: int = KB

    def to(self, device):
        return MovableFake(self.width, device)


class GpuFake(FakePredictor):
    """Says that it computes on a GPU."""

    identity = "gpu fake"

    def _embed(self, image):
        super()._embed(image)
        return MovableFake(image.shape[1], "cuda:0")

    def pack(self, embedding):
        return {"width": np.array([embedding.width])}

    def unpack(self, arrays):
        if "width" not in arrays:
            raise ValueError("no width")
        return MovableFake(int(arrays["width"][0]), "cpu")


def get(cache, predictor, *seeds):
    return [cache.source(predictor, image(seed))() for seed in seeds]


@given(st.lists(st.integers(0, 9), max_size=40))
def test_memory_never_exceeds_the_limit(seeds):
    cache, predictor = cache_of(host_memory=3 * KB), FakePredictor()
    for seed in seeds:
        get(cache, predictor, seed)
        assert cache.nbytes <= 3 * KB


@given(st.lists(st.integers(0, 9), max_size=40))
def test_device_and_host_limits_hold_and_newest_are_on_the_device(seeds):
    cache = cache_of(host_memory=3 * KB, device_memory=2 * KB)
    predictor = GpuFake()
    for seed in seeds:
        get(cache, predictor, seed)
        usage = cache.usage()
        assert usage["cpu"] <= 3 * KB
        assert usage.get("cuda:0", 0) <= 2 * KB
    if seeds:
        assert cache.usage()["cuda:0"] == min(len(set(seeds)), 2) * KB


def test_the_least_recently_used_is_dropped():
    cache, predictor = cache_of(host_memory=2 * KB), FakePredictor()
    get(cache, predictor, 1, 2, 1, 3, 1)
    assert predictor.embedded == 3
    get(cache, predictor, 2)
    assert predictor.embedded == 4


def test_evicted_embeddings_move_to_the_host():
    cache, predictor = cache_of(device_memory=2 * KB), GpuFake()
    get(cache, predictor, 1, 2, 3)
    assert [e.device for e in get(cache, predictor, 1, 2, 3)] == ["cpu", "cuda:0", "cuda:0"]
    assert predictor.embedded == 3


def test_release_device():
    cache, predictor = cache_of(), GpuFake()
    get(cache, predictor, 1, 2, 3)
    assert cache.release_device("cuda:1") == 0
    assert cache.release_device("cuda:0") == 3 * KB
    assert cache.usage() == {"cpu": 3 * KB, "cuda:0": 0, "disk": 0}
    assert [e.device for e in get(cache, predictor, 1, 2, 3)] == ["cpu"] * 3
    assert predictor.embedded == 3


def test_released_embeddings_respect_the_host_limit():
    cache, predictor = cache_of(host_memory=2 * KB), GpuFake()
    get(cache, predictor, 1, 2, 3)
    cache.release_device("cuda:0")
    assert cache.usage()["cpu"] == 2 * KB
    get(cache, predictor, 3, 2)
    assert predictor.embedded == 3


def test_reduced_limits_apply_immediately():
    limits = [Resources()]
    cache, predictor = EmbeddingCache(lambda: limits[0]), GpuFake()
    get(cache, predictor, 1, 2, 3, 4)
    limits[0] = Resources(device_memory=KB, host_memory=2 * KB)
    cache.trim()
    assert cache.usage() == {"cpu": 2 * KB, "cuda:0": KB, "disk": 0}


def test_predictors_do_not_share_embeddings():
    cache = cache_of()
    one, two = FakePredictor(), FakePredictor()
    get(cache, one, 1)
    get(cache, two, 1)
    assert (one.embedded, two.embedded) == (1, 1)


def test_predictors_with_the_same_identity_share_embeddings():
    cache = cache_of()
    one, two = GpuFake(), GpuFake()
    get(cache, one, 1)
    get(cache, two, 1)
    assert (one.embedded, two.embedded) == (1, 0)


@pytest.mark.parametrize("predictor", [FakePredictor(), GpuFake()])
def test_embedding_above_the_limit_is_still_returned(predictor):
    cache = cache_of(host_memory=10, device_memory=10)
    assert cache.source(predictor, image(1))().width == 8
    assert cache.nbytes == 0


def test_embedding_above_the_limit_evicts_nothing():
    cache, predictor = cache_of(host_memory=2 * KB, device_memory=KB - 1), GpuFake()
    get(cache, predictor, 1, 2)
    assert cache.usage()["cpu"] == 2 * KB


def test_callbacks_are_called_only_around_encoding():
    cache, predictor, calls = cache_of(), FakePredictor(), []
    source = cache.source(
        predictor, image(1), before=lambda: calls.append("b"), after=lambda: calls.append("a")
    )
    source()
    source()
    assert calls == ["b", "a"]


def test_key_depends_on_shape_and_content():
    a = np.zeros((2, 8, 3), np.uint8)
    assert image_key(a) != image_key(a.reshape(8, 2, 3))
    assert image_key(a) == image_key(a.copy())
    assert image_key(a[:, ::2]) == image_key(a[:, ::2].copy())


def test_embeddings_on_disk_are_not_encoded_again(tmp_path):
    first, second = GpuFake(), GpuFake()
    cache = cache_of(store=tmp_path)
    get(cache, first, 1, 2)
    cache.flush()
    assert cache.usage()["disk"] == sum(f.stat().st_size for f in tmp_path.iterdir()) > 0
    again = cache_of(store=tmp_path)
    assert [e.width for e in get(again, second, 1, 2, 1)] == [8, 8, 8]
    assert second.embedded == 0
    again.clear()
    get(again, second, 1)
    assert second.embedded == 0
    again.clear(disk=True)
    assert again.usage() == {"cpu": 0, "disk": 0}
    get(again, second, 1)
    assert second.embedded == 1


def test_predictor_without_identity_is_not_stored(tmp_path):
    cache = cache_of(store=tmp_path)
    get(cache, FakePredictor(), 1)
    cache.flush()
    assert not list(tmp_path.iterdir())


def test_incompatible_stored_embedding_is_replaced(tmp_path, caplog):
    class Older(GpuFake):
        def pack(self, embedding):
            return {"breadth": np.array([1])}

    cache = cache_of(store=tmp_path)
    get(cache, Older(), 1)
    cache.flush()
    predictor = GpuFake()
    with caplog.at_level(logging.WARNING):
        get(cache_of(store=tmp_path), predictor, 1)
    assert predictor.embedded == 1
    assert "no width" in caplog.text


def test_unusable_store_folder_is_logged_and_ignored(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    cache, predictor = cache_of(store=tmp_path / "file" / "folder"), GpuFake()
    with caplog.at_level(logging.WARNING):
        get(cache, predictor, 1)
        cache.flush()
    assert predictor.embedded == 1
    assert "cannot be stored" in caplog.text


def test_concurrent_use_by_many_threads():
    kept = EmbeddingCache()
    errors = []

    def use(predictor):
        try:
            for i in range(200):
                kept.source(predictor, image(i % 7))()
                assert kept.nbytes >= 0
                if i % 50 == 49:
                    kept.trim()
                    kept.clear()
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    predictors = [FakePredictor(), *(FakeRemotePredictor() for _ in range(3))]
    threads = [threading.Thread(target=use, args=(p,)) for p in predictors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert kept.nbytes % 1024 == 0


class SlowFake(GpuFake):
    """Its embedding records the threads on which it was moved, and whether the cache was locked."""

    def __init__(self, cache):
        super().__init__(device="cuda:0")
        self.moves = []
        self._cache = cache

    def _embed(self, image):
        super()._embed(image)
        predictor = self

        @dataclass(frozen=True)
        class Watched(MovableFake):
            def to(self, device):
                predictor.moves.append((worker.local.here, predictor._cache._lock.locked()))
                return Watched(self.width, device)

        return Watched(image.shape[1], "cuda:0")


def test_device_memory_is_moved_on_the_model_thread_without_the_lock():
    limits = Resources()
    cache = EmbeddingCache(lambda: limits)
    predictor = SlowFake(cache)
    worker.local.run(lambda: get(cache, predictor, 1, 2, 3))
    limits = Resources(device_memory=KB)
    cache.trim()
    assert predictor.moves == [(True, False)] * 2
    assert cache.usage()["cuda:0"] == KB
    cache.release_device("cuda:0")
    assert set(predictor.moves) == {(True, False)}
    assert cache.usage() == {"cpu": 3 * KB, "cuda:0": 0, "disk": 0}


class SlowStore(EmbeddingStore):
    """On a disk that answers when `go` is set."""

    started, go = threading.Event(), threading.Event()

    def read(self, model, image):
        assert not worker.on_model_thread()
        self.started.set()
        assert self.go.wait(20)
        return super().read(model, image)

    def write(self, model, image, arrays):
        assert not worker.on_model_thread()
        self.started.set()
        assert self.go.wait(20)
        super().write(model, image, arrays)


@pytest.fixture
def slow_disk(monkeypatch):
    monkeypatch.setattr("sam2_widget.models.embeddings.cache.EmbeddingStore", SlowStore)
    SlowStore.started.clear()
    SlowStore.go.clear()
    yield SlowStore
    SlowStore.go.set()


def test_slow_writes_do_not_delay_encoding(tmp_path, slow_disk):
    cache, predictor = cache_of(store=tmp_path), GpuFake()
    slow_disk.go.set()
    sources = [cache.source(predictor, image(seed)) for seed in range(20)]
    for source in sources:
        source.fetch()
    slow_disk.go.clear()
    worker.local.run(lambda: [source() for source in sources])
    assert predictor.embedded == 20
    slow_disk.go.set()
    cache.flush()
    assert len(list(tmp_path.iterdir())) == WAITING_TO_BE_WRITTEN
    for seed in range(20, 30):
        cache.wait_for_writer()
        worker.local.run(partial(get, cache, predictor, seed))
    cache.flush()
    assert len(list(tmp_path.iterdir())) == WAITING_TO_BE_WRITTEN + 10


def test_model_thread_uses_prefetched_files_and_reads_no_disk(tmp_path, slow_disk):
    slow_disk.go.set()
    first = cache_of(store=tmp_path)
    get(first, GpuFake(), 1, 2)
    first.flush()
    # No room in memory: what is fetched is used once.
    cache, predictor = cache_of(store=tmp_path, host_memory=0, device_memory=0), GpuFake()
    source = cache.source(predictor, image(1))
    assert not source.is_loaded
    for _ in range(2):
        source.fetch()
        assert source.is_loaded
        assert worker.local.run(source).width == 8
        assert not source.is_loaded
    assert predictor.embedded == 0
    worker.local.run(source)
    assert predictor.embedded == 1


def test_unreadable_image_fails_on_use(tmp_path):
    source = cache_of(store=tmp_path).source(GpuFake(), lambda: 1 / 0)
    source.fetch()
    with pytest.raises(ZeroDivisionError):
        source()
