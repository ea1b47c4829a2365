"""Proposals in the page: search, sliders, keeping and rejecting, undo, region, stop, reload."""

import json

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .lab import set_theme
from .test_chrome import AXE

SIZE = (320, 200)
CELL = """
import numpy as np
from sam2_widget import ProposalFilter, SegmentWidget
from sam2_widget.testing import FakePredictor
image = np.random.default_rng(5).integers(0, 255, (200, 320, 3), np.uint8)
predictor = FakePredictor(radius=0.05)
w = SegmentWidget(image, model=predictor, labels=["cell", "dust"])
w"""

FILTERED = "[p.point for p in ProposalFilter(0.5, 0.5, max_overlap=0.05)(w.proposals)]"
"""What the kernel's filter gives."""


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready().settled()


class Panel:
    """The panel of proposals."""

    def __init__(self, widget):
        self.widget = widget
        self.root = widget.root.locator(".sam2-proposals")

    def open(self):
        self.widget.press("w").wait(tool="propose")
        expect(self.root).to_be_visible()
        return self

    def button(self, action):
        return self.root.locator(f"[data-action={action}]")

    def slide(self, name, value):
        self.root.locator(f"[data-option={name}]").fill(str(value))

    def filter(self, notebook):
        """Allow less overlap, and wait until as few are shown; the points of these."""
        self.slide("maxOverlap", 0.05)
        points = notebook.value(FILTERED)
        self.wait(shown=len(points))
        return points

    def wait(self, **data):
        for name, value in data.items():
            expect(self.root).to_have_attribute(f"data-{name}", str(value))
        return self

    @property
    def shown(self):
        return int(self.root.get_attribute("data-shown"))

    def be_quick(self):
        """Take the grid with the fewest points."""
        self.root.locator("[data-option=propose-detail][value=low]").check()

    def search(self, action="propose-whole", found=192):
        """Try 8 x 8 points, each with three masks."""
        self.be_quick()
        self.button(action).click()
        return self.wait(proposing="idle", found=found)


def test_objects_are_found_filtered_kept_and_exported(notebook, widget):
    panel = Panel(widget).open().search()
    before = panel.shown
    # The sliders give what the kernel's filter gives.
    few = len(panel.filter(notebook))
    assert few < before
    expect(panel.button("accept-all")).to_have_text(f"Keep all {few}")
    widget.settled()
    assert notebook.value("len(w.objects)") == 0  # nothing is kept yet

    panel.button("accept-all").click()
    widget.wait(objects=few)
    panel.wait(shown=0)
    assert notebook.value("sorted({o.label for o in w.objects})") == ["cell"]
    assert notebook.value("[len(p.prompts) for p in w.prompts[:3]]") == [1, 1, 1]
    widget.press("Control+z").wait(objects=0)
    panel.wait(shown=few)
    widget.press("Control+Shift+z").wait(objects=few)
    notebook.run("w.to_coco('kept.json')")
    saved = json.loads((notebook.folder / "kept.json").read_text())
    assert len(saved["annotations"]) == few


PIXELS = """
(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((hash, value) => (hash * 31 + value) | 0, 0);
}
"""
"""A number that is the same for the same picture."""


def test_sliders_leave_no_traces_in_the_picture(widget):
    panel = Panel(widget).open().search()
    pictures = []
    for overlap in (0.05, 1, 0.05, 1):
        before = panel.shown
        panel.slide("maxOverlap", overlap)
        expect(panel.root).not_to_have_attribute("data-shown", str(before))
        widget.settled()
        pictures.append(widget.stage.evaluate(PIXELS))
    few, many, again_few, again_many = pictures
    assert (again_few, again_many) == (few, many)
    assert few != many


def test_clicks_keep_and_reject_one_and_drags_several(notebook, widget):
    panel = Panel(widget).open().search()
    points = panel.filter(notebook)
    few = len(points)
    widget.click(*points[0], SIZE).wait(objects=1)
    widget.click(*points[1], SIZE, modifiers=["Alt"])
    panel.wait(shown=few - 2)
    expect(panel.root.get_by_text("1 rejected")).to_be_visible()
    panel.button("show-rejected").click()
    panel.wait(shown=few - 1)
    row = [p for p in points[2:] if p[1] == points[2][1]]
    start, end = min(row), max(row)
    assert len(row) >= 2
    widget.drag(start, end, SIZE)
    wait_until(lambda: int(widget.root.get_attribute("data-objects")) >= 1 + len(row))
    count = int(widget.root.get_attribute("data-objects"))
    panel.wait(shown=few - count)
    widget.press("Control+z").wait(objects=1)
    widget.press("Escape").wait(tool="point")
    expect(panel.root).to_be_hidden()


def test_ten_objects_are_kept_one_by_one(notebook, widget):
    panel = Panel(widget).open().search()
    for count, at in enumerate(panel.filter(notebook)[:10], 1):
        widget.click(*at, SIZE).wait(objects=count)
    widget.settled()
    assert notebook.value("w.masks.shape") == [10, 200, 320]


def test_a_region_by_a_box(notebook, widget):
    panel = Panel(widget).open()
    panel.be_quick()
    widget.drag((160, 20), (300, 180), SIZE)
    panel.wait(proposing="idle")
    wait_until(lambda: panel.root.get_attribute("data-found") not in (None, "0"))
    assert notebook.value("min(p.box[0] for p in w.proposals)") >= 160
    panel.button("propose-box").click()
    expect(panel.button("propose-box")).to_have_attribute("aria-pressed", "true")
    widget.drag((10, 20), (150, 180), SIZE)
    # None are there while the new search begins.
    right = "max((p.box[2] for p in w.proposals), default=320)"
    wait_until(lambda: notebook.value(right) <= 150)


