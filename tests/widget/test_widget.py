"""The widget over a mock comm, with a fake predictor."""

import gc
import threading
import tracemalloc
import weakref
import zlib

import numpy as np
import pytest

from sam2_widget import (
    ClosedError,
    LabelError,
    ModelError,
    Point,
    PromptError,
    SegmentWidget,
    UnknownModelError,
    segment,
)
from sam2_widget.masks.logits import upsample
from sam2_widget.testing import FakePredictor

from .conftest import IMAGE, Page, observed, point, settle


def shown_pixels(mask, size=(60, 80)):
    """The pixels that a browser paints for a mask message."""
    flat = np.frombuffer(zlib.decompress(mask["data"]), np.int8)
    pixels = np.zeros(size, bool)
    upsample(flat.reshape(mask["height"], mask["width"]), *size).paste(pixels, value=True)
    return pixels


# --- what Python sees -----------------------------------------------------------------------------


def test_a_click_gives_a_mask(widget, page):
    page.prompts(point(40, 30))
    assert widget.mask[30, 40]
    assert widget.masks.shape == (1, 60, 80)
    assert widget.scores == pytest.approx([0.9])
    assert widget.label_map[30, 40] == 1
    assert widget.prompts[0].prompts == (Point(40, 30),)


def test_python_does_what_the_mouse_does(widget, page):
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), point(45, 30, 0))
    by_mouse = widget.masks
    widget.clear()
    widget.add_point(40, 30)
    widget.add_point(45, 30, 0)
    np.testing.assert_array_equal(widget.masks, by_mouse)
    assert page.state["active"]["prompts"] == [point(40, 30), point(45, 30, 0)]


def test_the_browser_is_sent_exactly_the_pixels_that_python_has(widget, page):
    page.prompts(point(40, 30))
    page.prompts(point(40, 30), point(45, 31, 0))
    settle()
    np.testing.assert_array_equal(shown_pixels(page.state["active"]["mask"]), widget.mask)
    page.act("commit")
    np.testing.assert_array_equal(shown_pixels(page.objects()[0]["mask"]), widget.masks[0])


def test_the_replay_is_bit_identical(widget):
    widget.add_point(40, 30)
    widget.add_point(20, 20, 0)
    widget.commit()
    widget.add_box(10, 10, 50, 50)
    replayed = segment(IMAGE, widget.prompts, model=FakePredictor())
    np.testing.assert_array_equal(replayed.masks, widget.masks)
    np.testing.assert_array_equal(replayed.scores, widget.scores)


def test_objects_have_their_attributes(widget):
    widget.add_point(40, 30)
    widget.commit("cell")
    widget.add_box(0, 0, 10, 10)
    first, second = widget.objects
    assert (first.label, second.label) == ("cell", None)
    assert first.color != second.color
    assert first.area == first.mask.sum()
    assert first.bbox[0] < 40 < first.bbox[2]
    assert not (first.mask & second.mask).any()


def test_select_and_delete_by_index(widget):
    for x in (10, 40, 70):
        widget.add_point(x, 30)
        widget.commit(str(x))
    widget.select(1)
    assert widget.mask[30, 40]
    widget.delete(0)
    widget.delete(-1)
    assert [o.label for o in widget.objects] == ["40"]
    for bad in (5, -3, "a", slice(0, 1)):
        with pytest.raises(PromptError, match="there is no object"):
            widget.select(bad)
    widget.select(None)
    assert not widget.mask.any()


def test_mask_is_empty_without_an_active_object(widget):
    assert not widget.mask.any()
    assert widget.masks.shape == (0, 60, 80)
    widget.add_point(40, 30)
    widget.commit()
    assert not widget.mask.any()
    assert widget.masks.any()


def test_undo_and_redo_run_no_model(widget, predictor):
    widget.add_point(40, 30)
    widget.add_point(45, 30, 0)
    two = widget.mask
    before = predictor.predicted
    assert widget.undo()
    one = widget.mask
    assert widget.redo()
    np.testing.assert_array_equal(widget.mask, two)
    assert (one != two).any()
    assert predictor.predicted == before


def test_bad_prompts_change_nothing(widget):
    widget.add_point(40, 30)
    before = widget.masks
    for bad in (lambda: widget.add_point(80, 0), lambda: widget.add_point(float("nan"), 0)):
        with pytest.raises(PromptError):
            bad()
    with pytest.raises(PromptError):
        widget.add_point(1, 1, label=3)
    with pytest.raises(PromptError):
        widget.add_box(5, 5, 5, 9)
    np.testing.assert_array_equal(widget.masks, before)


