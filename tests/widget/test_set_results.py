"""What a whole set gives: files, parts, tables, a torch Dataset."""

import base64
import io
import json
import re
import sys
from collections import Counter

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from sam2_widget import (
    Box,
    ExistsError,
    ExportError,
    ImageSet,
    MissingLibraryError,
    Point,
    SettingError,
    read_masks,
    segment,
)
from sam2_widget.datasets.agreement import matches
from sam2_widget.datasets.splits import split
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from sam2_widget.prompts.collections import MaskPrompt, ObjectPrompts, Prompts

SIZES = {"a.png": (40, 60), "b.png": (50, 30), "left/c.png": (20, 90)}


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(3)
    for name, (height, width) in SIZES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (height, width, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def boxes(*described):
    return Prompts(tuple(ObjectPrompts((Box(*box),), label) for box, label in described))


@pytest.fixture
def images(folder, predictor):
    images = ImageSet(folder, model=predictor, classes=["cat", "dog"])
    images["a.png"].prompts = boxes(((5, 5, 20, 25), "cat"), ((30, 3, 50, 30), "dog"))
    images["left/c.png"].prompts = boxes(((2, 2, 80, 12), "dog"))
    images["b.png"].state = "empty"
    images["a.png"].state = "done"
    yield images
    images.close()


def masks_of(images, name):
    return images[name].masks


def test_one_coco_file_for_the_set(images, tmp_path, capsys):
    images.save(tmp_path / "coco.json", progress=False)
    coco = COCO(str(tmp_path / "coco.json"))
    assert [one["file_name"] for one in coco.dataset["images"]] == list(SIZES)
    assert coco.dataset["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    for image in coco.dataset["images"]:
        found = coco.loadAnns(coco.getAnnIds(image["id"]))
        expected = images[image["file_name"]].masks
        assert len(found) == len(expected)
        for annotation, mask in zip(found, expected, strict=True):
            np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), mask)
    with pytest.raises(ExistsError):
        images.save(tmp_path / "coco.json", progress=False)
    capsys.readouterr()


def test_what_was_not_looked_at_is_not_written(images, tmp_path):
    images["b.png"].state = "untouched"
    images["a.png"].state = "skipped"
    images.save(tmp_path / "coco.json", progress=False)
    written = json.loads((tmp_path / "coco.json").read_text())
    assert [one["file_name"] for one in written["images"]] == ["left/c.png"]
    images.save(tmp_path / "other.json", states=["skipped"], progress=False)
    written = json.loads((tmp_path / "other.json").read_text())
    assert [one["file_name"] for one in written["images"]] == ["a.png"]
    with pytest.raises(ExportError, match="no image of the set is in one of the states"):
        images.save(tmp_path / "none.json", states=["review"], progress=False)


def test_an_image_that_fails_does_not_keep_the_others_from_being_written(images, tmp_path, folder):
    (folder / "a.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1 images were not written: a\.png: "):
        images.save(tmp_path / "coco.json", progress=False)
    written = json.loads((tmp_path / "coco.json").read_text())
    assert [one["file_name"] for one in written["images"]] == ["b.png", "left/c.png"]


def test_the_folder_that_yolo_trains_from(images, tmp_path, folder):
    target = tmp_path / "yolo"
    images.save(target, format="yolo", splits={"train": 0.5, "val": 0.5}, progress=False)
    data = yaml.safe_load((target / "data.yaml").read_text())
    assert (data["names"], data["train"], data["val"]) == (
        ["cat", "dog"],
        "images/train",
        "images/val",
    )
    found = {}
    for part in ("train", "val"):
        for path in sorted((target / "images" / part).rglob("*.png")):
            name = path.relative_to(target / "images" / part).as_posix()
            assert path.read_bytes() == (folder / name).read_bytes()
            label = (target / "labels" / part / name).with_suffix(".txt")
            found[name] = read_masks(label, SIZES[name], classes=data["names"])
    assert sorted(found) == sorted(SIZES)
    assert found["a.png"].labels == ("cat", "dog")
    np.testing.assert_array_equal(found["a.png"].masks, images["a.png"].masks)
    assert len(found["b.png"]) == 0


