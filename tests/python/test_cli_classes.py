"""The command line over a folder: a class has one number in all files."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from sam2_widget import Categories, ObjectPrompts, Point, Prompts, read_masks
from sam2_widget.cli import main
from sam2_widget.models.recovery import Plan
from sam2_widget.results import headless
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8)
LABELS = {"a": ("dog", None), "b": ("cat",), "c": ("cat", "dog")}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three images, each with objects of other classes, and their prompts."""
    plan = Plan(given=FakePredictor())
    monkeypatch.setattr(headless, "plan_for", lambda model, device: plan)
    (tmp_path / "photos").mkdir()
    for name, labels in LABELS.items():
        Image.fromarray(IMAGE).save(tmp_path / "photos" / f"{name}.png")
        objects = [
            ObjectPrompts((Point(12 + 30 * i, 20),), label) for i, label in enumerate(labels)
        ]
        Prompts(tuple(objects)).save(tmp_path / "photos" / f"{name}.json")
    return tmp_path


def run(folder, *more):
    photos = str(folder / "photos")
    return main(["segment", photos, "--prompts", photos, *more])


def yolo_classes(path):
    return [int(line.split()[0]) for line in path.read_text().splitlines()]


def test_undeclared_classes_are_numbered_once_for_all_files(folder):
    out = folder / "out"
    assert run(folder, "--out", str(out), "--format", "yolo") == 0
    names = {"names": ["dog", "cat", "object"], "nc": 3}
    assert yaml.safe_load((out / "data.yaml").read_text()) == names
    assert {name: yolo_classes(out / f"{name}.txt") for name in LABELS} == {
        "a": [0, 2],
        "b": [1],
        "c": [1, 0],
    }


@pytest.mark.parametrize(
    ("classes", "numbers"),
    [
        ("person,cat,dog", {"cat": 1, "dog": 2, "object": 3}),
        ('{"dog": 5, "cat": 9}', {"cat": 9, "dog": 5, "object": 10}),
        ("classes.txt", {"cat": 0, "dog": 1, "object": 2}),
        ("data.yaml", {"cat": 3, "dog": 7, "object": 8}),
        ("coco.json", {"cat": 17, "dog": 18, "object": 19}),
    ],
)
def test_declared_classes_keep_their_numbers(folder, classes, numbers):
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "data.yaml").write_text("names: {7: dog, 3: cat}\n")
    categories = [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}]
    (folder / "coco.json").write_text(json.dumps({"categories": categories}))
    given = str(folder / classes) if "." in classes else classes
    out = folder / "out"
    assert run(folder, "--out", str(out), "--format", "yolo", "--classes", given) == 0
    assert yolo_classes(out / "a.txt") == [numbers["dog"], numbers["object"]]
    assert yolo_classes(out / "c.txt") == [numbers["cat"], numbers["dog"]]
    names = yaml.safe_load((out / "data.yaml").read_text())["names"]
    assert {names[number]: number for number in numbers.values()} == numbers


@pytest.mark.parametrize("out", ["all.json", "out"])
def test_coco_of_a_folder_is_one_file(folder, out):
    assert run(folder, "--out", str(folder / out), "--format", "coco") == 0
    path = folder / "all.json" if out == "all.json" else folder / "out" / "annotations.json"
    value = json.loads(path.read_text())
    assert [one["file_name"] for one in value["images"]] == ["a.png", "b.png", "c.png"]
    assert value["categories"] == [
        {"id": 1, "name": "dog"},
        {"id": 2, "name": "cat"},
        {"id": 3, "name": "object"},
    ]
    said = [(one["id"], one["image_id"], one["category_id"]) for one in value["annotations"]]
    assert said == [(1, 1, 1), (2, 1, 3), (3, 2, 2), (4, 3, 2), (5, 3, 1)]
    found = read_masks(path, image="c.png")
    assert found.labels == LABELS["c"]
    assert found.numbers == (4, 5)


def test_existing_file_is_reported_before_segmenting(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out" / "data.yaml").write_text("names: []")
    assert run(folder, "--out", str(folder / "out"), "--format", "yolo") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert [p.name for p in (folder / "out").iterdir()] == ["data.yaml"]


def test_classes_of_prompts_are_used_and_conflicts_reported(folder, capsys):
    first = Prompts((ObjectPrompts((Point(9, 9),), "cat"),), categories=Categories(("dog", "cat")))
    first.save(folder / "photos" / "a.json", overwrite=True)
    other = Prompts((ObjectPrompts((Point(9, 9),), "cat"),), categories=Categories(("cat",)))
    other.save(folder / "photos" / "b.json", overwrite=True)
    out = folder / "out"
    assert run(folder, "--out", str(out), "--format", "yolo") == 0
    assert [yolo_classes(out / f"{name}.txt") for name in "abc"] == [[1], [1], [1, 0]]
    assert "b.png: its prompts give the class 'cat' another number" in capsys.readouterr().err


def test_invalid_classes_are_a_one_line_error(folder, capsys):
    command = ["--out", str(folder / "out"), "--format", "yolo", "--classes"]
    assert run(folder, *command, "cat,cat") == 1
    assert capsys.readouterr().err.startswith("sam2-widget: classes must have distinct names")
    assert run(folder, *command, str(folder / "none.yaml")) == 1
    assert "none.yaml" in capsys.readouterr().err
