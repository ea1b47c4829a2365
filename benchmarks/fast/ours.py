"""The widget in a live JupyterLab, clicked as a user clicks it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from benchmarks.fast.browser import Traffic, heap_bytes
from benchmarks.fast.pictures import places
from tests.browser.lab import Notebook, Widget, jupyter_lab

ROOT = Path(__file__).parents[2]

STOCK = ("--ServerApp.jpserver_extensions={'sam2_widget.server': False}",)
"""A Jupyter server as it comes."""

EXTENSION = ("--ServerApp.jpserver_extensions={'sam2_widget.server': True}",)
"""One for which an administrator has enabled `sam2_widget.server`, as `make lab` does."""

OPEN = """
import sys
sys.path.insert(0, {root!r})
from benchmarks.fast.pictures import photo
from sam2_widget import SegmentWidget
w = SegmentWidget(photo({width}, {height}), model="bundled")
w
"""

# The bare decoder is timed inside the very clicks that are measured.
WATCH = """
from time import perf_counter
from collections import defaultdict
passes = defaultdict(list)
def timed(name, call):
    def run(*arguments, **keywords):
        start = perf_counter()
        try:
            return call(*arguments, **keywords)
        finally:
            passes[name].append(1e3 * (perf_counter() - start))
    return run
predictor = w._annotator.model.predictions.predictor
encoder = predictor._model.sam_prompt_encoder
encoder.forward = timed("encoder", encoder.forward)
predictor._cpu_decoder = timed("decoder", predictor._cpu_decoder)
"""

FILL = """
import random
draw = random.Random(len(w.prompts))
while len(w.prompts) < {count}:
    w.add_point(draw.uniform(0.02, 0.98) * {width}, draw.uniform(0.02, 0.98) * {height})
    w.commit()
