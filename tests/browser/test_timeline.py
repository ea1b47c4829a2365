"""The timeline of a stack in the page: tracking, corrections, cancelling, reloading, playback."""

import re

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .lab import set_theme
from .test_chrome import AXE

COUNT, WIDTH, HEIGHT = 40, 320, 200
SIZE = (WIDTH, HEIGHT)
CELL = f"""
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakeTrackingPredictor
frames = np.full(({COUNT}, {HEIGHT}, {WIDTH}, 3), 40, np.uint8)
for index in range({COUNT}):
    frames[index, 60:110, 10 + 4 * index : 60 + 4 * index] = (40, 200, 60)
    frames[index, 140:180, 220:260] = (40, 60, 210)
predictor = FakeTrackingPredictor(radius=0.08)
w = SegmentWidget(frames, axes="TYXC", model=predictor)
w"""

# Each frame is tracked only when the test allows it.
STEP_BY_STEP = """
import threading
steps, follow = threading.Semaphore(0), predictor.follow
def one_by_one(frame, tracks):
    steps.acquire()
    return follow(frame, tracks)
predictor.follow = one_by_one
"""

LAST_PLAYED = 23
# Playback cannot end before the test has seen what it waits for.
HOLD_PLAYBACK = f"""
import threading
from sam2_widget.comm.frames import FrameServer
gate, serve = threading.Event(), FrameServer._serve
def serve_later(self, request, plane):
    if plane > {LAST_PLAYED}:
        gate.wait()
    serve(self, request, plane)
FrameServer._serve = serve_later
"""

GROUND, GREEN = (40, 40, 40), (40, 200, 60)
BLUE = (240, 160)
"""A point in the square that does not move."""


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready().settled()


class Timeline:
    """The timeline of a widget."""

    def __init__(self, widget):
        self.widget = widget
        self.root = widget.root.locator(".sam2-planes")
        self.slider = widget.root.locator("[data-option=plane]")

    def lane(self, number=1):
        return self.root.locator(f'[data-lane="{number}"]')

    def runs(self, number=1):
        """Runs of a lane, as tuples of first plane, one past the last, and state."""
        said = self.lane(number).get_attribute("data-runs").split()
        found = (run.split(":") for run in said)
        return [(int(start), int(stop), state) for start, stop, state in found]

    def shows(self, runs, number=1):
        """Wait until a lane has these runs."""
        said = " ".join(":".join(map(str, run)) for run in runs)
        expect(self.lane(number)).to_have_attribute("data-runs", said)

    def idle(self):
        expect(self.root).to_have_attribute("data-tracking", "idle")

    def running(self):
        expect(self.root).to_have_attribute("data-tracking", "running")

    @property
    def plane(self):
        """The plane at the playhead."""
        return int(self.slider.input_value())

    def turn(self, plane):
        """Show a plane by means of the playhead."""
        self.slider.fill(str(plane))
        self.widget.wait(plane=plane, plane_pending="false").settled()


@pytest.fixture
def timeline(widget):
    return Timeline(widget)


def advance(notebook, timeline, frames, runs):
    """Allow that many frames to be tracked, and wait until the lane shows them."""
    notebook.run(f"for _ in range({frames}): steps.release()")

    def is_shown():
        # The kernel reports a few times per second, and at the latest with the next frame.
        notebook.run("w._planes.found_objects()")
        return timeline.runs() == runs

    wait_until(is_shown, f"the runs {runs}")


def draw_square(widget):
    widget.drag((10, 60), (60, 110), SIZE).wait(objects=1)


def is_tinted(widget, point, color):
    """Whether a mask is painted over a pixel of this colour."""
    (shown,) = widget.colors([point], SIZE)
    return max(abs(a - b) for a, b in zip(shown, color, strict=True)) > 30


def has_mask(widget, point, color):
    wait_until(lambda: is_tinted(widget, point, color), f"a mask at {point}")


def test_an_object_is_tracked_by_key_and_its_mask_is_on_every_frame(notebook, widget, timeline):
    draw_square(widget)
    expect(timeline.lane()).to_have_attribute("data-keyframes", "0:1")
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.idle()
    timeline.turn(25)
    has_mask(widget, (135, 85), GREEN)
    assert not is_tinted(widget, (40, 85), GROUND)
    assert notebook.value("w.planes[25].numbers") == [1]
    assert notebook.value("[w.plane, w.planes[25].objects[0].tracked]") == [25, True]
    expect(timeline.slider).to_have_attribute("aria-valuetext", "Frame 26 of 40, tracked")


