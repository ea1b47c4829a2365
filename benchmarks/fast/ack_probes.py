"""Round trips with and without acknowledgement probes, on a stock server and with our extension.

    python -m benchmarks.fast.ack_probes

The model is a fake that answers after a given time, so that nothing else varies. Between page and
server is a line of ours that is slow to acknowledge what comes: Linux puts its acknowledgements off
only while a socket writes soon after it has read, as after a press or under a brush, and not after
a pause; other systems always. Without probes means that a script in the page drops them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from playwright.sync_api import Page

from benchmarks.fast import stats
from benchmarks.fast.browser import open_page
from benchmarks.fast.ours import EXTENSION, STOCK, lab
from benchmarks.fast.pictures import places
from tests.browser.lab import Notebook, Widget
from tests.browser.line import Line

CLICKS = 24
ANSWERS = (0, 20, 40, 80)
"""Milliseconds that the model takes."""

SERVERS = {"stock": STOCK, "sam2_widget.server": EXTENSION}

CELL = """
import time
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
class Slow(FakePredictor):
    def _predict(self, *arguments, **keywords):
        time.sleep({answer} / 1e3)
        return super()._predict(*arguments, **keywords)
w = SegmentWidget(np.zeros((480, 640, 3), np.uint8), model=Slow(radius=0.05))
w
"""

SHIM = """
window.held = false;
window.trips = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  const text = typeof data === "string" ? data : new TextDecoder().decode(data);
  if (text.includes('"type":"ack_probe"')) {
    for (const [, trip] of text.matchAll(/"trip":(\\d+)/g)) window.trips.push(Number(trip) / 1e3);
    if (window.held) return;
  }
  send.call(this, data);
};
"""

FRAME = """() => new Promise(done => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})"""


def round_trips(
    page: Page, notebook: Notebook, widget: Widget, seed: int, *, held: bool
) -> stats.Spread:
    """Milliseconds from request to answer; `held`: without probes.

    Each `seed` for one call only: an answer that was given before needs no model.
    """
    page.evaluate("held => { window.held = held; window.trips = []; }", held)
    # JupyterLab has scrolled to the cell that was run last.
    widget.stage.scroll_into_view_if_needed()
    box = widget.box()
    for x, y in places(CLICKS, seed):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        widget.settled()
        # A click whose frame has not come has no timing, and gets none after another request.
        page.evaluate(FRAME)
        widget.press("n")
        page.wait_for_timeout(150)
    page.evaluate("() => { window.held = false; }")
    notebook.run("w.timings")
    # A click, and N, a request as well.
    page.wait_for_function("count => window.trips.length >= count", arg=2 * CLICKS)
    found = page.evaluate("() => window.trips")
    return stats.spread(found[0::2][stats.WARM_UP :])


def slow_line(base: str) -> AbstractContextManager[Line]:
    """A line to the server at `base` whose end here is slow to acknowledge."""
    line = Line(urlsplit(base).port or 80)
    line.slow_to_acknowledge = True
    return line.running()


def measure(server: str, answer: int) -> Iterator[tuple[str, stats.Spread]]:
    """With and without probes on one server."""
    with lab(SERVERS[server]) as (base, folder), slow_line(base) as line, open_page() as page:
        page.add_init_script(SHIM)
        notebook = Notebook(page, line.url, folder).open([CELL.format(answer=answer)]).run_all()
        widget = notebook.widget().ready()
        round_trips(page, notebook, widget, 0, held=False)
        yield "with", round_trips(page, notebook, widget, 1, held=False)
        if server == "stock":
            yield "without", round_trips(page, notebook, widget, 2, held=True)


def main() -> None:
    """Print one table."""
    print("| model, ms | server | probes | round trip, ms |\n|---|---|---|---|")
    for answer in ANSWERS:
        for server in SERVERS:
            for name, found in measure(server, answer):
                shown = name if server == "stock" else "none needed"
                print(f"| {answer} | {server} | {shown} | {found} |", flush=True)


if __name__ == "__main__":
    main()
