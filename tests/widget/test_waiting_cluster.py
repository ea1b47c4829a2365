"""A cluster that does not answer holds up those who use it, and nobody else: a fake one here."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

from sam2_widget import ClusterError, ModelError, Point, SegmentWidget, embeddings, segment
from sam2_widget.annotation.model_state import CurrentModel
from sam2_widget.models import worker
from sam2_widget.testing import FakePredictor, FakeRemotePredictor
from tests.waiting import wait_until

from .conftest import IMAGE, Page, observed, point, settle

CLICKS = 300
SOON = 20
"""Seconds for what takes milliseconds on a quiet machine, and for ever if it waits."""

VOLUME = np.random.default_rng(6).integers(0, 255, (2, 60, 80), np.uint8)

WAITS = "Waiting for the cluster: it cannot be reached"


def image(seed):
    return np.random.default_rng(seed).integers(0, 255, (60, 80, 3), np.uint8)


def hover(page, n, x=5, y=5, kind="hover"):
    epoch = page.state["epoch"]
    page.send({"type": kind, "client": "page", "n": n, "epoch": epoch, "x": x, "y": y})


press = partial(hover, kind="press")


def sent(page, kind):
    contents = [data.get("content", {}) for _, data, _ in page.published]
    return [one for one in contents if one.get("type") == kind]


def previewed(page):
    """Numbers of the hovers that were answered."""
    return [one["n"] for one in sent(page, "preview")]


def in_time(job):
    """What `job` returns, or a failure if it waits for the cluster."""
    found = []
    thread = threading.Thread(target=lambda: found.append(job()), daemon=True)
    thread.start()
    thread.join(SOON)
    assert found, "it waits"
    return found[0]


@pytest.fixture
def cluster():
    embeddings.clear()
    cluster = FakeRemotePredictor()
    yield cluster
    cluster.fail_with = None
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    settle()


@pytest.fixture
def remote(cluster):
    widget = SegmentWidget(IMAGE, model=cluster)
    widget._annotator.model.wait()
    yield widget
    widget.close()


@pytest.fixture
def waiting(cluster, remote):
    """Its click is on its way, and the cluster does not answer."""
    cluster.gate.clear()
    Page(remote).prompts(point(20, 20))
    wait_until(lambda: str(remote.status) == WAITS)
    return remote


@pytest.fixture
def local():
    widget = SegmentWidget(image(1), model=FakePredictor())
    in_time(widget._annotator.model.wait)
    yield widget
    widget.close()


# --- nobody else waits ----------------------------------------------------------------------------


def test_a_click_that_waits_for_the_cluster_holds_up_no_other_model(waiting, local):
    page = Page(local)
    page.prompts(point(30, 30))
    assert in_time(lambda: local.masks).any()
    page.act("commit", prompts=[point(30, 30)])
    settle()
    assert len(page.objects()) == 1
    assert in_time(lambda: segment(image(2), [Point(9, 9)], model=FakePredictor())).masks.any()
    other = in_time(lambda: SegmentWidget(image(3), model=FakePredictor()))
    other.add_point(5, 5)
    assert in_time(lambda: other.masks).any()
    other.close()
    assert (waiting.status.phase, str(waiting.status)) == ("predicting", WAITS)
    assert waiting._status["message"] == WAITS


def test_nor_does_an_image_that_is_to_be_encoded_there(cluster, local):
    cluster.gate.clear()
    remote = SegmentWidget(image(4), model=cluster)
    wait_until(lambda: (remote.status.phase, str(remote.status)) == ("encoding", WAITS))
    local.add_point(30, 30)
    assert in_time(lambda: local.masks).any()
    remote.add_point(10, 10)
    cluster.gate.set()
    assert remote.masks.any()
    remote.close()


def test_clusters_do_not_wait_for_each_other(waiting):
    other = SegmentWidget(image(5), model=FakeRemotePredictor(name="another"))
    other.add_point(30, 30)
    assert in_time(lambda: other.masks).any()
    other.close()


def test_previews_of_other_models_are_not_delayed(waiting, local):
    page = Page(local)
    hover(page, 1)
    wait_until(lambda: previewed(page) == [1])


def test_files_for_other_pages_are_made(waiting, local):
    pages = Page(waiting), Page(local)
    for page in pages:
        content = {"type": "save", "client": "page", "n": 1, "epoch": page.state["epoch"]}
        page.send({**content, "format": "npz"})
    wait_until(lambda: sent(pages[1], "file"))
    assert not sent(pages[0], "file")


def test_functions_of_other_widgets_are_called(waiting, cluster, local):
    seen = {waiting: [], local: []}
    for widget, calls in seen.items():
        widget.on_commit(lambda o, calls=calls: calls.append(o.label))
        widget.on_change(lambda w, calls=calls: calls.append(w.masks.shape))
        widget.observe(lambda change, calls=calls: calls.append(change["name"]), "masks")
    waiting.commit("first")
    local.add_point(30, 30)
    local.commit("second")
    wait_until(lambda: {"second", (1, 60, 80), "masks"} <= set(seen[local]))
    assert not seen[waiting]
    cluster.gate.set()
    wait_until(lambda: {"first", (1, 60, 80), "masks"} <= set(seen[waiting]))


def test_observer_error_is_shown_while_another_observer_waits(waiting, local):
    waiting.on_commit(print)
    waiting.commit()
    local.on_commit(lambda _: 1 / 0)
    local.add_point(30, 30)
    local.commit()
    wait_until(lambda: "ZeroDivisionError" in Page(local).notice)
    assert not Page(waiting).notice


def test_the_planes_of_a_stack_are_encoded_ahead_beside_it(waiting):
    predictor = FakePredictor()
    stack = SegmentWidget(VOLUME, axes="ZYX", model=predictor)
    wait_until(lambda: predictor.embedded == 2)
    stack.close()


def test_what_waits_is_answered_when_the_cluster_is_back(waiting, cluster):
    cluster.gate.set()
    np.testing.assert_array_equal(
        waiting.masks, segment(IMAGE, [Point(20, 20)], model=FakePredictor()).masks
    )
    assert (waiting.status.phase, str(waiting.status)) == ("ready", "Ready")


# --- a press --------------------------------------------------------------------------------------


def test_a_press_sends_nothing_while_the_cluster_is_waited_for(remote, cluster):
    page = Page(remote)
    # By somebody else, as by `precompute`: this widget's own thread there is free.
    cluster._set_waiting(WAITS)
    press(page, 1)
    worker.of(cluster).run(lambda: None)
    assert cluster.predicted == 0
    cluster._set_waiting("")
    press(page, 2)
    worker.of(cluster).run(lambda: None)
    assert cluster.predicted == 1
    page.prompts(point(5, 5))
    assert remote.masks.any()
    assert cluster.predicted == 1


def test_clicks_that_came_meanwhile_are_answered_and_their_presses_send_nothing(waiting, cluster):
    page, clicks = Page(waiting), [point(20, 20), point(50, 40), point(60, 20)]
    for n, click in enumerate(clicks[1:], 2):
        press(page, n, click["x"], click["y"])
        page.prompts(*clicks[:n], rid={"client": "page", "n": n, "seen": 0})
    cluster.gate.set()
    assert waiting.masks.any()
    worker.of(cluster).run(lambda: None)
    assert cluster.predicted == 3


def test_a_press_sends_nothing_to_a_cluster_that_was_replaced(waiting, cluster):
    here = FakePredictor(name="here")
    press(Page(waiting), 1, 50, 40)
    waiting.model = here
    in_time(lambda: waiting.masks)
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    assert (cluster.predicted, here.predicted) == (1, 1)


# --- leaving a cluster that does not answer -------------------------------------------------------


def test_another_model_takes_over_at_once(waiting, cluster):
    page = Page(waiting)
    # Its turn would come after the click, and so it does not now.
    hover(page, 1)
    waiting.model = FakePredictor(name="here")
    assert in_time(lambda: waiting.masks).any()
    assert not cluster.gate.is_set()
    assert (waiting.model, str(waiting.status)) == ("here", "Ready")
    page.prompts(point(20, 20), point(50, 40))
    assert in_time(lambda: waiting.masks).any()
    settle()
    assert not page.state["active"]["pending"]
    hover(page, 2)
    wait_until(lambda: previewed(page) == [2])
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    assert previewed(page) == [2]


@pytest.mark.parametrize("error", [None, ClusterError("no answer"), RuntimeError("broken")])
def test_late_answer_of_a_replaced_cluster_changes_nothing(waiting, cluster, error, caplog):
    waiting.model = FakePredictor(name="here", radius=0.3)
    in_time(lambda: waiting.masks)
    waiting.add_point(50, 40)
    before = in_time(lambda: waiting.masks)
    time.sleep(0.3)
    cluster.fail_with = error
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    settle()
    assert (waiting.model, waiting.status.phase, str(waiting.status)) == ("here", "ready", "Ready")
    assert "error" not in [status["phase"] for status in Page(waiting).updates("_status")]
    np.testing.assert_array_equal(waiting.masks, before)
    assert waiting.objects[0].provenance.model == "here"
    assert max(timing.decoder for timing in waiting.timings) < 250
    waiting.add_point(10, 50)
    assert waiting.masks.any()
    assert not caplog.records


def test_nor_does_it_hide_that_the_new_one_fails(waiting, cluster):
    here = FakePredictor(name="here")
    waiting.model = here
    in_time(lambda: waiting.masks)
    here.fail_with = ClusterError("broken here")
    waiting.add_point(50, 40)
    wait_until(lambda: waiting.status.phase == "error")
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    settle()
    messages = [status["message"] for status in Page(waiting).updates("_status")]
    assert set(messages[messages.index("broken here") :]) == {"broken here"}


def test_a_question_is_not_put_to_a_model_on_anothers_thread(waiting, cluster):
    waiting.model = FakePredictor(name="here")
    in_time(lambda: waiting.masks)
    cluster.gate.set()
    ask = waiting._annotator.model.run
    with pytest.raises(ModelError, match="it has been replaced"):
        worker.of(cluster).run(lambda: ask(lambda answers: answers.prepare()))


def test_an_image_that_is_to_be_encoded_there_does_not_keep_anybody(cluster):
    cluster.gate.clear()
    widget = SegmentWidget(image(8), model=cluster)
    wait_until(lambda: str(widget.status) == WAITS)
    widget.add_point(20, 20)
    widget.model = FakePredictor(name="here")
    assert in_time(lambda: widget.masks).any()
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    assert (widget.model, str(widget.status)) == ("here", "Ready")
    widget.close()


def test_who_reads_the_masks_meanwhile_gets_those_of_the_new_model(waiting, cluster):
    found = []
    reader = threading.Thread(target=lambda: found.append(waiting.objects), daemon=True)
    reader.start()
    waiting.model = FakePredictor(name="here")
    in_time(lambda: waiting.masks)
    cluster.fail_with = ClusterError("no answer")
    cluster.gate.set()
    reader.join(SOON)
    assert [o.provenance.model for o in found[0]] == ["here"]


def test_there_and_back_again(waiting, cluster):
    waiting.model = FakePredictor(name="here")
    in_time(lambda: waiting.masks)
    waiting.model = cluster
    wait_until(lambda: waiting._annotator.model.is_loading)
    waiting.add_point(50, 40)
    cluster.gate.set()
    assert [o.provenance.model for o in waiting.objects] == [cluster.name]
    other = FakeRemotePredictor(name="another")
    waiting.model = other
    assert [o.provenance.model for o in waiting.objects] == ["another"]


def test_the_previous_model_stays_if_a_new_cluster_does_not_answer(cluster, local):
    local.add_point(30, 30)
    before = local.masks
    cluster.fail_with = ClusterError("no answer")
    local.model = cluster
    np.testing.assert_array_equal(local.masks, before)
    wait_until(lambda: "Still using the model fake: no answer" in str(local.status))
    local.add_point(10, 10)
    assert local.masks.any()


def test_after_another_could_not_take_over_the_cluster_is_listened_to(remote, cluster):
    broken = FakeRemotePredictor(name="broken")
    broken.fail_with = ClusterError("no answer")
    embeddings.clear()
    remote.model = broken
    wait_until(lambda: "Still using" in str(remote.status))
    cluster.gate.clear()
    remote.add_point(20, 20)
    wait_until(lambda: str(remote.status) == WAITS)


def test_a_widget_that_comes_back_again_and_again_listens_once(cluster, monkeypatch):
    changed = []

    def record(engine):
        changed.append(engine)

    monkeypatch.setattr(CurrentModel, "_remote_changed", record)
    widget, here = SegmentWidget(IMAGE, model=cluster), FakePredictor()
    for _ in range(5):
        for model in (here, cluster, cluster):
            widget.model = model
            widget._annotator.model.wait()
    cluster._set_waiting("something")
    assert changed == [widget._annotator.model]
    widget.close()


@pytest.mark.usefixtures("interruptible")
def test_a_cell_that_waits_for_the_cluster_can_be_interrupted_and_leave_it(waiting):
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        _ = waiting.masks
    assert str(waiting.status) == WAITS
    waiting.model = FakePredictor(name="here")
    assert in_time(lambda: waiting.masks).any()


def test_a_widget_that_waits_can_be_closed(waiting, cluster):
    assert in_time(lambda: waiting.close() or True)
    assert str(waiting.status) == "Closed"
    cluster.gate.set()
    worker.of(cluster).run(lambda: None)
    assert waiting._annotator.model.predictions.predictor is not cluster


# --- the rule -------------------------------------------------------------------------------------


def test_a_clusters_thread_may_wait_for_the_local_one_and_not_the_other_way_round(cluster):
    theirs, another = worker.of(cluster), worker.of(FakeRemotePredictor())
    assert theirs.run(lambda: worker.local.run(lambda: worker.local.here))
    assert theirs.run(lambda: theirs.run(lambda: theirs.here))
    for one in (worker.local, another):
        with pytest.raises(ModelError, match="cannot wait for a cluster"):
            one.run(lambda: theirs.run(lambda: None))


def test_whose_thread_is_whose(cluster):
    assert worker.of(FakePredictor()) is worker.local
    assert worker.of(cluster) is worker.of(cluster) is not worker.local
    assert worker.of(cluster) is not worker.of(FakeRemotePredictor())
    assert not worker.on_model_thread()
    for one in (worker.local, worker.of(cluster)):
        assert one.run(lambda one=one: worker.on_model_thread() and one.here)


def test_idle_jobs_come_last_there_too(cluster):
    order, theirs, gate = [], worker.of(cluster), threading.Event()
    theirs.submit(gate.wait)
    theirs.submit_idle(lambda: order.append("idle"))
    clicks = [theirs.submit(lambda i=i: order.append(i)) for i in range(5)]
    gate.set()
    for click in clicks:
        click.result(SOON)
    wait_until(lambda: len(order) == 6)
    assert order == [0, 1, 2, 3, 4, "idle"]


# --- nothing is left ------------------------------------------------------------------------------


def threads_named(name):
    return [t for t in threading.enumerate() if t.name == name]


def test_five_hundred_clusters_leave_no_thread():
    before = len(worker._remote)
    for seed in range(500):
        cluster = FakeRemotePredictor()
        segment(image(seed % 3), [Point(9, 9)], model=cluster)
    wait_until(lambda: not threads_named("sam2-widget-cluster"))
    del cluster
    embeddings.clear()
    gc.collect()
    assert len(worker._remote) <= before


def test_a_program_ends_although_its_cluster_does_not_answer():
    script = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakeRemotePredictor
cluster = FakeRemotePredictor()
cluster.gate.clear()
w = SegmentWidget(np.zeros((9, 9, 3), np.uint8), model=cluster)
while not cluster.waiting:
    pass
print("done")
"""
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "done\n"


