"""What nudges are worth: round trips by policy, on a stock server and with `sam2_widget.server`.

    python -m benchmarks.fast.nudges

The model is a fake that answers after a given time, so that nothing else varies. Policies other
than the widget's own are played by a script in the page that holds the widget's nudges back.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.fast import stats
from benchmarks.fast.browser import open_page
from benchmarks.fast.pictures import places
from tests.browser.lab import Notebook, Widget, jupyter_lab

CLICKS = 24
ANSWERS = (0, 20, 70)
"""Milliseconds that the model takes."""

POLICIES = ("none", "4", "6", "8", "10", "12", "own")
"""No nudge, one after so many milliseconds, or what the widget does."""

EXTENSION = "--ServerApp.jpserver_extensions={'sam2_widget.server': True}"

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
window.policy = "own";
window.trips = [];
let nudge = null;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  const text = typeof data === "string" ? data : new TextDecoder().decode(data);
  if (text.includes('"type":"nudge"')) {
    for (const [, trip] of text.matchAll(/"trip":(\\d+)/g)) window.trips.push(Number(trip) / 1e3);
    nudge = data;
    if (window.policy !== "own") return;
  } else if (text.includes('"_prompts"') && Number(window.policy)) {
    setTimeout(() => nudge && send.call(this, nudge), Number(window.policy));
  }
  send.call(this, data);
};
"""


def round_trips(page: Page, notebook: Notebook, widget: Widget, policy: str) -> stats.Spread:
    """Milliseconds from request to answer under a policy."""
    page.evaluate("policy => { window.policy = policy; window.trips = []; }", policy)
    box = widget.stage.bounding_box()
    for x, y in places(CLICKS, seed=POLICIES.index(policy)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        widget.settled()
        widget.press("n")
        page.wait_for_timeout(150)
    page.evaluate("() => { window.policy = 'own'; }")
    notebook.run("w.timings")
    page.wait_for_timeout(300)
    # Each click is followed by N, a request as well, whose answer needs no model.
    found = page.evaluate("() => window.trips")
    return stats.spread(found[0::2][stats.WARM_UP :])


def measure(options: list[str], answer: int) -> dict[str, stats.Spread]:
    """All policies on one server."""
    with (
        tempfile.TemporaryDirectory() as name,
        jupyter_lab(Path(name), options) as base,
        open_page() as page,
    ):
        page.add_init_script(SHIM)
        notebook = Notebook(page, base, Path(name)).open([CELL.format(answer=answer)]).run_all()
        widget = notebook.widget().ready()
        round_trips(page, notebook, widget, "own")
        policies = POLICIES if not options else ("none", "own")
        return {policy: round_trips(page, notebook, widget, policy) for policy in policies}


def main() -> None:
    """Print one table."""
    print("| model, ms | server | " + " | ".join(POLICIES) + " |")
    print("|---|---|" + "---|" * len(POLICIES))
    for answer in ANSWERS:
        for server, options in (("stock", []), ("sam2_widget.server", [EXTENSION])):
            found = measure(options, answer)
            cells = [str(found.get(policy, "")) for policy in POLICIES]
            print(f"| {answer} | {server} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
