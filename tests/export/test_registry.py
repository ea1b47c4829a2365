"""The registry of formats: complete entries, and everything that is generated from it."""

import io
import re
import subprocess
import sys
from inspect import Parameter, signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sam2_widget import ExportError, Point, Prompts, read_masks, segment
from sam2_widget._utils.files import NamedFile
from sam2_widget.cli import main
from sam2_widget.errors import AnnotationError
from sam2_widget.export import registry
from sam2_widget.export.format_docs import MENU, TABLE, markdown_table, menu_module
from sam2_widget.export.format_entry import Format
from sam2_widget.export.methods import Exports
from sam2_widget.export.recognition import recognize_format
from sam2_widget.export.registry import COMMAND_LINE, FORMATS, format_for, load
from sam2_widget.export.values import LabeledMasks
from sam2_widget.export.voc import write_voc
from sam2_widget.export.yolo import write_yolo
from sam2_widget.testing import FakePredictor
from tests.export.strategies import assert_same, result_of, ring_mask

ROOT = Path(__file__).parents[2]
IMAGE = np.random.default_rng(2).integers(0, 255, (40, 60, 3), np.uint8)
WRITTEN = [entry for entry in FORMATS.values() if entry.writer]
READ = [entry for entry in FORMATS.values() if entry.reader]


@pytest.fixture(scope="module")
def result():
    return segment(IMAGE, [[Point(12, 20)], [Point(45, 20)]], model=FakePredictor())


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry.name)
def test_writers_take_a_result_a_target_and_overwrite(entry):
    first, second, *others = signature(load(entry.writer)).parameters.values()
    assert (first.name, second.name) in {("result", "target"), ("stack", "target")}
    assert {entry.kind for entry in others} <= {Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD}
    assert "overwrite" in {entry.name for entry in others}


@pytest.mark.parametrize("entry", READ, ids=lambda entry: entry.name)
def test_readers_take_a_source_and_a_size(entry):
    parameters = signature(load(entry.reader)).parameters
    assert next(iter(parameters)) == "source"
    assert parameters["size"].default is None
    if entry.recognizer:
        assert list(signature(load(entry.recognizer)).parameters) == ["source"]


def test_methods_and_writers_have_the_same_parameters():
    for entry in WRITTEN:
        method = getattr(Exports, f"to_{entry.name}", None)
        if method is not None and entry.name != "csv":
            of_method = set(list(signature(method).parameters)[2:])
            assert of_method == set(list(signature(load(entry.writer)).parameters)[2:]), entry.name


def test_each_shared_suffix_has_one_format_without_a_recognizer():
    for suffix in {suffix for entry in READ for suffix in entry.read_suffixes} - {
        ".json",
        ".geojson",
    }:
        candidates = [entry for entry in READ if suffix in entry.read_suffixes]
        assert len(candidates) == 1 or sum(not entry.recognizer for entry in candidates) == 1, (
            suffix
        )


def test_documentation_has_the_table_of_the_registry():
    page = (ROOT / TABLE).read_text(encoding="utf-8")
    assert page == markdown_table(), "run python -m sam2_widget.export.format_docs"


def test_the_menu_has_the_formats_of_the_registry():
    module = (ROOT / MENU).read_text(encoding="utf-8")
    assert module == menu_module(), "run python -m sam2_widget.export.format_docs"
    assert re.findall(r'format: "([\w-]+)"', module) == list(registry.DOWNLOADS)


def test_the_command_line_offers_the_formats_of_the_registry(capsys):
    with pytest.raises(SystemExit):
        main(["segment", "--help"])
    text = re.sub(r"\s+", "", capsys.readouterr().out)
    assert f"--format{{{','.join(COMMAND_LINE)}}}" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", "coco"),
        ("a.GEOJSON", "geojson"),
        ("a.png", "png"),
        ("a.tiff", "tiff"),
        ("a.txt", "yolo"),
        ("a.npz", "npz"),
        ("a.csv", "csv"),
        ("a.zip", "pngs"),
        ("masks", "pngs"),
        ("a.bmp", None),
        ("a.npy", None),
    ],
)
def test_suffix_selects_the_format(name, expected):
    found = format_for(name)
    assert (found and found.name) == expected


