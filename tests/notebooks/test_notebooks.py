"""Every notebook runs from top to bottom, with and without clicks."""

import json
from functools import cache
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
CLICKS = {"quickstart": "w.add_point(220, 190)\nw.commit('cat')\nw.add_box(380, 40, 450, 200)"}


@cache
def executed(path, clicks=None):
    notebook = nbformat.read(path, 4)
    if clicks:
        first = next(i for i, c in enumerate(notebook.cells) if "SegmentWidget(" in c.source)
        notebook.cells.insert(first + 1, nbformat.v4.new_code_cell(clicks))
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    )
    return client.execute()


def text(notebook, source):
    """Text that the cell with `source` in it shows."""
    cell = next(c for c in notebook.cells if source in c.source)
    return "".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path):
    executed(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs_and_in_the_normal_form(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_the_quickstart_shows_what_was_clicked():
    path = next(p for p in NOTEBOOKS if p.stem == "quickstart")
    notebook = executed(path, CLICKS["quickstart"])
    assert text(notebook, "w.masks.shape").startswith("((2, 300, 451), dtype('bool')")
    assert "'cat'" in text(notebook, "result = segment")
    plot = next(c for c in notebook.cells if "plt.subplots" in c.source)
    assert any("image/png" in o.get("data", {}) for o in plot.outputs)


def notebook(name):
    return executed(next(p for p in NOTEBOOKS if p.stem == name))


def test_the_export_notebook_writes_and_reads_every_format():
    done = notebook("export")
    written = text(done, "w.to_coco(")
    for name in ("chelsea.json", "data.yaml", "label_map.tif", "masks.npz", "chelsea.xml"):
        assert name in written
    again = text(done, "again = read_masks(")
    assert "'nose'" in again
    assert again.endswith("True)")
    code = next(c for c in done.cells if "to_code" in c.source)
    assert "result = segment(" in code.outputs[0]["text"]


def test_the_tracking_notebook_follows_both_coins_until_one_is_gone():
    done = notebook("tracking")
    assert "58 of 58 frames, done" in text(done, "job = w.track()")
    said = next(c for c in done.cells if "w.set_absent(" in c.source).outputs[0]["text"]
    assert said.splitlines() == [
        "object 1: frames 0 to 29, 30 in all",
        "object 2: frames 0 to 19, 20 in all",
    ]
    written = text(done, "w.planes.to_file(")
    assert written == "((30, 200, 300), ['overlay.mp4', 'tracks.json', 'tracks.mots.txt'])"
    assert text(done, "from sam2_widget import track") == "(30, True)"


def test_the_microscopy_notebook_measures_nuclei():
    done = notebook("microscopy")
    assert "nucleus" in text(done, "w.to_frame()")
    assert "intensity_mean" in text(done, "regionprops_table")
    assert "'uint16'" in text(done, "provenance")
    volume = text(done, "s.planes.label_map")
    assert volume.endswith("[1, 2, 3])")
    assert volume.startswith("([0, ")


def test_the_proposals_are_filtered_and_accepted():
    done = notebook("proposals")
    found, passed = json.loads(text(done, "result = propose(").replace("(", "[").replace(")", "]"))
    coins = text(done, "coins = result.filtered(")
    assert found > passed > int(coins[1:].split(",")[0]) >= 15
    assert text(done, "again = segment(") == "True"
    alike, very = json.loads(text(done, "alike = ").replace("(", "[").replace(")", "]"))
    assert found > alike > very >= 3
    assert "points, done)" in text(done, "job = w.propose(")
    accepted = text(done, "accepted = w.accept_proposals(")
    count = int(accepted[1:].split(",")[0])
    assert count >= 4
    assert accepted == f"({count}, {{'coin'}})"
    assert text(done, "w.undo()\nlen") == f"(0, {count})"


def test_the_correction_adds_what_was_missing():
    before, after = json.loads(
        text(notebook("correct-existing"), "splinters").replace("(", "[").replace(")", "]")
    )
    assert after > before + 200


def test_the_data_set_is_labelled_and_written():
    done = notebook("dataset")
    printed = next(c for c in done.cells if "s.done()" in c.source).outputs[0]["text"]
    assert printed == "3 of 4 done; now shown: row-3.png\n"
    assert text(done, "s.rename_class").count("'denarius'") == 3
    assert "'yolo/data.yaml'" in text(done, 's.save(out / "coco.json"')
    assert text(done, "s.to_torch").startswith("(torch.Size([3, 195, 690]), torch.Size([4, 4])")
