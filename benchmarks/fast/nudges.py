"""What nudges are worth: round trips by policy, on a stock server and with `sam2_widget.server`.

    python -m benchmarks.fast.nudges

The model is a fake that answers after a given time, so that nothing else varies. Policies other
than the widget's own are played by a script in the page that holds the widget's nudges back: its
constants, and each of them smaller and larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from playwright.sync_api import Page

from benchmarks.fast import stats
from benchmarks.fast.browser import open_page
from benchmarks.fast.ours import STOCK, lab
from benchmarks.fast.pictures import places
from tests.browser.lab import Notebook, Widget

CLICKS = 24
ANSWERS = (0, 40)
"""Milliseconds that the model takes."""


class Policy(NamedTuple):
    """The constants of ``js/src/nudges.js``, in milliseconds but for the last."""

    soon: int = 8
    on_the_way: int = 4
    every: int = 12
    most: int = 2

    def delays(self, answer: int) -> list[int]:
        """When nudges follow a click whose answer takes the model so long."""
        first = max(answer + self.on_the_way, self.soon)
        return [first + number * self.every for number in range(self.most)]


PLAYED = {
    "none": Policy(most=0),
    "as the widget": Policy(),
    "SOON 4": Policy(soon=4),
    "SOON 12": Policy(soon=12),
    "ON_THE_WAY 0": Policy(on_the_way=0),
    "ON_THE_WAY 8": Policy(on_the_way=8),
    "EVERY 8": Policy(every=8),
    "EVERY 20": Policy(every=20),
    "MOST 1": Policy(most=1),
    "MOST 3": Policy(most=3),
}
"""Played by the script in the page; they go on when an answer has come, which the widget's own do
not, and that costs the next click nothing: it is made later."""

EXTENSION = ("--ServerApp.jpserver_extensions={'sam2_widget.server': True}",)
SERVERS = {"stock": (STOCK, PLAYED), "sam2_widget.server": (EXTENSION, {})}

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
window.delays = null;
window.trips = [];
let nudge = null;
let timers = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  const text = typeof data === "string" ? data : new TextDecoder().decode(data);
  if (text.includes('"type":"nudge"')) {
    for (const [, trip] of text.matchAll(/"trip":(\\d+)/g)) window.trips.push(Number(trip) / 1e3);
    nudge = data;
    if (window.delays) return;
  } else if (text.includes('"_prompts"') && window.delays) {
    timers.forEach(clearTimeout);
    timers = window.delays.map(delay => setTimeout(() => nudge && send.call(this, nudge), delay));
  }
  send.call(this, data);
};
"""

FRAME = """
() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))
"""


def round_trips(
    page: Page, notebook: Notebook, widget: Widget, delays: list[int] | None, seed: int
) -> stats.Spread:
    """Milliseconds from request to answer with nudges after `delays`, or as the widget has them.

    Each `seed` for one call only: an answer that was given before needs no model.
    """
    page.evaluate("delays => { window.delays = delays; window.trips = []; }", delays)
    box = widget.stage.bounding_box()
    for x, y in places(CLICKS, seed):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        widget.settled()
        # A click whose frame has not come yet has no timing, and gets none after another request.
        page.evaluate(FRAME)
        widget.press("n")
        page.wait_for_timeout(150)
    page.evaluate("() => { window.delays = null; }")
    notebook.run("w.timings")
    # Each click is followed by N, a request as well, whose answer needs no model.
    page.wait_for_function("count => window.trips.length >= count", arg=2 * CLICKS)
    found = page.evaluate("() => window.trips")
    return stats.spread(found[0::2][stats.WARM_UP :])


def measure(server: str, answer: int) -> Iterator[tuple[str, stats.Spread]]:
    """All policies on one server."""
    options, played = SERVERS[server]
    with lab(options) as (base, folder), open_page() as page:
        page.add_init_script(SHIM)
        notebook = Notebook(page, base, folder).open([CELL.format(answer=answer)]).run_all()
        widget = notebook.widget().ready()
        round_trips(page, notebook, widget, None, seed=0)
        yield "the widget's own", round_trips(page, notebook, widget, None, seed=1)
        for seed, (name, policy) in enumerate(played.items(), 2):
            yield name, round_trips(page, notebook, widget, policy.delays(answer), seed)


def main() -> None:
    """Print one table."""
    print("| model, ms | server | nudges | round trip, ms |\n|---|---|---|---|")
    for answer in ANSWERS:
        for server in SERVERS:
            for name, found in measure(server, answer):
                print(f"| {answer} | {server} | {name} | {found} |", flush=True)


if __name__ == "__main__":
    main()
