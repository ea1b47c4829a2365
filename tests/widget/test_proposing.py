"""Proposals in the widget, from Python."""

import threading

import numpy as np
import pytest

from sam2_widget import (
    ClosedError,
    ImageError,
    ModelError,
    OutOfMemoryError,
    PromptError,
    ProposalFilter,
    SegmentWidget,
    SettingError,
    propose,
    segment,
)
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.testing import FakePredictor
from tests.waiting import PATIENCE, wait_until

IMAGE = np.random.default_rng(3).integers(0, 255, (96, 128, 3), np.uint8)


@pytest.fixture
def image():
    embeddings.clear()
    return IMAGE


def proposed(widget, *region, **options):
    job = widget.propose(*region, **{"points_per_side": 3, **options})
    assert job.wait(PATIENCE)
    assert job.error == ""
    return job


class Steps:
    """Lets the predictor answer one question after another; counts those that have begun."""

    def __init__(self, predictor, monkeypatch):
        self._allowed = threading.Semaphore(0)
        self.begun = 0
        predict = predictor._predict

        def stepping(*args, **options):
            self.begun += 1
            assert self._allowed.acquire(timeout=PATIENCE)
            return predict(*args, **options)

        monkeypatch.setattr(predictor, "_predict", stepping)

    def allow(self, count):
        self._allowed.release(count)


def test_proposals_are_those_of_propose(widget, predictor):
    job = proposed(widget)
    assert (job.done, job.cancelled, job.progress) == (True, False, 1.0)
    assert (job.completed, job.total) == (9, 9)
    expected = propose(IMAGE, model=FakePredictor(), points_per_side=3)
    assert widget.proposals.to_frame().equals(expected.proposals.to_frame())
    assert repr(job) == "ProposalJob(27 proposals, 9 of 9 points, done)"
    assert widget.masks.shape == (0, 96, 128)  # nothing is an object yet


def test_accepted_ones_are_objects_in_one_step_that_need_no_model_run(widget, predictor):
    widget.labels = ["cell", "dust"]
    proposed(widget)
    runs = predictor.predicted
    accepted = widget.accept_proposals()
    expected = propose(IMAGE, model=FakePredictor(), points_per_side=3)
    assert accepted == tuple(one.number for one in expected.filter(expected.proposals))
    np.testing.assert_array_equal(widget.masks, expected.masks)
    np.testing.assert_array_equal(widget.scores, expected.scores)
    assert {one.label for one in widget.objects} == {"cell"}
    assert predictor.predicted == runs
    assert [one.prompts for one in widget.prompts] == [one.prompts for one in expected.prompts]
    widget.undo()
    assert len(widget.objects) == 0
    widget.redo()
    assert len(widget.objects) == len(accepted)


def test_what_was_accepted_replays_elsewhere(widget):
    proposed(widget)
    widget.accept_proposals([2, 13, 6])
    assert len(widget.objects) == 3
    again = segment(IMAGE, widget.prompts, model=FakePredictor())
    np.testing.assert_array_equal(again.masks, widget.masks)
    other = SegmentWidget(IMAGE, model=FakePredictor(), prompts=widget.prompts)
    np.testing.assert_array_equal(other.masks, widget.masks)
    other.close()


def test_an_accepted_object_can_be_corrected_by_clicks(widget):
    proposed(widget)
    widget.accept_proposals([5])
    before = widget.objects[0].area
    widget.select(0)
    x, y = widget.proposals[4].point
    widget.add_point(x + 14, y, label=0)
    assert widget.objects[0].area != before
    assert len(widget.objects) == 1


def test_settings_and_classes_stay(widget):
    widget.fill_holes = 7
    proposed(widget)
    widget.accept_proposals([2])
    assert widget.fill_holes == 7
    assert widget.prompts.settings.fill_holes == 7