w.scores  # waits for pending predictions
"""

PARTS = ("browser", "comm", "queue", "decoder", "kernel", "paint", "total")

CLICKS_AN_OBJECT = 2
REQUESTS = CLICKS_AN_OBJECT + 1

PORTION = 50
"""Objects that are made in one cell."""


@contextmanager
def lab(options: Sequence[str] = EXTENSION) -> Iterator[tuple[str, Path]]:
    """A JupyterLab over an empty folder: its address, and the folder."""
    with tempfile.TemporaryDirectory() as name, jupyter_lab(Path(name), options) as base:
        yield base, Path(name)


class Ours:
    """A notebook with a widget on an image of `size` (width, height)."""

    def __init__(self, page: Page, base: str, folder: Path, size: tuple[int, int]) -> None:
        self.page, self.size = page, size
        self.traffic = Traffic(page)
        width, height = size
        cell = OPEN.format(root=str(ROOT), width=width, height=height)
        self.notebook: Notebook = Notebook(page, base, folder).open([cell]).run_all()
        self.widget: Widget = self.notebook.widget().ready()
        self.notebook.run(WATCH)

    def close(self) -> None:
        """End the kernel."""
        self.page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")

    def fill(self, count: int) -> None:
        """Have at least `count` finished objects."""
        width, height = self.size
        done = self.notebook.value("len(w.prompts)")
        # In portions: a cell that takes minutes looks like one that hangs.
        for part in range(done + PORTION, count + PORTION, PORTION):
            source = FILL.format(count=min(part, count), width=width, height=height)
            self.notebook.run(source)
        self._shown(max(done, count))

    def empty(self) -> None:
        """Have no objects."""
        self.notebook.run("w.clear()")
        self._shown(0)

    def _shown(self, count: int) -> None:
        """Wait until the page shows so many objects, after the kernel has them."""
        self.widget.stage.scroll_into_view_if_needed()
        self.widget.wait(objects=count).settled()

    @property
    def canvas(self) -> tuple[float, float]:
        """Size of the picture in the page, CSS pixels."""
        box = self.widget.box()
        return box["width"], box["height"]

    def clicks(
        self, count: int, seed: int = 7, shift: float = 0, held: float = 0
    ) -> list[dict[str, float]]:
        """Click `count` times; the parts of each click in milliseconds, and its bytes.

        `shift` moves all places by so many CSS pixels; `held` is for how many milliseconds the
        button is down. A click begins when it is released.
        """
        self.widget.stage.scroll_into_view_if_needed()
        self.notebook.run("passes.clear()")
        self.widget.stage.scroll_into_view_if_needed()
        sizes = [self._click(at, k, shift, held) for k, at in enumerate(places(count, seed))]
        self.notebook.run("w.timings")  # asks the page for its part of the last click
        rows = json.loads(self.notebook.run(_READ))
        # Each object's last request finishes it: no click.
        requests = count + count // CLICKS_AN_OBJECT
        clicks = [r for k, r in enumerate(rows[-requests:]) if k % REQUESTS < CLICKS_AN_OBJECT]
        return [{**row, "bytes": size} for row, size in zip(clicks, sizes, strict=True)]

    def _click(self, at: tuple[float, float], k: int, shift: float, held: float) -> int:
        box = self.widget.box()
        x = box["x"] + at[0] * box["width"] + shift
        y = box["y"] + at[1] * box["height"]
        mouse = self.page.mouse
        mouse.move(x, y)
        # The pixel's value is requested when the pointer moves: no part of a click.
        self.page.wait_for_timeout(250)
        self.traffic.reset()
        self.widget.root.evaluate(_EXPECT)
        mouse.down()
        if held:
            self.page.wait_for_timeout(held)
        mouse.up()
        self.page.evaluate("() => window.answered")
        self.page.wait_for_timeout(150)
        size = self.traffic.both
        if k % CLICKS_AN_OBJECT == CLICKS_AN_OBJECT - 1:
            self.widget.press("n")
            self.page.wait_for_timeout(100)
        return size

    def bare_decoder(self) -> float:
        """Milliseconds of one pass through prompt encoder and mask decoder, in these clicks."""
        source = "sum(sorted(p)[len(p) // 2] for p in passes.values())"
        return float(self.notebook.value(source))

    def memory(self) -> dict[str, float]:
        """MiB: the kernel's own (USS), and the page's JavaScript heap."""
        source = "__import__('psutil').Process().memory_full_info().uss"
        kernel = self.notebook.value(source)
        return {"kernel": kernel / 2**20, "page": heap_bytes(self.page) / 2**20}

    def encoding(self) -> dict[str, float]:
        """Milliseconds: encoding this image, opening another, and one that was encoded ahead."""
        return dict(json.loads(self.notebook.run(_ENCODE)))

    def frames(self, kind: str, count: int, step: float) -> dict[str, Any]:
        """Frames of the page while the view moves: see `frames.js`."""
        source = Path(__file__).with_name("frames.js").read_text()
        call = source[source.index("async") :]
        found: dict[str, Any] = self.page.evaluate(
            call, {"kind": kind, "count": count, "step": step}
        )
        return found


# Reported by the page itself: a page that is polled has less time for the click.
_EXPECT = """
root => {
  let asked = false;
  window.answered = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("no answer within a minute")), 60_000);
    const observer = new MutationObserver(() => {
      asked ||= root.dataset.pending === "true";
      if (!asked || root.dataset.pending === "true") return;
      observer.disconnect();
      resolve();
    });
    observer.observe(root, { attributeFilter: ["data-pending"] });
  });
}
"""

_READ = """
import dataclasses, json
print(json.dumps([{**dataclasses.asdict(t), "total": t.total} for t in w.timings]))
"""

_ENCODE = """
import json
from time import perf_counter
from sam2_widget import precompute
predictor = w._annotator.model.predictions.predictor
encodes = []
embed = predictor._embed
predictor._embed = lambda image: encodes.append(1) or embed(image)
def ms(call):
    start = perf_counter()
    call()
    return 1e3 * (perf_counter() - start)
def opened(image):
    other = SegmentWidget(image, model="bundled")
    other._annotator.model.wait()
    other.close()
encode = sorted(ms(lambda: predictor.embed(w.image)) for _ in range(3))[1]
# Mirrored, they are images that nobody has seen.
alone = ms(lambda: opened(w.image[:, ::-1].copy()))
following = w.image[::-1].copy()
precompute([following], model="bundled", progress=False)
encodes.clear()
ahead = ms(lambda: opened(following))
print(json.dumps({"encode": encode, "alone": alone, "ahead": ahead, "encodes": len(encodes)}))
"""
