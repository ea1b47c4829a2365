"""From the first cell of a fresh kernel until its picture is painted, and until its model is there.

python -m benchmarks.fast.start [REPEATS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from benchmarks.fast import stats
from benchmarks.fast.browser import open_page
from benchmarks.fast.ours import ROOT, lab
from benchmarks.fast.pictures import SIZES, photo
from tests.browser.lab import Notebook

REPEATS = 7
PICTURE = "photo.png"

BEFORE = f"import sys\nsys.path.insert(0, {str(ROOT)!r})"
"""Nothing of the package is imported yet."""

CELL = f"""
from sam2_widget import SegmentWidget
SegmentWidget({PICTURE!r}, model="bundled")
"""

PLACES = ((0.61, 0.2), (0.18, 0.45), (0.45, 0.73), (0.71, 0.64), (0.28, 0.56), (0.47, 0.36))
"""Shares of width and height where the photo is smooth: there its colours outlast any scaling."""

NEAR = 30
"""Most that a channel may differ where the picture counts as painted."""

Start = dict[str, float]
"""Seconds from running the cell: ``picture`` and ``model``."""

# Asked in each frame, of what the frame before has painted.
_WATCH = """
([colors, near]) => {
  const painted = canvas => {
    if (!canvas?.width) return false;
    const context = canvas.getContext("2d");
    return colors.every(([x, y, ...color]) => {
      const pixel = context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data;
      return color.every((channel, k) => Math.abs(channel - pixel[k]) <= near);
    });
  };
  const found = {};
  const since = performance.now();
  window.started = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`only ${JSON.stringify(found)} after a minute`)), 60_000);
    const look = () => {
      const root = document.querySelector(".sam2-widget");
      const seconds = (performance.now() - since) / 1e3;
      if (painted(root?.querySelector("canvas.sam2-stage"))) found.picture ??= seconds;
      if (root?.dataset.ready === "true") found.model ??= seconds;
      if ("picture" in found && "model" in found) resolve(found);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  window.jupyterapp.commands.execute("notebook:run-cell");
}
"""

_SHUT_DOWN = "() => window.jupyterapp.serviceManager.sessions.shutdownAll()"


def measure(base: str, folder: Path, repeats: int = REPEATS) -> list[Start]:
    """As often as asked, each in a fresh browser and kernel; a first one is not counted."""
    image = photo(*SIZES["2 MP"])
    cv2.imwrite(str(folder / PICTURE), image[..., ::-1])
    height, width = image.shape[:2]
    colors = [[x, y, *map(int, image[int(y * height), int(x * width)])] for x, y in PLACES]
    return [_one(base, folder, colors) for _ in range(repeats + 1)][1:]


def _one(base: str, folder: Path, colors: list[list[float]]) -> Start:
    with open_page() as page:
        notebook = Notebook(page, base, folder).open([])
        notebook.run(BEFORE)
        notebook.add(CELL)
        page.evaluate(_WATCH, [colors, NEAR])
        found: Start = page.evaluate("() => window.started")
        page.evaluate(_SHUT_DOWN)
    return found


def main() -> None:
    """Print both, and how often the picture was first."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    with lab() as (base, folder):
        starts = measure(base, folder, repeats)
    for key in ("picture", "model"):
        print(f"{key}: {stats.spread(start[key] for start in starts)} s")


if __name__ == "__main__":
    main()