def test_invalid_arguments_raise_in_the_constructor():
    with pytest.raises(UnknownModelError, match="'huge'"):
        SegmentWidget(IMAGE, model="huge")
    with pytest.raises(LabelError, match="write"):
        SegmentWidget(IMAGE, model=FakePredictor(), labels="cat")
    for bad in (["cat", "cat"], ["cat", ""], [None], 5):
        with pytest.raises(LabelError):
            SegmentWidget(IMAGE, model=FakePredictor(), labels=bad)
    for model in (FakePredictor, 5, None):
        with pytest.raises(UnknownModelError):
            SegmentWidget(IMAGE, model=model)
        with pytest.raises(UnknownModelError):
            segment(IMAGE, [Point(1, 1)], model=model)
    with pytest.raises(ModelError, match="device must be"):
        SegmentWidget(IMAGE, model=FakePredictor(), device="gpu")


def test_labels_given(predictor):
    w = SegmentWidget(IMAGE, model=predictor, labels=np.array(["cat", "dog"]))
    w.add_point(1, 1)
    with pytest.raises(LabelError):
        w.commit("cow")
    w.commit("dog")
    assert w.objects[0].label == "dog"
    w.rename(0, "cat")
    assert w.objects[0].label == "cat"
    w.close()


# --- observers ------------------------------------------------------------------------------------


def test_observers_of_masks_are_called_once_per_change(widget, page):
    seen = []
    widget.observe(lambda change: seen.append(change["new"].sum()), "masks")
    page.prompts(point(40, 30))
    settle()
    observed(widget)
    widget.add_point(45, 30, 0)
    settle()
    observed(widget)
    widget.undo()
    observed(widget)
    assert len(seen) == 3
    assert seen[0] == seen[2] > seen[1]


def test_an_observer_may_read_the_masks_and_may_fail(widget, page):
    shapes = []

    def observer(_):
        shapes.append(widget.masks.shape)
        raise ZeroDivisionError

    widget.observe(observer, "masks")
    page.prompts(point(40, 30))
    settle()
    observed(widget)
    assert shapes == [(1, 60, 80)]
    assert widget.masks.any()


# --- what the browser sees ------------------------------------------------------------------------


def test_one_click_costs_one_small_answer(widget, page):
    page.prompts(point(40, 30))
    settle()
    count = len(page.published)
    page.prompts(point(40, 30), point(20, 20, 0))
    settle()
    answers = page.published[count:]
    assert len(answers) == 1
    _, data, buffers = answers[0]
    assert len(repr(data)) + sum(map(len, buffers)) < 3000


def test_finished_objects_travel_once(widget, page):
    page.prompts(point(40, 30))
    settle()
    page.act("commit")
    page.prompts(point(20, 20))
    settle()
    page.act("commit")
    page.prompts(point(60, 50))
    settle()
    puts = [o["id"] for _, d, _ in page.published for o in d.get("content", {}).get("put", [])]
    assert puts == [0, 1]


def test_a_page_that_opens_later_receives_everything(widget, page):
    for x in (10, 40):
        widget.add_point(x, 30)
        widget.commit()
    settle()
    before = page.objects()
    page.send({"type": "hello"})
    assert page.objects() == before
    assert len(before) == 2


def test_many_objects_are_sent_in_parts(widget, page, monkeypatch):
    monkeypatch.setattr("sam2_widget.comm.wire.MAX_BATCH", 500)
    for x in range(12):
        widget.add_point(x * 5, 30)
        widget.commit()
    settle()
    count = len(page.published)
    page.send({"type": "hello"})
    parts = [d["content"]["put"] for _, d, _ in page.published[count:] if "content" in d]
    assert len([p for p in parts if p]) > 1
    assert [o["index"] for o in page.objects()] == list(range(12))


def test_undo_of_a_delete_brings_the_object_back_in_its_place(widget, page):
    for x in (10, 40, 70):
        widget.add_point(x, 30)
        widget.commit()
    page.act("delete", object=1)
    assert [o["id"] for o in page.objects()] == [0, 2]
    page.act("undo")
    assert [o["id"] for o in page.objects()] == [0, 1, 2]


def test_an_action_carries_the_clicks_made_before_it(widget, page):
    page.act("commit", prompts=[point(40, 30)])
    assert len(widget.objects) == 1
    assert page.state["active"] is None


def test_a_trait_that_arrives_after_a_newer_action_is_dropped(widget, page):
    rid, epoch = page._rid(), page.state["epoch"]
    page.act("commit", prompts=[point(40, 30)])
    page.prompts(point(40, 30), rid=rid, epoch=epoch)
    assert len(widget.objects) == 1
    assert page.state["active"] is None


