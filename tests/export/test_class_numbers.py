"""Class numbers are the same in every format and in the menu."""

import io
import json
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image

from sam2_widget import (
    Categories,
    ExportError,
    ObjectPrompts,
    Point,
    Prompts,
    SegmentWidget,
    read_masks,
    segment,
)
from sam2_widget.export.coco import read_coco, write_coco
from sam2_widget.export.download import download
from sam2_widget.export.voc import write_voc
from sam2_widget.export.yolo import read_yolo, write_yolo
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8)
CLASSES = ["animal", "person", "thing"]
THING = Prompts((ObjectPrompts((Point(40, 30),), "thing"),), categories=Categories(tuple(CLASSES)))


def written(result, method, **options):
    file = io.BytesIO()
    getattr(result, method)(file, **options)
    return file.getvalue()


def yolo_classes(data):
    return [int(line.split()[0]) for line in data.decode().splitlines()]


def coco_ids(data):
    value = json.loads(data)
    names = {one["id"]: one["name"] for one in value["categories"]}
    return names, [one["category_id"] for one in value["annotations"]]


@pytest.fixture(scope="module")
def thing():
    return segment(IMAGE, THING, model=FakePredictor())


def test_yolo_numbers_declared_classes_by_their_order(thing, tmp_path):
    thing.to_yolo(tmp_path / "a.txt", data=tmp_path / "data.yaml")
    assert yolo_classes((tmp_path / "a.txt").read_bytes()) == [2]
    assert yaml.safe_load((tmp_path / "data.yaml").read_text()) == {"names": CLASSES, "nc": 3}


def test_coco_lists_all_declared_classes(thing):
    names, ids = coco_ids(written(thing, "to_coco"))
    assert names == {1: "animal", 2: "person", 3: "thing"}
    assert ids == [3]


def test_class_maps_have_the_declared_numbers(thing, tmp_path):
    inside = thing.masks[0]
    png = Image.open(io.BytesIO(written(thing, "to_png", values="classes")))
    np.testing.assert_array_equal(np.asarray(png), np.where(inside, 3, 0))
    tiff = Image.open(io.BytesIO(written(thing, "to_tiff", values="classes")))
    np.testing.assert_array_equal(np.asarray(tiff), np.where(inside, 3, 0))
    write_voc(thing, tmp_path)
    voc = Image.open(tmp_path / "SegmentationClass" / "image.png")
    np.testing.assert_array_equal(np.asarray(voc), np.where(inside, 3, 0))


def test_detections_have_the_declared_numbers(thing):
    assert thing.to_supervision().class_id.tolist() == [2]


def test_given_class_numbers_are_the_same_in_every_format(thing, tmp_path):
    own = {"person": 1, "thing": 7}
    assert yolo_classes(written(thing, "to_yolo", classes=own)) == [7]
    assert coco_ids(written(thing, "to_coco", classes=own)) == ({1: "person", 7: "thing"}, [7])
    png = Image.open(io.BytesIO(written(thing, "to_png", values="classes", classes=own)))
    assert set(np.unique(np.asarray(png)).tolist()) == {0, 7}
    write_voc(thing, tmp_path, classes=own)
    voc = Image.open(tmp_path / "SegmentationClass" / "image.png")
    assert set(np.unique(np.asarray(voc)).tolist()) == {0, 7}
    thing.to_yolo(tmp_path / "a.txt", classes=own, data=tmp_path / "data.yaml")
    names = yaml.safe_load((tmp_path / "data.yaml").read_text())["names"]
    assert (names[1], names[7], len(names)) == ("person", "thing", 8)
    again = read_yolo(tmp_path / "a.txt", size=thing.size, classes=tmp_path / "data.yaml")
    assert again.categories.numbers(first=0) == own


def test_numbers_that_a_format_cannot_hold_are_refused(thing, tmp_path):
    with pytest.raises(ExportError, match="0 is the background"):
        thing.to_png(io.BytesIO(), values="classes", classes={"thing": 0})
    with pytest.raises(ExportError, match="VOC can hold class numbers"):
        write_voc(thing, tmp_path, classes={"thing": 300})
    with pytest.raises(ExportError, match="without gaps"):
        thing.to_yolo(tmp_path / "a.txt", classes={"thing": 10**6}, data=tmp_path / "d.yaml")
    assert not list(tmp_path.iterdir())


