from time import perf_counter

import numpy as np
import pytest

from sam2_widget import Box, Choice, MaskPrompt, Point, Scribble, Settings, Stroke
from sam2_widget.annotation.predictions import (
    EMPTY_PREDICTION,
    MAX_SPECULATIVE_RUNS,
    PredictionCache,
    predict_without_model,
    to_arrays,
)
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor


class Recording(FakePredictor):
    """Records its requests."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def _predict(self, embedding, prompts, *, multimask):
        self.calls.append((prompts, multimask))
        return super()._predict(embedding, prompts, multimask=multimask)


@pytest.fixture
def predictor():
    return Recording()


@pytest.fixture
def predictions(predictor):
    embedding = predictor.embed(np.zeros((60, 80, 3), np.uint8))
    return PredictionCache(predictor, lambda: embedding, (60, 80))


def predict(predictions, *prompts):
    return worker.local.run(lambda: predictions(prompts))


P1, P2, N1, B1 = Point(40, 30), Point(50, 30), Point(41, 31, 0), Box(5, 5, 30, 40)


def test_single_click_uses_the_best_of_three_candidates(predictions, predictor):
    answer = predict(predictions, P1)
    (prompts, multimask) = predictor.calls[0]
    assert multimask
    assert prompts.logits is None
    assert answer.score == pytest.approx(0.9)


def test_logits_are_fed_back_from_the_chosen_candidate(predictions, predictor):
    predict(predictions, P1)
    predict(predictions, P1, N1)
    prompts, multimask = predictor.calls[1]
    assert not multimask
    assert prompts.points.tolist() == [[40, 30], [41, 31]]
    assert prompts.labels.tolist() == [1, 0]
    chosen = predictor._predict(predictions._embedding(), predictor.calls[0][0], multimask=True)
    np.testing.assert_array_equal(prompts.logits, chosen.logits[1])


def test_box_starts_without_logits_and_points_refine_it(predictions, predictor):
    predict(predictions, P1, B1, N1)
    first, box, point = predictor.calls
    assert first[1]
    assert box[0].logits is None
    assert box[0].box.tolist() == [5, 5, 30, 40]
    assert box[0].points.tolist() == [[40, 30]]
    assert not box[1]
    assert point[0].logits is not None


def test_prediction_depends_only_on_the_prompts(predictions, predictor):
    predict(predictions, P1)
    predict(predictions, P1, P2)
    step_by_step = predict(predictions, P1, P2, N1)
    other = PredictionCache(predictor, predictions._embedding, (60, 80))
    assert predict(other, P1, P2, N1) == step_by_step


def test_each_prefix_is_computed_once(predictions, predictor):
    predict(predictions, P1, P2, N1)
    assert len(predictor.calls) == 3
    predict(predictions, P1, P2)
    predict(predictions, P1)
    predict(predictions, P1, P2, N1)
    assert len(predictor.calls) == 3
    predict(predictions, P1, P2, N1, Point(1, 1))
    assert len(predictor.calls) == 4


def test_evicted_logits_are_computed_again(predictions, predictor):
    before = predict(predictions, P1, P2)
    predictions._logits.clear()
    assert predict(predictions, P1, P2) == before
    assert len(predictor.calls) == 2
    after = predict(predictions, P1, P2, N1)
    assert len(predictor.calls) == 5
    assert after == predict(
        PredictionCache(predictor, predictions._embedding, (60, 80)), P1, P2, N1
    )


def test_only_negative_clicks_give_an_empty_mask_without_the_model(predictions, predictor):
    assert predict(predictions, N1) is EMPTY_PREDICTION
    assert EMPTY_PREDICTION.mask.empty
    assert not predictor.calls
    predict(predictions, N1, P1)
    assert predictor.calls[0][0].logits is None


def test_scores_are_within_0_and_1(predictions, predictor, monkeypatch):
    original = predictor._predict

    def overconfident(*args, **kwargs):
        candidates = original(*args, **kwargs)
        return type(candidates)(candidates.logits, candidates.scores + 5)

    monkeypatch.setattr(predictor, "_predict", overconfident)
    assert predict(predictions, P1).score == 1.0


# --- choices --------------------------------------------------------------------------------------


def pixels_of(answer, size=(60, 80)):
    mask = np.zeros(size, bool)
    answer.mask.crop(*size).paste(mask, value=True)
    return mask


def test_ambiguous_prediction_has_candidates(predictions):
    answer = predict(predictions, P1)
    assert [c.score for c in answer.candidates] == pytest.approx([0.7, 0.9, 0.8])
    assert answer.choice == 1
    assert answer.mask == answer.candidates[1].mask
    areas = [c.mask.crop(60, 80).area for c in answer.candidates]
    assert areas == sorted(areas)
    assert predict(predictions, P1, N1).candidates == ()


def test_choice_needs_no_model_call_and_its_logits_are_fed_back(predictions, predictor):
    predict(predictions, P1)
    answer = predict(predictions, P1, Choice(2))
    assert len(predictor.calls) == 1
    assert answer.choice == 2
    assert answer.score == pytest.approx(0.8)
    assert answer.mask == answer.candidates[2].mask
    predict(predictions, P1, Choice(2), N1)
    chosen = predictor._predict(predictions._embedding(), predictor.calls[0][0], multimask=True)
    np.testing.assert_array_equal(predictor.calls[1][0].logits, chosen.logits[2])


def test_choice_without_candidates_is_ignored(predictions):
    two = predict(predictions, P1, N1)
    assert predict(predictions, P1, N1, Choice(0)) == two
    assert predict(predictions, Choice(0)) is EMPTY_PREDICTION
    assert predict(predictions, Choice(0), P1).choice == 1


# --- scribbles ------------------------------------------------------------------------------------


def test_scribble_is_converted_to_clicks(predictions, predictor):
    answer = predict(predictions, Scribble([(10, 30), (50, 30)]), Scribble([(10, 50), (50, 50)], 0))
    first, second = (prompts for prompts, _ in predictor.calls)
    assert len(first.points) == 8
    assert set(first.points[:, 1]) == {30}
    assert second.labels.tolist() == [1] * 8 + [0] * 8
    assert not predictor.calls[0][1]
    assert pixels_of(answer)[30, 12]


def test_only_a_negative_scribble_gives_an_empty_mask(predictions, predictor):
    assert predict(predictions, Scribble([(10, 30), (50, 30)], 0)) is EMPTY_PREDICTION
    assert not predictor.calls


# --- strokes --------------------------------------------------------------------------------------

BRUSH, ERASER = Stroke([(70, 10), (75, 50)], 3), Stroke([(40, 30)], 4, 0)


def test_strokes_override_the_prediction(predictions, predictor):
    before = pixels_of(predict(predictions, P1))
    after = pixels_of(predict(predictions, P1, BRUSH, ERASER))
    assert len(predictor.calls) == 1
    assert not before[30, 73]
    assert after[30, 73]
    assert before[30, 40]
    assert not after[30, 40]


def test_strokes_are_kept_when_clicks_follow(predictions):
    answer = predict(predictions, P1, BRUSH, P2, N1)
    assert answer.mask.strokes == (BRUSH,)
    assert pixels_of(answer)[30, 73]


def test_strokes_are_drawn_into_the_logits_that_are_fed_back(predictions, predictor):
    predict(predictions, P1, BRUSH, P2)
    alone = PredictionCache(predictor, predictions._embedding, (60, 80))
    predict(alone, P1, P2)
    with_stroke, without = predictor.calls[1][0].logits, predictor.calls[3][0].logits
    assert with_stroke[32, 58] == 10
    assert without[32, 58] < 0
    assert (with_stroke != without).mean() < 0.2


def test_opposite_click_overrides_a_stroke(predictions):
    given_back = Point(40.5, 30.5)
    assert not pixels_of(predict(predictions, P1, ERASER))[30, 40]
    assert pixels_of(predict(predictions, P1, ERASER, given_back))[30, 40]


def test_strokes_alone_need_no_model(predictions, predictor):
    answer = predict(predictions, BRUSH)
    assert pixels_of(answer).sum() == answer.mask.crop(60, 80).area > 0
    assert answer.score == 1.0
    assert predict_without_model((BRUSH, N1)) == predictions.cached((BRUSH, N1))
    assert not predictor.calls
    predict(predictions, BRUSH, P1)
    assert predictor.calls[0][1]


def test_undo_and_redo_of_strokes_and_choices_need_no_model_call(predictions, predictor):
    prompts = (P1, Choice(0), BRUSH, N1, ERASER, P2, Choice(1))
    found = [predict(predictions, *prompts[:end]) for end in range(len(prompts) + 1)]
    asked = len(predictor.calls)
    assert asked == 3
    assert [predictions.cached(prompts[:end]) for end in range(len(prompts) + 1)] == found
    assert (
        predict(PredictionCache(predictor, predictions._embedding, (60, 80)), *prompts) == found[-1]
    )


# --- a mask to start from -------------------------------------------------------------------------


def given(*parts):
    mask = np.zeros((60, 80), bool)
    for y0, y1, x0, x1 in parts:
        mask[y0:y1, x0:x1] = True
    return MaskPrompt.from_mask(mask)


LEFT_AND_RIGHT = given((5, 15, 5, 15), (40, 55, 60, 75))


def test_a_given_mask_is_kept_exactly(predictions, predictor):
    answer = predict(predictions, LEFT_AND_RIGHT)
    assert pixels_of(answer).sum() == 100 + 225
    assert answer.score == 1.0
    assert predictions.cached((LEFT_AND_RIGHT,)) == answer
    assert not predictor.calls


def test_click_changes_only_its_region_of_a_given_mask(predictions, predictor):
    before = pixels_of(predict(predictions, LEFT_AND_RIGHT))
    far_left = Point(10, 10, 0)
    after = pixels_of(predict(predictions, LEFT_AND_RIGHT, far_left))
    # The model would also drop the right part, which the click does not point at.
    assert not after[5:15, 5:15].any()
    np.testing.assert_array_equal(after[:, 20:], before[:, 20:])
    assert predictor.calls[0][0].logits.shape == (64, 64)
    assert not predictor.calls[0][1]


def test_given_mask_is_passed_to_the_model(predictions, predictor):
    predict(predictions, LEFT_AND_RIGHT, P1)
    logits = predictor.calls[0][0].logits
    assert logits[50, 54] == 10
    assert logits[30, 30] == -10


def test_positive_click_adds_the_predicted_region_to_a_given_mask(predictions):
    before = pixels_of(predict(predictions, LEFT_AND_RIGHT))
    after = pixels_of(predict(predictions, LEFT_AND_RIGHT, P1))
    assert after[30, 40]
    assert (after & before)[5:15, 5:15].all()
    assert (after & before)[40:55, 60:75].all()


def test_box_replaces_the_regions_of_a_given_mask_that_it_touches(predictions):
    after = pixels_of(predict(predictions, LEFT_AND_RIGHT, Box(55, 35, 79, 59)))
    assert after[35:59, 55:79].all()
    assert after[5:15, 5:15].all()


# --- cleaning -------------------------------------------------------------------------------------


class Holed(FakePredictor):
    """A disc with a hole, and a speck beside it."""

    def _draw(self, embedding, prompts, factor):
        logits = super()._draw(embedding, prompts, factor)
        logits[32, 32] = -4
        logits[2, 2] = 4
        return logits


def test_cleaning_needs_no_further_model_call():
    predictor = Holed()
    embedding = predictor.embed(np.zeros((64, 64, 3), np.uint8))
    predictions = PredictionCache(predictor, lambda: embedding, (64, 64))
    raw = pixels_of(predict(predictions, Point(32, 32)), (64, 64))
    assert not raw[32, 32]
    assert raw[2, 2]
    assert predictions.cached((Point(32, 32),), Settings(fill_holes=5)) is None
    found = {}
    for holes, specks in ((5, 0), (0, 5), (5, 5)):
        clean = Settings(fill_holes=holes, drop_specks=specks)
        answer = worker.local.run(lambda clean=clean: predictions((Point(32, 32),), clean))
        assert predictions.cached((Point(32, 32),), clean) == answer
        found[holes, specks] = pixels_of(answer, (64, 64))
    assert found[5, 0][32, 32]
    assert found[5, 0][2, 2]
    assert not found[0, 5][2, 2]
    assert not found[0, 5][32, 32]
    assert found[5, 5][32, 32]
    assert not found[5, 5][2, 2]
    assert predictor.predicted == 1


# --- previews -------------------------------------------------------------------------------------


def test_preview_equals_the_prediction_and_is_not_cached(predictions, predictor):
    predict(predictions, P1)
    preview = worker.local.run(lambda: predictions.preview((P1, N1)))
    assert predictions.cached((P1, N1)) is None
    kept = len(predictions._outputs), len(predictions._logits), len(predictions._derived)
    worker.local.run(lambda: predictions.preview((P1, P2)))
    assert (len(predictions._outputs), len(predictions._logits), len(predictions._derived)) == kept
    assert predict(predictions, P1, N1) == preview
    assert worker.local.run(lambda: predictions.preview((N1,))) is EMPTY_PREDICTION


def test_speculative_prediction_is_reused(predictions, predictor):
    foreseen = worker.local.run(lambda: predictions.preview((P1, N1)))
    asked = len(predictor.calls)
    assert worker.local.run(lambda: predictions.preview((P1, N1))) == foreseen
    assert predict(predictions, P1, N1) == foreseen
    assert len(predictor.calls) == asked
    # It is a prediction like any other: the next one starts from it.
    assert predict(predictions, P1, N1, P2) == predict(
        PredictionCache(predictor, predictions._embedding, (60, 80)), P1, N1, P2
    )


def test_number_of_speculative_predictions_is_limited(predictions, predictor):
    places = [Point(x, 5) for x in range(2 * MAX_SPECULATIVE_RUNS)]
    for place in places:
        worker.local.run(lambda place=place: predictions.preview((place,)))
    asked = len(predictor.calls)
    predict(predictions, places[-1])
    assert len(predictor.calls) == asked
    predict(predictions, places[0])
    assert len(predictor.calls) == asked + 1


def test_waiting_time_of_a_speculative_prediction(predictions):
    before = perf_counter()
    worker.local.run(lambda: predictions.preview((P1,)))
    after = perf_counter()
    assert 0 < predictions.speculative_seconds((P1,), before) < after - before
    assert predictions.speculative_seconds((P1,), after) == 0
    assert predictions.speculative_seconds((P2,), before) == 0


def test_point_stays_in_its_pixel_as_float32():
    points = to_arrays((Point(0, 44.999998807907104), Point(12.25, 7))).points
    assert points.dtype == np.float32
    np.testing.assert_array_equal(np.floor(points), [(0, 44), (12, 7)])
    assert points[1].tolist() == [12.25, 7]