def test_clicks_on_an_object_that_python_has_just_changed_are_refused_with_a_notice(widget, page):
    epoch = page.state["epoch"]
    widget.add_point(10, 10)
    widget.commit()
    page.prompts(point(40, 30), epoch=epoch)
    assert len(widget.objects) == 1
    assert "click again" in page.notice
    assert page.state["ack"]["page"] == page.n
    page.prompts(point(40, 30))
    assert len(widget.objects) == 2
    settle()
    assert page.notice == ""


def test_two_pages_number_their_requests_apart(widget, page):
    other = Page(widget, client="other")
    for _ in range(5):
        page.prompts(point(40, 30))
    other.prompts(point(40, 30), point(41, 31))
    assert len(widget.prompts[0].prompts) == 2


def test_labels_from_the_browser(widget, page):
    page.act("commit", prompts=[point(40, 30)], label="cell")
    page.act("label", object=0, label="nucleus")
    assert widget.objects[0].label == "nucleus"
    page.act("label", object=0, label=None)
    assert widget.objects[0].label is None


def test_every_reload_is_a_new_client_and_old_ones_are_dropped(widget):
    for number in range(50):
        Page(widget, client=f"c{number}").prompts(point(1, 1), point(2, 2 + number / 10))
    assert len(widget._state["ack"]) <= 32


# --- before the model is ready, and when it fails -------------------------------------------------


def test_a_click_before_the_model_is_ready_is_honoured():
    predictor = FakePredictor()
    predictor.gate.clear()
    w = SegmentWidget(IMAGE, model=predictor)
    page = Page(w)
    page.prompts(point(40, 30))
    page.act("commit")
    page.prompts(point(20, 20))
    assert page.state["active"]["pending"]
    assert page.objects()[0]["mask"] is None
    predictor.gate.set()
    assert w.masks.shape == (2, 60, 80)
    settle()
    assert not page.state["active"]["pending"]
    assert page.objects()[0]["mask"] is not None
    w.close()


def test_failed_load_is_shown_and_nothing_is_lost(predictor):
    broken = FakePredictor()
    broken.fail_with = ModelError("the GPU is on fire")
    w = SegmentWidget(IMAGE, model=broken)
    w.add_point(40, 30)
    with pytest.raises(ModelError, match="on fire"):
        _ = w.masks
    assert w.status.phase == "error"
    assert "on fire" in w.status.message
    w.model = predictor
    assert w.mask[30, 40]
    assert w.status.phase == "ready"
    assert w.model == "fake"
    w.close()


def test_failed_prediction_is_shown_and_retried_at_the_next_click(widget, page, predictor):
    page.prompts(point(40, 30))
    before = widget.masks
    predictor.fail_with = RuntimeError("out of cheese")
    page.prompts(point(40, 30), point(41, 31))
    settle()
    assert widget.status.phase == "error"
    assert "out of cheese" in page.updates("_status")[-1]["message"]
    assert not page.state["active"]["pending"]
    with pytest.raises(ModelError, match="out of cheese"):
        _ = widget.masks
    assert len(widget.prompts[0].prompts) == 2
    widget.undo()
    predictor.fail_with = None
    np.testing.assert_array_equal(widget.masks, before)
    settle()
    assert widget.status.phase == "ready"


def test_clicks_while_the_model_is_changed_are_answered_by_the_new_one(widget, page):
    """The old model must not answer requests for the new one."""
    slow = FakePredictor(radius=0.3)
    slow.gate.clear()
    widget.add_point(40, 30)
    widget.model = slow
    page.prompts(point(40, 30), epoch=page.state["epoch"])
    widget.add_point(41, 31)
    slow.gate.set()
    expected = segment(IMAGE, widget.prompts, model=FakePredictor(radius=0.3))
    np.testing.assert_array_equal(widget.masks, expected.masks)
    settle()
    assert not page.state["active"]["pending"]


def test_an_observer_may_read_while_the_model_is_changed(widget):
    seen = []
    widget.observe(lambda change: seen.append(change["new"].sum()), "masks")
    slow = FakePredictor(radius=0.3)
    slow.gate.clear()
    widget.add_point(40, 30)
    widget.model = slow
    widget.undo()
    widget.redo()
    slow.gate.set()
    total = widget.masks.sum()
    observed(widget)
    assert seen[-1] == total


def test_a_superseded_model_changes_nothing(predictor):
    late = FakePredictor(radius=0.3)
    late.gate.clear()
    w = SegmentWidget(IMAGE, model=late)
    w.model = load_elsewhere = FakePredictor(radius=0.1)
    late.gate.set()
    w.add_point(40, 30)
    expected = segment(IMAGE, w.prompts, model=FakePredictor(radius=0.1))
    np.testing.assert_array_equal(w.masks, expected.masks)
    settle()
    assert w.status.phase == "ready"
    assert load_elsewhere.predicted == 1
    assert late.predicted == 0
    w.close()


