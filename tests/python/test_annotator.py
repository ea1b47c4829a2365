"""One image, its objects and their predictions, also while the model is busy or fails."""

import threading

import numpy as np
import pytest

from sam2_widget import MaskPrompt, ModelError, Point, PromptError, Stroke, load_image
from sam2_widget.annotation.annotator import EMPTY, WHOLE, Annotator, notice_about
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.annotation.session import Session
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor
from tests.python.model_thread import busy_model_thread, finish_jobs
from tests.waiting import PATIENCE, wait_until

IMAGE = load_image(np.zeros((60, 80, 3), np.uint8))
LEFT, RIGHT, CUT = Point(20, 30), Point(60, 30), Point(60, 30, 0)
DRAWN = Stroke([(5, 5), (20, 5)], 4)


class GuardedSession(Session):
    """Records where the annotation is read by a thread that does not hold the lock."""

    def __init__(self, *size):
        super().__init__(*size)
        self.guard = None
        self.unguarded = []

    @property
    def annotation(self):
        if self.guard is not None and not self.guard._is_owned():
            self.unguarded.append(threading.current_thread().name)
        return super().annotation


class Recorder:
    """Calls of an annotator's callbacks: snapshots at each change, and how often it has settled."""

    def __init__(self):
        self.annotator = None
        self.snapshots = []
        self.settled = 0

    def changed(self):
        if self.annotator is not None:
            self.snapshots.append(self.annotator.snapshot())

    def count_settled(self):
        self.settled += 1


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def annotator(predictor, recorder):
    session = GuardedSession(80, 60)
    found = Annotator(
        IMAGE, session, device=None, changed=recorder.changed, settled=recorder.count_settled
    )
    found.model.load(predictor)
    found.model.wait()
    finish_jobs()
    recorder.annotator, recorder.settled, session.guard = found, 0, found.lock
    yield found
    predictor.gate.set()
    found.model.close()


def wait_for_predictions(annotator):
    wait_until(lambda: annotator.snapshot().is_complete, "the predictions")
    finish_jobs()


def click(annotator, point):
    annotator.edit(lambda: annotator.session.add(point))


def separate_prediction(prompts):
    """What the fake predicts for some prompts, computed by a cache of the test's own."""
    predictor = FakePredictor()
    embedding = predictor.embed(IMAGE.rgb)
    cache = PredictionCache(predictor, lambda: embedding, (60, 80))
    return worker.local.run(lambda: cache(prompts))


# --- snapshots ------------------------------------------------------------------------------------


def test_edit_is_in_the_next_snapshot_and_its_prediction_follows(annotator, predictor):
    predictor.gate.clear()
    click(annotator, LEFT)
    before = annotator.snapshot()
    assert [o.prompts for o in before.annotation.objects] == [(LEFT,)]
    assert before.active_prediction is None
    predictor.gate.set()
    wait_for_predictions(annotator)
    after = annotator.snapshot()
    assert after.annotation is before.annotation
    assert after.active_prediction == separate_prediction((LEFT,))
    assert before.active_prediction is None


def test_each_edit_makes_one_snapshot_that_never_changes(annotator, recorder):
    for prompt in (LEFT, CUT, DRAWN):
        click(annotator, prompt)
        wait_for_predictions(annotator)
    found = [snapshot.annotation.active.prompts for snapshot in recorder.snapshots]
    assert list(dict.fromkeys(found)) == [(LEFT,), (LEFT, CUT), (LEFT, CUT, DRAWN)]
    assert annotator.snapshot() is annotator.snapshot()


def test_the_annotation_is_read_under_the_lock_only(annotator):
    for prompt in (LEFT, CUT):
        click(annotator, prompt)
        wait_for_predictions(annotator)
    annotator.edit(annotator.session.commit)
    annotator.edit(annotator.session.undo)
    assert annotator.status.phase == "ready"
    assert annotator.id_of(0) == 0
    assert len(annotator.current_result().masks) == 1
    assert annotator.session.unguarded == []


