"""The definitions of the protocol: what is generated from them, and what is really sent."""

from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import numpy as np
import pytest
from ipywidgets.widgets.widget import _put_buffers

from sam2_widget import SegmentWidget
from sam2_widget.comm import messages, requests
from sam2_widget.comm.protocol_docs import (
    GENERATED,
    attributes,
    kernel_table,
    page_table,
    schema,
    summary,
)
from sam2_widget.testing import FakeTrackingPredictor
from sam2_widget.widget import options
from tests.waiting import PATIENCE, wait_until
from tests.widget.conftest import Page, point, served, settle

ROOT = Path(__file__).parents[2]
BY_TYPE = {
    get_args(get_type_hints(kind)["type"])[0]: kind for kind in get_args(messages.KernelMessage)
}
TRAITS = get_type_hints(messages.SyncedTraits, include_extras=True)
WIDGETS_OWN = {"layout", "tabbable", "tooltip"}


@pytest.mark.parametrize("path", GENERATED)
def test_a_generated_file_is_up_to_date(path):
    content = (ROOT / path).read_text(encoding="utf-8")
    assert content == GENERATED[path](), "run python -m sam2_widget.comm.protocol_docs"


def test_the_schema_has_every_message_with_the_word_that_names_it():
    definitions = schema()["definitions"]
    for kind in get_args(requests.Message):
        tag = kind.__struct_config__.tag
        assert definitions[kind.__name__]["properties"]["type"] == {"enum": [tag]}
    for tag, kind in BY_TYPE.items():
        assert definitions[kind.__name__]["properties"]["type"] == {"enum": [tag]}
    assert definitions["Commit"]["required"] == ["type", "rid", "epoch"]
    assert definitions["Scribble"]["properties"]["points"]["items"]["items"] == [
        {"type": "number"},
        {"type": "number"},
    ]


def test_tables_have_summary_fields_and_answer():
    press = "| `press` | Predict the click of a pressed button, before it is released. |"
    fields = " `client`, `n`, `epoch`, `x`, `y`, `label?`, `fresh?` | `preview` |"
    assert press + fields in page_table().splitlines()
    timings = (
        "| `timings` | A request for the timings of clicks that the page has not reported yet. |  |"
    )
    assert timings in kernel_table().splitlines()


def test_descriptions_are_taken_from_docstrings():
    assert summary(requests.Press) == (
        "Predict the click of a pressed button, before it is released."
    )
    texts = attributes(messages.PictureContent)
    assert texts["view_width"] == "Pixels of the picture, which may be smaller."
    assert texts["mime"] == "``image/png`` or ``image/jpeg``."
    assert "plane" not in texts


def test_the_traits_of_the_widget_are_those_that_are_defined(widget):
    own = {name for name in widget.keys if not name.startswith(("_model", "_view", "_dom"))}
    assert own - WIDGETS_OWN - {"_esm", "_css", "_anywidget_id"} == set(TRAITS)
    assert set(get_type_hints(messages.Options)) == options.NAMES


def test_all_that_is_sent_in_a_session_is_as_defined():
    image = np.random.default_rng(3).integers(0, 255, (2, 1200, 2100, 3), np.uint8)
    predictor = FakeTrackingPredictor()
    widget = SegmentWidget(image, model=predictor, labels={"cat": "red"}, axes="ZYXC")
    page = Page(widget)
    _work(widget, page)
    published = list(page.published)
    widget.close()

    states = [_state(data, buffers) for _, data, buffers in published if "state" in data]
    customs = [data["content"] for _, data, _ in published if "content" in data]
    sent = [pair for state in states for pair in state.items()]
    # Pages write `_prompts`, which is empty until then.
    for name, value in [(n, v) for n, v in sent if n in TRAITS and n != "_prompts"]:
        assert _converted(value, TRAITS[name]) == value, name
    for content in customs:
        assert _converted(content, BY_TYPE[content["type"]]) == content
    # Pictures are sent ahead in sets only: see `test_pictures_ahead`.
    assert {content["type"] for content in customs} == set(BY_TYPE) - {"picture"}
    assert set(TRAITS) <= {name for name, _ in sent}
    actives = [state["_state"]["active"] for state in states if "_state" in state]
    assert any(active and active["candidates"] for active in actives)
    lanes = [
        lane for content in customs if content["type"] == "timeline" for lane in content["put"]
    ]
    assert any(lane["runs"] for lane in lanes)


def _state(data, buffers):
    _put_buffers(data["state"], data["buffer_paths"], [bytes(one) for one in buffers])
    return data["state"]


def _converted(value, kind):
    """The value after a check against its definition, which drops what is not defined."""
    return msgspec.to_builtins(msgspec.convert(value, kind), builtin_types=[bytes])


def _work(widget, page):
    """Have each message sent at least once, and each kind of prompt."""
    widget._annotator.model.wait()
    page.send({"type": "hello"})
    asked = {"client": "page", "epoch": page.state["epoch"], "x": 900.0, "y": 500.0}
    page.send({"type": "press", "n": 1, **asked})
    settle()
    page.prompts(point(900, 500))
    settle()
    stroke = {"type": "stroke", "points": [[900, 500], [960, 540]], "radius": 20, "label": 1}
    page.prompts(point(900, 500), {"type": "choice", "index": 1}, stroke)
    settle()
    page.act("class", label="cat", active=True)
    page.act("commit")
    page.prompts({"type": "box", "x0": 10, "y0": 20, "x1": 200, "y1": 300})
    settle()
    page.send({"type": "probe", "client": "page", "n": 2, "x": 3.5, "y": 4.5})
    page.send({"type": "tiles", "client": "page", "level": 0, "tiles": [[0, 0]], "plane": 0})
    served()
    page.send({"type": "part", "client": "page", "n": 9, "part": 0})
    saved = {"client": "page", "n": 3, "epoch": page.state["epoch"], "format": "prompts"}
    page.send({"type": "save", **saved})
    upload = {"client": "page", "n": 4, "epoch": 0, "name": "a.json", "size": 3, "at": 0}
    page.deliver({"method": "custom", "content": {"type": "upload", **upload}}, [b"abc"])
    widget.add_mask(np.ones((1200, 2100), bool))
    assert widget.timings
    page.send({"type": "frames", "client": "page", "n": 5, "first": 0, "count": 3, "restart": True})
    assert widget.track().wait(PATIENCE)
    assert widget.propose(points_per_side=2).wait(PATIENCE)
    widget.plane = 1
    settle()
    wait_until(lambda: "frame" in _types(page), "the frames that were asked for")
    wait_until(lambda: "file" in _types(page), "the file that was asked for")


def _types(page):
    return {data["content"]["type"] for _, data, _ in list(page.published) if "content" in data}