def test_old_model_is_used_after_a_failed_change(widget, page):
    widget.add_point(40, 30)
    before = widget.masks
    broken = FakePredictor()
    broken.fail_with = ModelError("no such luck")
    widget.model = broken
    np.testing.assert_array_equal(widget.masks, before)
    settle()
    assert widget.status.phase == "ready"
    assert "Still using the model fake: no such luck" in str(widget.status)
    page.prompts(point(40, 30), point(20, 20))
    settle()
    assert "no such luck" in str(widget.status)
    assert widget.masks.any()


def test_a_change_of_the_model_is_a_change_of_the_masks(widget):
    seen = []
    widget.add_point(40, 30)
    assert widget.masks.any()
    observed(widget)
    widget.observe(lambda change: seen.append(int(change["new"].sum())), "masks")
    widget.model = FakePredictor(radius=0.3)
    total = int(widget.masks.sum())
    settle()
    observed(widget)
    assert seen == [total]
    widget.commit("cell")
    settle()
    observed(widget)
    assert seen == [total]


def test_the_active_object_is_answered_before_the_others(widget, page):
    for x in range(5):
        widget.add_point(10 * x, 30)
        widget.commit()
    assert len(widget.masks) == 5
    new = FakePredictor()
    widget.model = new
    widget._annotator.model.wait()
    widget.add_point(70, 50)
    count = len(page.published)
    assert len(widget.masks) == 6
    settle()
    answered = [
        d["state"]["_state"]["active"]
        for _, d, _ in page.published[count:]
        if "_state" in d.get("state", {})
    ]
    assert not answered or not answered[-1]["pending"]


def test_changing_the_model_keeps_prompts_and_labels(widget, page):
    widget.add_point(40, 30)
    widget.commit("cell")
    before = widget.masks
    widget.model = FakePredictor(radius=0.3)
    assert widget.masks.sum() > before.sum()
    assert widget.objects[0].label == "cell"
    settle()
    np.testing.assert_array_equal(shown_pixels(page.objects()[0]["mask"]), widget.masks[0])


def test_two_widgets_on_one_model_at_once(predictor):
    images = [IMAGE, np.zeros((200, 90, 3), np.uint8)]
    widgets = [SegmentWidget(image, model=predictor) for image in images]

    def click(w):
        for x in range(10, 60, 5):
            w.add_point(x, 30)

    threads = [threading.Thread(target=click, args=(w,)) for w in widgets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for w, image in zip(widgets, images, strict=True):
        assert len(w.prompts[0].prompts) == 10
        alone = segment(image, w.prompts, model=FakePredictor())
        np.testing.assert_array_equal(w.masks, alone.masks)
        w.close()


def test_a_closed_widget_still_has_its_masks(widget):
    widget.add_point(40, 30)
    before = widget.masks
    widget.close()
    np.testing.assert_array_equal(widget.masks, before)
    assert widget.status.phase == "closed"
    widget.close()


def test_reading_while_closing_and_after_never_hangs(predictor):
    predictor.gate.clear()
    w = SegmentWidget(IMAGE, model=predictor)
    w.add_point(1, 1)
    threading.Timer(0.1, w.close).start()
    with pytest.raises(ClosedError):
        _ = w.masks
    with pytest.raises(ClosedError):
        w.model = FakePredictor()
    predictor.gate.set()


def test_a_closed_widget_is_freed(predictor):
    w = SegmentWidget(IMAGE, model=predictor)
    w.add_point(40, 30)
    assert w.masks.any()
    w.close()
    freed = weakref.ref(w)
    del w
    settle()
    gc.collect()
    assert freed() is None


def test_repr_is_one_line(widget):
    widget.add_point(40, 30)
    _ = widget.masks
    assert repr(widget) == "SegmentWidget(80 x 60, 1 object, Ready)"


def test_the_image_can_be_read_and_not_changed(widget):
    np.testing.assert_array_equal(widget.image, IMAGE)
    with pytest.raises(ValueError, match="read-only"):
        widget.image[0] = 0


def test_what_was_read_leaves_no_pixels_behind():
    widget = SegmentWidget(np.zeros((600, 800, 3), np.uint8), model=FakePredictor(radius=0.4))
    for x in range(30, 750, 30):
        widget.add_point(x, 300)
        widget.commit()
    assert widget.scores.size == 24
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        areas = [found.area for found in widget.objects]
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert min(areas) > 100_000  # as many bytes each, were they kept
    assert kept < 24 * 20_000
    widget.close()
