import json

import numpy as np
import pandas as pd
import pytest
import supervision as sv
import torch
import xarray as xr
from skimage.measure import regionprops

from sam2_widget import (
    AnnotationError,
    Categories,
    LabeledMask,
    LabeledMasks,
    LossWarning,
    Point,
    Prompts,
    read_masks,
    segment,
)
from sam2_widget.errors import MissingLibraryError
from sam2_widget.export.values import crop_of
from sam2_widget.testing import FakePredictor
from tests.export.strategies import assert_same, result_of

A = np.zeros((12, 20), bool)
A[2:8, 3:9] = True
B = np.zeros((12, 20), bool)
B[5:11, 12:19] = True
B[7:9, 14:16] = False
RESULT = result_of(A, B, labels=["cat", "dog"], scores=[0.5, 0.25])


def segmentation():
    image = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    return segment(image, [[Point(20, 30)], [Point(60, 30)]], model=FakePredictor())


WRITERS = {
    "a.json": "to_coco",
    "b.json": "to_labelme",
    "c.geojson": "to_geojson",
    "d.txt": "to_yolo",
    "e.png": "to_png",
    "f.tif": "to_tiff",
    "g.npz": "to_npz",
    "h.zip": "to_pngs",
    "folder": "to_pngs",
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_recognised_and_read_back(tmp_path, name):
    result, path = segmentation(), tmp_path / name
    getattr(result, WRITERS[name])(path)
    assert_same(read_masks(path, result.size), result, labels=False)
    assert_same(read_masks(str(path), size=(60, 80)), result, labels=False)


def test_cutout_is_recognised(tmp_path):
    result = segmentation()
    pixels = result.to_cutout(tmp_path / "cut.png", crop=False)
    np.testing.assert_array_equal(pixels[..., 3] > 0, result.masks.any(axis=0))
    found = read_masks(tmp_path / "cut.png")
    np.testing.assert_array_equal(found[0].mask, result.masks.any(axis=0))


def test_voc_files_have_the_name_of_the_image(tmp_path):
    segmentation().to_voc(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == ["image.png", "image.png", "image.xml"]


STACK = np.stack([A, B])


@pytest.mark.parametrize(
    "value",
    [
        STACK,
        STACK.astype(np.uint8) * 255,
        [A, B],
        (A, B.astype(float)),
        {"cat": A, "dog": B},
        [("cat", A), ("dog", B)],
        torch.from_numpy(STACK),
        xr.DataArray(STACK),
        RESULT,
        list(RESULT),
        RESULT.label_map,
    ],
)
def test_arrays_and_values(value):
    found = read_masks(value, (12, 20))
    np.testing.assert_array_equal(found.masks, STACK)
    if isinstance(value, dict) or value is RESULT:
        assert found.labels == ("cat", "dog")


def test_single_mask_is_one_object():
    assert len(read_masks(A)) == 1
    assert read_masks([], size=(3, 4)).masks.shape == (0, 3, 4)
    assert len(read_masks(np.zeros((5, 5), int))) == 0


def test_detections_of_supervision():
    detections = sv.Detections(
        xyxy=np.zeros((2, 4)), mask=STACK, data={"class_name": np.array(["cat", "dog"])}
    )
    found = read_masks(detections)
    assert found.labels == ("cat", "dog")
    np.testing.assert_array_equal(found.masks, STACK)
    with pytest.raises(AnnotationError, match="only boxes"):
        read_masks(sv.Detections(xyxy=np.zeros((1, 4))))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.random.default_rng(0).random((3, 4)), r"probabilities > 0\.5"),
        (np.random.default_rng(0).random((2, 3, 4)), r"mask > 0\.5"),
        (np.zeros((1, 2, 3, 4), bool), r"\(H, W\) or \(N, H, W\)"),
        ([np.zeros((3, 4), bool), np.zeros((4, 3), bool)], "mask 1 is for an image of 3 x 4"),
        ([], "there are no masks"),
        (None, "must be a path"),
        (7, "must be a path"),
        ({"cat": "dog"}, "cannot read masks|must be a path|H, W"),
        ("x.docx", "unknown format of"),
        ("none.png", "No such file"),
    ],
)
def test_values_without_masks_are_refused(value, message):
    with pytest.raises(AnnotationError, match=message):
        read_masks(value)


def test_unknown_json_is_refused(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"format": "x"}))
    with pytest.raises(AnnotationError, match=r"must be COCO, LabelMe or GeoJSON.*'format'"):
        read_masks(path)


def test_yolo_needs_a_size(tmp_path):
    (tmp_path / "a.txt").write_text("0 0 0 1 0 1 1\n")
    with pytest.raises(AnnotationError, match="pass size="):
        read_masks(tmp_path / "a.txt")


