"""On a bad line: what is lost is said again, once, and the user sees what is going on."""

import time

import pytest
from playwright.sync_api import expect

from .lab import Notebook, Widget
from .line import Line

SIZE = (451, 300)
CELL = """
from skimage import data
from sam2_widget import SegmentWidget, segment
w = SegmentWidget(data.chelsea(), model="bundled")
w
"""
CAT, CUSHION, WALL = (220, 190), (420, 100), (60, 60)
# The masks are those of a replay without a browser.
HEADLESS = "(w.masks == segment(w.image, w.prompts, model='bundled').masks).all().item()"


@pytest.fixture
def line(lab):
    with Line(int(lab.rsplit(":", 1)[1])).running() as line:
        yield line


# JupyterLab tells of a broken line in a dialog that takes all clicks and keys, at times of its own.
CLOSE_DIALOG = """
  const close = '.jp-Dialog[aria-label^="Server Connection Error"] button';
  new MutationObserver(() => document.querySelector(close)?.click())
    .observe(document, { childList: true, subtree: true });
"""


@pytest.fixture
def notebook(page, line, folder, console):
    page.context.add_init_script(CLOSE_DIALOG)
    notebook = Notebook(page, line.url, folder)
    yield notebook
    line.open, line.delay, line.loss = True, 0, 0
    page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
    page.goto("about:blank")
    # What the browser and JupyterLab say of a broken line.
    console[:] = [text for text in console if not any(said in text for said in BROKEN)]


BROKEN = ("ERR_", "WebSocket", "Failed to fetch", "NetworkError", "Could not send", "status of 50")


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready()


def tap(widget, x, y):
    """Click, and wait for nothing."""
    widget.stage.click(position=widget.at(x, y, SIZE))


def swallow(line, way, deed):
    """Do something whose messages are lost for good, with the connection that they were on."""
    line.swallowed, line.swallowing = 0, frozenset({way})
    deed()
    deadline = time.monotonic() + 30
    while not line.swallowed:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    line.cut()


def break_off(notebook, line):
    """Break the line while JupyterLab asks for something, so that it tells of that."""
    line.open = False
    line.cut()
    notebook.page.evaluate("() => jupyterapp.serviceManager.sessions.refreshRunning()")
    line.open = True


def clicked(notebook):
    """Labels of the points of each object."""
    return notebook.value("[len(o.prompts) for o in w.prompts]")


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_click_lost_with_its_connection_is_sent_again(notebook, line, widget, way):
    widget.click(*WALL, SIZE)
    swallow(line, way, lambda: tap(widget, *CAT))
    widget.settled()
    # The manager of widgets still waits for the answer that was lost; the next click does not.
    widget.click(*CUSHION, SIZE)
    assert clicked(notebook) == [3]
    assert notebook.value(HEADLESS)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_commit_lost_with_its_connection_is_carried_out_once(notebook, line, widget, way):
    widget.click(*CAT, SIZE)
    swallow(line, way, lambda: widget.stage.press("n"))
    tap(widget, *CUSHION)
    widget.wait(objects=2, pending="false")
    widget.press("n")
    assert clicked(notebook) == [1, 1]
    assert notebook.value("len(w.objects)") == 2
    assert notebook.value(HEADLESS)
    widget.wait(connection="up", objects=2)


def test_while_the_line_is_down_the_user_is_told_and_nothing_is_lost(notebook, line, widget):
    widget.click(*CAT, SIZE)
    line.open = False
    line.cut()
    widget.wait(connection="lost")
    tap(widget, *CUSHION)
    widget.root.get_by_text("Reconnecting").wait_for()
    widget.wait(pending="true", connection="lost")
    line.open = True
    widget.wait(connection="up", pending="false", timeout=120_000)
    assert clicked(notebook) == [2]
    assert notebook.value(HEADLESS)


def test_what_python_does_while_the_line_breaks_is_seen_after(notebook, line, widget, lab):
    widget.click(*CAT, SIZE)
    notebook.start("import time; time.sleep(2); w.commit(); w.add_point(420, 100); w.commit()")
    notebook.running.wait_for()
    line.open = False
    line.cut()
    widget.wait(connection="lost")
    time.sleep(3)
    line.open = True
    widget.wait(connection="up", objects=2, pending="false", timeout=120_000)


def test_thirty_fast_clicks_and_commits_on_a_slow_line_that_loses(notebook, line, widget):
    line.delay, line.loss = 0.1, 0.01
    for k in range(30):
        tap(widget, 40 + 12 * k, 60 + 40 * (k % 5))
        if k % 3 == 2:
            widget.stage.press("n")
        if k in (10, 21):
            break_off(notebook, line)
    widget.wait(objects=10, pending="false", connection="up", timeout=120_000)
    line.delay = line.loss = 0
    assert clicked(notebook) == [3] * 10
    assert notebook.value(HEADLESS)


def test_a_reload_in_the_middle_of_an_answer_keeps_the_click(notebook, page, widget):
    notebook.run(
        "import threading\n"
        "from sam2_widget.models import worker\n"
        "gate = threading.Event()\n"
        "worker.local.submit(gate.wait)"
    )
    notebook.save()
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    tap(widget, *CAT)
    widget.wait(pending="true", objects=1)
    page.reload(wait_until="domcontentloaded")
    notebook.wait_idle()
    again = notebook.widget().ready().wait(objects=1, pending="true")
    notebook.run("gate.set()")
    again.settled().click(*CUSHION, SIZE)
    assert clicked(notebook) == [2]
    assert notebook.value(HEADLESS)


def listed(widget, count):
    """Texts of the list of objects, once all areas are there: a hidden tab counts none."""
    widget.page.bring_to_front()
    rows = widget.root.locator(".sam2-object")
    rows.filter(has_text="px").nth(count - 1).wait_for()
    return rows.all_inner_texts()


def test_two_tabs_edit_the_same_on_a_slow_line(notebook, page, line, widget):
    notebook.save()
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    other = page.context.new_page()
    other.goto(f"{line.url}/doc/tree/test.ipynb", wait_until="domcontentloaded")
    there = Widget(other, other.locator(".sam2-widget").first)
    there.wait(ready="true", pending="false")
    there.stage.scroll_into_view_if_needed()
    line.delay = 0.1
    places = [CAT, CUSHION, WALL, (150, 250)]
    for k, (tab, place) in enumerate(zip([widget, there] * 2, places, strict=True), 1):
        tab.page.bring_to_front()
        tab.click(*place, SIZE).press("n")
        for each in (widget, there):
            each.wait(objects=k, pending="false")
    line.delay = 0
    # Labels, scores, and areas as each page computes them from its masks.
    rows = listed(there, 4)
    page.bring_to_front()
    # Masks that come again, because the tab was hidden, are counted again.
    expect(widget.root.locator(".sam2-object")).to_have_text(rows, use_inner_text=True)
    assert clicked(notebook) == [1] * 4
    assert notebook.value(HEADLESS)
    other.close()


def test_a_page_that_slept_asks_what_it_has_missed(notebook, page, line, widget):
    widget.click(*CAT, SIZE)
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    line.cut()
    session.send("Page.setWebLifecycleState", {"state": "active"})
    widget.wait(connection="up", pending="false")
    widget.click(*CUSHION, SIZE)
    assert clicked(notebook) == [2]
