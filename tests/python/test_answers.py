import numpy as np
import pytest

from sam2_widget import Box, Point, worker
from sam2_widget.answers import NOTHING, Answers
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
    return worker.run(lambda: answers(prompts))


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