def test_a_filter_chooses_and_leaves_out_what_is_an_object_already(widget):
    proposed(widget)
    chosen = ProposalFilter(min_score=0.85, max_overlap=0.5)
    first = widget.accept_proposals(chosen)
    assert {widget.proposals[number - 1].choice for number in first} == {1}
    assert widget.accept_proposals(chosen) == ()
    widget.undo()
    assert widget.accept_proposals(chosen) == first


def test_existing_objects_are_left_out(widget):
    widget.add_box(0, 0, 64, 96)
    widget.commit()
    job = proposed(widget, points_per_side=8)
    assert job.total == 32
    assert min(one.point[0] for one in widget.proposals) > 64


def test_a_region(widget):
    proposed(widget, (0, 0, 90, 96), points_per_side=6)
    assert len(widget.proposals) > 3
    assert max(one.box[2] for one in widget.proposals) < 90
    assert max(one.point[0] for one in widget.proposals) < 90


def test_clicks_go_first_and_cancelling_keeps_what_is_there(widget, predictor, monkeypatch):
    steps = Steps(predictor, monkeypatch)
    job = widget.propose(points_per_side=4)
    wait_until(lambda: steps.begun == 1)
    steps.allow(2)
    wait_until(lambda: steps.begun == 3)
    assert job.completed == 2
    widget.add_point(64, 48)
    steps.allow(2)  # the step that had begun, and the click
    assert widget.masks.shape == (1, 96, 128)
    wait_until(lambda: steps.begun == 5)
    assert job.completed == 3
    job.cancel()
    steps.allow(1)
    assert job.wait(PATIENCE)
    assert (job.cancelled, job.completed, job.error) == (True, 4, "")
    assert len(widget.proposals) == 12
    assert len(widget.accept_proposals([2, 5])) == 2


def test_another_call_takes_the_place_of_the_one_before(widget):
    first = widget.propose(points_per_side=30)
    second = proposed(widget, points_per_side=2)
    assert first.wait(PATIENCE)
    assert first.cancelled
    assert second.total == 4
    assert len(widget.proposals) == 12


def test_another_model_continues_the_search(widget, predictor, monkeypatch):
    steps = Steps(predictor, monkeypatch)
    job = widget.propose(points_per_side=3)
    wait_until(lambda: steps.begun == 1)
    other = FakePredictor(size=32, name="other")
    widget.model = other
    steps.allow(1)
    widget._annotator.model.wait()
    steps.allow(8)
    assert job.wait(PATIENCE)
    assert job.error == ""
    assert {one.mask.width for one in widget.proposals} == {64, 32}
    assert len(widget.proposals) == 27
    widget.accept_proposals([1, 27])
    models = {one.provenance.model for one in widget.objects}
    assert models == {"fake", "other"}


def test_a_failing_model_ends_the_job_and_waiting_for_it_raises_the_error(widget, predictor):
    predictor.fail_with = RuntimeError("boom")
    job = widget.propose(points_per_side=3)
    with pytest.raises(ModelError, match="boom"):
        job.wait(PATIENCE)
    assert "boom" in job.error
    assert job.done
    with pytest.raises(ModelError, match="boom"):
        job.wait()
    predictor.fail_with = None
    assert len(proposed(widget).proposals) == 27


def test_memory_that_runs_out_for_good_ends_the_job(widget, predictor, monkeypatch):
    steps = Steps(predictor, monkeypatch)
    job = widget.propose(points_per_side=3)
    steps.allow(4)
    wait_until(lambda: steps.begun == 5)
    predictor.fail_with = MemoryError()
    steps.allow(9)
    with pytest.raises(OutOfMemoryError, match="too little memory"):
        job.wait(PATIENCE)
    assert len(widget.proposals) == 12


def test_an_image_of_one_colour_gives_none_with_a_notice():
    widget = SegmentWidget(np.full((50, 60), 9, np.uint8), model=FakePredictor())
    job = proposed(widget)
    assert "same colour" in job.note
    assert len(widget.proposals) == 0
    assert widget.accept_proposals() == ()
    wait_until(lambda: "same colour" in str(widget._state["notices"]))
    widget.close()


