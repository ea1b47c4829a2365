"""The picture for pages without a kernel: in the saved notebook, and invisible in a live one."""

import base64
import io

import nbformat
import numpy as np
from PIL import Image
from playwright.sync_api import expect

SIZE = (400, 300)
CELL = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor

w = SegmentWidget(np.full((300, 400, 3), 128, np.uint8), model=FakePredictor())
w.palette = ["#ff0000"]
w
"""
PREVIEW = """
() => {
  const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(0);
  return cell.outputs.length > 1 ? cell.outputs.get(1).toJSON().data["image/jpeg"] : undefined;
}
"""

CHILDREN = ".jp-Cell-outputArea .jp-OutputArea-child"


def test_the_static_preview_is_updated_and_visible_only_in_the_saved_file(notebook, page, folder):
    notebook.open([CELL], "preview.ipynb").run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()
    before = page.wait_for_function(PREVIEW).json_value()
    widget.stage.evaluate("canvas => { canvas.dataset.mark = 'the same'; }")
    height = page.locator(".jp-Cell-outputArea").first.bounding_box()["height"]
    widget.click(200, 150, SIZE)
    page.wait_for_function(f"before => ({PREVIEW})() !== before", arg=before)
    # The live page has neither rendered the widget again nor shown the picture.
    assert widget.stage.get_attribute("data-mark") == "the same"
    assert page.locator(".jp-Cell-outputArea img").all()
    assert not any(image.is_visible() for image in page.locator(".jp-Cell-outputArea img").all())
    outputs = page.locator(".jp-Cell-outputArea").first
    assert "Loading widget" not in outputs.inner_text()
    assert outputs.bounding_box()["height"] - height < 40
    heights = page.locator(".jp-Cell-outputArea .jp-OutputArea-child").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect().height)"
    )
    assert all(height < 4 for height in heights[1:])
    widget.button("files")
    expect(widget.root.locator('[data-option="save-picture"]')).to_be_checked()
    notebook.save()
    saved = nbformat.read(folder / "preview.ipynb", 4)
    file = base64.b64decode(saved.cells[0].outputs[1]["data"]["image/jpeg"])
    shown = np.array(Image.open(io.BytesIO(file))).astype(int)
    assert np.abs(shown[150, 200] - [185, 70, 70]).max() < 15
    assert np.abs(shown[20, 20] - 128).max() < 10


def test_the_static_preview_is_shown_without_a_kernel(notebook, page, console):
    notebook.open([CELL], "gone.ipynb").run_all()
    notebook.widget().ready().click(200, 150, SIZE)
    notebook.run("w._static_preview.update()")
    notebook.save()
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    notebook.visit("gone.ipynb")
    picture = page.locator(".sam2-picture img")
    picture.wait_for()
    expect(picture).to_have_attribute("alt", "Image with 1 mask")
    # JupyterLab reports late that the widget is missing.
    page.get_by_text("model not found").wait_for(state="attached")
    page.locator(CHILDREN).first.wait_for(state="hidden")
    console[:] = [text for text in console if "model not found" not in text]
    notebook.command("notebook:run-all-cells")
    notebook.widget().ready()
    picture.wait_for(state="hidden")