def test_to_file_writes_the_format_of_the_suffix(result, tmp_path):
    assert result.to_file(tmp_path / "a.geojson") == tmp_path / "a.geojson"
    assert_same(read_masks(tmp_path / "a.geojson"), result)
    assert result.to_file(NamedFile(name="a.json")) is None
    with pytest.raises(ExportError, match=r"file name 'a\.xyz': pass format="):
        result.to_file("a.xyz")
    with pytest.raises(ExportError, match=r"format must be one of coco, yolo, .*, got 'exe'"):
        result.to_file(io.BytesIO(), format="exe")


def test_prompts_are_written_without_masks():
    class Unfinished(Exports):
        prompts = Prompts()

        def _to_export(self):
            raise AssertionError

    file = io.BytesIO()
    Unfinished().to_file(file, format="prompts")
    assert Prompts.from_json(file.getvalue().decode()) == Prompts()


def test_csv_has_the_values_of_to_frame(result):
    file = io.BytesIO()
    result.to_file(file, format="csv")
    read = pd.read_csv(io.BytesIO(file.getvalue()), index_col="object")
    expected = result.to_frame()
    pd.testing.assert_frame_equal(read[["score", "area", "x0"]], expected[["score", "area", "x0"]])


def test_one_registry_entry_adds_a_format(monkeypatch, result, tmp_path):
    """A new entry can be written by name and suffix, recognized and read without other changes."""
    entry = Format(
        name="new",
        writer="npz:write_npz",
        reader="npz:read_npz",
        suffixes=(".new",),
        read_suffixes=(".new",),
    )
    monkeypatch.setitem(FORMATS, "new", entry)
    path = result.to_file(tmp_path / "a.new")
    assert recognize_format(path) is entry
    assert_same(read_masks(path), result)


RING = result_of(ring_mask(), labels=["cat"])
OTHER = result_of(ring_mask()[::-1], labels=["dog"])


@pytest.mark.parametrize("write", [write_voc, write_yolo])
@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
def test_zipped_data_set_is_recognized_and_read(write, tmp_path):
    write(RING, tmp_path / "a.zip", name="photo")
    found = read_masks(tmp_path / "a.zip", RING.size)
    assert_same(found, RING)
    file = NamedFile((tmp_path / "a.zip").read_bytes(), "a.zip")
    assert_same(read_masks(file, RING.size), RING)


def test_voc_folder_with_several_images(tmp_path):
    write_voc(RING, tmp_path, name="one")
    write_voc(OTHER, tmp_path, name="two")
    assert_same(read_masks(tmp_path, image_name="photos/two.jpg"), OTHER)
    assert_same(read_masks(tmp_path, name="one"), RING)
    with pytest.raises(AnnotationError, match=r"has 2 images, \['one', 'two'\]: pass name="):
        read_masks(tmp_path)


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
def test_yolo_folder_with_several_images(tmp_path):
    (tmp_path / "labels").mkdir()
    for name, entry in (("one", RING), ("two", OTHER)):
        write_yolo(
            entry,
            tmp_path / "labels" / f"{name}.txt",
            classes=["dog", "cat"],
            data=tmp_path / "data.yaml",
            overwrite=True,
        )
    assert_same(read_masks(tmp_path, RING.size, image_name="two.png"), OTHER)
    with pytest.raises(AnnotationError, match=r"labels of 2 images, \['one', 'two'\]"):
        read_masks(tmp_path, RING.size, image_name="three.png")
    with pytest.raises(AnnotationError, match=r"pass size=\(height, width\)"):
        read_masks(tmp_path)


def test_folder_of_masks_is_recognized(tmp_path):
    both = LabeledMasks((*RING, *OTHER), RING.size)
    load("pngs:write_pngs")(both, tmp_path)
    assert_same(read_masks(tmp_path), both)


def test_the_registry_imports_no_format():
    code = (
        "import sys, sam2_widget.export.registry\n"
        "print([m for m in sys.modules if m in ('shapely', 'cv2', 'PIL', 'pandas')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
