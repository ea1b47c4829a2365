"""What happens at the same moment on several threads or pages."""

import threading
from typing import Any

import numpy as np
import pytest

from sam2_widget import SegmentWidget, configure
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.annotation.planes import EPOCHS
from sam2_widget.comm.receiving import CONFLICT
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import embeddings, image_key
from sam2_widget.models.embeddings.store import EmbeddingStore
from sam2_widget.testing import FakeEmbedding, FakePredictor
from sam2_widget.widget import lifetime

from .conftest import IMAGE, Page, point, served, settle


def labels(widget):
    return [(len(o.prompts), o.label) for o in widget.prompts]


@pytest.mark.parametrize("prompts", [None, [point(40, 30)]])
@pytest.mark.parametrize("action", [("commit", {"label": "cat"}), ("undo", {}), ("clear", {})])
def test_an_action_on_what_python_has_replaced_meanwhile_is_refused(widget, page, action, prompts):
    page.prompts(point(40, 30))
    saw = page.state["epoch"]
    widget.commit("dog")
    widget.add_point(10, 10)
    committed = []
    widget.on_commit(committed.append)
    kind, fields = action
    page.act(kind, epoch=saw, **fields, **({"prompts": prompts} if prompts else {}))
    settle()
    assert page.notice == CONFLICT
    assert labels(widget) == [(1, "dog"), (1, None)]
    assert widget._annotator.session.annotation.active is not None
    assert page.state["ack"]["page"] == page.n
    assert committed == []
    page.act(kind, **fields)
    settle()
    assert page.notice == ""
    assert labels(widget) != [(1, "dog"), (1, None)]


def test_actions_after_a_rejected_commit_are_rejected_too(widget, page):
    page.prompts(point(40, 30))
    saw = page.state["epoch"]
    widget.add_point(10, 10)
    page.act("commit", epoch=saw, prompts=[point(40, 30)])
    # It was sent before the page knew that nothing was committed: a new object, as it thought.
    page.prompts(point(60, 50), epoch=saw + 1)
    settle()
    assert page.notice == CONFLICT
    assert labels(widget) == [(2, None)]


def test_an_action_that_names_its_object_is_carried_out(widget, page):
    widget.add_point(40, 30)
    widget.commit()
    saw = page.state["epoch"]
    widget.add_point(10, 10)
    page.act("label", epoch=saw, object=0, label="cat")
    page.act("show", epoch=saw, object=0, visible=False)
    settle()
    assert labels(widget) == [(1, "cat"), (1, None)]
    assert not widget.is_shown(0)
    assert page.notice == ""


def test_redo_on_what_another_page_has_undone_is_refused(widget, page):
    other = Page(widget, "other")
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), point(42, 30))
    saw = page.state["epoch"]
    other.act("undo")
    page.act("redo", epoch=saw)
    assert labels(widget) == [(1, None)]
    assert page.notice == CONFLICT


class SlowVolume:
    """A stack whose planes after the first can be read when `go` is set, as one on a slow disk."""

    def __init__(self):
        self.shape, self.dtype, self.ndim = (3, 60, 80), np.dtype(np.uint8), 3
        self.started, self.go = threading.Event(), threading.Event()

    def __getitem__(self, index):
        plane = index[0] if isinstance(index, tuple) else index
        if plane != 0:
            self.started.set()
            assert self.go.wait(20)
        return np.zeros(self.shape, np.uint8)[index]


def test_a_slow_disk_holds_up_no_other_widget_and_not_the_plane_shown(predictor):
    volume = SlowVolume()
    slow = SegmentWidget(volume, axes="ZYX", model=predictor)
    other = SegmentWidget(np.zeros((2, 3000, 4000), np.uint8), axes="ZYX", model=predictor)
    try:
        Page(slow).act("plane", plane=1)
        assert volume.started.wait(10)
        page, sent = Page(other), threading.Event()
        query: Any = other._receiver._query
        send = query.__self__._tiles._send
        query.__self__._tiles._send = lambda *a: [send(*a), sent.set()]
        page.send({"type": "tiles", "client": "page", "level": 0, "tiles": [[0, 0]]})
        assert sent.wait(10)
        page.act("plane", plane=1)
        for thread in threading.enumerate():
            if thread is other._planes._reader._thread:
                thread.join(10)
        assert other.plane == 1
        assert slow.plane == 0
    finally:
        volume.go.set()
        served()
        slow.close()
        other.close()


