"""Clicks of several users in one batch of the decoder, on the real architecture."""

from typing import cast

import numpy as np
import pytest
import torch

from sam2_widget import Box, Point
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.models.batches import DecodeRequest, in_batches
from sam2_widget.models.bundled.predictor import CompactPredictor
from sam2_widget.models.checkpoints import load_model
from sam2_widget.models.sam2.predictor import Sam2Predictor


def test_candidates_are_in_request_order_from_full_batches_of_one_kind():
    runs = []

    def answer(requests):
        runs.append(list(requests))
        return [10 * request for request in requests]

    assert in_batches([1, 2, 3, 4, 5, 7], lambda request: request % 2, answer, size=3) == [
        10,
        20,
        30,
        40,
        50,
        70,
    ]
    assert runs == [[1, 3, 5], [7, 7, 7], [2, 4, 4]]


@pytest.fixture(scope="module", params=[False, True], ids=["modules", "fast decoder"])
def predictor(tiny, request):
    return Sam2Predictor(tiny, name="tiny", dtype=torch.float32, fast_decoder=request.param)


@pytest.fixture(scope="module")
def requests(predictor):
    """Clicks, boxes and corrections on three images."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(3)]
    embeddings = [predictor.embed(one) for one in images]
    first = [
        DecodeRequest(e, to_arrays((Point(20 + i, 30),)), multimask=True)
        for i, e in enumerate(embeddings)
    ]
    logits = _alone(predictor, first[0]).logits[0]
    second = [
        DecodeRequest(e, to_arrays((Point(20 + i, 30), Point(5, 5, 0)), logits), False)  # noqa: FBT003
        for i, e in enumerate(embeddings[:2])
    ]
    return [*first, *second, DecodeRequest(embeddings[2], to_arrays((Box(4, 4, 40, 30),)), False)]  # noqa: FBT003


def _alone(predictor, request):
    return predictor.predict(request.embedding, request.prompts, multimask=request.multimask)


def test_batches_of_one_give_exactly_the_masks_of_predict(predictor, requests):
    for request, found in zip(requests, predictor.predict_many(requests, size=1), strict=True):
        np.testing.assert_array_equal(found.logits, _alone(predictor, request).logits)
        np.testing.assert_array_equal(found.scores, _alone(predictor, request).scores)


def test_larger_batches_differ_only_by_rounding(predictor, requests):
    for request, found in zip(requests, predictor.predict_many(requests, size=4), strict=True):
        alone = _alone(predictor, request)
        np.testing.assert_allclose(found.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_masks_do_not_depend_on_other_requests_of_the_batch(predictor, requests):
    together = predictor.predict_many(requests, size=3)
    for request, found in zip(requests, together, strict=True):
        (by_itself,) = predictor.predict_many([request], size=3)
        np.testing.assert_array_equal(found.logits, by_itself.logits)


def test_the_bundled_model_decodes_one_request_after_the_other():
    model = cast(CompactPredictor, load_model("bundled", device="cpu"))
    embedding = model.embed(np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8))
    requests = [DecodeRequest(embedding, to_arrays((Point(x, 20),)), True) for x in (10, 30, 50)]  # noqa: FBT003
    for request, found in zip(requests, model.predict_many(requests, size=2), strict=True):
        np.testing.assert_array_equal(found.logits, _alone(model, request).logits)
