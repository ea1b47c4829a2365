"""Objects and predictions of one moment."""

from dataclasses import replace

import numpy as np
import pytest

from sam2_widget import Point, Settings, Stroke
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.annotation.session import AnnotatedObject, Annotation
from sam2_widget.annotation.snapshots import Snapshots
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor

FIRST = AnnotatedObject(1, prompts=(Point(40, 30),))
SECOND = AnnotatedObject(2, prompts=(Point(10, 10),))
DRAWN = AnnotatedObject(3, prompts=(Stroke([(5, 5), (20, 5)], 4),))


@pytest.fixture
def cache():
    predictor = FakePredictor()
    embedding = predictor.embed(np.zeros((60, 80, 3), np.uint8))
    return PredictionCache(predictor, lambda: embedding, (60, 80))


def predict(cache, annotated):
    return worker.local.run(lambda: cache(annotated.prompts))


def test_objects_that_need_no_model_have_a_prediction_before_loading():
    snapshot = Snapshots().take(Annotation((FIRST, DRAWN)), None)
    assert snapshot.predictions[0] is None
    assert snapshot.prediction_of(3).score == 1.0
    assert snapshot.pending == (FIRST,)
    assert not snapshot.is_complete


def test_the_active_object_is_pending_first(cache):
    snapshot = Snapshots().take(Annotation((FIRST, SECOND), active_id=2), cache)
    assert snapshot.pending == (SECOND, FIRST)
    assert snapshot.active_prediction is None


def test_predictions_appear_in_the_next_snapshot_and_never_in_an_earlier_one(cache):
    snapshots, annotation = Snapshots(), Annotation((FIRST, SECOND), active_id=1)
    before = snapshots.take(annotation, cache)
    first = predict(cache, FIRST)
    after = snapshots.take(annotation, cache)
    assert (before.predictions, after.predictions) == ((None, None), (first, None))
    assert after.active_prediction == first
    assert after.pending == (SECOND,)


def test_a_complete_snapshot_is_taken_once(cache):
    snapshots, annotation = Snapshots(), Annotation((FIRST,))
    predict(cache, FIRST)
    snapshot = snapshots.take(annotation, cache)
    assert snapshots.take(annotation, cache) is snapshot
    moved = snapshots.take(replace(annotation, active_id=1), cache)
    assert moved is not snapshot
    assert moved.predictions is snapshot.predictions


def test_an_object_with_other_prompts_is_pending_again(cache):
    snapshots = Snapshots()
    predict(cache, FIRST)
    assert snapshots.take(Annotation((FIRST,)), cache).is_complete
    changed = replace(FIRST, prompts=(*FIRST.prompts, Point(41, 30, 0)))
    assert snapshots.take(Annotation((changed,)), cache).pending == (changed,)
    assert snapshots.take(Annotation((FIRST,)), cache).is_complete


@pytest.mark.parametrize("changed", ["model", "cleaning"])
def test_other_model_or_cleaning_invalidates_all_predictions(cache, changed):
    snapshots, annotation = Snapshots(), Annotation((FIRST,))
    predict(cache, FIRST)
    assert snapshots.take(annotation, cache).is_complete
    if changed == "model":
        cache = PredictionCache(FakePredictor(), cache._embedding, (60, 80))
    else:
        annotation = replace(annotation, settings=Settings(fill_holes=9))
    assert snapshots.take(annotation, cache).pending == (FIRST,)


def test_unknown_object_is_an_error(cache):
    with pytest.raises(LookupError, match="no object has the id 9"):
        Snapshots().take(Annotation((FIRST,)), cache).prediction_of(9)
