"""Behaviour that must be the same in every host."""

import re

import pytest

from tests.browser.lab import new_context

from .conftest import HOSTS
from .hosts import COLORS, SIZE

PLACES = list(COLORS)
RED, GREEN, _ = PLACES
STATE = "[len(w.prompts), [bool(m.any()) for m in w.masks], bool(w.mask[{1}, {0}])]"


def only(*names):
    """Run a test on these hosts."""
    assert set(names) <= set(HOSTS)
    return pytest.mark.parametrize("served", names, indirect=True)


def test_clicks_masks_undo_and_the_next_object_work(host, widget):
    shown = dict(zip(PLACES, widget.colors(PLACES, SIZE), strict=True))
    for at, color in COLORS.items():
        assert shown[at] == pytest.approx(color, abs=8)

    widget.click(*RED, SIZE).wait(objects=1)
    near = (RED[0] + 18, RED[1])
    assert widget.colors([near], SIZE) != [shown[RED]]
    assert host.value(STATE.format(*near)) == [1, [True], True]
    widget.press("n")
    widget.click(*GREEN, SIZE).wait(objects=2)
    assert host.value(STATE.format(*GREEN)) == [2, [True, True], True]
    widget.press("Control+z").wait(objects=1)
    assert widget.colors([GREEN], SIZE) == [shown[GREEN]]
    assert host.value(STATE.format(*GREEN)) == [1, [True], False]


# JupyterLab itself is tested at length in tests/browser.
@only("notebook", "voila", "marimo", "marimo-edit")
def test_the_page_and_the_widget_each_handle_their_own_wheel_and_keys(host, page, widget):
    widget.stage.hover()
    top = widget.stage.bounding_box()["y"]
    page.mouse.wheel(0, 200)
    page.wait_for_function(
        "([canvas, top]) => canvas.getBoundingClientRect().y < top - 50",
        arg=[widget.stage.element_handle(), top],
    )
    listen = "addEventListener('keydown', e => e.key === 'Control' || pressed.push(e.key))"
    page.evaluate(f"window.pressed = []; {listen}; 0")
    page.keyboard.press("Shift")
    cells = host.cells()
    widget.click(*RED, SIZE)
    # The focused element, because a notebook's shortcuts may depend on it.
    for focused in (widget.stage, widget.root.locator("button").first):
        focused.focus()
        for key in ["d", "d", "a", "b", "j", "0", "0", "Control+x", "Delete", "Escape"]:
            page.keyboard.press(key)
        assert host.cells() == cells
        assert widget.root.is_visible()
    assert page.evaluate("pressed") == ["Shift"]
    widget.stage.focus()
    page.keyboard.press("Control+F9")
    assert page.evaluate("pressed") == ["Shift", "F9"]


@only("voila", "marimo")
def test_each_visitor_has_their_own_widget(host, browser, widget):
    widget.click(*RED, SIZE).wait(objects=1)
    context = new_context(browser)
    other = type(host)(context.new_page(), host.base, host.folder)
    there = other.start_widget().wait(objects=0)
    there.click(*GREEN, SIZE).wait(objects=1)
    for visitor, (x, y) in ((host, RED), (other, GREEN)):
        assert visitor.value("[[p.x, p.y] for p in w.prompts[0].prompts]") == [
            [pytest.approx(x, abs=1), pytest.approx(y, abs=1)]
        ]
    context.close()


@only("marimo")
def test_cells_of_marimo_follow_every_edit(host, widget):
    host.report().and_(host.page.get_by_text("0 objects with 0 px")).wait_for()
    widget.click(*RED, SIZE)
    reports = [said(host, 1)]
    widget.press("n")
    widget.click(*GREEN, SIZE)
    reports.append(said(host, 2))
    widget.press("Control+z")
    assert said(host, 1) == reports[0]
    widget.press("Control+Shift+z")
    assert said(host, 2) == reports[1]


def said(host, count):
    report = host.page.get_by_text(f"{count} objects with")
    report.wait_for()
    return report.inner_text()


@only("marimo-edit")
def test_a_reload_of_marimos_editor_keeps_everything(host, page, widget):
    widget.click(*RED, SIZE)
    widget.press("n")
    widget.click(*GREEN, SIZE).wait(objects=2)
    before = widget.colors(PLACES, SIZE)
    page.reload(wait_until="domcontentloaded")
    again = host.widget().ready().wait(objects=2, pending="false")
    assert again.colors(PLACES, SIZE) == before
    again.click(*RED, SIZE)
    assert host.value("[len(o.prompts) for o in w.prompts]") == [1, 2]


@only("notebook", "voila", "marimo-edit")
def test_done_shows_the_next_image_of_a_set(host, page):
    widget = host.start_set()
    widget.click(*RED, SIZE).wait(objects=1)
    page.get_by_role("button", name=re.compile(r"^\W*Done\W*$")).click()
    widget.wait(plane=1, objects=0).settled()
    widget.click(*GREEN, SIZE).wait(objects=1)
    states = host.value("[[one.state, len(one.objects)] for one in w]")
    assert states == [["done", 1], ["in progress", 1], ["untouched", 0]]
