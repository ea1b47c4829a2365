"""Which JavaScript and CSS a widget gets: the built bundle, or a file that is being edited."""

import threading
import time
from pathlib import Path

import anywidget
import pytest

from sam2_widget import SegmentWidget
from sam2_widget.widget import front_end as files
from sam2_widget.widget.front_end import front_end

FIRST = "export default { render() {} };\n// first\n"
SECOND = "export default { render() {} };\n// second\n"


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """The file that a widget follows in development."""
    monkeypatch.setattr(files, "WATCHED", tmp_path)
    monkeypatch.setenv("SAM2_WIDGET_DEV", "1")
    monkeypatch.setenv("ANYWIDGET_HMR", "1")
    path = tmp_path / "widget.js"
    path.write_text(FIRST, encoding="utf-8")
    return path


def test_a_widget_has_the_text_of_the_bundle_and_watches_nothing():
    assert SegmentWidget._esm == Path(files.BUILT, "widget.js").read_text(encoding="utf-8")
    assert SegmentWidget._css == Path(files.BUILT, "widget.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["", "0"])
def test_the_switch_is_off_unless_it_is_1(monkeypatch, value):
    monkeypatch.setenv("SAM2_WIDGET_DEV", value)
    assert front_end("widget.js") == SegmentWidget._esm


def test_in_development_a_widget_follows_the_file(watched):
    class Developed(anywidget.AnyWidget):
        _esm = front_end("widget.js")

    widget, changed = Developed(), threading.Event()
    assert widget._esm == FIRST
    widget.observe(lambda _: changed.set(), "_esm")
    deadline = time.monotonic() + 60
    # Again, as the watcher's thread may not have begun.
    while not changed.wait(0.5) and time.monotonic() < deadline:
        watched.write_text(SECOND, encoding="utf-8")
    Developed._esm.stop_thread()
    assert widget._esm == SECOND


def test_a_bundle_that_is_missing_is_named_with_what_makes_it(watched, monkeypatch, tmp_path):
    with pytest.raises(ImportError, match=r"widget\.css is missing: run `make dev`"):
        front_end("widget.css")
    monkeypatch.delenv("SAM2_WIDGET_DEV")
    monkeypatch.setattr(files, "BUILT", tmp_path / "none")
    with pytest.raises(ImportError, match=r"widget\.js is missing: run `pip install \.`"):
        front_end("widget.js")