# --- all at once ----------------------------------------------------------------------------------


class Slow(FakeRemotePredictor):
    """Now and then the cluster is away for a moment."""

    def _called(self):
        if random.random() < 0.05:
            time.sleep(0.02)
        super()._called()


@pytest.fixture
def slow():
    return Slow()


def test_hundreds_of_clicks_on_both_sides_are_those_of_a_replay(slow):
    """Both clicked by a page each, at once; one of them goes there and back in between."""
    embeddings.clear()
    models = [slow, FakePredictor()]
    widgets = [SegmentWidget(image(i), model=model) for i, model in enumerate(models)]
    errors = []

    def clicks(widget, seed):
        rng, page, prompts = random.Random(seed), Page(widget), []
        try:
            for i in range(CLICKS):
                prompts.append(point(rng.randrange(80), rng.randrange(60), rng.choice([0, 1, 1])))
                page.prompts(*prompts)
                if len(prompts) == 4:
                    page.act("commit", prompts=prompts)
                    prompts = []
                if i % 60 == 30:
                    widget.model = models[i // 60 % 2]
                if i % 20 == 0:
                    _ = widget.masks
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=clicks, args=(w, i)) for i, w in enumerate(widgets)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
        assert not thread.is_alive()
    assert not errors
    for widget in widgets:
        again = segment(widget.image, widget.prompts, model=FakePredictor())
        assert len(again.masks) == CLICKS // 4
        np.testing.assert_array_equal(widget.masks, again.masks)
        np.testing.assert_array_equal(widget.scores, again.scores)
        settle()
        assert (widget.status.phase, str(widget.status)) == ("ready", "Ready")
        widget.close()
        observed(widget)
