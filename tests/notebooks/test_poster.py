"""What a saved notebook shows where there is no kernel."""

import base64
import io
import warnings

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image

SETUP = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor

image = np.full((300, 400, 3), 128, np.uint8)
w = SegmentWidget(image, model=FakePredictor())
w
"""
CLICK = """
w.palette = ["#ff0000"]
w.add_box(100, 100, 300, 200)
assert w.masks.any()
"""


def executed(*cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NotebookClient(notebook, timeout=120).execute()
    return notebook


def picture(output):
    file = base64.b64decode(output["data"]["image/jpeg"])
    return np.array(Image.open(io.BytesIO(file))).astype(int)


def test_the_saved_output_shows_the_newest_masks():
    notebook = executed(SETUP, CLICK)
    widget, poster = notebook.cells[0].outputs
    view = "application/vnd.jupyter.widget-view+json"
    assert widget["data"][view]["model_id"]
    # JupyterLab hides the view of a widget that was removed; other pages show the picture.
    assert poster["data"][view]["model_id"] == ""
    assert poster["data"]["text/plain"] == "Image with 1 masks"
    assert len(poster["data"]["image/jpeg"]) <= 200_000
    shown = picture(poster)
    assert shown.shape == (300, 400, 3)
    assert np.abs(shown[150, 200] - [185, 70, 70]).max() < 12
    assert np.abs(shown[50, 50] - 128).max() < 8
    assert not notebook.cells[1].outputs


def test_a_static_page_holds_the_picture():
    notebook = executed(SETUP, CLICK)
    with_state, _ = HTMLExporter().from_notebook_node(notebook)
    file = notebook.cells[0].outputs[1]["data"]["image/jpeg"].strip()
    assert file in with_state.replace("\n", "")
    del notebook.metadata["widgets"]
    without_state, _ = HTMLExporter().from_notebook_node(notebook)
    assert file in without_state.replace("\n", "")
