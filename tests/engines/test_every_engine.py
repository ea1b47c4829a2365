"""What a user does first, in the engines of Firefox and Safari."""

import math

import numpy as np
import pytest

from tests.browser.lab import adjusted
from tests.waiting import wait_until

from .notebook import COLORS, FRAMES, WIDGET

RED, GREEN, BLUE = COLORS
RADIUS = 36
"""Image pixels of the disc that the fake predictor makes of a point."""

MASK = "[len(w.prompts), [int(m.sum()) for m in w.masks]]"


def disc(radius):
    """Its pixels, as near as the 64 cells of the fake's logits come to them."""
    return pytest.approx(math.pi * radius**2, rel=0.03)


def test_the_picture_has_the_colours_of_the_image(widget):
    assert widget.colors(COLORS) == pytest.approx(np.array(list(COLORS.values())), abs=6)


def test_a_click_gives_a_mask_on_the_screen_in_the_list_and_in_python(notebook, widget):
    inside, outside = (GREEN[0] + RADIUS - 8, GREEN[1]), (GREEN[0] + RADIUS + 8, GREEN[1])
    before = widget.colors([inside, outside])
    widget.click(GREEN).wait(objects=1)

    count, (area,) = notebook.value(MASK)
    assert (count, area) == (1, disc(RADIUS))
    x, y = notebook.value("[w.prompts[0].prompts[0].x, w.prompts[0].prompts[0].y]")
    assert (x, y) == (pytest.approx(GREEN[0], abs=1), pytest.approx(GREEN[1], abs=1))
    widget.reads(".sam2-facts", [f"{area:,} px · 0.90"])
    after = widget.colors([inside, outside])
    assert np.abs(after[0] - before[0]).max() > 40
    assert after[1] == pytest.approx(before[1], abs=2)


def test_an_alt_click_takes_away(notebook, widget):
    widget.click(RED)
    widget.click((RED[0] + 30, RED[1]), keys=["Alt"])
    assert notebook.value(
        "[p.label for p in w.prompts[0].prompts if type(p).__name__ == 'Point']"
    ) == [1, 0]
    assert notebook.value(f"bool(w.mask[{RED[1]}, {RED[0] + 30}])") is False
    assert notebook.value(f"bool(w.mask[{RED[1]}, {RED[0]}])") is True


def test_a_drag_draws_a_box(notebook, widget):
    widget.drag((130, 10), (170, 40), (220, 70)).wait(objects=1)
    box = notebook.value("[getattr(w.prompts[0].prompts[0], k) for k in ('x0', 'y0', 'x1', 'y1')]")
    assert box == pytest.approx([130, 10, 220, 70], abs=1)
    _, (area,) = notebook.value(MASK)
    assert area == pytest.approx(90 * 60, rel=0.08)


def test_keys_of_objects_and_of_undo(notebook, widget):
    widget.click(RED)
    widget.press("n")
    widget.click(GREEN).wait(objects=2)
    both = notebook.value(MASK)
    assert both == [2, [disc(RADIUS), disc(RADIUS)]]
    widget.press("Control", "z").wait(objects=1)
    assert notebook.value(MASK) == [1, both[1][:1]]
    widget.press("Control", "Shift", "z").wait(objects=2)
    assert notebook.value(MASK) == both
    widget.press("Control", "z").wait(objects=1)
    widget.press("Control", "z").wait(objects=1)
    widget.press("Control", "z").wait(objects=0)
    assert notebook.value(MASK) == [0, []]


def test_digits_choose_a_candidate(notebook, widget):
    widget.click(RED).wait(candidates=3)
    for digit, radius in (("1", RADIUS / 2), ("2", RADIUS)):
        widget.press(digit)
        assert notebook.value(MASK) == [1, [disc(radius)]]


def test_brush_and_eraser(notebook, widget):
    notebook.run("w.brush_size = 10")
    widget.click(BLUE)
    _, (before,) = notebook.value(MASK)
    widget.press("b").wait(tool="brush")
    widget.drag((130, 120), (160, 120), (190, 120))
    _, (painted,) = notebook.value(MASK)
    line = 60 * 10 + math.pi * 5**2
    assert painted - before == pytest.approx(line, rel=0.05)
    assert notebook.value("[bool(v) for v in w.mask[120, [128, 160, 192, 198]]]") == [1, 1, 1, 0]
    widget.press("e").wait(tool="eraser")
    widget.drag((130, 120), (160, 120), (190, 120))
    assert notebook.value(MASK) == [1, [before]]


FILTERS = f"() => [...{WIDGET}.querySelectorAll('.sam2-adjusted:not([hidden]) canvas')]"


