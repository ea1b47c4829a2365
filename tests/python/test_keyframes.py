"""Masks of objects on keyframes, and the run of the model that they come from."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_widget.annotation import predictions
from sam2_widget.annotation.keyframes import keyframe_of
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.types import Box, Choice, MaskPrompt, Point, Stroke
from sam2_widget.testing import FakePredictor

IMAGE = np.zeros((48, 96, 3), np.uint8)


def cache_of(predictor):
    return PredictionCache(predictor, lambda: predictor.embed(IMAGE), IMAGE.shape[:2])


def repeated(predictor, decoding):
    candidates = predictor.predict(
        predictor.embed(IMAGE), decoding.prompts, multimask=decoding.multimask
    )
    return candidates.logits[decoding.choice]


@pytest.mark.parametrize(
    "prompts",
    [
        (Point(30, 20),),
        (Point(30, 20), Choice(2)),
        (Box(10, 10, 40, 30),),
        (Point(30, 20), Point(40, 20, label=0), Point(50, 20)),
        (Stroke(((30, 20),), 3, label=0), Point(30, 20)),
    ],
)
def test_a_mask_of_clicks_comes_with_the_run_that_repeats_it(prompts):
    predictor = FakePredictor()
    cache = cache_of(predictor)
    found = keyframe_of(cache, prompts)
    assert found.decoding is not None
    np.testing.assert_array_equal(repeated(predictor, found.decoding), found.logits)
    wanted = np.zeros((48, 96), bool)
    cache(prompts).mask.crop(48, 96).paste(wanted, 1)
    assert wanted.any()
    np.testing.assert_array_equal(found.mask, wanted)


@pytest.mark.parametrize(
    ("prompts", "settings"),
    [
        ((Point(30, 20), Stroke(((60, 20),), 4)), Settings()),
        ((Point(30, 20),), Settings(fill_holes=4)),
        ((MaskPrompt.from_mask(np.eye(48, 96, dtype=bool)),), Settings()),
        ((MaskPrompt.from_mask(np.eye(48, 96, dtype=bool)), Point(30, 20)), Settings()),
        ((Stroke(((60, 20),), 4),), Settings()),
        ((), Settings()),
    ],
)
def test_a_mask_that_was_given_drawn_or_cleaned_comes_without(prompts, settings):
    cache = cache_of(FakePredictor())
    found = keyframe_of(cache, prompts, settings)
    assert found.decoding is None
    assert found.mask.sum() == cache(prompts, settings).mask.crop(48, 96).area
    assert found.logits.shape == (64, 64)
    assert (found.logits.max() > 0) == found.mask.any()


def test_a_mask_of_a_previous_model_comes_without():
    first = cache_of(FakePredictor(name="first"))
    first((Point(30, 20),))
    second = FakePredictor(name="second")
    cache = PredictionCache(second, lambda: second.embed(IMAGE), IMAGE.shape[:2], previous=first)
    assert keyframe_of(cache, (Point(30, 20),)).decoding is None
    assert keyframe_of(cache, (Point(31, 20),)).decoding is not None


def test_logits_that_have_left_the_cache_are_computed_again(monkeypatch):
    prompts = (Point(30, 20), Point(40, 20, label=0), Point(50, 20))
    wanted = keyframe_of(cache_of(FakePredictor()), prompts)
    monkeypatch.setattr(predictions, "MAX_FEEDBACK_BYTES", 4 * 64 * 64 * 4)
    cache = cache_of(FakePredictor())
    cache(prompts)
    cache((Point(70, 20),))
    found = keyframe_of(cache, prompts)
    np.testing.assert_array_equal(found.logits, wanted.logits)
    np.testing.assert_array_equal(found.decoding.prompts.logits, wanted.decoding.prompts.logits)
