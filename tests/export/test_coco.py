import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from sam2_widget import AnnotationError, Categories, LossWarning, RepairWarning
from sam2_widget.export.coco import read_coco, write_coco
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from tests.export.strategies import assert_same, result_of, results, ring_mask


def written(result, **options):
    file = io.StringIO()
    write_coco(result, file, **options)
    return file.getvalue()


def labels_in_coco(result):
    """Labels after a round trip: COCO requires a category for each object."""
    return [found.label or "object" for found in result.objects]


@given(results())
def test_round_trip_as_rle(result):
    read = read_coco(io.StringIO(written(result)))
    assert_same(read, result, labels=False)
    assert [found.label for found in read] == labels_in_coco(result)


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
@given(results(empty=False))
def test_round_trip_as_polygons(result):
    assert_same(
        read_coco(io.StringIO(written(result, segmentation="polygons"))), result, labels=False
    )


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
def test_pycocotools_reads_the_same_pixels(tmp_path, segmentation):
    ring = ring_mask()
    other = np.zeros_like(ring)
    other[3:34, 37:50] = True  # touches the ring
    path = tmp_path / "annotations.json"
    result = result_of(ring, other, labels=["cell", None], scores=[0.5, None])
    write_coco(result, path, segmentation=segmentation, file_name="µ 1.png")
    coco = COCO(str(path))
    loaded: list[Any] = coco.loadAnns(coco.getAnnIds(imgIds=1))
    for annotation, mask in zip(loaded, (ring, other), strict=True):
        np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), mask)
        assert annotation["area"] == mask.sum()
    assert [coco.cats[a["category_id"]]["name"] for a in loaded] == ["cell", "object"]
    assert loaded[0]["score"] == 0.5
    assert "score" not in loaded[1]
    x, y, width, height = loaded[1]["bbox"]
    assert (x, y, width, height) == (37, 3, 13, 31)


def test_supervision_reads_the_same_pixels(tmp_path):
    ring = ring_mask()
    Image.new("RGB", ring.shape[::-1]).save(tmp_path / "image.jpg")
    write_coco(result_of(ring, labels=["cell"]), tmp_path / "a.json")
    data = sv.DetectionDataset.from_coco(str(tmp_path), str(tmp_path / "a.json"), force_masks=True)
    _, _, detections = data[0]
    np.testing.assert_array_equal(detections.mask[0], ring)
    assert data.classes == ["cell"]


def test_joined_holes_are_reported():
    with pytest.warns(LossWarning, match="1 were joined"):
        written(result_of(ring_mask()), segmentation="polygons")


def test_classes_keep_their_numbers():
    value = json.loads(written(result_of(ring_mask(), labels=["dog"]), classes=["cat", "bird"]))
    assert [c["name"] for c in value["categories"]] == ["cat", "bird", "dog"]
    assert value["annotations"][0]["category_id"] == 3


GOOD = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}],
    "categories": [{"id": 7, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[0, 0, 4, 0, 4, 2, 0, 2]]}
    ],
}


def read(change, **options):
    return read_coco(io.StringIO(json.dumps(GOOD | change)), **options)


def annotation(**change):
    return GOOD["annotations"][0] | change


def test_file_of_another_program():
    (found,) = read({})
    assert found.label == "cat"
    assert found.bbox == (0, 0, 4, 2)
    assert found.area == 8


def test_ids_of_mixed_types_are_equal():
    (found,) = read({"annotations": [annotation(image_id="1", category_id=7.0)]})
    assert found.label == "cat"