def test_a_correction_changes_only_the_neighbouring_stretches(notebook, widget, timeline):
    draw_square(widget)
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.turn(20)
    widget.click(115, 85, SIZE)
    expect(timeline.lane()).to_have_attribute("data-keyframes", "0:1 20:21")
    timeline.shows([(1, 20, "stale"), (21, COUNT, "stale")])
    widget.press("t")
    timeline.shows([(1, 20, "tracked"), (21, COUNT, "tracked")])
    timeline.idle()
    followed = notebook.value("predictor.followed")
    timeline.turn(30)
    widget.click(155, 85, SIZE)
    timeline.shows([(1, 20, "tracked"), (21, 30, "stale"), (31, COUNT, "stale")])
    widget.press("t")
    timeline.shows([(1, 20, "tracked"), (21, 30, "tracked"), (31, COUNT, "tracked")])
    timeline.idle()
    again = notebook.value("predictor.followed")[len(followed) :]
    assert min(again) == 21
    widget.press("Control+z")
    expect(timeline.lane()).to_have_attribute("data-keyframes", "0:1 20:21")
    timeline.shows([(1, 20, "tracked"), (21, COUNT, "tracked")])


def test_a_cancelled_job_keeps_its_masks_and_resumes_there(notebook, widget, timeline):
    notebook.run(STEP_BY_STEP)
    draw_square(widget)
    widget.press("t")
    timeline.running()
    advance(notebook, timeline, 6, [(1, 7, "tracked")])
    expect(timeline.root.locator(".sam2-track-progress")).to_contain_text("6 of 39")
    timeline.root.locator("[data-action=cancel-track]").click()
    # The cell must not be run before.
    widget.settled()
    notebook.run("steps.release()")
    timeline.idle()
    kept = timeline.runs()
    assert kept in ([(1, 7, "tracked")], [(1, 8, "tracked")])
    notebook.run("for _ in range(100): steps.release()")
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.idle()
    assert notebook.value("predictor.followed") == list(range(1, COUNT)), "none was tracked twice"


def test_a_click_during_a_job_gets_its_mask_before_the_next_frame(notebook, widget, timeline):
    notebook.run(STEP_BY_STEP)
    draw_square(widget)
    widget.press("t")
    timeline.running()
    advance(notebook, timeline, 5, [(1, 6, "tracked")])
    widget.press("n")
    widget.stage.click(position=widget.at(*BLUE, SIZE))
    # The model, and so the click, waits for the next step; then the click has priority.
    notebook.run("steps.release()")
    widget.settled().wait(objects=2)
    has_mask(widget, BLUE, (40, 60, 210))
    expect(timeline.lane(2)).to_have_attribute("data-keyframes", "0:1")
    timeline.running()
    notebook.run("for _ in range(100): steps.release()")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.idle()
    assert timeline.runs(2) == []
    widget.press("Shift+T")
    timeline.shows([(1, COUNT, "tracked")], 2)


def test_a_page_that_is_loaded_during_a_job_shows_it(notebook, page, widget, timeline):
    notebook.run(STEP_BY_STEP)
    draw_square(widget)
    widget.press("t")
    advance(notebook, timeline, 9, [(1, 10, "tracked")])
    notebook.start("w")
    second = Timeline(notebook.widget(1).ready())
    second.shows([(1, 10, "tracked")])
    second.running()
    notebook.run("for _ in range(100): steps.release()")
    second.shows([(1, COUNT, "tracked")])
    timeline.shows([(1, COUNT, "tracked")])


@pytest.mark.own_page
def test_a_page_reloaded_during_a_job_shows_its_progress(notebook, page, widget, timeline):
    notebook.run(STEP_BY_STEP)
    draw_square(widget)
    widget.press("t")
    advance(notebook, timeline, 9, [(1, 10, "tracked")])
    notebook.save()
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    again = Timeline(notebook.widget().ready())
    again.shows([(1, 10, "tracked")])
    again.running()
    notebook.run("for _ in range(100): steps.release()")
    again.shows([(1, COUNT, "tracked")])
    again.idle()
    again.turn(25)
    has_mask(again.widget, (135, 85), GREEN)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_no_accessibility_problem(notebook, page, widget, timeline, theme):
    set_theme(page, theme)
    draw_square(widget)
    widget.press("n")
    widget.drag((220, 140), (260, 180), SIZE).wait(objects=2)
    widget.press("Shift+T")
    timeline.shows([(1, COUNT, "tracked")], 2)
    timeline.turn(20)
    widget.press("u")
    page.add_script_tag(path=AXE)
    found = page.evaluate("() => axe.run('.sam2-widget').then(r => r.violations)")
    assert not [f"{v['id']}: {[n['html'] for n in v['nodes']]}" for v in found]


def test_the_outline_of_the_neighbouring_frames_is_shown(notebook, page, widget, timeline):
    draw_square(widget)
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.idle()
    timeline.turn(20)
    # The picture of this frame is shown before its mask is.
    has_mask(widget, (115, 85), GREEN)
    widget.press(",")
    checkbox = widget.root.locator("[data-option=onion-skin]")
    checkbox.hover()
    picture = "canvas => canvas.toDataURL()"
    before = widget.stage.evaluate(picture)
    checkbox.check()
    wait_until(lambda: widget.stage.evaluate(picture) != before, "the outlines")
    checkbox.uncheck()
    wait_until(lambda: widget.stage.evaluate(picture) == before, "the picture as before")


