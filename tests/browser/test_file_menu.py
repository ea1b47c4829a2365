"""The file menu: saving to the user's computer, and opening from there."""

import json

import numpy as np
import pytest

SIZE = (451, 300)
CELL = """
from skimage import data
from sam2_widget import SegmentWidget
w = SegmentWidget(data.chelsea(), model="bundled")
w"""


@pytest.fixture
def widget(notebook):
    notebook.open([CELL]).run_all()
    return notebook.widget().ready()


def said(widget, text):
    widget.root.locator(".sam2-files > .sam2-note", has_text=text).wait_for()


def save(page, widget, format_):
    with page.expect_download() as download:
        widget.root.locator(f'[data-format="{format_}"]').click()
    return download.value


def test_masks_are_saved_and_opened_again_by_mouse(notebook, page, widget, tmp_path):
    widget.click(220, 190, SIZE)
    widget.press("n")
    widget.root.locator('[data-action="files"]').click()
    file = save(page, widget, "coco")
    assert file.suggested_filename == "image.coco.json"
    said(widget, "Saved image.coco.json")
    path = tmp_path / file.suggested_filename
    file.save_as(path)
    assert len(json.loads(path.read_text())["annotations"]) == 1
    area = notebook.value("int(w.masks.sum())")
    # The cell that was run has the focus now.
    widget.stage.press("Escape")
    widget.button("clear")
    widget.wait(objects="0")
    widget.root.locator('[data-action="files"]').click()
    widget.root.locator(".sam2-files input[type=file]").set_input_files(path)
    said(widget, "Opened image.coco.json")
    widget.wait(objects="1")
    widget.root.locator(".sam2-message", has_text="1 object added").wait_for()
    assert notebook.value("int(w.masks.sum())") == area


def test_the_file_menu_by_keys_and_its_errors(notebook, page, widget, tmp_path):
    widget.click(220, 190, SIZE)
    widget.stage.press("g")
    panel = widget.root.locator(".sam2-files")
    panel.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "image.coco.json"
    wrong = tmp_path / "größe.png"
    wrong.write_bytes(b"no picture")
    panel.locator("input[type=file]").set_input_files(wrong)
    said(widget, "failed")
    widget.root.locator(".sam2-message", has_text="größe.png").wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert notebook.value("len(w.objects)") == 1


def test_a_file_sent_in_many_parts_arrives_complete(notebook, page, widget, tmp_path):
    """Upload and download of 11 MB, which in a single message would close the socket."""
    rng = np.random.default_rng(0)
    masks = rng.random((700, 300, 451)) > 0.5
    path = tmp_path / "masks.npy"
    np.save(path, masks[:80])
    assert path.stat().st_size > 10 * 2**20
    widget.root.locator('[data-action="files"]').click()
    widget.root.locator(".sam2-files input[type=file]").set_input_files(path)
    widget.root.locator(".sam2-files > .sam2-note", has_text="Opened").wait_for(timeout=180_000)
    assert notebook.value("[len(w.objects), int(w.masks.sum())]") == [80, int(masks[:80].sum())]
    with page.expect_download(timeout=180_000) as download:
        widget.root.locator('[data-format="pngs"]').click()
    target = tmp_path / "down.zip"
    download.value.save_as(target)
    assert target.stat().st_size > 2**20
    saved = notebook.value(
        "(lambda f: [w.to_pngs(f), len(f.getvalue())][1])(__import__('io').BytesIO())"
    )
    assert abs(target.stat().st_size - saved) < 100


FILM = """
import numpy as np
from sam2_widget import SegmentWidget
film = np.full((4, 120, 200, 3), (60, 70, 90), np.uint8)
for n, frame in enumerate(film):
    frame[30:70, 20 + 8 * n : 70 + 8 * n] = (210, 170, 60)
w = SegmentWidget(film, axes="TYXC", model="bundled")
w"""


def test_the_tracks_of_all_planes_are_saved_and_opened_again_by_mouse(notebook, page, tmp_path):
    notebook.open([FILM]).run_all()
    widget = notebook.widget().ready()
    notebook.run("w.add_box(20, 30, 70, 70); w.commit('coin'); w.track().wait()")
    inside = "(w.planes.label_map > 0).tolist()"
    volume = notebook.value(inside)
    assert all(any(map(any, plane)) for plane in volume)
    widget.root.locator('[data-action="files"]').click()
    file = save(page, widget, "tracks-mots")
    assert file.suggested_filename == "image.mots.txt"
    path = tmp_path / file.suggested_filename
    file.save_as(path)
    notebook.run("w.untrack(1); w.clear()")
    widget.wait(objects="0")
    widget.root.locator(".sam2-files input[type=file]").set_input_files(path)
    said(widget, "Opened image.mots.txt")
    widget.wait(objects="1")
    assert notebook.value(inside) == volume
