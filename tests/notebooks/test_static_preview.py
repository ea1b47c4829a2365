"""What a saved notebook shows where there is no kernel."""

import base64
import io
import json
import re
import warnings

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter
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
    widget, preview = notebook.cells[0].outputs
    view = "application/vnd.jupyter.widget-view+json"
    assert widget["data"][view]["model_id"]
    # The picture says how many objects there are; the widget's own text would be of its start.
    assert widget["data"]["text/plain"] == ""
    assert view not in preview["data"]
    assert preview["data"]["text/plain"] == "Image with 1 mask"
    assert preview["data"]["image/jpeg"].strip() in preview["data"]["text/html"]
    assert len(json.dumps(preview["data"])) <= 210_000
    shown = picture(preview)
    assert shown.shape == (300, 400, 3)
    assert np.abs(shown[150, 200] - [185, 70, 70]).max() < 12
    assert np.abs(shown[50, 50] - 128).max() < 8
    assert not notebook.cells[1].outputs


def test_a_static_page_holds_the_picture():
    notebook = executed(SETUP, CLICK)
    file = notebook.cells[0].outputs[1]["data"]["image/jpeg"].strip()
    pages = [HTMLExporter().from_notebook_node(notebook)[0]]
    del notebook.metadata["widgets"]
    pages.append(HTMLExporter().from_notebook_node(notebook)[0])
    pages.append(MarkdownExporter().from_notebook_node(notebook)[0])
    for page in pages[:2]:
        assert file in page.replace("\n", "")
    for page in pages:
        # The state of the widget, and its front end, are not what one reads.
        text = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
        assert "Loading the model" not in text
        assert "0 objects" not in text


NO_PICTURE = """
from sam2_widget import SegmentWidget, configure
from sam2_widget.testing import FakePredictor
import numpy as np
image = np.full((300, 400, 3), 128, np.uint8)
"""
OFF = "SegmentWidget(image, model=FakePredictor(), save_picture=False)"
LATER = "w = SegmentWidget(image, model=FakePredictor())\nw"
CONFLICT = "configure(save_picture=False)\nSegmentWidget(image, model=FakePredictor())"


def test_the_picture_can_be_left_out_and_taken_away():
    notebook = executed(NO_PICTURE, OFF, LATER, "w.save_picture = False", CONFLICT)
    for number in (1, 2, 4):
        preview = notebook.cells[number].outputs[1]
        assert "image/jpeg" not in preview["data"]
        assert "<img" not in preview["data"]["text/html"]
    assert notebook.cells[1].outputs[0]["data"]["text/plain"] == "SegmentWidget(400 x 300)"
