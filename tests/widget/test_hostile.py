"""What a page must not be able to do, and what text must not be able to break."""

import os

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from sam2_widget import LabelError, PromptError, SegmentWidget
from sam2_widget._utils.text import MAX_SHOWN, presentable
from sam2_widget.widget.segment_widget import SegmentWidget as Widget

from .conftest import IMAGE, MockComm, Page, point, settle

HALF = "\ud83d"
"""The first half of an emoji, as it is left when a page cuts a text in two."""

PRIVATE = ("_esm", "_css", "_anywidget_id", "_model_module", "_model_name", "_view_module")
KERNELS = (
    "_image",
    "_status",
    "_labels",
    "_categories",
    "_state",
    "_nodelay",
    "_dom_classes",
    "layout",
    "comm",
    "keys",
)


@pytest.mark.parametrize("trait", [*PRIVATE, *KERNELS, "_view_name", "tooltip", "tabbable"])
def test_a_page_sets_no_trait_but_its_own(widget, page, trait):
    seen = len(page.published)
    page.update({trait: "evil"})
    page.deliver({"method": "update", "state": {}, "buffer_paths": [[trait]]}, [b"evil"])
    assert "evil" not in str(getattr(widget, trait))
    assert not any("evil" in str(data) for _, data, _ in page.published[seen:])


@pytest.mark.parametrize("trait", PRIVATE)
def test_traits_of_a_page_are_not_published_to_others(widget, page, trait):
    page.update({trait: "evil", "tool": "box"})
    page.send({"type": "hello"})
    page.deliver({"method": "request_state"})
    assert widget.tool == "box"
    assert "evil" not in str([data for _, data, _ in page.published])


def test_no_method_can_be_called_from_a_page(widget, page):
    assert not Widget._anywidget_commands
    for name in ("close", "to_npz", "set_state", "__init__"):
        page.send({"id": "1", "kind": "anywidget-command", "name": name, "msg": ["/tmp/x"]})
    settle()
    assert widget.comm is not None
    assert "malformed" in page.notice
    assert not any("response" in str(data) for _, data, _ in page.published)


def test_a_page_makes_no_widget(widget):
    names = ("module", "module_version", "name")
    state = {
        f"_{kind}_{n}": getattr(widget, f"_{kind}_{n}") for kind in ("model", "view") for n in names
    }
    data = {"state": {**state, "image": "/etc/passwd"}}
    message = {"content": {"data": data}, "metadata": {"version": "2.1.0"}, "buffers": []}
    with pytest.raises(KeyError):
        ipywidgets.Widget.handle_comm_opened(MockComm(), message)


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {"method": "explode"},
        {"method": ["update"]},
        {"method": "update"},
        {"method": "update", "state": 5},
        {"method": "update", "state": {}, "buffer_paths": [["_esm", 0]]},
        {"method": "custom"},
    ],
)
def test_message_of_wrong_form_has_a_notice(widget, page, data):
    page.deliver(data)
    assert "malformed message" in page.notice


def test_a_number_beyond_all_floats_is_no_brush(widget, page):
    before = widget.brush_size
    page.update({"brush_size": 10**400, "tool": "brush"})
    assert widget.brush_size == before
    assert widget.tool == "brush"


@pytest.mark.parametrize(
    "act",
    [
        lambda page: page.act("class_add", name=HALF),
        lambda page: page.act("class", label=f"a{HALF}"),
        lambda page: page.act("commit", label=HALF),
        lambda page: page.send({"type": HALF}),
        lambda page: page.send({"type": "undo", "rid": {"client": HALF, "n": 1}, "epoch": 0}),
        lambda page: page.update({"_prompts": {HALF: 1}}),
        lambda page: page.prompts({"type": "known", "key": HALF}),
    ],
)
def test_half_a_character_does_not_end_all_answers(widget, page, act):
    page.prompts(point(40, 30))
    act(page)
    settle()
    assert page.notice
    page.prompts(point(40, 30), point(45, 30))
    settle()
    assert page.notice == ""
    assert widget.masks.any()


def test_lone_surrogate_in_python_is_an_error(widget, page):
    page.prompts(point(40, 30))
    with pytest.raises(LabelError, match="half a character"):
        widget.commit(HALF)
    with pytest.raises(LabelError, match="labels must be"):
        SegmentWidget(IMAGE, model="bundled", labels=[HALF])


def test_a_file_whose_name_is_no_text_is_shown(predictor, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff<b>.png")
    Image.fromarray(IMAGE).save(path)
    widget = SegmentWidget(path, model=predictor)
    assert widget._image["name"] == "?<b>.png"
    widget.add_point(40, 30)
    assert widget.objects[0].provenance
    np.testing.assert_array_equal(widget.image, IMAGE)
    widget.close()


def test_notice_of_a_malformed_message_is_short(widget, page):
    page.send({"type": "A" * 1_000_000})
    assert 0 < len(page.notice) <= MAX_SHOWN + 3
    assert page.notice.startswith("malformed message")


def test_long_model_error_is_shortened(widget, page, predictor):
    predictor.fail_with = RuntimeError("x" * 1_000_000 + HALF)
    page.prompts(point(40, 30))
    settle()
    assert widget.status.phase == "error"
    assert len(page.updates("_status")[-1]["message"]) <= MAX_SHOWN + 3


def test_what_is_shown_is_short_and_can_be_sent():
    assert presentable("short") == "short"
    assert presentable(f"a{HALF}b") == "a?b"
    assert presentable("a" * 600 + "b" * 600) == f"{'a' * 500} … {'b' * 500}"


def test_hovers_of_many_pages_are_not_kept(widget, page, predictor):
    predictor.gate.clear()
    widget.add_point(40, 30)
    for n in range(500):
        page.send({"type": "hover", "client": f"page {n}", "n": 1, "epoch": 1, "x": 5, "y": 5})
    assert len(widget._receiver._query.__self__._previews._newest) <= 32
    predictor.gate.set()
    settle()


@pytest.mark.parametrize(
    "hostile", ["<img src=x onerror=alert(1)>", "\u202e\x00\x1b[31m", "' \" \\"]
)
def test_hostile_text_comes_and_goes_as_it_is(widget, page, hostile):
    page.prompts(point(40, 30))
    page.act("class_add", name=hostile)
    page.act("commit", label=hostile)
    settle()
    assert widget.objects[0].label == hostile
    assert page.objects()[0]["label"] == hostile
    assert Page(widget).state["label"] == hostile


@pytest.mark.parametrize("kind", ["delete", "label", "show", "lock", "order"])
def test_an_action_on_no_object_changes_none(widget, page, kind):
    page.prompts(point(40, 30))
    page.act("commit")
    page.act(kind)
    settle()
    assert "malformed" in page.notice
    assert len(widget.prompts) == 1
    assert not widget._annotator.session.locked | widget._annotator.session.hidden


def test_what_cannot_be_called_is_refused_at_once(widget):
    with pytest.raises(TypeError, match="on_commit needs a function"):
        widget.on_commit(5)


def test_a_mask_of_no_numbers_is_refused(widget):
    with pytest.raises(PromptError, match="NaN"):
        widget.add_mask(np.full((60, 80), np.nan))
    assert not widget.prompts