def test_wrong_calls_are_refused(widget):
    with pytest.raises(PromptError, match="region"):
        widget.propose((0, 0, 500, 50))
    with pytest.raises(SettingError, match="layers"):
        widget.propose(layers=77)
    assert len(widget.proposals) == 0
    proposed(widget)
    with pytest.raises(PromptError, match="no proposal 99"):
        widget.accept_proposals([1, 99])
    with pytest.raises(PromptError, match="ProposalFilter or numbers"):
        widget.accept_proposals("all")
    with pytest.raises(PromptError, match="ProposalFilter or numbers"):
        widget.accept_proposals([True])
    assert len(widget.objects) == 0


def test_closing_the_widget_ends_the_job(widget, predictor, monkeypatch):
    steps = Steps(predictor, monkeypatch)
    job = widget.propose(points_per_side=4)
    wait_until(lambda: steps.begun == 1)
    widget.close()
    steps.allow(20)
    with pytest.raises(ClosedError, match="closed"):
        job.wait(PATIENCE)


def test_each_plane_of_a_stack_has_its_own():
    stack = np.stack([IMAGE, 255 - IMAGE])
    widget = SegmentWidget(stack, axes="TYXC", model=FakePredictor())
    widget._annotator.model.wait()
    proposed(widget)
    widget.accept_proposals([2, 5])
    assert [obj.number for obj in widget.objects] == [1, 2]
    widget.plane = 1
    wait_until(lambda: widget.plane == 1)
    assert len(widget.proposals) == 0
    widget._annotator.model.wait()
    proposed(widget, points_per_side=2)
    widget.accept_proposals([2])
    assert [obj.number for obj in widget.objects] == [3]
    widget.close()


# --- several planes -------------------------------------------------------------------------------


@pytest.fixture
def stack(predictor):
    embeddings.clear()
    pixels = np.random.default_rng(3).integers(0, 255, (4, 96, 128, 3), np.uint8)
    widget = SegmentWidget(pixels, axes="ZYXC", model=predictor)
    widget._annotator.model.wait()
    yield widget
    predictor.gate.set()
    widget.close()


def test_all_planes_are_searched_and_show_what_was_found(stack):
    job = stack.propose_planes(points_per_side=3)
    assert job.wait(PATIENCE)
    assert (job.error, job.progress, job.done) == ("", 1.0, True)
    assert job.found == dict.fromkeys(range(4), 27)
    assert stack.plane == 0
    for plane in range(4):
        stack.plane = plane
        assert len(stack.proposals) == 27
        expected = propose(stack.planes[plane].image, model=FakePredictor(), points_per_side=3)
        assert stack.proposals.to_frame().equals(expected.proposals.to_frame())


def test_proposals_of_some_planes_are_accepted_each_in_one_step(stack):
    assert stack.propose_planes(range(1, 3), points_per_side=3).wait(PATIENCE)
    accepted = stack.accept_planes(ProposalFilter(min_score=0.85))
    assert list(accepted) == [1, 2]
    assert [len(stack.planes[z].objects) for z in range(4)] == [
        0,
        *(len(numbers) for numbers in accepted.values()),
        0,
    ]
    assert min(map(len, accepted.values())) > 0
    stack.plane = 1
    stack.undo()
    assert len(stack.planes[1].objects) == 0
    assert len(stack.planes[2].objects) == len(accepted[2])


def test_cancelling_a_search_on_planes_keeps_what_is_there(stack, predictor, monkeypatch):
    steps = Steps(predictor, monkeypatch)
    job = stack.propose_planes(points_per_side=3)
    steps.allow(9 + 4)
    wait_until(lambda: steps.begun == 14)
    job.cancel()
    wait_until(lambda: stack._planes.existing(1).proposer.job.cancelled)
    steps.allow(1)
    assert job.wait(PATIENCE)
    assert job.found == {0: 27}
    assert "cancelled" in repr(job)
    stack.plane = 1
    assert len(stack.proposals) == 15


