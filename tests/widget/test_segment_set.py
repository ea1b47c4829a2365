"""Many images in one widget, kept on disk."""

import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    ExportError,
    ImageError,
    ImageSet,
    LabelError,
    LockedError,
    Point,
    Prompts,
    SegmentSet,
    SettingError,
    configure,
    segment,
)
from sam2_widget.config import current
from sam2_widget.datasets import journal
from tests.waiting import wait_until

from .conftest import Page, mark, observed, point, settle

SIZES = {"a.png": (40, 60), "b.png": (50, 30), "left/c.png": (20, 90), "left/ü d.png": (64, 64)}


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(3)
    for name, (height, width) in SIZES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (height, width, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def records(folder, name):
    path = folder / ".sam2-widget" / "images" / f"{name}.jsonl"
    return [json.loads(line)["record"] for line in path.read_text().splitlines()]


def test_images_of_different_sizes_are_shown_in_one_widget(make_set):
    s = make_set()
    widget = s.widget
    assert (s.name, len(s), s.names) == ("a.png", 4, tuple(SIZES))
    for name in list(SIZES)[1:]:
        assert s.next().name == name
        assert s.widget is widget
        assert widget.image.shape == (*SIZES[name], 3)
        assert widget._image["name"] == name.rpartition("/")[2]
        assert (widget._image["height"], widget._image["width"]) == SIZES[name]
        assert widget._state["plane"] == s.shown == widget._image["plane"]
    with pytest.raises(ImageError, match=r"there is no image after 'left/ü d.png'"):
        s.next()
    assert s.previous().name == "left/c.png"
    assert s.go("b.png").name == "b.png"
    assert s.go("c.png").name == "left/c.png"
    assert s.go(-1).name == "left/ü d.png"
    for wrong in ("x.png", 4, None, True):
        with pytest.raises(ImageError, match="there is no image"):
            s.go(wrong)


def test_objects_belong_to_their_image_and_history_is_kept(make_set):
    s = make_set()
    mark(s)
    s.widget.add_point(30, 30)
    s.next()
    assert s.widget.masks.shape == (0, *SIZES["b.png"])
    mark(s, 5, 5)
    s.previous()
    assert len(s.widget.objects) == 2
    assert s.widget.undo()  # the object that was finished as the image was left
    s.next()
    assert len(s.widget.objects) == 1


def test_a_page_shows_each_image_with_its_objects(make_set):
    s = make_set()
    page = Page(s.widget)
    page.prompts(point(10, 10))
    settle()
    page.act("commit")
    settle()
    assert len(page.objects()) == 1
    s.next()
    assert page.objects() == []
    epoch = page.state["epoch"]
    page.prompts(point(5, 5), epoch=epoch)
    settle()
    s.previous()
    assert len(page.objects()) == 1
    assert s.widget._stack == {"images": 4}


def test_late_changes_of_a_page_are_stored_with_the_image_they_are_about(make_set):
    s = make_set()
    page = Page(s.widget)
    old = page.state["epoch"]
    s.next()
    page.prompts(point(10, 10), epoch=old)
    settle()
    assert len(s["a.png"].objects) == 1
    assert len(s["b.png"].objects) == 0


def test_every_change_is_on_disk_with_its_prompts(make_set, folder):
    s = make_set(classes=["cat", "dog"])
    mark(s, label="dog")
    s.done()
    mark(s, 7, 8)
    s.image.note = "blurred"
    s.flush()
    first = records(folder, "a.png")
    assert first[0] == {"format": "sam2-widget-journal", "version": 1, "image": "a.png"}
    stored = [one for record in first[1:] for one in record.get("objects", [])]
    assert stored[-1]["object"]["label"] == "dog"
    assert stored[-1]["object"]["prompts"][0]["x"] == 10
    assert [one["state"] for one in first if "state" in one][-1] == "done"
    assert records(folder, "b.png")[-1]["note"] == "blurred"


def test_a_set_is_opened_again_at_the_first_unfinished_image(make_set):
    s = make_set(classes=["cat", "dog"])
    mark(s, label="dog")
    masks = s.widget.masks
    s.done()
    s.done()
    mark(s, label="cat")
    s.close()
    again = make_set(classes=["cat", "dog"])
    assert again.name == "left/c.png"
    assert [one.state for one in again] == ["done", "empty", "in progress", "untouched"]
    assert [o.label for o in again.widget.objects] == ["cat"]
    np.testing.assert_array_equal(again["a.png"].masks, masks)
    assert again.go("a.png").objects[0].object.label == "dog"
    np.testing.assert_array_equal(again.widget.masks, masks)
    assert not again.widget.undo()  # what was there at first is no step of the history


def test_masks_of_an_image_that_is_not_open_are_those_of_a_replay(make_set, folder, predictor):
    s = make_set()
    mark(s, 12, 15)
    shown = s.widget.masks
    prompts = s["a.png"].prompts
    s.next()
    np.testing.assert_array_equal(s["a.png"].masks, shown)
    np.testing.assert_array_equal(segment(folder / "a.png", prompts, model=predictor).masks, shown)


def test_done_goes_to_the_next_unfinished_image_and_round(make_set):
    s = make_set()
    s.go(2)
    assert s.done().name == "left/ü d.png"
    assert s.done().name == "a.png"
    assert s.skip().name == "b.png"
    assert (s.progress.done, s.progress.total) == (3, 4)
    assert s.done().name == "b.png"
    assert s.progress.counts == {"empty": 3, "skipped": 1}


@pytest.mark.parametrize("finish", [SegmentSet.done, SegmentSet.skip])
def test_the_last_image_stays_where_no_other_can_be_read(make_set, folder, finish):
    (folder / "e.png").write_bytes(b"")
    found = make_set(sorted(folder.glob("[ae].png")))
    assert finish(found).name == "a.png"
    assert found.image.is_finished
    assert list(found.problems) == ["e.png"]


def test_an_image_that_cannot_be_read_is_passed_over_and_listed(make_set, folder):
    for broken in ("b.png", "left/ü d.png"):
        (folder / broken).write_bytes(b"no image")
    s = make_set()
    assert s.next().name == "left/c.png"
    assert "b.png" in s["b.png"].problem
    with pytest.raises(ImageError):
        s.go("b.png")
    assert s.name == "left/c.png"
    with pytest.raises(ImageError, match="there is no image after"):
        s.next()
    assert list(s.problems) == ["b.png", "left/ü d.png"]
    assert s.previous().name == "a.png"


def test_the_same_content_twice_is_two_images(make_set, folder, predictor):
    (folder / "copy.png").write_bytes((folder / "a.png").read_bytes())
    s = make_set(sorted(folder.glob("*.png")))
    assert s.names == ("a.png", "b.png", "copy.png")
    mark(s)
    s.go("copy.png")
    assert s.widget.objects == ()
    mark(s, 20, 20)
    assert [len(one.objects) for one in s] == [1, 0, 1]
    assert not (s["a.png"].masks == s["copy.png"].masks).all()
    wait_until(lambda: prepared(s) == [0, 1, 2])
    assert predictor.embedded == 2


def test_an_image_that_vanishes_keeps_its_objects(folder, predictor):
    images = ImageSet(folder, model=predictor)
    images["b.png"].prompts = [Point(5, 6)]
    (folder / "b.png").unlink()
    with pytest.raises(ImageError, match="there is no such file"):
        _ = images["b.png"].masks
    assert "there is no such file" in images["b.png"].problem
    assert len(images["b.png"].objects) == 1
    images.close()


def test_images_that_cannot_be_read_are_counted_apart(make_set, folder):
    for broken in ("b.png", "left/ü d.png"):
        (folder / broken).write_bytes(b"no image")
    s = make_set()
    assert s.done().name == "left/c.png"
    s.done()
    assert str(s.progress).startswith("2 of 2 done, 2 cannot be read")
    assert (s.progress.total, s.progress.readable, s.progress.unreadable) == (4, 2, 2)
    assert s.progress.seconds_left == 0
    assert list(s.problems) == ["b.png", "left/ü d.png"]
    s.close()
    # One that was finished before it was lost stays finished.
    (folder / "a.png").write_bytes(b"")
    again = ImageSet(folder)
    with pytest.raises(ImageError):
        again["a.png"].read()
    assert (again.progress.done, again.progress.unreadable) == (2, 0)
    again.close()


def test_a_set_without_a_readable_image_is_refused(tmp_path, predictor):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ImageError, match="none of the 1 images can be read"):
        SegmentSet(tmp_path, model=predictor)
    assert not (tmp_path / ".sam2-widget" / "lock.json").exists()