@pytest.mark.parametrize(("brightness", "contrast"), [(0.5, 0), (-0.3, 0.25), (0, -0.6)])
def test_brightness_and_contrast_are_for_the_eye_only(notebook, widget, brightness, contrast):
    widget.click(RED)
    places = [*COLORS, (210, 140)]
    shown = widget.colors(places[1:])
    masked = widget.colors([(RED[0] + 20, RED[1])])
    pixels = notebook.value("int(w.image.sum())")
    notebook.run(f"w.brightness, w.contrast = {brightness}, {contrast}")
    notebook.page.wait(f"() => ({FILTERS})().length > 0")
    expected = [adjusted(color, brightness, contrast) for color in shown]
    assert widget.colors(places[1:]) == pytest.approx(np.array(expected), abs=2)
    assert np.abs(widget.colors([(RED[0] + 20, RED[1])]) - masked).max() > 3
    assert notebook.value("int(w.image.sum())") == pixels
    notebook.run("w.brightness = w.contrast = 0")
    notebook.page.wait(f"() => ({FILTERS})().length === 0")
    assert widget.colors(places[1:]) == pytest.approx(shown)


def test_brightness_stays_while_the_view_moves(notebook, widget):
    before = widget.colors([GREEN])
    notebook.run("w.brightness = -0.4")
    x, y = widget.place(GREEN)
    widget.focus(".sam2-stage")
    notebook.page.wheel(x, y, -400)
    notebook.page.wait(f"() => Number({WIDGET}.dataset.zoom) > 1.5")
    widget.settled()
    assert widget.colors([GREEN]) == pytest.approx(adjusted(before, -0.4, 0), abs=2)


def test_the_slider_of_brightness_by_keys(notebook, widget):
    before = widget.colors([BLUE])[0]
    widget.open_settings()
    widget.focus('[data-option="brightness"]')
    for _ in range(10):
        widget.press("ArrowRight")
    notebook.page.wait(f"() => ({FILTERS})().length > 0")
    assert widget.colors([BLUE])[0] == pytest.approx(adjusted(before, 0.2, 0), abs=2)
    # Options are sent when they no longer change.
    wait_until(lambda: notebook.value("w.brightness") == pytest.approx(0.2))


def test_the_settings_fit_in_their_panel(notebook, widget):
    widget.open_settings()
    widths = f"""
    () => [...{WIDGET}.querySelectorAll(".sam2-settings:not([hidden]) .sam2-setting")]
      .map(node => [node.textContent, node.scrollWidth - node.clientWidth])
    """
    excess = dict(notebook.page.call(widths))
    assert {"Brightness0", "Contrast0"} <= set(excess)
    assert set(excess.values()) == {0}


def test_the_wheel_zooms_at_the_pointer(notebook, widget):
    widget.click(RED)
    widget.press("n")
    x, y = widget.place(GREEN)
    notebook.page.wheel(x, y, -400)
    notebook.page.wait(f"() => Number({WIDGET}.dataset.zoom) > 1.5")
    notebook.page.click(x, y)
    widget.wait(objects=2, pending="false")
    point = notebook.value("[w.prompts[1].prompts[0].x, w.prompts[1].prompts[0].y]")
    assert point == pytest.approx(list(GREEN), abs=1.5)


LANE = "[data-lane]"
BOX = f"""
() => JSON.parse(JSON.stringify(
  {WIDGET}.querySelector(".sam2-lane-canvas").getBoundingClientRect()))
"""


def test_an_object_is_tracked_by_key_and_the_playhead_is_dragged(notebook):
    film = notebook.new_film()
    film.drag((20, 40), (40, 60), (60, 80)).wait(objects=1)
    film.press("t")
    runs = f"runs => {WIDGET}.querySelector('{LANE}')?.dataset.runs === runs"
    notebook.page.wait(runs, f"1:{FRAMES}:tracked")
    notebook.page.call(f"() => {WIDGET}.querySelector('.sam2-planes').scrollIntoView(false)")
    box = notebook.page.call(BOX)
    left, width, y = box["x"] + 6, box["width"] - 12, box["y"] + 12
    places = [(left + width * (frame + 0.5) / FRAMES, y) for frame in (1, 6, 12)]
    notebook.page.drag(places)
    film.wait(plane=12, plane_pending="false").settled()
    assert notebook.value("[w.plane, w.numbers]") == [12, [1]]
    # The mask is over the square where it is now, and is not where it was.
    inside, before = film.colors([(88, 60), (40, 60)])
    assert np.abs(inside - (40, 160, 60)).max() > 30
    assert before == pytest.approx(np.full(3, 230), abs=6)
