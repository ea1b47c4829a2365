"""Clicks of several users in one run of the decoder, on the true architecture."""

import numpy as np
import pytest
import torch

from sam2_widget import Box, Point
from sam2_widget.answers import to_arrays
from sam2_widget.models.batches import Ask, in_batches
from sam2_widget.models.checkpoints import load_model
from sam2_widget.models.sam2_predictor import Sam2Predictor


def test_answers_come_in_the_order_of_the_questions_by_full_runs_of_one_kind():
    runs = []

    def answer(asks):
        runs.append(list(asks))
        return [10 * ask for ask in asks]

    assert in_batches([1, 2, 3, 4, 5, 7], lambda ask: ask % 2, answer, size=3) == [
        10,
        20,
        30,
        40,
        50,
        70,
    ]
    assert runs == [[1, 3, 5], [7, 7, 7], [2, 4, 4]]


@pytest.fixture(scope="module")
def predictor(tiny):
    return Sam2Predictor(tiny, name="tiny", dtype=torch.float32)


@pytest.fixture(scope="module")
def asks(predictor):
    """Clicks, boxes and corrections on three images."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(3)]
    embeddings = [predictor.embed(one) for one in images]
    first = [Ask(e, to_arrays((Point(20 + i, 30),)), True) for i, e in enumerate(embeddings)]  # noqa: FBT003
    logits = _alone(predictor, first[0]).logits[0]
    second = [
        Ask(e, to_arrays((Point(20 + i, 30), Point(5, 5, 0)), logits), False)  # noqa: FBT003
        for i, e in enumerate(embeddings[:2])
    ]
    return [*first, *second, Ask(embeddings[2], to_arrays((Box(4, 4, 40, 30),)), False)]  # noqa: FBT003


def _alone(predictor, ask):
    return predictor.predict(ask.embedding, ask.prompts, multimask=ask.multimask)


def test_runs_of_one_answer_to_the_bit_as_predict_does(predictor, asks):
    for ask, found in zip(asks, predictor.predict_many(asks, size=1), strict=True):
        np.testing.assert_array_equal(found.logits, _alone(predictor, ask).logits)
        np.testing.assert_array_equal(found.scores, _alone(predictor, ask).scores)


def test_larger_runs_answer_the_same_but_for_rounding(predictor, asks):
    for ask, found in zip(asks, predictor.predict_many(asks, size=4), strict=True):
        alone = _alone(predictor, ask)
        np.testing.assert_allclose(found.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_in_a_larger_run_an_answer_does_not_depend_on_who_else_asks(predictor, asks):
    together = predictor.predict_many(asks, size=3)
    for ask, found in zip(asks, together, strict=True):
        (by_itself,) = predictor.predict_many([ask], size=3)
        np.testing.assert_array_equal(found.logits, by_itself.logits)


def test_the_bundled_model_answers_one_after_the_other():
    model = load_model("bundled", device="cpu")
    embedding = model.embed(np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8))
    asks = [Ask(embedding, to_arrays((Point(x, 20),)), True) for x in (10, 30, 50)]  # noqa: FBT003
    for ask, found in zip(asks, model.predict_many(asks, size=2), strict=True):
        np.testing.assert_array_equal(found.logits, _alone(model, ask).logits)
