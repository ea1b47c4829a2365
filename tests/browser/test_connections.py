"""Bad connections: lost messages are repeated, carried out once, and the user is informed."""

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .lab import Notebook, Widget
from .line import Line

pytestmark = pytest.mark.own_page

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


# JupyterLab reports a broken connection in a dialog that blocks all input, at unpredictable times.
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
    # Errors that the browser and JupyterLab log about a broken connection.
    console[:] = [text for text in console if not any(said in text for said in BROKEN)]


BROKEN = ("ERR_", "WebSocket", "Failed to fetch", "NetworkError", "Could not send", "status of 50")


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready()


def tap(widget, x, y):
    """Click without waiting for the result."""
    widget.stage.click(position=widget.at(x, y, SIZE))


def swallow(line, way, deed):
    """Run `deed` while its messages are lost, together with their connection."""
    line.swallowed, line.swallowing = 0, frozenset({way})
    deed()
    wait_until(lambda: line.swallowed, "a message")
    line.cut()


def break_off(notebook, line):
    """Break the connection during a request of JupyterLab, so that it reports the failure."""
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
    # The widget manager still waits for the lost reply; the next click does not.
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


def test_a_lost_connection_is_shown_and_no_edit_is_lost(notebook, line, widget):
    widget.click(*CAT, SIZE)
    line.open = False
    line.cut()
    widget.wait(connection="lost")
    tap(widget, *CUSHION)
    widget.root.get_by_text("Reconnecting").wait_for()
    widget.wait(pending="true", connection="lost")
    line.open = True
    widget.wait(connection="up", pending="false")
    assert clicked(notebook) == [2]
    assert notebook.value(HEADLESS)


EDIT_LATER = """
import pathlib, time
pathlib.Path("started").touch()
while not pathlib.Path("begin").exists():
    time.sleep(0.02)
w.commit(); w.add_point(420, 100); w.commit()
pathlib.Path("done").touch()
"""


def test_edits_from_python_during_a_disconnection_are_shown_afterwards(notebook, line, widget, lab):
    widget.click(*CAT, SIZE)
    started, begin, done = (notebook.folder / name for name in ("started", "begin", "done"))
    notebook.start(EDIT_LATER)
    # Not the prompt of the cell: the page shows it before the kernel has received the cell.
    wait_until(started.exists, "the cell")
    line.open = False
    line.cut()
    widget.wait(connection="lost")
    begin.touch()
    wait_until(done.exists, "the edits")
    line.open = True
    widget.wait(connection="up", objects=2, pending="false")


def test_thirty_fast_clicks_and_commits_arrive_over_a_slow_lossy_connection(notebook, line, widget):
    line.delay, line.loss = 0.1, 0.01
    for k in range(30):
        tap(widget, 40 + 12 * k, 60 + 40 * (k % 5))
        if k % 3 == 2:
            widget.stage.press("n")
        if k in (10, 21):
            break_off(notebook, line)
    widget.wait(objects=10, pending="false", connection="up")
    line.delay = line.loss = 0
    assert clicked(notebook) == [3] * 10
    assert notebook.value(HEADLESS)


def test_a_reload_during_a_prediction_keeps_the_click(notebook, page, widget):
    notebook.run(
        "import threading\n"
        "from sam2_widget.models import worker\n"
        "gate = threading.Event()\n"
        "worker.local.submit(gate.wait)"
    )
    notebook.save()
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
    """Texts of the list of objects, once all areas are computed: a hidden tab computes none."""
    widget.page.bring_to_front()
    rows = widget.root.locator(".sam2-object")
    rows.filter(has_text="px").nth(count - 1).wait_for()
    return rows.all_inner_texts()


def test_two_tabs_edit_one_widget_over_a_slow_connection(notebook, page, line, widget):
    notebook.save()
    other = page.context.new_page()
    other.goto(f"{line.url}/doc/tree/{notebook.path}", wait_until="domcontentloaded")
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
    # Masks are sent again because the tab was hidden, so their areas are computed again.
    expect(widget.root.locator(".sam2-object")).to_have_text(rows, use_inner_text=True)
    assert clicked(notebook) == [1] * 4
    assert notebook.value(HEADLESS)
    other.close()


def test_a_resumed_page_fetches_missed_updates(notebook, page, line, widget):
    widget.click(*CAT, SIZE)
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    line.cut()
    session.send("Page.setWebLifecycleState", {"state": "active"})
    widget.wait(connection="up", pending="false")
    widget.click(*CUSHION, SIZE)
    assert clicked(notebook) == [2]