def test_a_part_that_is_not_named_is_the_validation_set_of_yolo(images, tmp_path):
    images.save(tmp_path / "yolo", format="yolo", copy_images=False, progress=False)
    data = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())
    assert (data["train"], data["val"]) == ("images/train", "images/train")
    assert not (tmp_path / "yolo" / "images").exists()


def test_pascal_voc_and_label_maps(images, tmp_path):
    images.save(tmp_path / "voc", format="voc", progress=False)
    names = sorted(path.name for path in (tmp_path / "voc" / "Annotations").iterdir())
    assert names == ["a.xml", "b.xml", "left_c.xml"]
    images.save(tmp_path / "png", format="png", progress=False)
    found = np.array(Image.open(tmp_path / "png" / "left" / "c.png"))
    np.testing.assert_array_equal(found > 0, images["left/c.png"].masks[0])


def test_labelme_lies_beside_the_images(images, folder):
    images.save(format="labelme", progress=False)
    read = read_masks(folder / "left" / "c.json", SIZES["left/c.png"])
    np.testing.assert_array_equal(read.masks, images["left/c.png"].masks)
    assert json.loads((folder / "left" / "c.json").read_text())["imagePath"] == "c.png"


def test_formats_of_no_set_are_refused(images, tmp_path):
    with pytest.raises(ExportError, match="has no suffix of a format of sets"):
        images.save(tmp_path / "masks", progress=False)
    with pytest.raises(ExportError, match="no set has the format 'jpeg'"):
        images.save(tmp_path / "masks", format="jpeg", progress=False)
    with pytest.raises(ExportError, match="needs a place"):
        images.save(format="yolo", progress=False)


def test_names_that_differ_in_their_suffixes_only_are_refused(tmp_path, predictor):
    array = np.zeros((9, 9), np.uint8)
    images = ImageSet({"a.png": array, "a.jpg": array}, model=predictor)
    for one in images:
        one.state = "empty"
    with pytest.raises(ExportError, match=r"'a.png' and 'a.jpg' differ in their suffixes only"):
        images.save(tmp_path / "yolo", format="yolo", progress=False)
    images.save(tmp_path / "coco.json", progress=False)


def test_masks_of_a_file_need_no_model(images, tmp_path, predictor):
    mask = np.zeros(SIZES["b.png"], bool)
    mask[3:9, 4:12] = True
    images["b.png"].prompts = Prompts((ObjectPrompts((MaskPrompt.from_mask(mask),), "cat"),))
    before = predictor.embedded
    np.testing.assert_array_equal(images["b.png"].masks[0], mask)
    assert predictor.embedded == before


def test_a_coco_file_is_annotated_further(images, tmp_path, folder, predictor):
    images.save(folder / "coco.json", progress=False)
    again = ImageSet(folder / "coco.json", model=predictor, annotations=tmp_path / "second")
    assert again.names == tuple(SIZES)
    assert list(again.classes) == ["cat", "dog"]
    for name in SIZES:
        np.testing.assert_array_equal(again[name].masks, images[name].masks)
    assert [one.object.label for one in again["a.png"].objects] == ["cat", "dog"]
    again.close()


# --- parts ----------------------------------------------------------------------------------------

sets = st.lists(
    st.tuples(st.integers(0, 9), st.dictionaries(st.sampled_from("abc"), st.integers(0, 4))),
    min_size=1,
    max_size=40,
)


@given(sets, st.integers(0, 5), st.booleans())
def test_every_image_is_in_one_part_and_groups_stay_together(described, seed, stratify):
    listed = [(f"{n}", group, counts) for n, (group, counts) in enumerate(described)]
    fractions = {"train": 0.6, "val": 0.3, "test": 0.1}
    parts = split(listed, fractions, seed=seed, stratify=stratify)
    assert parts == split(listed, fractions, seed=seed, stratify=stratify)
    assert sorted(sum(parts.values(), ())) == sorted(name for name, _, _ in listed)
    groups = {name: group for name, group, _ in listed}
    places = {}
    for part, names in parts.items():
        for name in names:
            assert places.setdefault(groups[name], part) == part