def test_the_reason_is_shown_if_nothing_can_be_searched(notebook, widget):
    panel = Panel(widget).open()
    widget.drag((20, 20), (28, 28), SIZE)
    status = panel.root.get_by_role("status").first
    expect(status).to_contain_text("is too small for proposals")
    assert notebook.value("len(w.proposals)") == 0


def test_a_search_can_be_stopped(notebook, page, widget):
    panel = Panel(widget).open()
    notebook.run(
        "import threading\nsteps, predict = threading.Semaphore(0), predictor._predict\n"
        "def stepping(*args, **options):\n"
        "    steps.acquire()\n    return predict(*args, **options)\n"
        "predictor._predict = stepping"
    )
    panel.button("propose-whole").click()
    panel.wait(proposing="running")
    expect(panel.root).to_contain_text("0 of 256 points")
    notebook.run("steps.release(6)")
    panel.wait(proposing="running", found=18)
    panel.button("cancel-propose").click()
    # The cell must not be run before.
    widget.settled()
    notebook.run("steps.release(1)")
    # What the last step has found is kept as well.
    panel.wait(proposing="idle", found=21)
    assert notebook.value("len(w.proposals)") == 21
    notebook.run("predictor._predict = predict")
    # A click on what was found makes an object of it.
    widget.click(10, 6.25, SIZE).wait(objects=1)


HALVES = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
image = np.full((200, 320, 3), (200, 60, 60), np.uint8)
image[:, 160:] = (60, 200, 60)
image += np.random.default_rng(3).integers(0, 9, image.shape, np.uint8)
w = SegmentWidget(image, model=FakePredictor(radius=0.05), labels=["cell", "dust"])
w"""


def test_what_is_like_three_objects_is_kept_in_one_step(notebook, page):
    notebook.open([HALVES]).run_all()
    widget = notebook.widget().ready()
    panel = Panel(widget).open().search()
    switch = panel.root.get_by_role("switch")
    expect(switch).to_be_disabled()
    expect(panel.root).to_contain_text("one or more objects first")
    widget.press("Escape").wait(tool="point")
    for count, at in enumerate([(20, 37.5), (100, 87.5), (60, 137.5)], 1):
        widget.click(*at, SIZE).wait(objects=count)
        widget.settled().press("n")
    panel.open()
    # Existing objects are left out.
    panel.button("propose-whole").click()
    panel.wait(examples=3, found=183, proposing="idle")
    before = panel.shown
    expect(panel.root).to_contain_text("Like the 3 kept: cell")
    switch.focus()
    switch.press("Space")
    like = notebook.value("w.more_like()")
    assert 3 < len(like) < before
    panel.wait(shown=len(like))
    panel.slide("minLikeness", 0.8)
    few = notebook.value("w.more_like(min_likeness=0.8)")
    assert 0 < len(few) < len(like)
    panel.wait(shown=len(few))
    panel.button("accept-all").click()
    widget.wait(objects=3 + len(few))
    # Those on the green half are not like the three on the red one.
    assert notebook.value("max(o.bbox[0] for o in w.objects)") < 160
    assert notebook.value("{o.label for o in w.objects} == {'cell'}")
    panel.wait(examples=3 + len(few))
    widget.press("Control+z").wait(objects=3)
    panel.wait(examples=3, shown=len(few))
    switch.click()
    panel.wait(shown=before)
    switch.click()
    panel.wait(shown=len(like))
    for width in (120, 200):
        assert page.evaluate(BEYOND, [widget.root.element_handle(), width]) == []


def test_a_reload_keeps_what_is_there(notebook, page, widget):
    panel = Panel(widget).open().search()
    widget.click(20, 37.5, SIZE).wait(objects=1)
    widget.click(60, 37.5, SIZE, modifiers=["Alt"])
    expect(panel.root.get_by_text("1 rejected")).to_be_visible()
    shown = panel.shown
    notebook.save()
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    again = Panel(notebook.widget().ready().wait(objects=1))
    again.wait(found=192, shown=shown)
    expect(again.root.get_by_text("1 rejected")).to_be_visible()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_panel_is_accessible(page, widget, theme):
    set_theme(page, theme)
    panel = Panel(widget).open().search()
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run('.sam2-widget')")
    assert [one["id"] for one in found["violations"]] == []
    panel.root.press("Escape")
    expect(panel.root).to_be_hidden()


BEYOND = """
([root, width]) => {
  root.parentElement.style.width = width + "px";
  const panel = root.querySelector(".sam2-proposals").getBoundingClientRect();
  return [...root.querySelectorAll(".sam2-proposals *")]
    .map((one) => [one.className, one.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.right > panel.right || box.left < panel.left))
    .map(([name]) => name);
}
"""
"""The elements that reach beyond the panel when the widget is so narrow."""


def test_the_panel_fits_into_narrow_cells(page, widget):
    panel = Panel(widget).open().search()
    panel.slide("maxOverlap", 1)
    for width in (140, 200, 320):
        assert page.evaluate(BEYOND, [widget.root.element_handle(), width]) == []
