import logging
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.models.cache import EmbeddingCache, image_key
from sam2_widget.resources import Resources
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
def test_memory_never_exceeds_the_cap(seeds):
    cache, predictor = cache_of(host_memory=3 * KB), FakePredictor()
    for seed in seeds:
        get(cache, predictor, seed)
        assert cache.nbytes <= 3 * KB


@given(st.lists(st.integers(0, 9), max_size=40))
def test_each_place_keeps_to_its_cap_and_the_newest_are_on_the_device(seeds):
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


def test_what_leaves_the_device_is_on_the_host_and_is_not_encoded_again():
    cache, predictor = cache_of(device_memory=2 * KB), GpuFake()
    get(cache, predictor, 1, 2, 3)
    assert [e.device for e in get(cache, predictor, 1, 2, 3)] == ["cpu", "cuda:0", "cuda:0"]
    assert predictor.embedded == 3


def test_a_device_can_be_released():
    cache, predictor = cache_of(), GpuFake()
    get(cache, predictor, 1, 2, 3)
    assert cache.release_device("cuda:1") == 0
    assert cache.release_device("cuda:0") == 3 * KB
    assert cache.usage() == {"cpu": 3 * KB, "cuda:0": 0, "disk": 0}
    assert [e.device for e in get(cache, predictor, 1, 2, 3)] == ["cpu"] * 3
    assert predictor.embedded == 3


def test_a_released_device_does_not_burst_the_host():
    cache, predictor = cache_of(host_memory=2 * KB), GpuFake()
    get(cache, predictor, 1, 2, 3)
    cache.release_device("cuda:0")
    assert cache.usage()["cpu"] == 2 * KB
    get(cache, predictor, 3, 2)
    assert predictor.embedded == 3


def test_smaller_caps_take_hold_at_once():
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


def test_predictors_of_one_identity_do():
    cache = cache_of()
    one, two = GpuFake(), GpuFake()
    get(cache, one, 1)
    get(cache, two, 1)
    assert (one.embedded, two.embedded) == (1, 0)


@pytest.mark.parametrize("predictor", [FakePredictor(), GpuFake()])
def test_an_embedding_over_the_cap_is_returned_all_the_same(predictor):
    cache = cache_of(host_memory=10, device_memory=10)
    assert cache.source(predictor, image(1))().width == 8
    assert cache.nbytes == 0


def test_an_embedding_over_the_cap_drives_nothing_out():
    cache, predictor = cache_of(host_memory=2 * KB, device_memory=KB - 1), GpuFake()
    get(cache, predictor, 1, 2)
    assert cache.usage()["cpu"] == 2 * KB


def test_before_and_after_are_called_around_the_encoder_only():
    cache, predictor, calls = cache_of(), FakePredictor(), []
    source = cache.source(
        predictor, image(1), before=lambda: calls.append("b"), after=lambda: calls.append("a")
    )
    source()
    source()
    assert calls == ["b", "a"]


def test_the_key_tells_shape_and_content():
    a = np.zeros((2, 8, 3), np.uint8)
    assert image_key(a) != image_key(a.reshape(8, 2, 3))
    assert image_key(a) == image_key(a.copy())
    assert image_key(a[:, ::2]) == image_key(a[:, ::2].copy())


def test_what_is_on_disk_is_not_encoded_again(tmp_path):
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


def test_without_an_identity_nothing_is_on_disk(tmp_path):
    cache = cache_of(store=tmp_path)
    get(cache, FakePredictor(), 1)
    cache.flush()
    assert not list(tmp_path.iterdir())


def test_what_the_predictor_does_not_know_is_encoded_and_replaced(tmp_path, caplog):
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


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    cache, predictor = cache_of(store=tmp_path / "file" / "folder"), GpuFake()
    with caplog.at_level(logging.WARNING):
        get(cache, predictor, 1)
        cache.flush()
    assert predictor.embedded == 1
    assert "cannot be stored" in caplog.text


def test_the_cache_is_used_by_many_threads_at_once():
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
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    predictors = [FakePredictor(), *(FakeRemotePredictor() for _ in range(3))]
    threads = [threading.Thread(target=use, args=(p,)) for p in predictors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert kept.nbytes % 1024 == 0