def deleted(widget):
    """Call its finaliser as the garbage collector does, on a thread of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=lambda: [widget.__del__(), ended.set()], daemon=True)
    thread.start()
    return ended


@pytest.mark.parametrize("lock", ["preview", "timer", "planes", "engine"])
def test_a_widget_that_is_collected_waits_for_no_lock(widget, page, lock):
    page.prompts(point(40, 30))
    settle()
    widget._static_preview._ids.append("shown")
    widget._static_preview.changed()
    timer = widget._static_preview._timer
    # The collector may run on the very thread that holds one of these, in the middle of its work.
    held = {
        "preview": widget._static_preview._lock,
        "timer": timer.finished._cond,
        "planes": widget._planes.lock,
        "engine": widget._annotator.model._ended,
    }[lock]
    with held:
        assert deleted(widget).wait(10)
    lifetime.close_later((closed := threading.Event()).set)
    assert closed.wait(10)
    assert timer.finished.is_set()
    assert widget._annotator.model.is_closed
    assert widget._static_preview._ids == []


def test_cached_results_do_not_wait_for_a_model(widget, page, predictor):
    page.prompts(point(40, 30))
    expected = widget.masks
    widget.rename(0, "cat")  # another result of the same answers
    started, go = threading.Event(), threading.Event()
    worker.local.submit(lambda: [started.set(), go.wait(20)])
    assert started.wait(10)
    found = TransientThreadExecutor("reader").submit(
        lambda: (widget.masks, widget.objects[0].label)
    )
    try:
        masks, label = found.result(10)
    finally:
        go.set()
    np.testing.assert_array_equal(masks, expected)
    assert label == "cat"
    assert predictor.predicted == 1


def test_a_slow_disk_with_embeddings_holds_up_no_click_of_another_widget(tmp_path, monkeypatch):
    class Storable(FakePredictor):
        identity = "storable"

        def pack(self, embedding):
            return {"size": np.array([embedding.width, embedding.height])}

        def unpack(self, arrays):
            return FakeEmbedding(*arrays["size"].tolist())

    started, go, predictor, slow = threading.Event(), threading.Event(), Storable(), IMAGE + 1
    read = EmbeddingStore.read

    def slow_read(self, model, image):
        if image == image_key(slow):
            started.set()
            assert go.wait(20)
        return read(self, model, image)

    monkeypatch.setattr(EmbeddingStore, "read", slow_read)
    configure(store=tmp_path)
    try:
        widget = SegmentWidget(IMAGE, model=predictor)
        other = SegmentWidget(slow, model=predictor)
        page = Page(other)
        page.prompts(point(40, 30))
        assert started.wait(10)
        widget.add_point(40, 30)
        read_elsewhere = TransientThreadExecutor("reader").submit(lambda: widget.mask[30, 40])
        assert read_elsewhere.result(10)
        assert page.state["active"]["pending"]
        go.set()
        assert other.mask[30, 40]
        # Forgotten in memory, it is read again, and again not on the thread of the models.
        embeddings.flush()
        embeddings.clear()
        started.clear()
        go.clear()
        encoded = predictor.embedded
        page.prompts(point(40, 30), point(20, 20))
        assert started.wait(10)
        widget.add_point(20, 20)
        assert TransientThreadExecutor("reader").submit(lambda: widget.mask[20, 20]).result(10)
        go.set()
        assert other.mask[20, 20]
        assert predictor.embedded == encoded
    finally:
        go.set()
        configure(store=False)
        widget.close()
        other.close()


# --- colours and planes ---------------------------------------------------------------------------


@pytest.fixture
def stack(predictor):
    volume = np.random.default_rng(3).integers(0, 255, (4, 60, 80), np.uint8)
    widget = SegmentWidget(volume, axes="ZYX", model=predictor, labels={"cat": "#ff0000"})
    yield widget
    widget.close()


def test_a_colour_that_a_page_sets_is_that_of_results_that_were_read_before(widget, page):
    page.prompts(point(40, 30))
    page.act("class_add", name="cat", color="#112233")
    page.act("label", object=0, label="cat")
    assert widget.objects[0].color == "#112233"
    page.act("class_add", name="cat", color="#445566")
    assert widget.objects[0].color == "#445566"


def test_colours_that_are_changed_are_those_of_all_planes(stack):
    for plane in (0, 2):
        stack.plane = plane
        stack.add_point(40, 30)
        stack.commit("cat")
    assert [stack.planes[plane].objects[0].color for plane in (0, 2)] == ["#ff0000"] * 2
    stack.labels = {"cat": "#00ff00", "dog": "#0000ff"}
    assert [stack.planes[plane].objects[0].color for plane in (0, 2)] == ["#00ff00"] * 2
    stack.plane = 0
    assert dict(stack.labels) == {"cat": "#00ff00", "dog": "#0000ff"}
    stack.rename(0, None)
    colors = [stack.planes[0].objects[0].color]
    stack.palette = ["#abcdef"]
    stack.plane = 1
    assert [*colors, stack.planes[0].objects[0].color][1] == "#abcdef"


def test_reads_make_no_annotator_and_change_nothing(stack):
    page = Page(stack)
    stack.drop_specks = 7
    before = dict(stack._planes._annotators)
    for plane in stack.planes:
        repr(plane)
        assert plane.masks.shape == (0, 60, 80)
        assert (len(plane.prompts), plane.prompts.settings.drop_specks) == (0, 7)
        assert plane.image.shape == (60, 80, 3)
        assert plane.label_map.max() == 0
    epoch = 3 * EPOCHS
    page.send({"type": "hover", "client": "page", "n": 1, "epoch": epoch, "x": 5, "y": 5})
    page.send({"type": "save", "client": "page", "n": 1, "epoch": epoch, "format": "coco"})
    page.send({"type": "save", "client": "page", "n": 2, "epoch": epoch, "format": "prompts"})
    for thread in threading.enumerate():
        if thread.name == "sam2-widget-files":
            thread.join(20)
    settle()
    files = [d["content"] for _, d, _ in page.published if "parts" in d.get("content", {})]
    assert [file["name"] for file in files] == ["image-Z4.coco.json", "image-Z4.prompts.json"]
    assert stack._planes._annotators == before
    assert page.notice == ""


def test_reading_a_plane_leaves_its_settings_alone(stack):
    stack.plane = 2
    stack.fill_holes = 5
    stack.plane = 0
    stack.fill_holes = 9
    assert stack.planes[2].prompts.settings.fill_holes == 5
    assert stack.planes[2].masks.shape == (0, 60, 80)
    assert stack._planes[2].session.annotation.settings.fill_holes == 5