def test_edit_waits_for_a_thread_that_holds_the_lock(annotator):
    started = threading.Event()

    def edit():
        started.set()
        click(annotator, LEFT)

    thread = threading.Thread(target=edit)
    with annotator.lock:
        thread.start()
        assert started.wait(PATIENCE)
        assert annotator.snapshot().annotation.objects == ()
        assert annotator.epoch == 0
    thread.join(PATIENCE)
    assert [o.prompts for o in annotator.snapshot().annotation.objects] == [(LEFT,)]


def test_edits_from_python_start_an_epoch_and_configuring_does_not(annotator):
    click(annotator, LEFT)
    click(annotator, CUT)
    assert annotator.epoch == 2
    annotator.configure(lambda: annotator.session.set_classes({"cell": "#ff0000"}))
    assert annotator.epoch == 2
    assert annotator.session.label == "cell"


def test_failed_edit_changes_nothing(annotator):
    with pytest.raises(PromptError, match="outside"):
        click(annotator, Point(500, 30))
    assert annotator.snapshot().annotation.objects == ()
    assert annotator.epoch == 0


# --- undo and redo --------------------------------------------------------------------------------


def test_undo_and_redo_restore_masks_without_a_model_run(annotator, predictor):
    click(annotator, LEFT)
    wait_for_predictions(annotator)
    one_click = annotator.current_result().masks
    click(annotator, RIGHT)
    wait_for_predictions(annotator)
    two_clicks = annotator.current_result().masks
    assert (one_click[0, 30, 60], two_clicks[0, 30, 60]) == (False, True)

    assert annotator.edit(annotator.session.undo)
    assert annotator.snapshot().is_complete
    np.testing.assert_array_equal(annotator.current_result().masks, one_click)
    assert annotator.edit(annotator.session.redo)
    assert annotator.snapshot().is_complete
    np.testing.assert_array_equal(annotator.current_result().masks, two_clicks)
    assert predictor.predicted == 2


def test_undo_of_the_first_click_leaves_no_object(annotator):
    click(annotator, LEFT)
    wait_for_predictions(annotator)
    annotator.edit(annotator.session.undo)
    assert annotator.snapshot().all_objects == ()
    assert annotator.current_result().masks.shape == (0, 60, 80)
    assert not annotator.edit(annotator.session.undo)


# --- predictions that come late -------------------------------------------------------------------


def test_prediction_of_replaced_prompts_is_not_shown(annotator, predictor, recorder):
    predictor.gate.clear()
    click(annotator, LEFT)
    annotator.edit(lambda: annotator.session.set_prompts((RIGHT,)))
    predictor.gate.set()
    wait_for_predictions(annotator)
    pairs = [pair for snapshot in recorder.snapshots for pair in snapshot.all_objects]
    expected = {prompts: separate_prediction(prompts) for prompts in ((LEFT,), (RIGHT,))}
    assert {o.prompts for o, _ in pairs} == {(LEFT,), (RIGHT,)}
    assert all(found in (None, expected[o.prompts]) for o, found in pairs)
    assert annotator.snapshot().active_prediction == expected[RIGHT,]


def test_prediction_of_an_undone_click_brings_nothing_back(annotator, predictor):
    predictor.gate.clear()
    click(annotator, LEFT)
    annotator.edit(annotator.session.undo)
    predictor.gate.set()
    finish_jobs()
    assert annotator.snapshot().all_objects == ()
    assert annotator.status.phase == "ready"


def test_prediction_of_a_replaced_model_is_dropped(annotator, predictor):
    predictor.gate.clear()
    click(annotator, LEFT)
    larger = FakePredictor(radius=0.3, name="larger")
    annotator.model.load(larger)
    predictor.gate.set()
    assert annotator.model.wait().predictor is larger
    wait_for_predictions(annotator)
    found = annotator.snapshot().active_prediction
    assert found.maker.model == "larger"
    assert annotator.current_result().masks[0].sum() > 1000  # a disc of radius 12 has 452 pixels


