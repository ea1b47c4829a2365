"""Bulk edits of a set whose images are open in a widget: both agree, and the history is sane."""

import numpy as np
import pytest
from PIL import Image

from sam2_widget import SegmentSet
from sam2_widget.models.embeddings.cache import embeddings

from .conftest import Page, mark, point, settle


@pytest.fixture
def s(folder, predictor):
    embeddings.clear()
    s = SegmentSet(folder, model=predictor, classes=["cat", "dog"])
    s.widget._annotator.model.wait()
    settle()
    yield s
    predictor.gate.set()
    s.close()


def labels(s):
    """The labels that the widget has, which must be those that are stored."""
    shown = [one.label for one in s.widget.objects]
    assert shown == [one.object.label for one in s.image.objects]
    return shown


def test_the_image_shown_is_relabelled_as_one_step(s):
    mark(s, 10, 10, "cat")
    mark(s, 40, 20, "cat")
    s.review().relabel("dog")
    assert labels(s) == ["dog", "dog"]
    s.widget.undo()
    assert labels(s) == ["cat", "cat"]
    s.widget.redo()
    assert labels(s) == ["dog", "dog"]
    s.undo_review()
    assert labels(s) == ["cat", "cat"]
    s.widget.undo()
    assert labels(s) == ["dog", "dog"]


def test_images_that_are_open_and_others_are_edited_together(s, folder):
    mark(s, 10, 10, "cat")
    s.next()
    mark(s, 20, 20, "cat")
    mark(s, 40, 20, "dog")
    ids = [one.id for one in s.image.objects]
    s.review(label="cat").delete()
    assert labels(s) == ["dog"]
    s.undo_review()
    assert labels(s) == ["cat", "dog"]
    assert [one.id for one in s.image.objects] == ids
    s.previous()
    assert labels(s) == ["cat"]
    masks = s.widget.masks
    s.widget.undo()
    assert labels(s) == []
    s.widget.undo()
    np.testing.assert_array_equal(s.widget.masks, masks)


def test_a_page_is_updated_after_a_review_in_python(s):
    page = Page(s.widget)
    page.prompts(point(10, 10))
    settle()
    page.act("commit")
    settle()
    s.review().relabel("dog")
    settle()
    assert [one["label"] for one in page.objects()] == ["dog"]
    page.prompts(point(30, 30), epoch=page.state["epoch"])
    settle()
    s.review(label="dog").delete()
    settle()
    assert labels(s) == ["cat"]
    page.act("commit")
    settle()
    assert [one["label"] for one in page.objects()] == ["cat"]
    s.undo_review()
    assert labels(s) == ["dog", "cat"]


def test_an_object_that_is_edited_must_be_accepted_again(s):
    mark(s, 10, 10, "cat")
    epoch = s.widget._state["epoch"]
    s.review().accept()
    assert s.widget._state["epoch"] == epoch
    assert [row.accepted for row in s.review()] == [True]
    assert s.widget.undo()  # accepting it is no step of the image's history
    s.widget.redo()
    mark(s, 30, 30, "dog")
    s.review().accept()
    s.widget.select(0)
    s.widget.add_point(12, 12)
    assert [row.accepted for row in s.review()] == [False, True]


def test_objects_are_measured_as_an_image_is_left_and_as_they_are_reviewed(s):
    mark(s, 10, 10, "cat")
    assert s.widget.masks.any()
    first = s.review()[0]
    assert first.area == s.widget.objects[0].area
    assert first.score == pytest.approx(s.widget.objects[0].score, abs=1e-4)
    s.widget.select(0)
    s.widget.add_point(30, 12)
    assert s.image.objects[0].measure is None
    _ = s.widget.masks
    areas = [one.area for one in s.widget.objects]
    s.next()
    s._measuring.submit(lambda: None).result()
    assert [one.measure.area for one in s["a.png"].objects] == areas


def test_a_locked_object_is_left_and_named(s):
    mark(s, 10, 10, "cat")
    s.next()
    mark(s, 10, 10, "cat")
    s.widget.lock(0)
    with pytest.warns(UserWarning, match=r"'b.png' because: Object 1 is locked"):
        edit = s.review().relabel("dog")
    assert (edit.images, list(edit.skipped)) == (("a.png",), ["b.png"])
    assert [one.label for one in s.review()] == ["dog", "cat"]
    assert labels(s) == ["cat"]


def test_objects_that_do_not_fit_the_image_any_more_are_edited(s, folder):
    mark(s, 50, 30, "cat")
    s.close()
    Image.fromarray(np.zeros((10, 12, 3), np.uint8)).save(folder / "a.png")
    again = SegmentSet(folder, model=s._model, classes=["cat", "dog"])
    try:
        assert again.name == "a.png"
        assert len(again.widget.objects) == 0
        edit = again.review().relabel("dog")
        assert [one.object.label for one in again.image.objects] == ["dog"]
        edit.undo()
        again.review().delete()
        assert again.image.objects == ()
        again.undo_review()
        assert [one.object.label for one in again.image.objects] == ["cat"]
    finally:
        again.close()
