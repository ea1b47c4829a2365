"""Nothing that was marked is lost: the same image opened again, another kernel, a full disk."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import sam2_widget
from sam2_widget import (
    ExportError,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
    SegmentWidget,
    SettingError,
)
from sam2_widget.autosave import autosave as autosaves
from sam2_widget.autosave.kernel import store
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.testing import FakePredictor
from tests.waiting import wait_until

from .conftest import Page, point, served, settle

RNG = np.random.default_rng(17)
IMAGE = RNG.integers(0, 255, (50, 70, 3), np.uint8)
VOLUME = RNG.integers(0, 255, (5, 40, 60), np.uint8)


@pytest.fixture(autouse=True)
def nothing_saved(monkeypatch):
    autosaves._keys.submit(store.clear).result()
    monkeypatch.setattr(autosaves, "DELAY", 0.01)


def opened(image=IMAGE, **options):
    widget = SegmentWidget(image, model=FakePredictor(), **options)
    _ = widget.saved
    return widget


def marked(widget, count=2):
    for n in range(count):
        widget.add_point(10 + 5 * n, 12)
        widget.commit(f"cell {n}")
    return widget.prompts


# --- in one kernel --------------------------------------------------------------------------------


def test_a_cell_that_runs_again_is_offered_what_was_marked():
    widget = opened()
    assert widget.saved is None
    assert widget.restore() == 0
    widget.add_point(10, 12)
    widget.commit("cat")
    widget.add_box(2, 2, 30, 40)  # not finished
    prompts = widget.prompts
    widget.close()
    del widget
    again = opened(IMAGE.copy())
    assert again.saved.prompts == prompts
    assert again.saved.count == 2
    assert again.saved.path is None
    assert abs(again.saved.time.timestamp() - time.time()) < 60
    assert len(again.prompts) == 0
    assert again.restore() == 2
    assert again.prompts == prompts
    assert again.saved is None
    assert again.masks.shape == (2, 50, 70)
    assert again.undo()
    assert len(again.prompts) == 0
    assert again.redo()
    assert again.prompts == prompts


def test_a_loop_over_twenty_images_that_runs_twice_loses_nothing():
    images = [IMAGE[n:] for n in range(20)]
    first = []
    for n, image in enumerate(images):
        widget = opened(image)
        first.append(marked(widget, 1 + n % 2))
        widget.close()
    for image, prompts in zip(images, first, strict=True):
        widget = opened(image)
        widget.restore()
        assert widget.prompts == prompts


def test_what_is_saved_stays_when_it_is_dismissed_or_overlooked():
    prompts = marked(opened())
    second = opened()
    second.dismiss()
    assert second.saved is None
    assert second.restore() == 0
    assert opened().saved.prompts == prompts
    second.add_point(40, 40)  # newer, and only one
    assert opened().saved.prompts == second.prompts
    second.undo()
    assert opened().saved.prompts == prompts


def test_objects_begun_meanwhile_stay_on_top_and_none_comes_twice():
    imported = MaskPrompt.from_mask(np.eye(50, 70, dtype=bool))
    first = opened(masks=[imported])
    first.rename(0, "line")
    marked(first, 1)
    saved = first.prompts
    again = opened(masks=[imported])
    again.add_point(60, 40)
    again.restore()
    assert list(again.prompts) == [*saved, again.prompts[2]]
    assert again.prompts[2].prompts == again.objects[2].prompts
    assert [each.label for each in again.objects] == ["line", "cell 0", None]
    assert again.undo()
    assert len(again.prompts) == 2


def test_settings_come_back_too():
    first = opened()
    first.fill_holes = 7
    marked(first, 1)
    again = opened()
    again.restore()
    assert again.fill_holes == 7


def test_masks_that_were_only_opened_are_nothing_to_offer():
    masks = [MaskPrompt.from_mask(np.eye(50, 70, dtype=bool))]
    opened(masks=masks)
    assert opened().saved is None
    first = opened(masks=masks)
    first.plane = 0
    first.select(0)
    assert opened().saved is None


def test_what_the_widget_has_already_is_not_offered():
    prompts = marked(opened())
    widget = opened()
    widget.add_prompts(prompts)
    other = opened(masks=None)
    other.restore()
    assert opened().saved.prompts == prompts
    assert widget.prompts == other.prompts


def test_all_planes_of_a_stack_are_kept_and_come_back():
    widget = opened(VOLUME, axes="ZYX")
    widget.add_point(20, 20)
    widget.plane = 3
    widget.add_point(30, 10)
    widget.commit("cell")
    widget.add_box(2, 2, 20, 30)
    saved = widget.planes.prompts
    assert sorted(saved) == [0, 3]
    again = opened(VOLUME, axes="ZYX")
    assert again.saved.prompts == saved
    assert again.saved.count == 3
    assert again.restore() == 3
    assert again.planes.prompts == saved
    assert again.plane == 0
    assert again.planes[3].masks.shape == (2, 40, 60)
    # One plane of it is another image, with objects of its own.
    assert opened(VOLUME, axes="ZYX", plane=0).saved is None


def test_undo_at_the_start_leaves_imported_masks():
    masks = [MaskPrompt.from_mask(np.eye(50, 70, dtype=bool))] * 2
    widget = opened(masks=masks)
    assert not widget.undo()
    assert len(widget.prompts) == 2
    widget.add_point(20, 20)
    assert widget.undo()
    assert not widget.undo()
    assert len(widget.prompts) == 2
    assert not Page(widget).state["can_undo"]


# --- in the page ----------------------------------------------------------------------------------


def test_a_page_is_offered_them_and_restores_them_in_one_step():
    prompts = marked(opened())
    widget = opened()
    page = Page(widget)
    offer = widget._saved["offer"]
    assert offer["objects"] == 2
    assert abs(offer["seconds"] - time.time()) < 60
    page.prompts(point(60, 40))
    page.act("restore", prompts=[point(60, 40), point(61, 41)])
    assert widget._saved["offer"] is None
    assert len(widget.prompts) == 3
    assert widget.prompts[:2] == prompts[:]
    assert len(widget.prompts[2].prompts) == 2
    assert "2 objects restored" in page.notice
    page.act("undo")
    assert len(widget.prompts) == 1


def test_a_page_restores_all_planes():
    first = opened(VOLUME, axes="ZYX")
    first.add_point(20, 20)
    first.plane = 2
    first.add_point(30, 10)
    widget = opened(VOLUME, axes="ZYX")
    page = Page(widget)
    page.act("plane", plane=1)
    served()
    page.act("restore")
    settle()
    assert widget.planes.prompts == first.planes.prompts
    assert widget._stack["annotated"] == [0, 2]


def test_page_dismisses_the_offer_and_a_late_restore_has_a_notice():
    marked(opened())
    widget = opened()
    page, late = Page(widget), Page(widget, "late")
    page.send({"type": "dismiss"})
    assert widget._saved["offer"] is None
    late.act("restore")
    assert "nothing to restore" in late.notice
    assert late.state["ack"]["late"] == 1
    assert len(widget.prompts) == 0


def test_page_shows_where_prompts_are_saved(tmp_path):
    widget = opened()
    assert len(widget._saved["key"]) == 32
    assert len(widget._saved["owner"]) == 8
    assert (widget._saved["on_disk"], widget._saved["folder"], widget._saved["file"]) == (
        *(False, "", ""),
    )
    widget = opened(autosave=tmp_path)
    assert widget._saved["folder"] == str(tmp_path)
    assert widget._saved["on_disk"]
    marked(widget)
    file = widget.autosave
    assert widget._saved["file"] == file.name
    assert widget._saved["error"] == ""


def test_page_shows_no_path_that_was_not_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(sam2_widget.config, "_current", None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SAM2_WIDGET_AUTOSAVE", str(tmp_path / "of the administrator"))
    for widget in (opened(autosave=True), opened()):
        widget.add_point(10, 12)
        assert widget.autosave.is_relative_to(tmp_path)
        assert widget._saved["on_disk"]
        assert widget._saved["file"] == widget.autosave.name
        assert str(tmp_path) not in repr(widget._saved)
    (tmp_path / "of the administrator" / "file").write_text("")
    monkeypatch.setenv("SAM2_WIDGET_AUTOSAVE", str(tmp_path / "of the administrator" / "file"))
    monkeypatch.setattr(sam2_widget.config, "_current", None)
    widget = opened()
    widget.add_point(10, 12)
    widget._autosave.flush()
    assert "cannot make the folder" in widget._saved["error"] or widget._saved["error"]
    assert str(tmp_path) not in repr(widget._saved)


# --- kept by the page -----------------------------------------------------------------------------


def kept(page, prompts, milliseconds=None, *, part=2**20):
    """Send what a page has kept, and wait until it is looked at."""
    data = prompts.to_json().encode()
    when = int(time.time() * 1000) if milliseconds is None else milliseconds
    for at in range(0, len(data), part):
        content = {"type": "upload", "client": "page", "n": 1, "epoch": page.state["epoch"]}
        content |= {"name": "kept", "size": len(data), "at": at, "kept": when}
        page.deliver({"method": "custom", "content": content}, [data[at : at + part]])
    for name in ("sam2-widget-files", "sam2-widget-autosave"):
        for thread in [t for t in threading.enumerate() if t.name == name]:
            thread.join(10)
    settle()


def restarted():
    autosaves._keys.submit(store.clear).result()


def test_after_a_restart_what_a_page_has_kept_is_offered_and_restored_as_it_was():
    first = opened(labels={"dog": 4, "cat": 17})
    first.add_point(10, 12)
    first.add_stroke([(12, 12), (20, 25)], 3.5)
    first.commit("cat")
    first.add_mask(np.eye(50, 70, dtype=bool), label="dog")
    first.fill_holes = 3
    first.add_box(2, 2, 30, 40)
    prompts, masks, categories = first.prompts, first.masks, first._categories
    restarted()
    widget = opened()
    page = Page(widget)
    assert widget._saved["offer"] is None
    kept(page, prompts, part=50)
    assert widget._saved["offer"]["objects"] == 3
    assert widget.saved.prompts == prompts
    page.act("restore")
    settle()
    assert widget.prompts == prompts
    assert widget._categories == categories
    np.testing.assert_array_equal(widget.masks, masks)
    assert opened().saved.prompts == prompts


def test_what_a_page_has_kept_is_offered_only_if_it_is_newer_and_something_else(tmp_path):
    prompts = marked(opened(autosave=tmp_path))
    widget = opened()
    page, offer = Page(widget), widget._saved["offer"]
    kept(page, Prompts(prompts[:1]), 1000)
    kept(page, prompts, int(time.time() * 1000) + 10**9)  # its clock is fast
    assert widget._saved["offer"] == offer
    kept(page, Prompts(prompts[1:]))
    assert widget.saved.prompts == Prompts(prompts[1:])
    widget.restore()
    kept(page, Prompts(prompts[1:]))
    assert widget.saved is None


def test_what_a_page_has_kept_is_checked_as_any_file():
    widget = opened()
    page = Page(widget)
    kept(page, Prompts((ObjectPrompts((Point(69, 49),)), ObjectPrompts((Point(70, 0),)))))
    kept(page, StackPrompts({0: Prompts((ObjectPrompts((Point(1, 1),)),))}, "Z"))
    kept(page, Prompts())
    assert widget.saved is None
    content = {"type": "upload", "client": "page", "n": 1, "epoch": page.state["epoch"]}
    content |= {"name": "kept", "size": 2, "at": 0, "kept": 5}
    page.deliver({"method": "custom", "content": content}, [b"{}"])
    for thread in [t for t in threading.enumerate() if t.name == "sam2-widget-files"]:
        thread.join(10)
    assert "these are no prompts" in page.notice
    assert widget.saved is None


def test_a_page_that_has_kept_all_planes_gives_them_back():
    first = opened(VOLUME, axes="ZYX")
    first.add_point(20, 20)
    first.plane = 2
    first.add_point(30, 10)
    prompts = first.planes.prompts
    restarted()
    widget = opened(VOLUME, axes="ZYX")
    page = Page(widget)
    kept(page, prompts)
    page.act("restore")
    settle()
    assert widget.planes.prompts == prompts


# --- on disk --------------------------------------------------------------------------------------


def test_prompts_are_on_disk_within_a_second_of_every_change(tmp_path):
    widget = opened(autosave=tmp_path / "here")
    assert widget.autosave is None
    widget.add_point(10, 12)
    first = widget.autosave
    assert Prompts.load(first) == widget.prompts
    widget.commit("cat")
    wait_until(lambda: Prompts.load(first) == widget.prompts, "the change on disk")
    widget.undo()
    assert Prompts.load(widget.autosave) == widget.prompts
    widget.clear()
    assert len(Prompts.load(widget.autosave)) == 0
    assert widget.autosave == first


def test_another_kernel_finds_them(tmp_path):
    widget = opened(autosave=tmp_path)
    prompts = marked(widget)
    path = widget.autosave
    store.clear()  # as after a restart
    again = opened(autosave=tmp_path)
    assert again.saved.path == path
    assert again.restore() == 2
    assert again.prompts == prompts
    assert again.autosave != path
    assert Prompts.load(path) == prompts
    assert opened(IMAGE ^ np.uint8(1), autosave=tmp_path).saved is None


def test_a_stack_is_on_disk_with_all_planes(tmp_path):
    widget = opened(VOLUME, axes="ZYX", autosave=tmp_path)
    widget.add_point(20, 20)
    widget.plane = 3
    widget.add_point(30, 10)
    assert StackPrompts.load(widget.autosave) == widget.planes.prompts
    store.clear()
    again = opened(VOLUME, axes="ZYX", autosave=tmp_path)
    again.restore()
    assert again.planes.prompts == widget.planes.prompts


def test_two_widgets_write_two_files(tmp_path):
    first, second = opened(autosave=tmp_path), opened(autosave=tmp_path)
    first.add_point(10, 12)
    second.add_point(40, 30)
    assert first.autosave != second.autosave
    assert Prompts.load(first.autosave) == first.prompts
    assert Prompts.load(second.autosave) == second.prompts


def test_a_file_that_is_put_in_its_place_is_not_replaced(tmp_path):
    widget = opened(autosave=tmp_path)
    marked(widget)
    path = widget.autosave
    path.write_text("a poem")
    widget.add_point(3, 3)
    assert widget.autosave != path
    assert path.read_text() == "a poem"
    assert Prompts.load(widget.autosave) == widget.prompts


def test_a_file_that_was_removed_is_written_again(tmp_path):
    widget = opened(autosave=tmp_path)
    marked(widget)
    path = widget.autosave
    path.unlink()
    widget.add_point(3, 3)
    assert Prompts.load(widget.autosave) == widget.prompts


def test_failed_save_is_shown_and_retried(tmp_path, monkeypatch):
    monkeypatch.setattr(autosaves, "RETRY", 0.05)
    blocked = tmp_path / "file"
    blocked.write_text("")
    widget = opened(autosave=blocked / "folder")
    prompts = marked(widget)
    with pytest.raises(ExportError, match="cannot make the folder"):
        _ = widget.autosave
    assert "cannot make the folder" in widget._saved["error"]
    assert opened().saved.prompts == prompts
    blocked.unlink()
    wait_until(lambda: not widget._saved["error"], "a file that can be written")
    assert Prompts.load(widget.autosave) == prompts
    assert widget._saved["error"] == ""


def test_prompts_of_an_image_of_another_size_are_not_offered(tmp_path):
    widget = opened(autosave=tmp_path)
    widget.add_point(65, 45)
    path = widget.autosave
    store.clear()
    small = opened(IMAGE[:30, :30], autosave=tmp_path)
    marked(small, 1)
    small.autosave.unlink()
    path.rename(small.autosave)  # as somebody's mistake
    store.clear()
    again = opened(IMAGE[:30, :30], autosave=tmp_path)
    assert again.saved is None


def test_where_they_are_saved_is_an_argument_and_a_setting(tmp_path, monkeypatch):
    with pytest.raises(SettingError, match="autosave must be True, False or the path"):
        opened(autosave=3)
    monkeypatch.setattr(sam2_widget.config, "_current", None)
    monkeypatch.setenv("SAM2_WIDGET_AUTOSAVE", str(tmp_path / "by environment"))
    assert opened()._autosave.folder == tmp_path / "by environment"
    sam2_widget.configure(autosave=tmp_path / "configured")
    assert opened()._autosave.folder == tmp_path / "configured"
    assert opened(autosave=tmp_path)._autosave.folder == tmp_path
    assert opened(autosave=False)._autosave.folder is None
    assert opened(autosave=False).autosave is None
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert opened(autosave=True)._autosave.folder.name == "autosave"
    sam2_widget.configure(autosave=False)
    assert opened()._autosave.folder is None


SCRIPT = """
import sys, numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
image = np.random.default_rng(17).integers(0, 255, (50, 70, 3), np.uint8)
widget = SegmentWidget(image, model=FakePredictor(), autosave=sys.argv[1])
widget.add_point(10, 12)
widget.commit("cat")
"""


def test_a_program_that_ends_at_once_has_saved(tmp_path):
    environment = {**os.environ, "SAM2_WIDGET_AUTOSAVE": "off"}
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], check=True, env=environment)
    again = opened(autosave=tmp_path)
    assert again.saved.count == 1
    again.restore()
    assert again.objects[0].label == "cat"
