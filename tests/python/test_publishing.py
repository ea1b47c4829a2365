"""What pages are sent after each change, and that nothing is sent twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from sam2_widget import Point, Stroke, load_image
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.proposal_job import ProposalJob
from sam2_widget.annotation.tracking_job import TrackingJob
from sam2_widget.comm import lanes, proposal_batches
from sam2_widget.comm.proposal_batches import ProposalPublisher
from sam2_widget.comm.publishing import Publisher, out_of_order
from sam2_widget.images.stacks import ImageStack
from sam2_widget.testing import FakePredictor
from tests.python.model_thread import busy_model_thread, finish_jobs
from tests.waiting import wait_until

IMAGE = np.zeros((60, 80, 3), np.uint8)
LEFT, RIGHT = Point(20, 30), Point(60, 30)
DRAWN = Stroke([(5, 5), (20, 5)], 4)


class Sent:
    """What a publisher has sent, in order: (kind, content) of messages and traits."""

    def __init__(self):
        self.log = []

    def message(self, content, buffers):
        self.log.append((content["type"], content))

    def state(self, state):
        self.log.append(("state", state))

    def picture(self):
        self.log.append(("picture", None))

    def tracking(self, trait):
        self.log.append(("tracking", trait))

    def proposing(self, trait):
        self.log.append(("proposing", trait))

    def take(self):
        """All that was sent since the last call."""
        taken, self.log = self.log, []
        return taken


class Desk:
    """Planes with a fake model, and a publisher that is called by the test alone."""

    def __init__(self, image):
        self.predictor, self.sent, self.ack = FakePredictor(), Sent(), {}
        self.planes = Planes(
            image,
            {},
            device=None,
            changed=lambda: None,
            settled=lambda: None,
            plane_changed=lambda: None,
        )
        self.planes.load(self.predictor)
        self.planes.shown.model.wait()
        finish_jobs()
        self.publisher = Publisher(
            self.planes,
            self.ack,
            send=self.sent.message,
            set_state=self.sent.state,
            set_picture=self.sent.picture,
            set_tracking=self.sent.tracking,
            set_proposing=self.sent.proposing,
            publish_delayed=lambda: None,
        )

    @property
    def session(self):
        return self.planes.shown.session

    def publish(self):
        with self.planes.lock:
            self.publisher.publish()
        return self.sent.take()

    def publish_again(self, seen):
        with self.planes.lock:
            self.publisher.publish_again(seen)
        return self.sent.take()

    def edit(self, change):
        """Edit, wait for the prediction, and publish once."""
        self.planes.shown.edit(change)
        wait_until(lambda: self.planes.shown.snapshot().is_complete, "the predictions")
        return self.publish()

    def click(self, point):
        return self.edit(lambda: self.session.add(point))

    def commit(self):
        return self.edit(self.session.commit)


@pytest.fixture
def desk():
    made = Desk(load_image(IMAGE))
    yield made
    made.predictor.gate.set()
    made.planes.close()


def kinds(sent):
    return [kind for kind, _ in sent]


def ids(messages):
    return [
        [put["id"] for put in content["put"]] for kind, content in messages if kind == "objects"
    ]


# --- the active object ----------------------------------------------------------------------------


def test_unchanged_state_is_not_sent(desk):
    assert desk.publish() == []
    desk.click(LEFT)
    assert desk.publish() == []
    assert desk.publisher.state["revision"] == 1


def test_click_sends_the_state_with_its_mask_alone(desk):
    ((kind, state),) = desk.click(LEFT)
    assert kind == "state"
    assert state["revision"] == 1
    active = state["active"]
    assert active["prompts"] == [{"type": "point", "x": 20.0, "y": 30.0, "label": 1}]
    assert (active["pending"], active["empty"], active["choice"]) == (False, False, 1)
    assert active["score"] == pytest.approx(0.9)
    found = desk.planes.shown.snapshot().active_prediction
    assert active["mask"]["data"] == found.mask.base.data
    assert [candidate["mask"] is None for candidate in active["candidates"]] == [False, True, False]
    assert (state["can_undo"], state["can_redo"]) == (True, False)


def test_pending_and_predicted_state_are_sent_once_each(desk):
    desk.predictor.gate.clear()
    desk.planes.shown.edit(lambda: desk.session.add(LEFT))
    ((_, pending),) = desk.publish()
    assert (pending["active"]["pending"], pending["active"]["mask"]) == (True, None)
    assert desk.publish() == []
    desk.predictor.gate.set()
    wait_until(lambda: desk.planes.shown.snapshot().is_complete, "the prediction")
    ((_, predicted),) = desk.publish()
    assert not predicted["active"]["pending"]
    assert predicted["active"]["mask"]["kind"] == "logits"
    assert predicted["revision"] == pending["revision"] + 1
    assert desk.publish() == []


def test_failed_prediction_is_not_pending(desk):
    desk.predictor.fail_with = RuntimeError("no power")
    desk.planes.shown.edit(lambda: desk.session.add(LEFT))
    wait_until(lambda: desk.planes.shown.active_failed, "the failure")
    ((_, state),) = desk.publish()
    assert (state["active"]["pending"], state["active"]["mask"]) == (False, None)
    assert len(state["active"]["prompts"]) == 1


def test_undo_sends_the_earlier_state(desk):
    ((_, first),) = desk.click(LEFT)
    desk.click(RIGHT)
    ((_, undone),) = desk.edit(desk.session.undo)
    assert undone["active"] == first["active"]
    assert undone["can_redo"]
    ((_, empty),) = desk.edit(desk.session.undo)
    assert empty["active"] is None


def test_points_of_a_stroke_are_sent_once(desk):
    ((_, first),) = desk.edit(lambda: desk.session.add(DRAWN))
    assert first["active"]["mask"]["strokes"] == [
        {"key": DRAWN.key, "radius": 4, "label": 1, "points": DRAWN.points}
    ]
    other = Stroke([(5, 40), (20, 40)], 4)
    ((_, second),) = desk.edit(lambda: desk.session.add(other))
    strokes = second["active"]["mask"]["strokes"]
    assert [(one["key"], "points" in one) for one in strokes] == [
        (DRAWN.key, False),
        (other.key, True),
    ]
    assert desk.publisher.prompts_by_key[other.key] is other


# --- acknowledgements and notices -----------------------------------------------------------------


def test_acknowledgement_is_sent_without_another_change(desk):
    desk.ack["page"] = 3
    ((_, state),) = desk.publish()
    assert state["ack"] == {"page": 3}
    assert desk.publish() == []
    desk.ack["page"] = 4
    ((_, later),) = desk.publish()
    assert (state["ack"], later["ack"]) == ({"page": 3}, {"page": 4})


def test_timing_of_a_click_is_sent_with_its_prediction_once(desk):
    desk.predictor.gate.clear()
    desk.planes.timings.received("page", 1, 0.0)
    desk.planes.shown.edit(lambda: desk.session.add(LEFT))
    ((_, pending),) = desk.publish()
    assert pending["timing"] is None
    desk.predictor.gate.set()
    wait_until(lambda: desk.planes.shown.snapshot().is_complete, "the prediction")
    ((_, predicted),) = desk.publish()
    assert (predicted["timing"]["client"], predicted["timing"]["n"]) == ("page", 1)
    ((_, undone),) = desk.edit(desk.session.undo)
    assert undone["timing"] is None


def test_notices_are_sent_and_counted(desk):
    desk.planes.notices.add("Saved.", "tab.1")
    ((_, state),) = desk.publish()
    assert (state["notices"], state["noticed"]) == ({"tab": "Saved."}, 1)
    desk.planes.notices.dismiss("tab.1", 1)
    ((_, dismissed),) = desk.publish()
    assert dismissed["notices"] == {}


def test_empty_mask_has_a_notice_with_its_state(desk):
    ((_, state),) = desk.click(Point(20, 30, 0))
    assert state["active"]["empty"]
    assert state["notice"] == "The mask is empty: click on the object, or undo."


# --- finished objects -----------------------------------------------------------------------------


def test_finished_object_is_sent_once_and_before_the_state(desk):
    desk.click(LEFT)
    sent = desk.commit()
    assert kinds(sent) == ["objects", "state"]
    (_, objects), (_, state) = sent
    assert (objects["n"], objects["reset"], objects["drop"]) == (1, False, [])
    (put,) = objects["put"]
    assert (put["id"], put["index"], put["mask"]["buffer"]) == (0, 0, 0)
    assert (state["active"], state["objects"]) == (None, 1)
    assert kinds(desk.click(RIGHT)) == ["state"]
    assert ids(desk.commit()) == [[1]]


def test_selected_object_is_dropped_after_the_state_that_shows_it(desk):
    desk.click(LEFT)
    desk.commit()
    sent = desk.edit(lambda: desk.session.select(0))
    assert kinds(sent) == ["state", "objects"]
    (_, state), (_, objects) = sent
    assert state["active"]["id"] == 0
    assert (objects["put"], objects["drop"], objects["n"]) == ([], [0], 2)
    assert state["objects"] == 2


def test_deleted_object_is_dropped(desk):
    for point in (LEFT, RIGHT):
        desk.click(point)
        desk.commit()
    sent = desk.edit(lambda: desk.session.delete(0))
    assert [content["drop"] for kind, content in sent if kind == "objects"] == [[0]]
    assert ids(desk.edit(desk.session.undo)) == [[0]]


def test_changed_looks_and_labels_are_sent_of_the_object_concerned(desk):
    for point in (LEFT, RIGHT):
        desk.click(point)
        desk.commit()
    (kind, hidden), *_ = desk.edit(lambda: desk.session.show(1, visible=False))
    assert kind == "objects"
    assert [(put["id"], put["visible"]) for put in hidden["put"]] == [(1, False)]
    (_, renamed), *_ = desk.edit(lambda: desk.session.rename(0, "cell"))
    assert [(put["id"], put["label"]) for put in renamed["put"]] == [(0, "cell")]


def test_moved_object_alone_is_sent(desk):
    for x in (10, 30, 50, 70):
        desk.click(Point(x, 30))
        desk.commit()
    (_, moved), *_ = desk.edit(lambda: desk.session.move(0, 3))
    assert [(put["id"], put["index"]) for put in moved["put"]] == [(0, 3)]


def test_finished_object_keeps_its_mask_while_it_is_predicted_again(desk):
    desk.click(LEFT)
    desk.commit()
    with busy_model_thread():
        desk.planes.shown.edit(lambda: desk.session.set_setting("fill_holes", 4))
        assert kinds(desk.publish()) == ["state"]
    wait_until(lambda: desk.planes.shown.snapshot().is_complete, "the prediction")
    assert ids(desk.publish()) == [[0]]


# --- pages that have missed something -------------------------------------------------------------


def test_page_that_has_all_objects_is_sent_the_state_alone(desk):
    desk.click(LEFT)
    desk.commit()
    before = desk.publisher.state
    ((kind, state),) = desk.publish_again(seen=1)
    assert kind == "state"
    assert {**state, "revision": 0} == {**before, "revision": 0, "timing": None}
    assert state["revision"] == before["revision"] + 1


@pytest.mark.parametrize("seen", [-1, 0, 2])
def test_page_that_has_missed_a_message_is_sent_all_objects(desk, seen):
    for point in (LEFT, RIGHT):
        desk.click(point)
        desk.commit()
    desk.edit(lambda: desk.session.delete(1))
    sent = desk.publish_again(seen)
    assert kinds(sent) == ["objects", "objects", "state"]
    reset, objects, state = (content for _, content in sent)
    assert (reset["reset"], reset["put"]) == (True, [])
    assert [put["id"] for put in objects["put"]] == [0]
    assert (reset["n"], objects["n"], state["objects"]) == (4, 5, 5)
    assert desk.publish() == []


def test_strokes_are_sent_again_to_a_page_that_has_missed_them(desk):
    desk.edit(lambda: desk.session.add(DRAWN))
    (_, reset), (_, state) = desk.publish_again(seen=-1)
    assert list(reset["large_prompts"]) == [DRAWN.key]
    assert state["active"]["mask"]["strokes"][0]["points"] == DRAWN.points


# --- planes ---------------------------------------------------------------------------------------


def test_another_plane_resets_the_objects_before_its_picture_and_state():
    desk = Desk(ImageStack(np.zeros((3, 60, 80), np.uint8), axes="ZYX"))
    desk.click(LEFT)
    desk.commit()
    desk.planes.show_plane(2)
    sent = [(kind, content) for kind, content in desk.publish() if kind != "timeline"]
    assert kinds(sent)[:3] == ["objects", "picture", "state"]
    reset, _, state = (content for _, content in sent[:3])
    assert (reset["plane"], reset["reset"], reset["put"]) == (2, True, [])
    assert (state["plane"], state["active"], state["objects"]) == (2, None, reset["n"])
    assert state["epoch"] // 2**32 == 2

    desk.planes.show_plane(0)
    assert ids(desk.publish()) == [[], [0]]
    desk.planes.close()


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ([1, 2, 3], [1, 2, 3], set()),
        ([1, 2, 3, 4], [2, 3, 4, 1], {1}),
        ([1, 2, 3, 4], [4, 1, 2, 3], {4}),
        ([1, 2], [3, 1, 2], set()),
        ([1, 2, 3], [3, 1], {3}),
        ([], [1, 2], set()),
    ],
)
def test_fewest_objects_are_moved(before, after, moved):
    assert out_of_order(before, after) == moved


# --- less often while a job runs ------------------------------------------------------------------


class Clock:
    """A clock that the test sets."""

    def __init__(self, monkeypatch, module):
        self.now = 100.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


class Later:
    """The delayed calls that a publisher has requested."""

    def __init__(self):
        self.delays = []

    def __call__(self, seconds):
        self.delays.append(round(seconds, 3))

    def take(self):
        taken, self.delays = self.delays, []
        return taken


def test_what_is_found_right_after_a_report_is_reported_by_a_delayed_one(desk, monkeypatch):
    clock, later = Clock(monkeypatch, proposal_batches), Later()
    publisher = ProposalPublisher(
        desk.planes,
        send=desk.sent.message,
        set_proposing=desk.sent.proposing,
        publish_later=later,
    )
    job = desk.planes.shown.proposer.job = ProposalJob(
        desk.planes.lock, (0, 0, 80, 60), lambda: IMAGE
    )
    job.total = 9
    publisher.publish()
    desk.sent.take()
    job.completed, clock.now = 1, 100.05
    publisher.publish()
    assert (desk.sent.take(), later.take()) == ([], [0.15])
    clock.now = 100.2
    publisher.publish()
    assert [trait["done"] for _, trait in desk.sent.take()] == [1]
    assert later.take() == []
    job.completed, clock.now = 9, 100.25
    job._end()
    publisher.publish()  # the last one is not delayed
    assert [(trait["done"], trait["running"]) for _, trait in desk.sent.take()] == [(9, False)]
    assert later.take() == []


def test_the_progress_of_tracking_is_reported_by_a_delayed_report_too(monkeypatch):
    clock, later = Clock(monkeypatch, lanes), Later()
    desk = Desk(ImageStack(np.zeros((4, 60, 80), np.uint8), axes="ZYX"))
    publisher = lanes.LanePublisher(
        desk.planes,
        send=desk.sent.message,
        set_tracking=desk.sent.tracking,
        publish_later=later,
    )
    tracker = desk.planes.tracking.tracker
    job = tracker.job = TrackingJob(desk.planes.lock)
    job.total = 3
    publisher.publish()
    assert desk.sent.take()[-1][1]["running"] is True
    job.completed, clock.now = 1, 100.15
    publisher.publish()
    assert (desk.sent.take(), later.take()) == ([], [0.05])
    clock.now = 100.2
    publisher.publish()
    assert [trait["done"] for _, trait in desk.sent.take()] == [1]
    job._end()
    desk.planes.close()
