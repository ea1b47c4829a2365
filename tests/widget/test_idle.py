"""Offloading of idle models, models that nobody uses, and the messages about both."""

import contextvars
import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import sam2_widget
from sam2_widget import (
    ClosedError,
    ModelError,
    OutOfMemoryError,
    SegmentWidget,
    SettingError,
    configure,
)
from sam2_widget.models import checkpoints, idle, worker
from sam2_widget.models.memory_use import Memory, ModelMemory
from sam2_widget.testing import FakePredictor
from tests.waiting import wait_until

from .conftest import IMAGE, Page, point, settle


@pytest.fixture
def model():
    return FakePredictor(device="cuda:0")


@pytest.fixture
def page(model):
    widget = SegmentWidget(IMAGE, model=model)
    page = Page(widget)
    page.prompts(point(40, 30))
    assert widget.masks.any()
    settle()
    yield page
    widget.close()
    configure(idle_minutes=15)


def rested(model):
    wait_until(lambda: model.offloaded, "the end of a model's use")


def test_idle_model_is_offloaded_and_reloaded_at_the_next_click(page, model):
    configure(idle_minutes=0.001)
    page.prompts(point(40, 30), point(20, 20, 0))
    settle()
    rested(model)
    configure(idle_minutes=15)
    count = len(page.published)
    page.prompts(point(50, 30))
    assert page.widget.mask[30, 50]
    settle()
    said = [
        data["state"]["_status"]["message"]
        for _, data, _ in page.published[count:]
        if "_status" in data.get("state", {})
    ]
    assert said[0] == "Bringing the model back to cuda:0"
    assert said[-1] == "Ready"
    assert not model.offloaded


def test_cached_prediction_does_not_reload_the_model(page, model):
    model.offload()
    page.prompts(point(40, 30), point(20, 20, 0))
    settle()
    model.offload()
    page.act("undo")
    assert page.widget.masks.any()
    assert model.offloaded


def test_hover_does_not_reload_an_offloaded_model(page, model):
    model.offload()
    hover = {"client": "page", "n": 1, "epoch": page.state["epoch"], "x": 5, "y": 5}
    page.send({"type": "hover", **hover})
    settle()
    assert model.offloaded


def test_with_no_time_set_models_stay(page, model):
    configure(idle_minutes=0)
    idle.used(model)
    idle.offload_idle()
    settle()
    assert not model.offloaded


def test_one_thread_watches_and_ends_when_all_rest(page, model):
    configure(idle_minutes=0.001)
    for _ in range(5):
        idle.used(model)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("sam2-widget-idle") <= 1
    rested(model)
    wait_until(lambda: idle._watch is None, "the end of the thread")
    assert all(thread.daemon for thread in threading.enumerate() if "idle" in thread.name)


@pytest.mark.parametrize("bad", [-1, "soon", float("nan"), True])
def test_minutes_that_make_no_sense_are_refused(bad):
    with pytest.raises(SettingError, match="idle_minutes"):
        configure(idle_minutes=bad)
    with pytest.raises(SettingError, match="smaller_model"):
        configure(smaller_model="perhaps")


def test_a_model_that_was_replaced_goes(page, model):
    gone = weakref.ref(model)
    page.widget.model = FakePredictor()
    assert page.widget.masks.any()
    settle()
    del model
    # The fixture of the test has it still: what the widget holds is looked at.
    holders = [one for one in gc.get_referrers(gone()) if "sam2_widget" in type(one).__module__]
    assert holders == []


def test_a_closed_widget_holds_no_model(page, model):
    before = page.widget.masks
    page.widget.close()
    settle()
    assert page.widget._annotator.model.predictions.predictor is not model
    np.testing.assert_array_equal(page.widget.masks, before)
    assert page.widget.objects[0].provenance.device == "cuda:0"
    page.widget.add_point(1, 1)
    with pytest.raises(sam2_widget.ClosedError):
        _ = page.widget.masks


def test_memory_lists_models_and_embeddings(monkeypatch):
    monkeypatch.setattr(checkpoints, "loaded_models", lambda: [FakePredictor(device="cuda:0")])
    found = sam2_widget.memory()
    assert found.models == (ModelMemory("fake", "cuda:0", 0, offloaded=False),)
    assert "cpu" in found.embeddings
    assert str(found).startswith("model fake: 0 B (cuda:0)")
    held = Memory(
        (ModelMemory("large", "cuda:0", 898_000_000, offloaded=True),),
        {"cpu": 0, "cuda:0": 42_000_000},
        {"cuda:0": (70 * 10**9, 80 * 10**9)},
    )
    assert repr(held).splitlines() == [
        "model large: 898 MB (offloaded, comes back to cuda:0)",
        "embeddings on cuda:0: 42 MB",
        "cuda:0: 70.0 GB of 80.0 GB free",
    ]


@pytest.mark.parametrize("error", [ModelError, OutOfMemoryError])
def test_an_error_that_is_raised_again_does_not_grow(model, error):
    model.fail_with = error("no")
    widget = SegmentWidget(IMAGE, model=model)
    widget.add_point(10, 10)
    lengths = []
    for _ in range(3):
        with pytest.raises(error, match=r"no|too little") as caught:
            _ = widget.masks
        lengths.append(len(caught.traceback))
    assert len(set(lengths)) == 1
    widget.close()


def test_what_the_kernel_writes_is_not_held_back(page):
    with page.widget.hold_sync():
        page.prompts(point(10, 10))
        settle()
        assert page.updates("_state")[-1]["active"]["prompts"] == [point(10, 10)]
    with page.widget.hold_trait_notifications():
        page.prompts(point(11, 10))
        settle()
        assert page.updates("_state")[-1]["active"]["prompts"] == [point(11, 10)]


def test_jobs_run_in_the_context_of_their_submission():
    parent = contextvars.ContextVar("parent")
    parent.set("a cell")
    assert worker.local.run(parent.get) == "a cell"


def test_the_watcher_outlives_models_that_go_while_it_looks(page, model, monkeypatch):
    """They leave the table at any moment, also between two looks at it."""

    class Vanishing(dict[Any, Any]):
        def __bool__(self):
            return True  # there was one a moment ago

    monkeypatch.setattr(idle, "_last_use", Vanishing())
    assert idle._next_offload() is None
    idle.offload_idle()


@pytest.mark.parametrize("is_closed", [False, True])
def test_errors_leave_no_closed_widget_alive_until_the_next_collection(is_closed):
    class Failing(FakePredictor):
        def _called(self):
            super()._called()
            if self.embedded:
                raise ValueError("a new one each time")

    def failed():
        widget = SegmentWidget(IMAGE, model=Failing())
        widget._annotator.model.wait()
        if is_closed:
            widget.close()
        widget.add_point(40, 30)
        with pytest.raises((ModelError, ClosedError)):
            _ = widget.masks
        widget.close()
        return weakref.ref(widget), weakref.ref(widget._annotator.model)

    gc.collect()
    gc.disable()
    try:
        gone = [one for _ in range(5) for one in failed()]
        settle()
        # Threads that have just used one drop it in their own time.
        wait_until(lambda: [one() for one in gone] == [None] * 10, "the end of all widgets")
    finally:
        gc.enable()
