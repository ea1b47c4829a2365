"""Playback of a film with tracked masks in a live page: ``python -m benchmarks.playback``.

A film of 1920 x 1080 pixels whose objects a fake predictor has tracked, in JupyterLab in Chromium
on this machine. Playback has a fixed rate and leaves frames out when they come too late, so what
counts is how many of them are shown.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from tests.browser.lab import Notebook, chromium, jupyter_lab

CELL = """\
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakeTrackingPredictor
rng = np.random.default_rng(0)
noise = rng.integers(0, 60, ({height}, {width} + 8 * {frames}, 3), np.uint8)
film = np.stack([noise[:, 8 * n : 8 * n + {width}] for n in range({frames})])
for n in range({frames}):
    for i in range({objects}):
        y, x = 60 + 180 * i, 40 + 9 * n
        film[n, y : y + 120, x : x + 160] = (40 + 30 * i, 200, 60)
w = SegmentWidget(film, axes="TYXC", model=FakeTrackingPredictor(radius=0.08))
for i in range({objects}):
    w.add_point(120, 120 + 180 * i)
    w.commit()
w.track().wait()
w"""

# The planes that the playhead has shown, and when.
WATCH = """
slider => new Promise(resolve => {
  const shown = [];
  const watch = (time) => {
    if (shown.at(-1)?.[0] !== slider.value) shown.push([slider.value, time]);
    if (time - shown[0][1] > SECONDS * 1000) resolve(shown);
    else requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
})
"""


def measure(frames: int, objects: int, size: tuple[int, int], seconds: int) -> list[list[float]]:
    """Planes and times that a page has shown within some seconds of playback."""
    width, height = size
    cell = CELL.format(frames=frames, objects=objects, width=width, height=height)
    with (
        tempfile.TemporaryDirectory() as folder,
        jupyter_lab(Path(folder)) as base,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1920, "height": 1200})
        notebook = Notebook(page, base, Path(folder)).open([cell])
        notebook.run_all()
        widget = notebook.widget().ready()
        notebook.wait_idle()
        widget.settled().press("k")
        slider = widget.root.locator("[data-option=plane]")
        shown = slider.evaluate(WATCH.replace("SECONDS", str(seconds)))
        browser.close()
    return [[float(plane), time] for plane, time in shown]


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080))
    parser.add_argument("--seconds", type=int, default=6)
    given = parser.parse_args()
    shown = measure(given.frames, given.objects, tuple(given.size), given.seconds)
    planes, times = np.array(shown[1:]).T
    gaps = np.diff(times)
    seconds = (times[-1] - times[0]) / 1e3
    print(f"{given.frames} frames of {given.size[0]} x {given.size[1]}, {given.objects} objects:")
    print(
        f"{len(gaps) / seconds:.1f} frames a second shown, "
        f"{100 * len(gaps) / (planes[-1] - planes[0]):.0f} % of those played, "
        f"{np.percentile(gaps, 95):.0f} ms between two at the 95th percentile"
    )


if __name__ == "__main__":
    main()
