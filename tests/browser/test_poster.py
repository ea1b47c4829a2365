"""The picture for pages without a kernel: in the saved notebook, and invisible in a live one."""

import base64
import io

import nbformat
import numpy as np
from PIL import Image

SIZE = (400, 300)
CELL = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor

w = SegmentWidget(np.full((300, 400, 3), 128, np.uint8), model=FakePredictor())
w.palette = ["#ff0000"]
w
"""
POSTER = """
() => {
  const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(0);
  return cell.outputs.length > 1 ? cell.outputs.get(1).toJSON().data["image/jpeg"] : undefined;
}
"""

# Not `wait_for_function`, for which the promise of an asynchronous function is true already.
SAVED = """
async () => {
  for (let tries = 0; tries < 300; tries += 1) {
    const answer = await fetch("/api/contents/poster.ipynb", { cache: "no-store" });
    if ((await answer.json()).content.cells[0].outputs.length > 1) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}
"""


def test_the_picture_follows_clicks_and_is_seen_only_in_the_saved_file(notebook, page, folder):
    notebook.open([CELL], "poster.ipynb").run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()
    before = page.evaluate(POSTER)
    widget.stage.evaluate("canvas => { canvas.dataset.mark = 'the same'; }")
    height = page.locator(".jp-Cell-outputArea").first.bounding_box()["height"]
    widget.click(200, 150, SIZE)
    page.wait_for_function(f"before => ({POSTER})() !== before", arg=before, timeout=30_000)
    # The live page has neither drawn the widget anew nor shown the picture.
    assert widget.stage.get_attribute("data-mark") == "the same"
    assert page.locator(".jp-Cell-outputArea img").count() == 0
    outputs = page.locator(".jp-Cell-outputArea").first
    assert "Loading widget" not in outputs.inner_text()
    assert outputs.bounding_box()["height"] - height < 40
    heights = page.locator(".jp-Cell-outputArea .jp-OutputArea-child").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect().height)"
    )
    assert all(height < 4 for height in heights[1:])
    notebook.save()
    assert page.evaluate(SAVED)
    saved = nbformat.read(folder / "poster.ipynb", 4)
    file = base64.b64decode(saved.cells[0].outputs[1]["data"]["image/jpeg"])
    shown = np.array(Image.open(io.BytesIO(file))).astype(int)
    assert np.abs(shown[150, 200] - [185, 70, 70]).max() < 15
    assert np.abs(shown[20, 20] - 128).max() < 10