def test_an_image_that_has_changed_keeps_its_objects_with_a_message(make_set, folder):
    s = make_set()
    mark(s)
    s.next()
    mark(s, 25, 45)
    s.close()
    draw = np.random.default_rng(9)
    same_size = draw.integers(0, 255, (*SIZES["a.png"], 3), np.uint8)
    Image.fromarray(same_size).save(folder / "a.png")
    Image.fromarray(same_size[:20, :20]).save(folder / "b.png")
    again = make_set()
    assert len(again.widget.objects) == 1
    assert again.image.problem == "This image has changed since it was annotated."
    assert "has changed" in again.widget.status.message
    again.next()
    assert "its 1 objects do not fit" in again.image.problem
    assert again.widget.objects == ()
    mark(again, 3, 3)
    assert len(again.image.objects) == 2
    assert again.image.objects[0].object.prompts == (Point(25, 45),)


def prepared(s):
    """Numbers of the images that can be shown at once."""
    return [n for n in range(len(s)) if s.widget._planes.is_prepared(n)]


def test_images_are_prepared_while_another_is_annotated(make_set, predictor):
    s = make_set()
    mark(s)
    wait_until(lambda: prepared(s) == [0, 1, 2, 3])
    assert predictor.embedded == 4
    picture = s.widget._planes._pictures.picture(1)
    s.next()
    s.widget._annotator.model.wait()
    assert s.widget._planes.picture is picture
    s.previous()
    assert prepared(s) == [0, 1, 2, 3]
    assert predictor.embedded == 4