def test_memory_error_on_a_plane_ends_the_job_and_names_the_plane(stack, predictor, monkeypatch):
    steps = Steps(predictor, monkeypatch)
    job = stack.propose_planes(points_per_side=3)
    steps.allow(9)
    wait_until(lambda: steps.begun == 10)
    predictor.fail_with = MemoryError()
    steps.allow(9)
    with pytest.raises(ModelError, match=r"^plane 1: there is too little memory"):
        job.wait(PATIENCE)
    assert job.found == {0: 27}
    assert len(stack.proposals) == 27


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"planes": [9]}, ImageError),
        ({"region": (0, 0, 900, 900)}, PromptError),
        ({"points_per_side": 0}, SettingError),
    ],
)
def test_wrong_calls_for_planes_are_refused(stack, options, error):
    with pytest.raises(error):
        stack.propose_planes(**options)
    with pytest.raises(PromptError):
        stack.accept_planes([1])


# --- what is like given objects -------------------------------------------------------------------

HALVES = np.full((96, 128, 3), (200, 60, 60), np.uint8)
HALVES[:, 64:] = (60, 200, 60)
HALVES += np.random.default_rng(3).integers(0, 9, HALVES.shape, np.uint8)


@pytest.fixture
def halves():
    """Red on the left, green on the right; the masks are discs of three sizes at 4 x 4 points."""
    embeddings.clear()
    predictor = FakePredictor(radius=0.09)
    made = SegmentWidget(HALVES, model=predictor, labels=["cell", "dust"])
    made._annotator.model.wait()
    yield made
    made.close()


def sides(widget):
    return {one.bbox[0] < 64 for one in widget.objects}


def test_what_is_like_the_objects_of_the_current_class_is_accepted_in_one_step(halves):
    halves.add_point(16, 12)
    halves.commit()
    proposed(halves, points_per_side=4)
    found = halves.more_like(min_likeness=0.8)
    assert len(found) == 7  # the other discs on the left of the same size
    assert {halves.proposals.numbered([n])[0].choice for n in found} == {1}
    assert halves.accept_proposals(found) == found
    assert sides(halves) == {True}
    halves.undo()
    assert len(halves.objects) == 1
    assert halves.accept_proposals(ProposalFilter(0.5, min_likeness=0.8)) == found


def test_examples_may_be_chosen_and_have_any_label(halves):
    halves.add_point(16, 12)
    halves.commit("dust")
    halves.add_point(112, 12)
    halves.commit("cell")
    proposed(halves, points_per_side=4)
    places = halves.proposals.to_frame().set_index("number")["x"]
    assert {places[n] > 64 for n in halves.more_like(min_likeness=0.7)} == {True}
    assert {places[n] > 64 for n in halves.more_like([0], min_likeness=0.7)} == {False}
    assert {places[n] > 64 for n in halves.more_like([0, 1], min_likeness=0.7)} == {True, False}
    job = halves._annotator.proposer.job
    job.rejected.update(halves.more_like([0], min_likeness=0.7)[:2])
    assert not job.rejected & set(halves.more_like([0], min_likeness=0.7))


def test_without_proposals_or_examples_there_is_an_error(halves):
    with pytest.raises(PromptError, match=r"no proposals yet: call w\.propose\(\) first"):
        halves.more_like()
    proposed(halves, points_per_side=4)
    with pytest.raises(PromptError, match="an object with the label 'cell'"):
        halves.more_like()
    with pytest.raises(PromptError, match="an object with the label 'cell'"):
        halves.accept_proposals(ProposalFilter(min_likeness=0.5))
    with pytest.raises(PromptError, match="no object 3"):
        halves.more_like([3])
    with pytest.raises(PromptError, match="there must be an object whose mask"):
        halves.more_like([])
    with pytest.raises(SettingError, match="min_likeness"):
        halves.more_like(min_likeness=2)
    assert halves.accept_proposals(ProposalFilter(1.0)) == ()
