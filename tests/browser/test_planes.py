"""A stack in the page: by mouse, by keys, and from Python."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

SIZE = (256, 256)
CELL = """
import numpy as np
from scipy.ndimage import gaussian_filter
from sam2_widget import SegmentWidget
random = np.random.default_rng(4)
z, y, x = np.ogrid[:10, :256, :256]
stack = np.zeros((10, 256, 256))
for cz, cy, cx, r in random.uniform([0, 0, 0, 14], [10, 256, 256, 30], (40, 4)):
    inside = ((z - cz) * 5) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < r ** 2
    stack[inside] = random.uniform(80, 230)
stack = gaussian_filter(stack, (0.4, 2, 2)) + random.normal(12, 4, stack.shape)
stack = stack.clip(0, 255).astype(np.uint8)
w = SegmentWidget(stack, axes="ZYX", model="bundled")
w"""


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready().settled()


def at_plane(widget, plane):
    return widget.wait(plane=plane, plane_pending="false").settled()


def is_at(widget, text):
    """Wait until this is said about the place in the stack."""
    expect(widget.root.locator(".sam2-plane-place")).to_have_text(text)


def difference(widget, colors):
    shown = widget.colors([(x, 100) for x in range(10, 250, 20)], SIZE)
    return float(np.abs(np.subtract(shown, colors)).mean())


def test_planes_are_changed_by_mouse_keys_and_python(notebook, page, widget):
    slider = widget.root.locator("[data-option=plane]")
    is_at(widget, "Z 1 / 10")
    widget.click(120, 120, SIZE)
    widget.wait(objects="1")
    before = widget.colors([(x, 100) for x in range(10, 250, 20)], SIZE)
    # By mouse.
    widget.root.locator("[data-action=next-plane]").click()
    at_plane(widget, 1)
    is_at(widget, "Z 2 / 10")
    widget.wait(objects=0)
    assert widget.colors([(x, 100) for x in range(10, 250, 20)], SIZE) != before
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    at_plane(widget, 9)
    expect(widget.root.locator("[data-action=next-plane]")).to_be_disabled()
    # By keys: on the image, and on the slider.
    widget.stage.press("PageUp")
    at_plane(widget, 8)
    widget.stage.press("<")
    at_plane(widget, 7)
    slider.press("ArrowRight")
    at_plane(widget, 8)
    slider.press("Home")
    at_plane(widget, 0)
    widget.wait(objects=1).settled()
    assert widget.colors([(x, 100) for x in range(10, 250, 20)], SIZE) == before
    # From Python.
    assert notebook.value("[w.plane, len(w.objects), w.planes.annotated]") == [0, 1, [0]]
    notebook.run("w.plane = 4")
    at_plane(widget, 4)
    is_at(widget, "Z 5 / 10")
    expect(widget.root.locator(".sam2-plane-dots span")).to_have_count(1)
    # The stage is not of the image's size, so it shows interpolated values between pixels.
    assert difference(widget, notebook.value("w.planes[4].image[100, 10:250:20].tolist()")) < 12
    assert difference(widget, notebook.value("w.planes[1].image[100, 10:250:20].tolist()")) > 12


# A picture that takes several frames to decode, as that of a large image does.
SLOW_PICTURES = """
() => {
  const decode = window.createImageBitmap;
  window.createImageBitmap = async (...parts) => {
    for (let frame = 0; frame < 20; frame++) await new Promise(requestAnimationFrame);
    return decode(...parts);
  };
}
"""


def test_a_plane_is_pending_until_its_picture_is_painted(notebook, page, widget):
    page.evaluate(SLOW_PICTURES)
    notebook.run("w.plane = 4")
    at_plane(widget, 4)
    assert difference(widget, notebook.value("w.planes[4].image[100, 10:250:20].tolist()")) < 12


# A press during which the plane changes is not a click, because it began on another plane.
CLICK = """
(canvas, { x, y }) => {
  const { left, top } = canvas.getBoundingClientRect();
  const at = { clientX: left + x, clientY: top + y };
  const event = { ...at, pointerId: 1, pointerType: "mouse", isPrimary: true, bubbles: true };
  canvas.dispatchEvent(new PointerEvent("pointerdown", { ...event, buttons: 1 }));
  canvas.dispatchEvent(new PointerEvent("pointerup", event));
}
"""


def click_at_once(widget, x, y):
    """Press and release with nothing between."""
    widget.stage.evaluate(CLICK, widget.at(x, y, SIZE))


def test_fast_clicks_belong_to_the_plane_shown_at_that_time(notebook, page, widget):
    """Change planes and click at once, many times: each click is on the plane that was shown."""
    for _ in range(6):
        widget.stage.press("PageDown")
        click_at_once(widget, 60, 60)
        widget.stage.press("n")
    at_plane(widget, 6)
    counts = notebook.value("[len(p.prompts) for p in w.planes]")
    assert sum(counts) == 6
    notebook.run("w.plane = 0")
    at_plane(widget, 0).wait(objects=counts[0])


def test_a_page_that_opens_later_shows_the_plane_and_its_masks(notebook, page, widget):
    notebook.run("w.plane = 3; w.add_point(60, 60); w.commit('cell'); w.fill_holes = 3")
    at_plane(widget, 3)
    notebook.start("w")
    second = notebook.widget(1)
    second.ready()
    at_plane(second, 3)
    second.wait(objects="1")
    second.root.locator("[data-action=previous-plane]").click()
    at_plane(widget, 2)
    at_plane(second, 2).wait(objects=0)


# The kernel handles the page's requests only when the test allows it, and before that it shows
# another plane, if the test requests one.
BLOCKED = """
import pathlib, time
with w._planes.lock:
    pathlib.Path("blocked").touch()
    while not pathlib.Path("unblock").exists():
        time.sleep(0.02)