def test_an_object_is_marked_as_absent_by_key(notebook, widget, timeline):
    draw_square(widget)
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.idle()
    timeline.turn(15)
    widget.press("u")
    widget.wait(objects=0)
    assert notebook.value("[p.numbers for p in (w.planes[14], w.planes[15])]") == [[1], []]
    button = timeline.root.locator("[data-action=absent]")
    timeline.lane().locator("button").click()
    expect(button).to_have_attribute("aria-pressed", "true")
    widget.press("u")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_keys_go_through_keyframes_doubtful_frames_and_marks(notebook, widget, timeline):
    # From frame 12 on less than half of the square is visible.
    notebook.run("frames[12:, 80:120] = 40")
    draw_square(widget)
    for key, marks in (("Shift+I", "0,1"), ("Shift+I", "")):
        widget.press(key)
        expect(timeline.root).to_have_attribute("data-marks", marks)
    timeline.turn(29)
    widget.press("Shift+I")
    expect(timeline.root).to_have_attribute("data-marks", "0,30")
    widget.press("t")
    timeline.idle()
    wait_until(lambda: timeline.runs() and timeline.runs()[-1][1] == 30, "the marks")
    doubtful = [
        plane
        for start, stop, state in timeline.runs()
        if state == "doubtful"
        for plane in range(start, stop)
    ]
    assert doubtful
    for key, plane in (
        ("Shift+D", doubtful[-1]),
        ("Shift+Q", 0),
        ("d", doubtful[0]),
    ):
        widget.press(key)
        widget.wait(plane=plane, plane_pending="false")


def test_playback_shows_the_masks_and_stops_on_the_current_frame(notebook, widget, timeline):
    draw_square(widget)
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    timeline.idle()
    widget.press("n")
    notebook.run(HOLD_PLAYBACK)
    widget.stage.press("k")
    widget.wait(playing="true")
    wait_until(lambda: 0 < timeline.plane <= LAST_PLAYED, "playback")
    wait_until(lambda: is_tinted(widget, (35 + 4 * timeline.plane, 85), GREEN), "a mask")
    widget.stage.press("k")
    widget.wait(playing="false", plane_pending="false").settled()
    notebook.run("gate.set()")
    plane = int(widget.root.get_attribute("data-plane"))
    assert 0 < plane <= LAST_PLAYED
    assert notebook.value("w.plane") == plane
    assert notebook.value("len(w.planes.prompts)") == 1, "nothing was clicked"
    has_mask(widget, (35 + 4 * plane, 85), GREEN)


def test_the_playhead_is_dragged_on_the_lanes(page, widget, timeline):
    draw_square(widget)
    box = timeline.root.locator(".sam2-lane-canvas").bounding_box()
    middle = box["y"] + 12
    left, width = box["x"] + 6, box["width"] - 12
    page.mouse.move(left + 1, middle)
    page.mouse.down()
    page.mouse.move(left + width * 10.5 / COUNT, middle)
    page.mouse.move(left + width * 30.5 / COUNT, middle)
    page.mouse.up()
    widget.wait(plane=30, plane_pending="false")
    line = timeline.root.locator(".sam2-playhead-line")

    def middle_of_line():
        place = line.bounding_box()
        return place["x"] + place["width"] / 2

    wanted = pytest.approx(left + width * 30.5 / COUNT, abs=1.5)
    wait_until(lambda: middle_of_line() == wanted, "the playhead")
    # Selecting its name continues editing it on a plane where it was not found.
    name = timeline.lane().locator("button")
    expect(name).to_have_attribute("aria-label", re.compile(r"^Object 1, 1 keyframe"))
    name.click()
    expect(timeline.lane()).to_have_attribute("aria-current", "true")


def test_after_a_kernel_restart_the_page_reports_it_and_does_not_track(
    notebook, page, widget, timeline
):
    draw_square(widget)
    widget.press("t")
    timeline.shows([(1, COUNT, "tracked")])
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(widget.root.locator(".sam2-error")).to_contain_text("restarted")
    for action in ("track", "track-all", "play", "mark-in"):
        button = timeline.root.locator(f"[data-action={action}]")
        expect(button).to_have_attribute("aria-disabled", "true")


def test_after_a_kernel_restart_a_job_is_not_shown_as_running(notebook, page, widget, timeline):
    draw_square(widget)
    notebook.run("predictor.gate.clear()")
    widget.stage.press("t")
    cancel = timeline.root.locator("[data-action=cancel-track]")
    expect(timeline.root).to_have_attribute("data-tracking", "running")
    expect(cancel).to_be_visible()
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(widget.root.locator(".sam2-error")).to_contain_text("restarted")
    expect(timeline.root).to_have_attribute("data-tracking", "idle")
    expect(cancel).to_be_hidden()
