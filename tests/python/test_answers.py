from time import perf_counter

import numpy as np
import pytest

from sam2_widget import Box, Choice, MaskPrompt, Point, Scribble, Settings, Stroke
from sam2_widget.answers import FORESEEN_KEPT, NOTHING, Answers, to_arrays, without_model
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor


class Recording(FakePredictor):
    """Keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def _predict(self, embedding, prompts, *, multimask):
        self.asked.append((prompts, multimask))
        return super()._predict(embedding, prompts, multimask=multimask)


@pytest.fixture
def predictor():
    return Recording()


@pytest.fixture
def answers(predictor):
    embedding = predictor.embed(np.zeros((60, 80, 3), np.uint8))
    return Answers(predictor, lambda: embedding, (60, 80))


def ask(answers, *prompts):
    return worker.local.run(lambda: answers(prompts))


P1, P2, N1, B1 = Point(40, 30), Point(50, 30), Point(41, 31, 0), Box(5, 5, 30, 40)


def test_a_lone_click_is_ambiguous_and_the_best_of_three_is_taken(answers, predictor):
    answer = ask(answers, P1)
    (prompts, multimask) = predictor.asked[0]
    assert multimask
    assert prompts.logits is None
    assert answer.score == pytest.approx(0.9)


def test_logits_are_fed_back_from_the_chosen_candidate(answers, predictor):
    ask(answers, P1)
    ask(answers, P1, N1)
    prompts, multimask = predictor.asked[1]
    assert not multimask
    assert prompts.points.tolist() == [[40, 30], [41, 31]]
    assert prompts.labels.tolist() == [1, 0]
    chosen = predictor._predict(answers._embedding(), predictor.asked[0][0], multimask=True)
    np.testing.assert_array_equal(prompts.logits, chosen.logits[1])


def test_a_box_starts_afresh_and_points_refine_it(answers, predictor):
    ask(answers, P1, B1, N1)
    first, box, point = predictor.asked
    assert first[1]
    assert box[0].logits is None
    assert box[0].box.tolist() == [5, 5, 30, 40]
    assert box[0].points.tolist() == [[40, 30]]
    assert not box[1]
    assert point[0].logits is not None


def test_the_same_list_gives_the_same_answer_however_it_came_about(answers, predictor):
    ask(answers, P1)
    ask(answers, P1, P2)
    step_by_step = ask(answers, P1, P2, N1)
    other = Answers(predictor, answers._embedding, (60, 80))
    assert ask(other, P1, P2, N1) == step_by_step


def test_each_prefix_is_computed_once(answers, predictor):
    ask(answers, P1, P2, N1)
    assert len(predictor.asked) == 3
    ask(answers, P1, P2)
    ask(answers, P1)
    ask(answers, P1, P2, N1)
    assert len(predictor.asked) == 3
    ask(answers, P1, P2, N1, Point(1, 1))
    assert len(predictor.asked) == 4


def test_forgotten_logits_are_computed_again(answers, predictor):
    before = ask(answers, P1, P2)
    answers._logits.clear()
    assert ask(answers, P1, P2) == before
    assert len(predictor.asked) == 2
    after = ask(answers, P1, P2, N1)
    assert len(predictor.asked) == 5
    assert after == ask(Answers(predictor, answers._embedding, (60, 80)), P1, P2, N1)


def test_negative_clicks_alone_select_nothing_and_ask_no_model(answers, predictor):
    assert ask(answers, N1) is NOTHING
    assert NOTHING.mask.empty
    assert not predictor.asked
    ask(answers, N1, P1)
    assert predictor.asked[0][0].logits is None


def test_scores_are_within_0_and_1(answers, predictor, monkeypatch):
    original = predictor._predict

    def overconfident(*args, **kwargs):
        candidates = original(*args, **kwargs)
        return type(candidates)(candidates.logits, candidates.scores + 5)

    monkeypatch.setattr(predictor, "_predict", overconfident)
    assert ask(answers, P1).score == 1.0


# --- choices --------------------------------------------------------------------------------------


def pixels_of(answer, size=(60, 80)):
    mask = np.zeros(size, bool)
    answer.mask.crop(*size).paste(mask, value=True)
    return mask


def test_an_ambiguous_answer_offers_its_candidates(answers):
    answer = ask(answers, P1)
    assert [c.score for c in answer.candidates] == pytest.approx([0.7, 0.9, 0.8])
    assert answer.choice == 1
    assert answer.mask == answer.candidates[1].mask
    areas = [c.mask.crop(60, 80).area for c in answer.candidates]
    assert areas == sorted(areas)
    assert ask(answers, P1, N1).candidates == ()


def test_a_choice_costs_no_model_and_its_logits_are_fed_on(answers, predictor):
    ask(answers, P1)
    answer = ask(answers, P1, Choice(2))
    assert len(predictor.asked) == 1
    assert answer.choice == 2
    assert answer.score == pytest.approx(0.8)
    assert answer.mask == answer.candidates[2].mask
    ask(answers, P1, Choice(2), N1)
    chosen = predictor._predict(answers._embedding(), predictor.asked[0][0], multimask=True)
    np.testing.assert_array_equal(predictor.asked[1][0].logits, chosen.logits[2])


def test_a_choice_where_there_is_none_is_ignored(answers):
    two = ask(answers, P1, N1)
    assert ask(answers, P1, N1, Choice(0)) == two
    assert ask(answers, Choice(0)) is NOTHING
    assert ask(answers, Choice(0), P1).choice == 1


# --- scribbles ------------------------------------------------------------------------------------


def test_a_scribble_is_clicks_along_its_line(answers, predictor):
    answer = ask(answers, Scribble([(10, 30), (50, 30)]), Scribble([(10, 50), (50, 50)], 0))
    first, second = (prompts for prompts, _ in predictor.asked)
    assert len(first.points) == 8
    assert set(first.points[:, 1]) == {30}
    assert second.labels.tolist() == [1] * 8 + [0] * 8
    assert not predictor.asked[0][1]
    assert pixels_of(answer)[30, 12]


def test_a_negative_scribble_alone_selects_nothing(answers, predictor):
    assert ask(answers, Scribble([(10, 30), (50, 30)], 0)) is NOTHING
    assert not predictor.asked


# --- strokes --------------------------------------------------------------------------------------

BRUSH, ERASER = Stroke([(70, 10), (75, 50)], 3), Stroke([(40, 30)], 4, 0)


def test_strokes_lie_on_top_of_what_the_model_says(answers, predictor):
    before = pixels_of(ask(answers, P1))
    after = pixels_of(ask(answers, P1, BRUSH, ERASER))
    assert len(predictor.asked) == 1
    assert not before[30, 73]
    assert after[30, 73]
    assert before[30, 40]
    assert not after[30, 40]


def test_strokes_stay_whatever_is_clicked_later(answers):
    answer = ask(answers, P1, BRUSH, P2, N1)
    assert answer.mask.strokes == (BRUSH,)
    assert pixels_of(answer)[30, 73]


def test_strokes_are_drawn_into_the_logits_of_later_answers(answers, predictor):
    ask(answers, P1, BRUSH, P2)
    alone = Answers(predictor, answers._embedding, (60, 80))
    ask(alone, P1, P2)
    with_stroke, without = predictor.asked[1][0].logits, predictor.asked[3][0].logits
    assert with_stroke[32, 58] == 10
    assert without[32, 58] < 0
    assert (with_stroke != without).mean() < 0.2


def test_a_click_gives_a_stroke_back_to_the_model(answers):
    given_back = Point(40.5, 30.5)
    assert not pixels_of(ask(answers, P1, ERASER))[30, 40]
    assert pixels_of(ask(answers, P1, ERASER, given_back))[30, 40]


def test_strokes_alone_need_no_model(answers, predictor):
    answer = ask(answers, BRUSH)
    assert pixels_of(answer).sum() == answer.mask.crop(60, 80).area > 0
    assert answer.score == 1.0
    assert without_model((BRUSH, N1)) == answers.known((BRUSH, N1))
    assert not predictor.asked
    ask(answers, BRUSH, P1)
    assert predictor.asked[0][1]


def test_undo_and_redo_over_strokes_and_choices_cost_no_model(answers, predictor):
    prompts = (P1, Choice(0), BRUSH, N1, ERASER, P2, Choice(1))
    found = [ask(answers, *prompts[:end]) for end in range(len(prompts) + 1)]
    asked = len(predictor.asked)
    assert asked == 3
    assert [answers.known(prompts[:end]) for end in range(len(prompts) + 1)] == found
    assert ask(Answers(predictor, answers._embedding, (60, 80)), *prompts) == found[-1]


# --- a mask to start from -------------------------------------------------------------------------


def given(*parts):
    mask = np.zeros((60, 80), bool)
    for y0, y1, x0, x1 in parts:
        mask[y0:y1, x0:x1] = True
    return MaskPrompt.from_mask(mask)


LEFT_AND_RIGHT = given((5, 15, 5, 15), (40, 55, 60, 75))


def test_a_given_mask_is_kept_exactly(answers, predictor):
    answer = ask(answers, LEFT_AND_RIGHT)
    assert pixels_of(answer).sum() == 100 + 225
    assert answer.score == 1.0
    assert answers.known((LEFT_AND_RIGHT,)) == answer
    assert not predictor.asked


def test_a_click_corrects_a_given_mask_only_where_it_points(answers, predictor):
    before = pixels_of(ask(answers, LEFT_AND_RIGHT))
    far_left = Point(10, 10, 0)
    after = pixels_of(ask(answers, LEFT_AND_RIGHT, far_left))
    # The model would also drop the right part, which the click does not point at.
    assert not after[5:15, 5:15].any()
    np.testing.assert_array_equal(after[:, 20:], before[:, 20:])
    assert predictor.asked[0][0].logits.shape == (64, 64)
    assert not predictor.asked[0][1]


def test_a_given_mask_is_told_to_the_model(answers, predictor):
    ask(answers, LEFT_AND_RIGHT, P1)
    logits = predictor.asked[0][0].logits
    assert logits[50, 54] == 10
    assert logits[30, 30] == -10


def test_a_click_adds_to_a_given_mask_what_the_model_says_there(answers):
    before = pixels_of(ask(answers, LEFT_AND_RIGHT))
    after = pixels_of(ask(answers, LEFT_AND_RIGHT, P1))
    assert after[30, 40]
    assert (after & before)[5:15, 5:15].all()
    assert (after & before)[40:55, 60:75].all()


def test_a_box_takes_the_model_for_all_that_reaches_into_it(answers):
    after = pixels_of(ask(answers, LEFT_AND_RIGHT, Box(55, 35, 79, 59)))
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


def test_holes_are_filled_and_specks_dropped_without_asking_again():
    predictor = Holed()
    embedding = predictor.embed(np.zeros((64, 64, 3), np.uint8))
    answers = Answers(predictor, lambda: embedding, (64, 64))
    raw = pixels_of(ask(answers, Point(32, 32)), (64, 64))
    assert not raw[32, 32]
    assert raw[2, 2]
    assert answers.known((Point(32, 32),), Settings(fill_holes=5)) is None
    found = {}
    for holes, specks in ((5, 0), (0, 5), (5, 5)):
        clean = Settings(fill_holes=holes, drop_specks=specks)
        answer = worker.local.run(lambda clean=clean: answers((Point(32, 32),), clean))
        assert answers.known((Point(32, 32),), clean) == answer
        found[holes, specks] = pixels_of(answer, (64, 64))
    assert found[5, 0][32, 32]
    assert found[5, 0][2, 2]
    assert not found[0, 5][2, 2]
    assert not found[0, 5][32, 32]
    assert found[5, 5][32, 32]
    assert not found[5, 5][2, 2]
    assert predictor.predicted == 1


# --- previews -------------------------------------------------------------------------------------


def test_a_preview_is_the_answer_and_is_not_known(answers, predictor):
    ask(answers, P1)
    preview = worker.local.run(lambda: answers.preview((P1, N1)))
    assert answers.known((P1, N1)) is None
    kept = len(answers._said), len(answers._logits), len(answers._derived)
    worker.local.run(lambda: answers.preview((P1, P2)))
    assert (len(answers._said), len(answers._logits), len(answers._derived)) == kept
    assert ask(answers, P1, N1) == preview
    assert worker.local.run(lambda: answers.preview((N1,))) is NOTHING


def test_what_was_foreseen_is_not_asked_again(answers, predictor):
    foreseen = worker.local.run(lambda: answers.preview((P1, N1)))
    asked = len(predictor.asked)
    assert worker.local.run(lambda: answers.preview((P1, N1))) == foreseen
    assert ask(answers, P1, N1) == foreseen
    assert len(predictor.asked) == asked
    # It is an answer like any other: the next goes on from it.
    assert ask(answers, P1, N1, P2) == ask(
        Answers(predictor, answers._embedding, (60, 80)), P1, N1, P2
    )


def test_only_a_few_answers_are_foreseen(answers, predictor):
    places = [Point(x, 5) for x in range(2 * FORESEEN_KEPT)]
    for place in places:
        worker.local.run(lambda place=place: answers.preview((place,)))
    asked = len(predictor.asked)
    ask(answers, places[-1])
    assert len(predictor.asked) == asked
    ask(answers, places[0])
    assert len(predictor.asked) == asked + 1


def test_how_long_a_foreseen_answer_was_waited_for(answers):
    before = perf_counter()
    worker.local.run(lambda: answers.preview((P1,)))
    after = perf_counter()
    assert 0 < answers.waited((P1,), before) < after - before
    assert answers.waited((P1,), after) == 0
    assert answers.waited((P2,), before) == 0


def test_a_point_stays_in_its_pixel_in_single_precision():
    points = to_arrays((Point(0, 44.999998807907104), Point(12.25, 7))).points
    assert points.dtype == np.float32
    np.testing.assert_array_equal(np.floor(points), [(0, 44), (12, 7)])
    assert points[1].tolist() == [12.25, 7]
