"""Makes two pictures anew, in a live JupyterLab: `python -m docs.picture`.

That of the README, ancient coins, each found by a box and each in a colour of its own; and that of
the guide to tracking, two coins that roll. Needs what `make test-browser` sets up.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Notebook, chromium, jupyter_lab

COINS = Path(__file__).with_name("coins.png")
TRACKING = Path(__file__).with_name("tracking.png")
NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "tracking.ipynb"

CELL = """\
from skimage import data
from sam2_widget import SegmentWidget

w = SegmentWidget(data.coins(), model="bundled")
w"""

BOXES = """
import numpy as np
from scipy import ndimage
from skimage import filters, measure, segmentation

image = data.coins()
markers = np.where(image < 30, 1, np.where(image > 150, 2, 0))
coins = segmentation.watershed(filters.sobel(image), markers) == 2
found = measure.regionprops(measure.label(ndimage.binary_fill_holes(coins)))
w.color_by = "object"
for y0, x0, y1, x1 in (each.bbox for each in found if each.area > 400):
    w.add_box(x0 - 1, y0 - 1, x1 + 1, y1 + 1)
    w.commit("coin")
w.masks.shape
"""


LATER = """
w.plane = 14
w.select(number=1)
"""


def main() -> None:
    """Take both pictures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        jupyter_lab(Path(folder)) as base,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        picture(browser, base, Path(folder), [CELL], [BOXES]).save(COINS, optimize=True)
        cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        film, widget, track = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"][:3]
        picture(browser, base, Path(folder), [film, widget], [track, LATER]).save(
            TRACKING, optimize=True
        )
        browser.close()


def picture(
    browser: Browser, base: str, folder: Path, cells: list[str], then: list[str]
) -> Image.Image:
    """The last of the cells with its widget, after more code has run."""
    page = browser.new_page(viewport={"width": 1060, "height": 1000}, device_scale_factor=2)
    notebook = Notebook(page, base, folder).open(cells)
    notebook.command("application:toggle-left-area")
    notebook.run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()
    for code in then:
        notebook.run(code)
    widget.settled().stage.scroll_into_view_if_needed()
    file = page.locator(".jp-Notebook-cell").nth(len(cells) - 1).screenshot()
    page.close()
    return shrink(file)


def shrink(file: bytes) -> Image.Image:
    """The picture in 256 colours, without the lines that mark active cells above and below it."""
    picture = Image.open(io.BytesIO(file)).convert("RGB")
    return picture.crop((0, 4, picture.width, picture.height - 4)).quantize(256)


if __name__ == "__main__":
    main()
