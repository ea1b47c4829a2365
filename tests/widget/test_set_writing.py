"""Annotations that Python changes while the widget has the image: shown, stored, and undone."""

import json
import threading

import pytest

from sam2_widget import Box, ImageSet, Point, PromptError, Prompts
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.prompts.collections import ObjectPrompts

from .conftest import Page, mark, point, settle


def firsts(objects):
    """The first prompt of each object."""
    return [one.prompts[0] for one in objects]


def known(s):
    """The first prompts of the objects shown, which must be those that are stored."""
    shown = firsts(s.widget.prompts)
    assert shown == firsts(s.image.prompts) == firsts(s.widget.objects)
    return shown


def test_prompts_that_are_set_for_the_image_shown_are_shown_and_kept(make_set):
    s = make_set()
    page = Page(s.widget)
    mark(s, 10, 10)
    s.image.prompts = [[Point(20, 20)], [Box(30, 5, 50, 25)]]
    settle()
    assert known(s) == [Point(20, 20), Box(30, 5, 50, 25)]
    assert len(page.objects()) == 2
    mark(s, 40, 30)  # the next edit
    assert known(s) == [Point(20, 20), Box(30, 5, 50, 25), Point(40, 30)]
    s.close()
    assert firsts(make_set().image.prompts) == [Point(20, 20), Box(30, 5, 50, 25), Point(40, 30)]


def test_prompts_that_are_set_are_one_step_of_the_history(make_set):
    s = make_set()
    mark(s, 10, 10, "cat")
    settings = Settings(fill_holes=9)
    s.image.prompts = Prompts((ObjectPrompts((Point(20, 20),), "dog"),), settings)
    assert (known(s), s.widget.prompts.settings) == ([Point(20, 20)], settings)
    assert s["a.png"].prompts.settings == settings
    assert s.widget.undo()
    assert (known(s), s.widget.prompts.settings) == ([Point(10, 10)], DEFAULTS)
    assert s["a.png"].prompts.settings == DEFAULTS
    assert [one.label for one in s.widget.objects] == ["cat"]
    assert s.widget.redo()
    assert (known(s), s["a.png"].prompts.settings) == ([Point(20, 20)], settings)


def test_an_object_that_is_worked_on_is_replaced_with_the_others(make_set):
    s = make_set()
    page = Page(s.widget)
    page.prompts(point(10, 10))
    settle()
    s.image.prompts = [Point(20, 20)]
    page.prompts(point(30, 30), epoch=page.state["epoch"])
    settle()
    assert known(s) == [Point(20, 20), Point(30, 30)]


def test_objects_that_stay_keep_what_is_known_of_them(make_set):
    s = make_set(object_attributes={"age": float})
    mark(s, 10, 10)
    mark(s, 20, 20)
    s.image.set_object(1, note="old", age=7.0)
    s.review().accept()
    first, second = s.image.objects
    s.image.prompts = [*s.image.prompts.objects[1:], ObjectPrompts((Point(30, 30),))]
    assert s.image.objects[0] == second
    assert s.image.objects[1].id not in (first.id, second.id)
    s.widget.undo()
    assert s.image.objects == (first, second)


@pytest.mark.parametrize("left", [False, True])
def test_prompts_outside_the_image_are_refused(make_set, left):
    s = make_set()
    mark(s)
    if left:
        s.next()
    with pytest.raises(PromptError, match="outside the image"):
        s["a.png"].prompts = [Point(61, 5)]
    assert firsts(s["a.png"].prompts) == [Point(10, 10)]
    s.go("a.png")
    assert known(s) == [Point(10, 10)]


def test_a_locked_object_is_not_replaced(make_set):
    s = make_set()
    mark(s)
    s.widget.lock(0)
    with pytest.raises(PromptError, match="Object 1 is locked"):
        s.image.prompts = [Point(20, 20)]
    assert known(s) == [Point(10, 10)]


