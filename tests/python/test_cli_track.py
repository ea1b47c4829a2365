"""``sam2-widget track``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from sam2_widget import ImageStack, MaskPrompt, ObjectPrompts, Prompts, StackPrompts, read_tracks
from sam2_widget.cli import main
from sam2_widget.models import recovery
from sam2_widget.testing import FakeTrackingPredictor

from .films import SIDE, Film


@pytest.fixture
def film(tmp_path, monkeypatch):
    found = Film(6)
    np.save(tmp_path / "film.npy", np.stack([found(index) for index in range(6)]))
    mask = MaskPrompt.from_mask(found.mask(2, 1))
    prompts = Prompts((ObjectPrompts((mask,), label="cell", number=7),))
    StackPrompts({1: prompts}).save(tmp_path / "p.json")
    monkeypatch.setattr(recovery.Plan, "load", lambda _: FakeTrackingPredictor(size=SIDE))
    return found


def run(tmp_path, *more):
    paths = [str(tmp_path / "film.npy"), "--prompts", str(tmp_path / "p.json")]
    out = ["--out", str(tmp_path / "masks"), "--axes", "TYXC", "--model", "bundled"]
    return main(["track", *paths, *out, *more])


def test_it_writes_a_label_map_for_each_frame(film, tmp_path, capsys):
    assert run(tmp_path) == 0
    names = sorted(path.name for path in (tmp_path / "masks").iterdir())
    assert names == [f"{index:05d}.png" for index in range(6)]
    for index, name in enumerate(names):
        label_map = np.asarray(Image.open(tmp_path / "masks" / name))
        np.testing.assert_array_equal(label_map == 7, film.mask(2, index))
    assert "6 frames were tracked" in capsys.readouterr().err


def test_frames_objects_format_and_classes_can_be_chosen(film, tmp_path):
    chosen = ("--planes", "2:4", "--objects", "7", "--format", "coco", "--classes", '{"cell": 17}')
    assert run(tmp_path, *chosen) == 0
    names = sorted(path.name for path in (tmp_path / "masks").iterdir())
    assert names == ["00002.json", "00003.json"]
    file = json.loads((tmp_path / "masks" / "00003.json").read_text())
    assert file["images"][0]["file_name"] == "00003.jpg"
    assert [one["category_id"] for one in file["annotations"]] == [17]
    assert file["annotations"][0]["area"] == film.mask(2, 3).sum()


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a.csv", "a.tif", "a.npz", "a.zip"])
def test_one_file_for_all_frames(name, film, tmp_path, capsys):
    out = tmp_path / name
    assert run(tmp_path, "--out", str(out), "--planes", "0:5", "--classes", '{"cell": 17}') == 0
    tracks = read_tracks(out)
    assert tracks.ids == (7,)
    assert [one.frame for one in tracks] == list(range(5))
    for index in range(5):
        np.testing.assert_array_equal(tracks.label_map[index] == 7, film.mask(2, index))
    if name == "a.json":
        assert tracks.length == 6
        assert tracks[0].labels == ("cell",)
    before = out.read_bytes()
    assert run(tmp_path, "--out", str(out)) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_film_with_the_masks_over_it(film, tmp_path):
    out = tmp_path / "a.mp4"
    assert run(tmp_path, "--out", str(out)) == 0
    assert len(ImageStack(out)) == 6


def test_existing_files_are_kept_without_overwrite(film, tmp_path, capsys):
    (tmp_path / "masks").mkdir()
    kept = tmp_path / "masks" / "00004.png"
    kept.write_bytes(b"mine")
    assert run(tmp_path) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["00004.png"]
    assert run(tmp_path, "--overwrite") == 0
    assert kept.read_bytes() != b"mine"


def test_an_unknown_suffix_is_an_error_before_anything_is_tracked(film, tmp_path, capsys):
    out = tmp_path / "masks.avi"
    assert run(tmp_path, "--out", str(out)) == 1
    printed = capsys.readouterr().err
    assert "has the suffix '.avi': use one of .json, .txt, .csv, .tif" in printed
    assert "frame" not in printed
    assert not out.exists()
    assert run(tmp_path, "--out", str(out), "--format", "png") == 0
    assert len(list(out.iterdir())) == 6
    # It is a folder now, so nothing is unclear.
    assert run(tmp_path, "--out", str(out), "--overwrite") == 0


def test_errors_are_one_line(film, tmp_path, capsys):
    assert run(tmp_path, "--objects", "3") == 1
    assert capsys.readouterr().err == "sam2-widget: there is no object 3: there are [7]\n"
    with pytest.raises(SystemExit):
        run(tmp_path, "--planes", "4")
    assert "START:STOP" in capsys.readouterr().err


@pytest.mark.parametrize("planes", ["5:2", "100:200", "3:3"])
def test_no_frames_in_a_range_is_an_error(film, tmp_path, capsys, planes):
    assert run(tmp_path, "--planes", planes) == 1
    assert "planes must be some of 0.." in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize(("option", "value"), [("--planes", "a:b"), ("--objects", "x")])
def test_values_that_are_no_numbers_are_refused(film, tmp_path, capsys, option, value):
    with pytest.raises(SystemExit):
        run(tmp_path, option, value)
    assert "must be given as" in capsys.readouterr().err