def test_parts_have_their_shares():
    listed = [(f"{n}", n, {"cat": 1}) for n in range(100)]
    parts = split(listed, {"train": 0.8, "val": 0.2})
    assert [len(names) for names in parts.values()] == [80, 20]
    assert parts != split(listed, {"train": 0.8, "val": 0.2}, seed=1)


def test_a_rare_class_is_in_every_part_if_it_is_stratified():
    listed = [(f"{n}", n, {"cat": 3, **({"lynx": 1} if n % 20 == 0 else {})}) for n in range(200)]
    parts = split(listed, {"train": 0.8, "val": 0.2}, stratify=True)
    rare = {name for name, _, counts in listed if "lynx" in counts}
    assert Counter(len(rare & set(names)) for names in parts.values()) == {8: 1, 2: 1}
    assert [len(names) for names in parts.values()] == [160, 40]


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 0.0, "b": 1}])
def test_fractions_add_up_to_one(fractions):
    with pytest.raises(SettingError, match="must be shares above 0"):
        split([("a", 0, {})], fractions)


def test_groups_are_columns_attributes_or_functions(predictor):
    array = np.zeros((9, 9), np.uint8)
    images = ImageSet({f"{n}": array for n in range(6)}, model=predictor, attributes={"site": str})
    for n, one in enumerate(images):
        one.state = "empty"
        one.set_attributes(site="AB"[n % 2])
    parts = images.split({"train": 0.5, "val": 0.5}, group="site")
    assert sorted(parts.values()) == [("0", "2", "4"), ("1", "3", "5")]
    assert parts == images.split({"train": 0.5, "val": 0.5}, group=lambda i: i.attributes["site"])
    with pytest.raises(SettingError, match="neither a column nor an attribute 'patient'"):
        images.split({"train": 1.0}, group="patient")


# --- tables ---------------------------------------------------------------------------------------


def test_all_objects_in_a_table(images):
    table = images.objects
    assert len(table) == 3
    frame = table.to_frame()
    assert list(frame["label"]) == ["cat", "dog", "dog"]
    assert list(frame["image"]) == ["a.png", "a.png", "left/c.png"]
    assert list(frame["state"]) == ["done", "done", "in progress"]
    measured = table.to_frame(measure=True)
    areas = [*(mask.sum() for mask in images["a.png"].masks), images["left/c.png"].masks.sum()]
    assert list(measured["area"]) == areas
    assert repr(table) == "ObjectTable(3 objects in 2 images)"


def labelled(size, *objects):
    found = []
    for rows, columns, label in objects:
        mask = np.zeros(size, bool)
        mask[rows, columns] = True
        found.append(LabeledMask(crop_of(mask), size, label))
    return LabeledMasks(tuple(found), size)


def test_objects_are_matched_by_iou():
    one = labelled((10, 10), (slice(0, 4), slice(0, 4), "a"), (slice(6, 9), slice(6, 9), "b"))
    other = labelled((10, 10), (slice(0, 4), slice(0, 3), "c"), (slice(0, 4), slice(0, 4), "a"))
    found = matches("x", one, other, 0.5)
    assert [(m.place, m.other_place, m.iou) for m in found] == [
        (0, 1, 1.0),
        (1, None, 0),
        (None, 0, 0),
    ]
    assert matches("x", labelled((4, 4)), labelled((4, 4)), 0.5) == []


def test_the_agreement_of_two_annotators(images, folder, tmp_path, predictor):
    second = ImageSet(folder, model=predictor, annotations=tmp_path / "second")
    second["a.png"].prompts = boxes(((5, 5, 20, 25), "cat"), ((31, 3, 50, 30), "cat"))
    second["left/c.png"].prompts = boxes(((2, 2, 10, 12), "dog"))
    found = images.agreement(second, progress=False)
    assert [(m.image, m.place, m.other_place) for m in found] == [
        ("a.png", 0, 0),
        ("a.png", 1, 1),
        ("left/c.png", 0, None),
        ("left/c.png", None, 0),
    ]
    assert (found.f1, found.same_label) == (2 * 2 / 6, 0.5)
    assert 0.9 < found.mean_iou < 1
    assert found.to_frame()["iou"].round(2).tolist()[2:] == [0, 0]
    model = {"a.png": segment(folder / "a.png", [[Point(10, 10)]], model=predictor)}
    assert len(images.agreement(model, progress=False)) == 3
    second.close()