def test_snapshot_without_a_model_has_what_was_drawn(recorder):
    annotator = Annotator(
        IMAGE,
        Session(80, 60),
        device=None,
        changed=recorder.changed,
        settled=recorder.count_settled,
    )
    click(annotator, LEFT)
    annotator.edit(annotator.session.commit)
    click(annotator, DRAWN)
    snapshot = annotator.snapshot()
    assert [p and p.score for p in snapshot.predictions] == [None, 1.0]
    assert annotator.status.phase == "loading"
    annotator.model.load(FakePredictor())
    wait_for_predictions(annotator)
    assert annotator.snapshot().predictions[0] == separate_prediction((LEFT,))
    annotator.model.close()


# --- several objects ------------------------------------------------------------------------------


def test_several_objects_have_a_mask_each(annotator, predictor):
    for point in (LEFT, RIGHT):
        click(annotator, point)
        annotator.edit(annotator.session.commit)
    masks = annotator.current_result().masks
    assert [mask[30, 20] for mask in masks] == [True, False]
    assert [mask[30, 60] for mask in masks] == [False, True]
    assert [annotator.id_of(i) for i in (0, 1, -1)] == [0, 1, 1]
    assert predictor.predicted == 2


def test_the_active_object_is_predicted_before_others(annotator, recorder):
    click(annotator, LEFT)
    annotator.edit(annotator.session.commit)
    click(annotator, RIGHT)
    wait_for_predictions(annotator)
    before = len(recorder.snapshots)
    with busy_model_thread():
        annotator.edit(lambda: annotator.session.set_setting("fill_holes", 4))
        assert [o.prompts for o in annotator.snapshot().pending] == [(RIGHT,), (LEFT,)]
    wait_for_predictions(annotator)
    found = [tuple(p is not None for p in s.predictions) for s in recorder.snapshots[before:]]
    assert list(dict.fromkeys(found)) == [(False, False), (False, True), (True, True)]


def test_another_object_stays_predicted_while_one_is_edited(annotator, predictor):
    left = separate_prediction((LEFT,))
    click(annotator, LEFT)
    annotator.edit(annotator.session.commit)
    wait_for_predictions(annotator)
    predictor.gate.clear()
    click(annotator, RIGHT)
    assert annotator.snapshot().predictions == (left, None)


@pytest.mark.parametrize("index", [1, -2, "first", None])
def test_unknown_object_is_an_error_that_counts_the_objects(annotator, index):
    click(annotator, LEFT)
    with pytest.raises(PromptError, match=r"there is no object .*: there are 1$"):
        annotator.id_of(index)


# --- results --------------------------------------------------------------------------------------


def test_result_waits_for_the_newest_edit(annotator, predictor):
    predictor.gate.clear()
    click(annotator, LEFT)
    found = []
    reader = threading.Thread(target=lambda: found.append(annotator.current_result()))
    reader.start()
    predictor.gate.set()
    reader.join(PATIENCE)
    assert found[0].masks[0, 30, 20]
    assert found[0].masks[0].sum() == pytest.approx(np.pi * 12**2, rel=0.05)


def test_result_is_made_once_until_something_changes(annotator):
    click(annotator, LEFT)
    first = annotator.current_result()
    assert annotator.current_result() is first
    annotator.drop_result()
    again = annotator.current_result()
    assert again is not first
    np.testing.assert_array_equal(again.masks, first.masks)
    click(annotator, RIGHT)
    assert annotator.current_result().masks[0, 30, 60]


# --- a model that fails ---------------------------------------------------------------------------


def test_failed_prediction_keeps_the_prompts_and_is_tried_again(annotator, predictor):
    predictor.fail_with = RuntimeError("no power")
    click(annotator, LEFT)
    wait_until(lambda: annotator.active_failed, "the failure")
    finish_jobs()
    assert [o.prompts for o in annotator.snapshot().annotation.objects] == [(LEFT,)]
    assert annotator.status.phase == "error"
    assert "no power" in annotator.status.message
    assert annotator.status.hint.startswith("Click again")
    with pytest.raises(ModelError, match="no power"):
        annotator.current_result()

    predictor.fail_with = None
    click(annotator, RIGHT)
    assert not annotator.active_failed
    wait_for_predictions(annotator)
    wait_until(lambda: annotator.status.phase == "ready", "the recovery")
    assert annotator.current_result().masks[0, 30, [20, 60]].tolist() == [True, True]