@pytest.fixture
def small_memory():
    """Room for six arrays of 100 x 100 pixels and their colours."""
    before = current().host_memory
    configure(host_memory=6 * 61_000)
    yield
    configure(host_memory=before)


def test_as_many_images_are_prepared_as_fit_into_memory(make_set, small_memory):
    s = make_set({f"{n}": np.full((100, 100, 3), n, np.uint8) for n in range(20)})
    s.go(10)
    mark(s)
    # The neighbours and then further ones; room is left for the one shown and the last one.
    wait_until(lambda: {9, 10, 11, 12, 13} <= set(prepared(s)))
    assert 14 not in prepared(s)
    assert len(prepared(s)) <= 6


def test_only_the_last_images_keep_their_history(make_set):
    draw = np.random.default_rng(1)
    s = make_set({f"{n}": draw.integers(0, 255, (20, 30, 3), np.uint8) for n in range(12)})
    for _ in range(11):
        mark(s)
        _ = s.widget.masks
        s.next()
    assert len(s.widget._planes.annotators()) == 5
    old = s.go(0)
    assert len(s.widget.objects) == len(old.objects) == 1
    page = Page(s.widget)
    assert page.state["epoch"] > 0  # it resumes where it was


def test_a_class_is_renamed_merged_and_recoloured_everywhere(make_set, folder):
    s = make_set(classes={"cat": "red", "dog": "blue"})
    mark(s, label="cat")
    s.next()
    mark(s, label="dog")
    mark(s, 20, 20, label="cat")
    s.rename_class("cat", "lynx")
    s.recolor_class("lynx", "green")
    assert s.classes == {"lynx": "#008000", "dog": "#0000ff"}
    assert dict(s.widget.labels) == s.classes
    assert [o.label for o in s.widget.objects] == ["dog", "lynx"]
    assert s["a.png"].objects[0].object.label == "lynx"
    s.widget.undo()
    s.widget.undo()
    s.widget.redo()
    s.widget.redo()
    assert [o.label for o in s.widget.objects] == ["dog", "lynx"]
    s.rename_class("dog", "lynx")
    assert list(s.classes) == ["lynx"]
    assert [o.object.label for o in s.image.objects] == ["lynx", "lynx"]
    s.close()
    # The notebook still has the names of before.
    again = make_set(classes={"cat": "red", "dog": "blue"})
    assert list(again.classes) == ["lynx"]
    assert [o.object.label for o in again["b.png"].objects] == ["lynx", "lynx"]
    for old, new in [("cow", "x"), ("lynx", " ")]:
        with pytest.raises(LabelError):
            again.rename_class(old, new)