@pytest.fixture
def ada_and_bob(folder, tmp_path, predictor):
    made = [ImageSet(folder, model=predictor, annotations=tmp_path / who) for who in ("ada", "<b>")]
    ada, bob = made
    ada["a.png"].prompts = boxes(((5, 5, 20, 25), "cat"), ((30, 3, 50, 30), "dog"))
    bob["a.png"].prompts = boxes(((5, 5, 20, 25), "cat"), ((31, 3, 50, 30), "cat"))
    ada["left/c.png"].prompts = boxes(((2, 2, 80, 12), "dog"))
    bob["left/c.png"].prompts = boxes(((2, 2, 10, 12), "dog"))
    ada["b.png"].prompts = bob["b.png"].prompts = boxes(((2, 2, 20, 12), "dog"))
    yield made
    for one in made:
        one.close()


def test_the_agreement_on_each_class(ada_and_bob):
    ada, bob = ada_and_bob
    dog, cat = sorted(ada.agreement(bob, progress=False).by_class, key=lambda c: c.label != "dog")
    assert (dog.objects, dog.other_objects, dog.matched, dog.other_label) == (3, 2, 1, 1)
    assert (cat.objects, cat.other_objects, cat.matched, cat.other_label) == (1, 2, 1, 1)
    assert (dog.f1, cat.f1, cat.mean_iou) == (2 / 5, 2 / 3, 1)


def test_an_agreement_is_shown_with_the_images_that_differ_most(ada_and_bob, folder):
    ada, bob = ada_and_bob
    html = ada.agreement(bob, progress=False)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    captions = re.findall(r"<figcaption>(.*?)<br><small>(.*?)</small>", html)
    assert captions == [
        ("left/c.png", "0 by both, 1 only ada, 1 only &lt;b&gt;"),
        ("a.png", "2 by both, 1 with other labels"),
    ]
    first = re.search(r'src="data:image/jpeg;base64,(.*?)"', html)[1]
    with Image.open(io.BytesIO(base64.b64decode(first))) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (71, 320, 3)
    # What only one has marked is filled: blue for the first, of which the second has a part.
    red, _, blue = pixels[15:35, 60:270].mean(axis=(0, 1))
    assert blue > red + 20
    assert len(html) < 60_000
    agreement = ada.agreement(bob, progress=False)
    (folder / "left" / "c.png").unlink()
    html = agreement._repr_html_()
    assert html.count("<img") == 1
    assert re.search(r"<small>0 by both.*?</small><br>.*?c\.png.*?</figcaption>", html)


def test_an_agreement_of_nothing_but_equal_objects_has_no_picture(ada_and_bob):
    ada, _ = ada_and_bob
    html = ada.agreement({"b.png": ada["b.png"].segmentation()}, progress=False)._repr_html_()
    assert "<img" not in html
    assert "<td>dog</td><td>1</td><td>1</td><td>1</td><td>1.00</td>" in html


def test_a_table_of_hugging_face_needs_its_library(images, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'sam2-widget\[datasets\]'"):
        images.to_hugging_face()


def test_a_torch_dataset(images):
    dataset = images.to_torch(progress=False)
    assert len(dataset) == 3
    image, target = dataset[0]
    assert (image.shape, image.dtype) == ((3, 40, 60), torch.uint8)
    assert target["labels"].tolist() == [1, 2]
    np.testing.assert_array_equal(target["masks"].bool().numpy(), images["a.png"].masks)
    boxes_ = [one.bbox for one in images["a.png"].segmentation().objects]
    assert target["boxes"].tolist() == [list(box) for box in boxes_]
    assert dataset[1][1]["boxes"].shape == (0, 4)
    batches = torch.utils.data.DataLoader(dataset, collate_fn=list, num_workers=0)
    assert [len(batch[0][1]["labels"]) for batch in batches] == [2, 0, 1]
    assert dataset.classes == {"cat": 1, "dog": 2}
    part = images.to_torch(
        names=["left/c.png"], transforms=lambda i, t: (i.float(), t), progress=False
    )
    assert part.names == ["left/c.png"]
    assert part[0][0].dtype == torch.float32