def test_categories_of_a_coco_file_round_trip():
    coco = {
        "images": [{"id": 5, "width": 4, "height": 3}],
        "categories": [{"id": 90, "name": "brush"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"id": 3, "image_id": 5, "category_id": 90, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
        ],
    }
    found = read_masks(_file("a.json", json.dumps(coco).encode()))
    file = io.BytesIO()
    write_coco(found, file)
    assert coco_ids(file.getvalue()) == ({1: "person", 90: "brush"}, [90])
    again = read_coco(io.BytesIO(file.getvalue()))
    assert again.categories == Categories(("person", "brush"), (1, 90))


def _file(name, data):
    file = io.BytesIO(data)
    file.name = name
    return file


def test_a_yolo_file_without_names_keeps_its_numbers():
    file = _file("a.txt", b"7 0 0 1 0 1 1\n3 0 0 1 0 1 1\n")
    found = read_masks(file, size=(8, 8))
    assert found.labels == ("7", "3")
    out = io.BytesIO()
    write_yolo(found, out)
    assert yolo_classes(out.getvalue()) == [7, 3]


@pytest.fixture
def widget():
    w = SegmentWidget(IMAGE, model=FakePredictor(), labels=CLASSES)
    yield w
    w.close()


def menu(w, name):
    return download(w._planes.result(0), name, "image").data


def test_the_menu_writes_the_same_numbers(widget):
    widget.add_point(40, 30)
    widget.commit("thing")
    with zipfile.ZipFile(io.BytesIO(menu(widget, "yolo"))) as archive:
        assert yolo_classes(archive.read("labels/image.txt")) == [2]
        assert yaml.safe_load(archive.read("data.yaml"))["names"] == CLASSES
    assert coco_ids(menu(widget, "coco")) == coco_ids(written(widget, "to_coco"))
    assert coco_ids(written(widget, "to_coco"))[1] == [3]


def test_prompts_keep_the_declared_classes(widget):
    widget.add_point(40, 30)
    widget.commit("thing")
    prompts = Prompts.from_json(widget.prompts.to_json())
    assert prompts.categories == Categories(tuple(CLASSES))
    result = segment(IMAGE, prompts, model=FakePredictor())
    assert result.prompts == prompts
    assert yolo_classes(written(result, "to_yolo")) == [2]


def test_changed_labels_apply_to_later_exports(widget):
    widget.add_point(40, 30)
    widget.commit("thing")
    assert yolo_classes(written(widget, "to_yolo")) == [2]
    widget.labels = {"thing": 11, "animal": 4}
    assert yolo_classes(written(widget, "to_yolo")) == [11]


def test_opened_file_keeps_its_category_numbers(tmp_path):
    first = SegmentWidget(IMAGE, model=FakePredictor(), labels={"person": 1, "car": 3})
    first.add_point(40, 30)
    first.commit("car")
    first.to_coco(tmp_path / "a.json")
    first.close()
    second = SegmentWidget(IMAGE, model=FakePredictor(), masks=tmp_path / "a.json")
    second.add_point(10, 10)
    second.commit("bus")
    names, ids = coco_ids(written(second, "to_coco"))
    second.close()
    assert names == {1: "person", 3: "car", 4: "bus"}
    assert ids == [3, 4]


def test_undeclared_labels_have_one_number_on_all_planes():
    w = SegmentWidget(np.stack([IMAGE[..., 0]] * 3), axes="ZYX", model=FakePredictor())
    for plane, label in ((2, "dog"), (0, "cat"), (1, "dog")):
        w.plane = plane
        w.add_point(40, 30)
        w.commit(label)
    assert [yolo_classes(written(w.planes[i], "to_yolo")) for i in range(3)] == [[1], [0], [0]]
    w.close()


def test_yolo_class_numbers_get_the_names_of_the_widget(tmp_path):
    (tmp_path / "a.txt").write_text("7 0 0 1 0 1 1\n1 0 0 1 0 1 0.5\n")
    w = SegmentWidget(
        IMAGE,
        model=FakePredictor(),
        labels={"person": 1, "thing": 7},
        masks=tmp_path / "a.txt",
    )
    assert [found.label for found in w.objects] == ["thing", "person"]
    assert yolo_classes(written(w, "to_yolo")) == [7, 1]
    w.close()