def test_class_numbers_hold(make_set):
    s = make_set(classes={"cat": 17, "dog": 18})
    s.rename_class("cat", "lynx")
    s.add_class("cow")
    assert s.categories.numbers(first=1) == {"lynx": 17, "dog": 18, "cow": 19}
    with pytest.raises(LabelError):
        mark(s, label="horse")


def test_a_class_that_a_page_adds_belongs_to_the_set(make_set):
    s = make_set()
    Page(s.widget).act("class_add", name="cat", color="#123456")
    settle()
    assert s.classes == {"cat": "#123456"}
    s.close()
    assert make_set().classes == {"cat": "#123456"}


def test_attributes_and_notes_of_images_and_objects(make_set):
    declared = {"attributes": {"site": ["A", "B"]}, "object_attributes": {"age": float}}
    s = make_set(**declared)
    mark(s)
    s.image.set_attributes(site="B")
    s.image.set_object(0, note="old", age=7.5)
    s.widget.add_point(11, 11)  # a correction keeps them
    s.close()
    again = make_set()
    assert dict(again["a.png"].attributes) == {"site": "B"}
    found = again["a.png"].objects[0]
    assert (found.note, found.attributes) == ("old", {"age": 7.5})
    with pytest.raises(SettingError, match=r"must be one of \['A', 'B'\]"):
        again.image.set_attributes(site="C")
    with pytest.raises(SettingError, match="declare it with attributes="):
        again.image.set_attributes(place="C")
    with pytest.raises(SettingError, match="there is no object 5"):
        again.image.set_object(5, age=1)
    with pytest.raises(SettingError, match="state must be one of"):
        again.state = "finished"


def test_boxes_are_a_start_that_is_taken_once(make_set):
    s = make_set(boxes={"a.png": [((2, 2, 20, 20), "cat")], "b.png": [(1, 1, 9, 9)]})
    assert [o.label for o in s.widget.objects] == ["cat"]
    assert s.state == "untouched"
    assert len(s["b.png"].objects) == 1
    s.widget.delete(0)
    s.close()
    again = make_set(boxes={"a.png": [((2, 2, 20, 20), "cat")]})
    assert again.widget.objects == ()
    with pytest.warns(UserWarning, match=r"boxes of images that are not in the set: \['x.png'\]"):
        make_set(boxes={"x.png": [(1, 1, 9, 9)]})


def test_full_disk_is_reported_and_annotations_are_kept(make_set, monkeypatch):
    s = make_set()
    write = journal._write_all

    def full(file, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal, "_write_all", full)
    mark(s)
    with pytest.raises(ExportError, match="No space left"):
        s.flush()
    assert "No space left" in Page(s.widget).notice
    assert "No space left" in s.error
    monkeypatch.setattr(journal, "_write_all", write)
    s.image.note = "again"
    s.flush()
    assert s.error == ""
    s.close()
    assert len(make_set()["a.png"].objects) == 1


def test_a_read_only_folder_keeps_its_annotations_elsewhere(make_set, folder, tmp_path):
    s = make_set(annotations=tmp_path / "annotations")
    mark(s)
    s.close()
    assert not (folder / ".sam2-widget").exists()
    assert len(make_set(annotations=str(tmp_path / "annotations"))["a.png"].objects) == 1


def test_arrays_are_annotated_in_memory(make_set):
    s = make_set([np.zeros((20, 30), np.uint8), np.ones((10, 12, 3), np.uint8)])
    mark(s)
    assert s.folder is None
    assert s.next().name == "image 2"
    assert len(s["image 1"].objects) == 1


