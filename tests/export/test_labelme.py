import base64
import io
import json

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sam2_widget import AnnotationError, LossWarning, RepairWarning
from sam2_widget.export.labelme import read_labelme, write_labelme
from sam2_widget.export.values import LabeledMasks
from tests.export.strategies import assert_same, result_of, results, ring_mask


def written(result, **options):
    file = io.StringIO()
    write_labelme(result, file, **options)
    return file.getvalue()


@given(results(empty=False), st.sampled_from(["auto", "masks"]))
def test_round_trip(result, shapes):
    read = read_labelme(io.StringIO(written(result, shapes=shapes)))
    assert_same(read, result, labels=False)
    assert [o.label for o in read] == [o.label or "object" for o in result.objects]


def bar():
    mask = np.zeros((40, 60), bool)
    mask[5:15, 10:30] = True
    mask[25:30, 10:30] = True
    return mask


def test_file_has_the_structure_of_labelme():
    value = json.loads(written(result_of(ring_mask(), bar(), labels=["ring", "bar"])))
    assert set(value) == {
        *("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth")
    }
    assert (value["imageHeight"], value["imageWidth"]) == (40, 60)
    ring, *parts = value["shapes"]
    for shape in value["shapes"]:
        assert set(shape) == {
            *("label", "points", "group_id", "description", "shape_type", "flags", "mask")
        }
    # A mask fills its box, whose second corner is the last pixel.
    (x0, y0), (x1, y1) = ring["points"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(ring["mask"]))))
    canvas = np.zeros((40, 60), bool)
    canvas[y0 : y1 + 1, x0 : x1 + 1] = pixels
    np.testing.assert_array_equal(canvas, ring_mask())
    assert [shape["shape_type"] for shape in parts] == ["polygon", "polygon"]
    assert parts[0]["group_id"] == parts[1]["group_id"] is not None


def test_supervision_reads_the_polygons(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "image.jpg")
    write_labelme(result_of(bar(), labels=["bar"]), tmp_path / "image.json")
    data = sv.DetectionDataset.from_labelme(str(tmp_path), str(tmp_path), force_masks=True)
    _, _, found = data[0]
    assert data.classes == ["bar"]
    painted = found.mask.any(axis=0)
    assert (painted >= bar()).all()  # supervision also draws the outline
    assert painted.sum() == 11 * 21 + 6 * 21


def test_losses_are_reported():
    with pytest.warns(LossWarning, match="1 were filled"):
        read = read_labelme(io.StringIO(written(result_of(ring_mask()), shapes="polygons")))
    assert read[0].mask[18, 30]
    with pytest.warns(LossWarning, match="1 were left out"):
        written(result_of(np.zeros((3, 3), bool)))


SHAPE = {"label": "a", "points": [[0, 0], [4, 0], [4, 2], [0, 2]], "shape_type": "polygon"}


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def read(*shapes, **options):
    value = {"version": "5.0.1", "shapes": shapes, "imageHeight": 6, "imageWidth": 8}
    return read_labelme(io.StringIO(json.dumps(value)), **options)


def test_shapes_of_other_programs():
    rectangle = SHAPE | {"shape_type": "rectangle", "points": [[6, 5], [2, 1]]}
    circle = SHAPE | {"shape_type": "circle", "points": [[4, 3], [4, 6]]}
    found = read(SHAPE, rectangle, circle)
    assert found[0].bbox == (0, 0, 4, 2)
    assert found[1].bbox == (2, 1, 6, 5)
    assert abs(found[2].area - np.pi * 9) < 4


def test_shapes_of_a_group_become_one_object():
    other = SHAPE | {"points": [[5, 3], [8, 3], [8, 6]], "group_id": 1}
    found = read(SHAPE | {"group_id": 1}, other, SHAPE)
    assert len(found) == 2
    assert found[0].bbox == (0, 0, 8, 5)


def test_group_id_becomes_the_object_number_unless_labels_differ():
    lone = SHAPE | {"group_id": 7, "score": 0.25}
    pair = [SHAPE | {"group_id": 3}, SHAPE | {"group_id": 3, "label": "b"}]
    found = read(lone, *pair, SHAPE | {"group_id": "x"}, SHAPE | {"group_id": 0}, SHAPE)
    assert [one.number for one in found] == [7, None, None, None, None, None]
    assert [one.score for one in found] == [0.25, None, None, None, None, None]


def test_objects_without_numbers_get_unique_group_ids():
    first, second = bar(), np.roll(bar(), 30, axis=1)
    shapes = json.loads(written(result_of(first, second, labels=["bar", "bar"])))["shapes"]
    assert [shape["group_id"] for shape in shapes] == [1, 1, 2, 2]
    assert all("score" not in shape and shape["flags"] == {} for shape in shapes)


@pytest.mark.parametrize(
    ("description", "score"),
    [("score 0.875", 0.875), ("score 1.000", 1.0), ("", None), ("score 0.9 of mine", None)],
)
def test_score_is_read_from_the_description_of_earlier_versions(description, score):
    (found,) = read(SHAPE | {"description": description})
    assert found.score == score
    (newer,) = read(SHAPE | {"description": description, "score": 0.125})
    assert newer.score == 0.125


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (SHAPE | {"shape_type": "line"}, "'line', which has no area"),
        (
            SHAPE
            | {
                "shape_type": "mask",
                "points": [[6, 4], [9, 6]],
                "mask": png(np.ones((3, 4), bool)),
            },
            "extends beyond the image",
        ),
        (
            SHAPE
            | {
                "shape_type": "mask",
                "points": [[0, 0], [9, 9]],
                "mask": png(np.ones((3, 4), bool)),
            },
            "does not fit its box",
        ),
    ],
)
def test_repairs_are_listed(shape, message):
    with pytest.warns(RepairWarning, match=message):
        read(shape, SHAPE)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (SHAPE | {"shape_type": "mask", "points": [[0, 0], [1, 1]], "mask": "!"}, "not base64"),
        (SHAPE | {"shape_type": "mask", "points": [[0, 0], [1, 1]], "mask": "AAAA"}, "its PNG"),
        (SHAPE | {"shape_type": "mask", "points": [[0, 0], [1, 1]]}, "must have a box"),
        (
            SHAPE
            | {
                "shape_type": "mask",
                "points": [[0, 0], [1, 1]],
                "mask": png(np.ones((900, 900), bool)),
            },
            "far larger",
        ),
        (SHAPE | {"points": [["x", 1]]}, "float"),
        ({"label": [3], "points": []}, "str"),
    ],
)
def test_error_messages_describe_the_problem(shape, message):
    with pytest.raises(AnnotationError, match=message):
        read(shape)


def test_wrong_image_size_is_refused():
    with pytest.raises(AnnotationError, match="undo the scaling"):
        read(SHAPE, size=(60, 80))


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
@given(
    st.sampled_from(["polygon", "mask", "rectangle", "circle", "point", ""]),
    st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)), max_size=4),
    st.none() | st.just(png(np.eye(3, dtype=bool))) | st.text(max_size=9),
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=1),
)
def test_malformed_shapes_are_read_or_refused(kind, points, mask, group):
    try:
        found = read(
            {"label": "", "points": points, "shape_type": kind, "mask": mask, "group_id": group}
        )
    except AnnotationError:
        return
    assert isinstance(found, LabeledMasks)