@pytest.mark.parametrize(
    ("annotations", "message", "count"),
    [
        ([annotation(), annotation()], "id 1 occurs twice", 2),
        ([annotation(category_id=99)], "unknown category", 1),
        ([annotation(segmentation=None, bbox=[1, 1, 3, 2])], "its box was used instead", 1),
        ([annotation(segmentation=[], bbox=None)], "was left out", 0),
        ([annotation(segmentation=[[0, 0, 20, 0, 20, 3, 0, 3]])], "extends beyond the image", 1),
        ([annotation(segmentation=[[0, 0, 6, 6, 6, 0, 0, 6]])], "crosses itself", 1),
        ([annotation(segmentation=[[0, 0, 6, 6]])], "fewer than three", 1),
    ],
)
def test_repairs_are_listed_and_valid_annotations_are_kept(annotations, message, count):
    with pytest.warns(RepairWarning, match=message):
        assert len(read({"annotations": annotations})) == count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "has no image"),
        ({"images": GOOD["images"] * 2}, "describes 2 images: pass image="),
        ({"images": [{"id": 1, "width": 10**9, "height": 10**9}]}, "the limit is"),
        ({"images": [{"id": 1, "width": -3, "height": 6}]}, "has no valid image size"),
        ({"images": [{"id": 1}]}, "has no valid image size"),
        ({"annotations": [annotation(segmentation=[[0, 0, "x", 1]])]}, "annotation 1: a polygon"),
        ({"annotations": [annotation(segmentation=[[0, 0, 1]])]}, "flat list of numbers"),
        (
            {"annotations": [annotation(segmentation={"size": [6, 8], "counts": [1]})]},
            "annotation 1: the run lengths",
        ),
        ({"categories": [{"id": 1}]}, "name"),
    ],
)
def test_error_messages_describe_the_problem(change, message):
    with pytest.raises(AnnotationError, match=message):
        read(change)


def test_wrong_image_size_is_refused():
    with pytest.raises(AnnotationError, match="8 x 6 pixels, this one has 6 x 8"):
        read({}, size=(8, 6))
    assert read({"images": [{"id": 1}]}, size=(6, 8)).size == (6, 8)


def test_select_one_of_several_images():
    images = [*GOOD["images"], {"id": 2, "file_name": "b.jpg", "width": 5, "height": 5}]
    assert len(read({"images": images}, image="a.jpg")) == 1
    assert read({"images": images}, image=2).size == (5, 5)
    with pytest.raises(AnnotationError, match="has no image"):
        read({"images": images}, image="c.jpg")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
@given(st.sampled_from(["segmentation", "bbox", "id", "category_id", "score"]), json_values)
def test_malformed_annotations_are_read_or_refused(field, value):
    without = {"segmentation": None} if field == "bbox" else {}
    try:
        found = read({"annotations": [annotation(**{**without, field: value})]})
    except AnnotationError:
        return
    assert isinstance(found, LabeledMasks)


FRONT_END_FILE = Path(__file__).parents[2] / "js/tests/data/page.coco.json"
"""Written by the front end without a kernel: js/tests/coco.test.js and src/state/coco.js."""

PAGE_SIZE = (4, 6)


def block(x, y, width, height, **known):
    return LabeledMask(crop_of(np.ones((height, width), bool), x, y), PAGE_SIZE, **known)


def test_front_end_and_kernel_write_the_same_coco():
    result = LabeledMasks(
        (
            block(1, 1, 2, 2, label="cat", score=0.5, number=70, crowd=True),
            block(5, 0, 1, 1),
            block(0, 2, 1, 2, label="dog", score=0.5, number=3),
            block(3, 3, 3, 1, label="new", score=0.25, number=70),
        ),
        PAGE_SIZE,
        Categories(("dog", "cat", "unused"), (18, 17, 90)),
    )
    value = json.loads(written(result, file_name="a.jpg"))
    del value["info"]["provenance"]
    assert json.loads(FRONT_END_FILE.read_text()) == value


def test_file_of_the_front_end_is_read():
    coco = COCO(str(FRONT_END_FILE))
    loaded = coco.loadAnns(coco.getAnnIds())
    assert [(one["id"], coco.cats[one["category_id"]]["name"]) for one in loaded] == [
        *((70, "cat"), (71, "object"), (3, "dog"), (72, "new"))
    ]
    assert coco.annToMask(loaded[0]).nonzero() == (
        pytest.approx([1, 1, 2, 2]),
        pytest.approx([1, 2, 1, 2]),
    )
    found = read_coco(FRONT_END_FILE)
    assert [(one.number, one.crowd, one.score) for one in found] == [
        *((70, True, 0.5), (71, False, None), (3, False, 0.5), (72, False, 0.25))
    ]
    assert found.categories.numbers(first=1)["cat"] == 17
