import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.models.cache import EmbeddingCache, image_key
from sam2_widget.testing import FakePredictor


def image(seed, size=(8, 8)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


@given(st.lists(st.integers(0, 9), max_size=40))
def test_memory_never_exceeds_the_cap(seeds):
    cache = EmbeddingCache(3 * 1024)
    predictor = FakePredictor()
    for seed in seeds:
        cache.source(predictor, image(seed))()
        assert cache.nbytes <= 3 * 1024


def test_the_least_recently_used_is_dropped():
    cache, predictor = EmbeddingCache(2 * 1024), FakePredictor()
    for seed in (1, 2, 1, 3, 1):
        cache.source(predictor, image(seed))()
    assert predictor.embedded == 3
    cache.source(predictor, image(2))()
    assert predictor.embedded == 4


def test_predictors_do_not_share_embeddings():
    cache = EmbeddingCache()
    one, two = FakePredictor(), FakePredictor()
    cache.source(one, image(1))()
    cache.source(two, image(1))()
    assert (one.embedded, two.embedded) == (1, 1)


def test_an_embedding_over_the_cap_is_returned_all_the_same():
    cache, predictor = EmbeddingCache(10), FakePredictor()
    assert cache.source(predictor, image(1))().width == 8
    assert cache.nbytes == 0


def test_before_and_after_are_called_around_the_encoder_only():
    cache, predictor, calls = EmbeddingCache(), FakePredictor(), []
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