def test_failed_object_is_pending_again_after_any_edit(annotator, predictor):
    predictor.fail_with = RuntimeError("no power")
    click(annotator, LEFT)
    wait_until(lambda: annotator.active_failed, "the failure")
    finish_jobs()
    with busy_model_thread():
        annotator.edit(lambda: annotator.session.set_setting("fill_holes", 4))
        assert not annotator.active_failed
    wait_until(lambda: annotator.active_failed, "the second failure")


def test_failure_of_a_model_that_is_being_replaced_is_not_in_the_status(annotator, predictor):
    larger = FakePredictor(name="larger")
    larger.gate.clear()
    predictor.fail_with = RuntimeError("no power")
    with busy_model_thread():
        click(annotator, LEFT)
        annotator.model.load(larger)
    wait_until(lambda: annotator.active_failed, "the failure")
    assert annotator.status.phase in ("loading", "encoding")
    larger.gate.set()
    wait_for_predictions(annotator)
    assert annotator.snapshot().active_prediction.maker.model == "larger"


def test_failed_prediction_of_one_object_leaves_the_others(annotator, predictor):
    click(annotator, LEFT)
    annotator.edit(annotator.session.commit)
    wait_for_predictions(annotator)
    predictor.fail_with = RuntimeError("no power")
    click(annotator, RIGHT)
    wait_until(lambda: annotator.active_failed, "the failure")
    finish_jobs()
    assert annotator.snapshot().predictions == (separate_prediction((LEFT,)), None)


def test_prompts_can_be_given_where_no_model_can_be_loaded(recorder):
    annotator = Annotator(
        IMAGE,
        Session(80, 60),
        device=None,
        changed=recorder.changed,
        settled=recorder.count_settled,
    )
    annotator.model.load("no such model")
    wait_until(lambda: annotator.model.has_failed, "the failure")
    click(annotator, LEFT)
    assert annotator.active_failed
    assert [o.prompts for o in annotator.snapshot().pending] == [(LEFT,)]
    annotator.model.load(FakePredictor())
    assert annotator.current_result().masks[0, 30, 20]
    assert not annotator.active_failed
    annotator.model.close()


# --- status and notices ---------------------------------------------------------------------------


def test_status_shows_pending_predictions_and_image_notes(annotator, predictor):
    annotator.image_note = "Only the first of 2 channels is shown."
    assert annotator.status.message == "Ready. Only the first of 2 channels is shown."
    predictor.gate.clear()
    click(annotator, LEFT)
    assert (annotator.status.phase, annotator.status.message) == ("predicting", "Predicting")
    annotator.model.close()
    assert annotator.status.phase == "closed"


def test_notice_is_published(annotator, recorder):
    before = len(recorder.snapshots)
    annotator.notify("Saved.", "a page")
    assert annotator.notices.current == {"a page": "Saved."}
    assert len(recorder.snapshots) == before + 1


def test_publishing_waits_for_the_prediction_where_the_page_shows_the_edit(
    annotator, predictor, recorder
):
    predictor.gate.clear()
    before = len(recorder.snapshots)
    with annotator.lock:
        annotator.session.add(LEFT)
    annotator.after_edit(prediction_follows=True)
    assert len(recorder.snapshots) == before
    predictor.gate.set()
    wait_for_predictions(annotator)
    assert [s.is_complete for s in recorder.snapshots[before:]] == [True]


def test_empty_and_whole_masks_have_a_notice():
    everything = MaskPrompt.from_mask(np.ones((60, 80), bool))
    assert notice_about(None) == ""
    assert notice_about(separate_prediction((DRAWN,))) == ""
    assert notice_about(separate_prediction((CUT,))) == EMPTY
    assert notice_about(separate_prediction((everything,))) == WHOLE
