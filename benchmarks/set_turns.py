"""From image to image of a set in a live page: ``python -m benchmarks.set_turns``.

Sets of photos of 2, 12 and 48 megapixels in JupyterLab in Chromium on this machine. Each turn is
timed in the page, from the click on "Next image" until the next image is painted, until the model
is ready, and until the mask of a click on it is painted. Least and median of all turns are printed:
the least is that of the widget, the median also of what else the machine does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.lab import Notebook, Widget, chromium, jupyter_lab

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES = {2: (1632, 1224), 12: (4000, 3000), 48: (8000, 6000)}
"""Width and height by megapixels."""

CELL = """\
from sam2_widget import SegmentSet
s = SegmentSet({folder!r}, model={model!r})
s"""

# Also whether the page has the picture.
PREPARED = (
    "s.widget._planes.is_prepared(s.shown {direction:+d})"
    " and s.shown {direction:+d} in s.widget._publisher.ahead"
)

# From the click on a button until another image is painted, and until the model is ready.
TURN = """
button => new Promise(resolve => {
  const root = document.querySelector(".sam2-widget");
  const canvas = root.querySelector("canvas.sam2-stage");
  const context = canvas.getContext("2d");
  // Beside the object: its mask changes as it is finished, before the image does.
  const corner = () =>
    context.getImageData(canvas.width >> 4, canvas.height >> 4, 8, 8).data.join();
  const before = corner();
  const plane = root.dataset.plane;
  const start = performance.now();
  let painted = null;
  button.click();
  const watch = () => {
    const now = performance.now() - start;
    if (painted === null && corner() !== before) painted = now;
    if (painted !== null && root.dataset.plane !== plane && root.dataset.ready === "true")
      resolve([painted, now]);
    else requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
})
"""

# From a click on the image until its mask is painted.
CLICK = """
canvas => new Promise(resolve => {
  const root = canvas.closest(".sam2-widget");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const at = { clientX: left + width / 2, clientY: top + height / 2 };
  const options = { ...at, bubbles: true, button: 0, isPrimary: true, pointerType: "mouse" };
  const start = performance.now();
  canvas.dispatchEvent(new PointerEvent("pointerdown", { ...options, buttons: 1 }));
  canvas.dispatchEvent(new PointerEvent("pointerup", options));
  const watch = () => {
    if (root.dataset.objects !== "0" && root.dataset.pending === "false")
      resolve(performance.now() - start);
    else requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
})
"""


def make_photos(folder: Path, size: tuple[int, int], count: int) -> None:
    """Write smooth pictures with some grain, each with a square of its own colour in the middle."""
    width, height = size
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = random.integers(0, 255, (height // 16, width // 16, 3)).astype(np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).copy()
        picture += random.integers(0, 12, (height, width, 1)).astype(np.uint8)
        y, x, side = height // 2, width // 2, height // 8
        picture[y - side : y + side, x - side : x + side] = (40 + 30 * number, 60, 220)
        Image.fromarray(picture).save(folder / f"{number}.jpg", quality=88)


def measure(page: Page, notebook: Notebook, turns: int) -> list[tuple[str, list[list[float]]]]:
    """Milliseconds of turns forwards and back again."""
    widget = notebook.widget().ready()
    forwards = [turn(page, notebook, widget, 1) for _ in range(turns)]
    back = [turn(page, notebook, widget, -1) for _ in range(turns)]
    return [("next", forwards), ("back", back)]


def turn(page: Page, notebook: Notebook, widget: Widget, direction: int) -> list[float]:
    """Painted, ready, and a click answered; waits before until the image is prepared."""
    expression = PREPARED.format(direction=direction)
    while not notebook.value(expression):
        page.wait_for_timeout(200)
    widget.stage.scroll_into_view_if_needed()
    name = "Next image" if direction > 0 else "Previous image"
    button = page.locator(f'[title^="{name}"], [aria-label^="{name}"]').first
    painted, ready = button.evaluate(TURN)
    clicked = widget.stage.evaluate(CLICK) if direction > 0 else 0.0
    return [painted, ready, clicked]


def report(title: str, taken: Sequence[Sequence[float]]) -> None:
    """Print a line with the least and the median of each step."""
    columns = list(zip(*taken, strict=True))
    shown = "".join(f"{min(one):>9.0f}{median(one):>9.0f}" for one in columns)
    print(f"{title:<16}{shown}", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=int, nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--model", default="bundled")
    given = parser.parse_args()
    print(f"{'milliseconds':<16}{'painted':>18}{'ready':>18}{'mask of a click':>18}")
    print(f"{'':<16}{'    least   median' * 3}")
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        root = Path(made)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with jupyter_lab(root) as base:
            for megapixels in given.megapixels:
                folder = root / f"{megapixels} MP"
                folder.mkdir()
                make_photos(folder, SIZES[megapixels], given.turns + 1)
                page = browser.new_page(viewport={"width": 1920, "height": 1200})
                notebook = Notebook(page, base, root)
                notebook.open(
                    [CELL.format(folder=folder.name, model=given.model)], f"{megapixels}.ipynb"
                )
                notebook.run_all()
                for title, taken in measure(page, notebook, given.turns):
                    report(f"{megapixels} MP, {title}", taken)
                page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