"""
SHOW_OTHER = "    w.plane = 1"
PLACES = "[[[round(p.x), round(p.y)] for p in o.prompts] for o in w.planes[0].prompts]"
NOTICES = "w._publisher.state['notices']"


def click_twice(widget):
    widget.click(60, 60, SIZE)
    widget.click(120, 120, SIZE)


def near(*places):
    return [[pytest.approx(value, abs=1) for value in place] for place in places]


def block_kernel(notebook, more=""):
    """Start the cell; returns a function that lets the kernel handle messages, and waits."""
    blocked, unblock = notebook.folder / "blocked", notebook.folder / "unblock"
    blocked.unlink(missing_ok=True)
    unblock.unlink(missing_ok=True)
    notebook.start(BLOCKED + more)
    wait_until(blocked.exists, "the cell")
    return unblock.touch


@pytest.mark.parametrize("by", ["python", "page before", "page after"])
def test_a_click_after_an_undo_in_flight_stays_on_its_plane(notebook, widget, by):
    click_twice(widget)
    unblock = block_kernel(notebook, SHOW_OTHER if by == "python" else "")
    if by == "page before":
        widget.stage.press("PageDown")
    widget.stage.press("Control+z")
    widget.stage.click(position=widget.at(200, 200, SIZE))
    if by == "page after":
        widget.stage.press("PageDown")
    unblock()
    at_plane(widget, 1)
    assert notebook.value(PLACES) == [near((60, 60), (200, 200))]
    assert notebook.value("len(w.planes[1].prompts)") == 0
    assert notebook.value(NOTICES) == {}


def test_an_edit_that_fails_after_an_undo_in_flight_is_reported_until_the_next_action(
    notebook, page, widget
):
    """The removed point is unknown, because the previous plane is not shown any more."""
    click_twice(widget)
    unblock = block_kernel(notebook, SHOW_OTHER)
    widget.stage.press("Control+z")
    widget.stage.hover(position=widget.at(60, 60, SIZE))
    widget.stage.press("Delete")
    unblock()
    at_plane(widget, 1)
    message = widget.root.locator(".sam2-message").get_by_text("changed elsewhere")
    message.wait_for()
    assert notebook.value(PLACES) == [near((60, 60))]
    message.wait_for()
    widget.click(200, 200, SIZE)
    message.wait_for(state="detached")
    assert notebook.value("len(w.planes[1].prompts)") == 1
