"""Several objects made one, and one made several; each click a new object; undo that takes much."""

import numpy as np
import pytest

from sam2_widget import MaskPrompt, PromptError, SegmentWidget, segment
from sam2_widget.testing import FakePredictor

from .conftest import IMAGE, Page, point, settle

H, W = IMAGE.shape[:2]


def rectangle(x0, y0, x1, y1):
    mask = np.zeros((H, W), bool)
    mask[y0:y1, x0:x1] = True
    return mask


LEFT, RIGHT, SMALL = rectangle(2, 2, 20, 30), rectangle(40, 10, 70, 40), rectangle(3, 50, 8, 55)


def add_all(widget):
    widget.add_mask(LEFT)
    widget.add_mask(SMALL, "other")
    widget.add_mask(RIGHT, "cell")


def test_merged_objects_are_one_with_the_pixels_of_all(widget, predictor):
    add_all(widget)
    ids = [each.id for each in widget.objects]
    widget.merge([2, 0])
    merged = widget.objects[1]
    assert [each.id for each in widget.objects] == [ids[1], ids[0]]
    assert merged.label == "cell"
    np.testing.assert_array_equal(merged.mask, LEFT | RIGHT)
    assert merged.prompts == (MaskPrompt.from_mask(LEFT | RIGHT),)
    replayed = segment(IMAGE, widget.prompts, model=predictor)
    np.testing.assert_array_equal(replayed.masks, widget.masks)
    assert widget.undo()
    assert [each.id for each in widget.objects] == ids
    assert widget.redo()
    assert len(widget.objects) == 2


def test_what_the_model_and_the_brush_have_made_is_merged_too(widget):
    widget.add_point(20, 20)
    widget.commit("a")
    widget.add_stroke([(60, 40), (70, 50)], 3)
    both = widget.masks.any(axis=0)
    widget.merge([0, 1])
    np.testing.assert_array_equal(widget.masks, both[None])
    widget.select(0)
    widget.add_point(5, 5, label=0)
    assert len(widget.objects[0].prompts) == 2


def test_a_split_object_becomes_one_for_each_part(widget):
    widget.add_mask(SMALL)
    widget.add_mask(LEFT | RIGHT, "cell")
    widget.add_mask(rectangle(30, 0, 32, 60))
    before = [each.id for each in widget.objects]
    assert widget.split(1) == 2
    objects = widget.objects
    assert len(objects) == 4
    assert [each.id for each in objects][:2] == before[:2]
    assert objects[3].id == before[2]
    assert [objects[1].label, objects[2].label] == ["cell", "cell"]
    np.testing.assert_array_equal(objects[1].mask, RIGHT)
    np.testing.assert_array_equal(objects[2].mask, LEFT)
    widget.merge([1, 2])
    np.testing.assert_array_equal(widget.objects[1].mask, LEFT | RIGHT)
    assert widget.undo()
    assert widget.undo()
    assert [each.id for each in widget.objects] == before


def test_impossible_merge_or_split_has_an_error(widget):
    add_all(widget)
    for some in ([], [1], [1, 1]):
        with pytest.raises(PromptError, match="two objects or more"):
            widget.merge(some)
    with pytest.raises(PromptError, match="no object 7"):
        widget.merge([0, 7])
    with pytest.raises(PromptError, match="in one piece"):
        widget.split(0)
    widget.lock(0)
    with pytest.raises(PromptError, match="locked"):
        widget.merge([0, 1])
    assert len(widget.objects) == 3


def test_scattered_pixels_are_not_split_into_hundreds_of_objects(widget):
    dots = np.zeros((H, W), bool)
    dots[::2, ::2] = True
    widget.add_mask(dots)
    with pytest.raises(PromptError, match="1200 parts, an object can be split into 500"):
        widget.split(0)


def test_a_page_merges_and_splits(widget, page):
    add_all(widget)
    ids = [each.id for each in widget.objects]
    page.act("merge", objects=[ids[0], ids[2]])
    np.testing.assert_array_equal(widget.objects[1].mask, LEFT | RIGHT)
    page.act("split", object=ids[0])
    assert len(widget.objects) == 3
    page.act("undo")
    page.act("undo")
    assert [each.id for each in widget.objects] == ids
    page.act("merge", objects=[ids[0], 999])
    assert "no longer there" in page.notice
    page.act("split", object=ids[0])
    assert "in one piece" in page.notice
    page.act("merge", objects=[ids[0]])
    assert "malformed" in page.notice
    assert page.state["ack"]["page"] == page.n
    assert [each.id for each in widget.objects] == ids


def test_what_is_being_worked_on_is_merged_as_it_is_shown(widget, page, predictor):
    widget.add_mask(LEFT)
    page.prompts(point(50, 20))
    settle()
    both = widget.masks.any(axis=0)
    first, second = (each.id for each in widget.objects)
    page.act("merge", objects=[first, second], prompts=[point(50, 20), point(60, 20)])
    assert "still being computed" in page.notice
    assert len(widget.objects) == 2
    settle()
    page.act("undo")
    page.act("merge", objects=[first, second], prompts=[point(50, 20)])
    np.testing.assert_array_equal(widget.masks, both[None])


def test_an_answer_that_is_pending_is_not_waited_for_in_the_page(widget, page, predictor):
    widget.add_mask(LEFT)
    predictor.gate.clear()
    page.prompts(point(50, 20))
    first, second = (each.id for each in widget._annotator.session.annotation.objects)
    page.act("merge", objects=[first, second])
    assert "still being computed" in page.notice
    predictor.gate.set()
    settle()
    assert len(widget.objects) == 2


def test_undo_of_many_objects_has_a_notice(widget, page):
    widget.add_masks([MaskPrompt.from_mask(one) for one in (LEFT, RIGHT, SMALL)])
    page.act("undo")
    assert len(widget.prompts) == 0
    assert "Undo removed 3 objects" in page.notice
    page.act("redo")
    widget.add_point(30, 30)
    page.act("undo")
    assert page.notice == ""


def test_a_preview_of_a_new_object_is_not_about_the_one_being_worked_on(widget, page):
    widget.add_point(20, 20)
    settle()
    for fresh in (False, True):
        question = {"client": "page", "n": 1 + fresh, "x": 60.0, "y": 40.0, "fresh": fresh}
        page.send({"type": "hover", "epoch": page.state["epoch"], **question})
        settle()
    previews = [
        (data["content"], buffers)
        for _, data, buffers in page.published
        if data.get("content", {}).get("type") == "preview"
    ]
    alone = SegmentWidget(IMAGE, model=FakePredictor())
    alone.add_point(60, 40)
    settle()
    expected = Page(alone).state["active"]["mask"]["data"]
    (_, together), (_, fresh) = previews
    assert bytes(fresh[0]) == bytes(expected)
    assert bytes(together[0]) != bytes(expected)


def test_the_mode_in_which_each_click_is_a_new_object_is_an_option(widget, page):
    assert widget.new_object_per_click is False
    page.update({"new_object_per_click": True})
    assert widget.new_object_per_click is True
    widget.add_point(20, 20)
    widget.add_point(30, 20)
    assert len(widget.prompts) == 1
