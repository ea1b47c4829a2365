import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from sam2_widget import SegmentSet, cli


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my photos").mkdir()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "my photos" / "a.png")
    return tmp_path / "my photos"


@pytest.fixture
def started(monkeypatch):
    """What was started instead of JupyterLab."""
    found = []
    monkeypatch.setattr(subprocess, "call", lambda *a, **k: found.append((a[0], k)) or 0)
    return found


def test_jupyterlab_is_started_on_a_notebook_for_the_folder(folder, started):
    arguments = ["label", str(folder), "--model", "bundled", "--classes", "cat,dog"]
    assert cli.main([*arguments, "--jupyter=--no-browser --port=9"]) == 0
    (command, options) = started[0]
    notebook = folder / "label.ipynb"
    expected = [sys.executable, "-m", "jupyterlab", str(notebook)]
    address = "--LabApp.default_url=/lab/tree/label.ipynb"
    assert command == [*expected, address, "--no-browser", "--port=9"]
    assert options == {"cwd": folder}
    read = nbformat.read(notebook, 4)
    nbformat.validate(read)
    names = {}
    for cell in read.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert isinstance(names["s"], SegmentSet)
    assert list(names["s"].classes) == ["cat", "dog"]
    assert names["s"].folder == folder / ".sam2-widget"
    names["s"].close()


def test_a_notebook_that_is_there_stays(folder, started, capsys):
    cli.main(["label", str(folder)])
    (folder / "label.ipynb").write_text("mine")
    assert "there already" not in capsys.readouterr().err
    cli.main(["label", str(folder)])
    assert "label.ipynb' is there already" in capsys.readouterr().err
    assert (folder / "label.ipynb").read_text() == "mine"
    assert len(started) == 2


def test_unknown_model_starts_nothing(folder, started, capsys):
    assert cli.main(["label", str(folder), "--model", "nonesuch"]) == 1
    assert "unknown model 'nonesuch'" in capsys.readouterr().err
    assert started == []
    assert not (folder / "label.ipynb").exists()


def test_annotations_may_be_elsewhere(folder, started, tmp_path):
    place = tmp_path / "work"
    cli.main(["label", str(folder), "--annotations", str(place), "--classes", '{"cat": 17}'])
    assert started[0][1] == {"cwd": place}
    text = nbformat.read(place / "label.ipynb", 4).cells[1].source
    assert f"SegmentSet({str(folder)!r}, model='auto', classes={{'cat': 17}}" in text
    assert f"annotations={str(place)!r})" in text
    assert [one.name for one in folder.iterdir()] == ["a.png"]


def test_what_is_no_folder_of_images_is_refused(tmp_path, started, capsys):
    assert cli.main(["label", str(tmp_path / "nowhere")]) == 1
    assert cli.main(["label", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert "there is no folder" in printed
    assert "there are no images in the folder" in printed
    assert started == []