def test_a_cell_that_runs_again_resumes_and_closes_the_previous_set(make_set):
    first = make_set()
    mark(first)
    second = make_set()
    assert len(second.widget.objects) == 1
    assert first.widget.status.phase == "closed"
    mark(second, 30, 30)
    second.flush()


def test_set_in_use_by_another_kernel_is_reported(make_set, folder):
    (folder / ".sam2-widget").mkdir()
    lock = {"user": "ada", "host": "elsewhere", "process": 1, "token": "x", "since": 0.0}
    (folder / ".sam2-widget" / "lock.json").write_text(json.dumps(lock))
    with pytest.raises(LockedError, match="ada on elsewhere"):
        make_set()
    assert make_set(take_over=True).name == "a.png"


def test_functions_are_called_for_objects_and_images(make_set):
    s = make_set()
    objects, images = [], []
    s.on_commit(lambda one: objects.append(one.label))
    s.on_next(lambda image: images.append(image.name))
    mark(s, label="cat")
    s.next()
    s.done()
    observed(s.widget)
    assert objects == ["cat"]
    assert images == ["b.png", "left/c.png"]


def test_images_are_found_by_name_state_and_class(make_set):
    s = make_set(classes=["cat", "dog"])
    mark(s, label="dog")
    s["b.png"].state = "done"
    names = lambda **conditions: [one.name for one in s.find(**conditions)]  # noqa: E731
    assert names() == list(SIZES)
    assert names(text="LEFT/") == ["left/c.png", "left/ü d.png"]
    assert names(text="Ü") == ["left/ü d.png"]
    assert names(state="done") == ["b.png"]
    assert names(label="dog") == ["a.png"]
    assert names(label="cat") == []
    assert names(label="dog", state="done") == []
    s.rename_class("dog", "hound")
    assert names(label="hound") == ["a.png"]
    for wrong in ({"text": 3}, {"state": "finished"}, {"label": 7}):
        with pytest.raises(SettingError):
            s.find(**wrong)


def test_time_is_counted_for_images_that_were_worked_on(make_set, monkeypatch):
    s = make_set()
    times = iter([10.0, 200.0, 205.0])
    s._stopwatch._clock = lambda: next(times)
    s._stopwatch._last = 0.0
    s.widget.add_point(10, 10)  # 10 s after the start
    s.widget.add_point(12, 10)  # a pause counts as a minute
    s.next()
    assert s["a.png"].seconds == 75.0
    s["a.png"].state = "done"
    assert s.progress.seconds_per_image == 75.0
    assert str(s.progress) == "1 of 4 done, 75 s an image, about 4 min left"


def test_the_widget_of_a_set_is_no_stack(make_set):
    s = make_set()
    with pytest.raises(ImageError, match="no stack"):
        _ = s.widget.planes
    assert s.widget.saved is None
    assert s.widget.restore() == 0


def test_prompts_of_an_image_can_be_set(make_set):
    s = make_set()
    s["b.png"].prompts = [Point(5, 6)]
    assert s["b.png"].state == "in progress"
    assert s.next().objects[0].object.prompts == (Point(5, 6),)
    assert len(s.widget.objects) == 1
    assert isinstance(s.image.prompts, Prompts)


def test_a_set_that_is_closed_gives_its_folder_back(make_set, folder):
    s = make_set()
    mark(s)
    assert (folder / ".sam2-widget" / "lock.json").exists()
    s.close()
    assert not (folder / ".sam2-widget" / "lock.json").exists()
    assert len(s["a.png"].objects) == 1  # what is known can still be read
    s.close()


@pytest.mark.parametrize(("step", "first"), [(1, [6, 4]), (-1, [4, 6])])
def test_what_is_prepared_first_follows_the_way_of_the_user(make_set, step, first):
    s = make_set({f"{n}": np.full((20, 30, 3), n, np.uint8) for n in range(9)})
    assert list(s.widget._images.ahead(5, step))[:2] == first