def test_to_frame():
    result = segmentation()
    frame = result.to_frame()
    assert frame.index.tolist() == [1, 2]
    assert frame.area.tolist() == [o.area for o in result.objects]
    assert frame.model.tolist() == ["fake", "fake"]
    x, y = result.objects[0].centroid
    assert (frame.centroid_x[1], frame.centroid_y[1]) == (x, y)
    assert (frame.x0[1], frame.y1[1]) == (result.objects[0].bbox[0], result.objects[0].bbox[3])
    empty = segment(result.image, [], model=FakePredictor()).to_frame()
    assert list(empty.columns) == list(frame.columns)
    assert empty.dtypes.equals(frame.dtypes)
    assert isinstance(frame, pd.DataFrame)


def test_regionprops_gives_the_same_measurements():
    result = segmentation()
    for found, region in zip(result.objects, regionprops(result.to_labels()), strict=True):
        assert region.area == found.area
        y, x = region.centroid
        assert found.centroid == pytest.approx((x + 0.5, y + 0.5))
        y0, x0, y1, x1 = region.bbox
        assert found.bbox == (x0, y0, x1, y1)


def test_to_supervision():
    result = segmentation()
    found = result.to_supervision()
    np.testing.assert_array_equal(found.mask, result.masks)
    np.testing.assert_array_equal(found.xyxy, [o.bbox for o in result.objects])
    np.testing.assert_array_equal(found.confidence, result.scores)
    assert found.data["class_name"].tolist() == ["object", "object"]
    assert len(segment(result.image, [], model=FakePredictor()).to_supervision()) == 0
    np.testing.assert_array_equal(read_masks(found).masks, result.masks)


def test_hidden_pixels_are_reported():
    image = np.zeros((60, 80, 3), np.uint8)
    result = segment(image, [[Point(40, 30)], [Point(44, 30)]], model=FakePredictor())
    with pytest.warns(LossWarning, match="belong to several"):
        result.to_labels()


def test_polygon_and_provenance_of_objects():
    result = segmentation()
    found = result.objects[0]
    assert found.polygon.area == found.area
    assert found.polygon.bounds == found.bbox
    assert found.provenance is result.provenance
    provenance = result.provenance.to_dict()
    assert provenance["model"] == "fake"
    assert provenance["implementation"] == ""
    assert provenance["image"]["shape"] == [60, 80, 3]
    assert set(provenance["versions"]) <= {"sam2-widget", "sam2", "torch", "numpy"}
    assert provenance["versions"]["numpy"] == np.__version__
    json.dumps(provenance)


def test_files_contain_the_provenance(tmp_path):
    result = segmentation()
    result.to_npz(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as loaded:
        assert json.loads(str(loaded["provenance"]))["model"] == "fake"
        assert Prompts.from_json(str(loaded["prompts"])) == result.prompts
    result.to_coco(tmp_path / "a.json")
    info = json.loads((tmp_path / "a.json").read_text())["info"]
    assert info["provenance"]["image"]["dtype"] == "uint8"


def test_provenance_with_numpy_numbers_can_be_written(tmp_path):
    result = segment(
        np.zeros((6, 8, 9), np.uint16),
        [],
        model=FakePredictor(),
        axes="CYX",
        channels={np.int64(2): "red"},
        contrast_limits=np.array([0, 9]),
    )
    result.to_coco(tmp_path / "a.json")
    assert 'channels={2: "red"}, contrast_limits=[0, 9]' in result.to_code()


def test_error_names_the_missing_library(monkeypatch):
    import sam2_widget.export.notes as notes  # noqa: PLC0415, PLR0402

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(notes, "import_module", missing)
    with pytest.raises(MissingLibraryError, match=r"pip install 'sam2-widget\[export\]'"):
        segmentation().to_frame()


def test_numbers_scores_and_crowds_of_values_are_kept():
    objects = (
        LabeledMask(crop_of(A), A.shape, "cat", 0.5, "#102030", 17, crowd=True),
        LabeledMask(crop_of(B), B.shape, "dog", 0.25, None, 4),
    )
    result = LabeledMasks(objects, A.shape, Categories(("dog", "cat"), (3, 9)))
    for value in (result, list(objects), objects):
        found = read_masks(value, A.shape)
        assert found.numbers == (17, 4)
        assert [(o.label, o.score, o.color, o.crowd) for o in found] == [
            ("cat", 0.5, "#102030", True),
            ("dog", 0.25, None, False),
        ]
        np.testing.assert_array_equal(found.masks, STACK)
    assert read_masks(result).categories == result.categories
    with pytest.raises(AnnotationError, match="mask 1 is for an image of 3 x 4"):
        read_masks([objects[0], LabeledMask(crop_of(np.ones((4, 3), bool)), (4, 3))])


def test_detections_keep_their_class_numbers():
    detections = sv.Detections(
        xyxy=np.zeros((2, 4)),
        mask=STACK,
        class_id=np.array([17, 3]),
        confidence=np.array([0.5, np.nan]),
        tracker_id=np.array([8, 2]),
    )
    found = read_masks(detections)
    assert found.labels == ("17", "3")
    assert found.categories.numbers(first=0) == {"3": 3, "17": 17}
    assert [o.score for o in found] == [0.5, None]
    assert found.numbers == (8, 2)