def test_an_image_that_was_left_gets_its_prompts_in_its_history(make_set):
    s = make_set()
    mark(s, 10, 10)
    s.next()
    s["a.png"].prompts = [Point(20, 20)]
    s.previous()
    assert known(s) == [Point(20, 20)]
    s.widget.undo()
    assert known(s) == [Point(10, 10)]


def test_fields_of_the_annotations_are_changed_in_the_widget_too(make_set):
    s = make_set()
    mark(s, 10, 10)
    mark(s, 20, 20)
    s.change("a.png", objects=s.image.objects[1:], note="one less")
    assert (known(s), s.image.note) == ([Point(20, 20)], "one less")
    mark(s, 30, 30)
    assert known(s) == [Point(20, 20), Point(30, 30)]


def test_an_image_whose_objects_are_read_already_is_shown_with_later_ones(make_set):
    s = make_set()
    s["b.png"].prompts = [Point(10, 10)]
    s.widget._planes._prepare(1)  # another thread is about to show it
    s["b.png"].prompts = [Point(20, 20)]
    s.next()
    assert known(s) == [Point(20, 20)]
    mark(s, 30, 30)
    assert known(s) == [Point(20, 20), Point(30, 30)]


def test_no_image_is_opened_while_its_objects_are_stored(make_set, monkeypatch):
    s = make_set()
    update, could_open = s.store.update, []

    def watched(name, change):
        lock = s.widget._planes.lock
        attempt = threading.Thread(target=lambda: could_open.append(lock.acquire(blocking=False)))
        attempt.start()
        attempt.join()
        return update(name, change)

    monkeypatch.setattr(s.store, "update", watched)
    s["b.png"].prompts = [Point(20, 20)]
    assert could_open == [False]


def test_a_class_that_was_renamed_has_its_new_name_after_undo(make_set):
    s = make_set(classes=["cat", "dog"])
    mark(s, 10, 10, "cat")
    s.rename_class("cat", "lynx")
    s.image.prompts = [ObjectPrompts((Point(20, 20),), "lynx")]
    assert [one.label for one in s.widget.objects] == ["lynx"]
    s.widget.undo()
    assert [one.object.label for one in s.image.objects] == ["lynx"]


def test_a_note_or_state_leaves_an_image_its_initial_objects(make_set):
    s = make_set(boxes={"b.png": [(1, 1, 9, 9)], "c.png": [(2, 2, 9, 9)]})
    s["b.png"].note = "blurred"
    s["c.png"].state = "review"
    s.next()
    assert (known(s), s.image.note) == ([Box(1, 1, 9, 9)], "blurred")
    assert firsts(s["c.png"].prompts) == [Box(2, 2, 9, 9)]
    assert s["c.png"].state == "review"
    s.image.prompts = []
    s.close()
    again = make_set(boxes={"b.png": [(1, 1, 9, 9)]})
    assert again["b.png"].objects == ()


def test_prompts_that_turn_out_not_to_fit_are_reported(make_set, folder):
    unread = ImageSet(folder)
    unread["b.png"].prompts = [Point(99, 5)]
    unread.close()
    s = make_set()
    s.go("b.png")
    assert "its 1 objects do not fit" in s.image.problem
    mark(s, 5, 5)
    assert firsts(s.image.prompts) == [Point(99, 5), Point(5, 5)]


def test_an_image_that_cannot_be_read_is_no_hindrance_to_the_others(make_set, folder, tmp_path):
    (folder / "b.png").write_bytes(b"no image")
    s = make_set(boxes={"b.png": [(1, 1, 9, 9)]})
    s["b.png"].state = "done"
    mark(s)
    with pytest.warns(UserWarning, match=r"1 images were not written: b.png"):
        s.save(tmp_path / "all.json", progress=False)
    assert [
        one["file_name"] for one in json.loads((tmp_path / "all.json").read_text())["images"]
    ] == ["a.png"]
