import contextlib
import io

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_dilation

from sam2_widget import AnnotationError, ExistsError, LossWarning, RepairWarning
from sam2_widget.export.values import LabeledMasks
from sam2_widget.export.yolo import read_yolo, write_yolo
from tests.export.strategies import NAMES, assert_same, result_of, results, ring_mask


def written(result, **options):
    file = io.StringIO()
    write_yolo(result, file, **options)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
@given(results(empty=False))
def test_round_trip_keeps_holes_and_parts(result):
    names = [*NAMES, "object"]
    read = read_yolo(io.StringIO(written(result, classes=names)), size=result.size, classes=names)
    assert_same(read, result, labels=False)
    assert [o.label for o in read] == [o.label or "object" for o in result.objects]


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
def test_coordinates_are_exact_in_a_large_image():
    mask = np.zeros((301, 20_011), bool)
    mask[100:200, 7:19_003] = True
    mask[150:160, 9_001:9_003] = False
    read = read_yolo(io.StringIO(written(result_of(mask))), size=mask.shape)
    np.testing.assert_array_equal(read[0].mask, mask)


@pytest.mark.filterwarnings("ignore::sam2_widget.LossWarning")
def test_supervision_reads_yolo_and_paints_the_outline_too(tmp_path):
    ring, square = ring_mask(), np.zeros((40, 60), bool)
    square[5:15, 40:55] = True
    Image.new("RGB", (60, 40)).save(tmp_path / "photo.jpg")
    write_yolo(
        result_of(ring, square, labels=["yes", "no: #1"]),
        tmp_path / "photo.txt",
        data=tmp_path / "data.yaml",
    )
    data = sv.DetectionDataset.from_yolo(
        str(tmp_path), str(tmp_path), str(tmp_path / "data.yaml"), force_masks=True
    )
    _, _, found = data[0]
    assert data.classes == ["yes", "no: #1"]
    assert found.class_id.tolist() == [0, 1]
    # supervision also draws the outline: one pixel more to the right and below.
    grown = binary_dilation(square, np.array([[0, 0, 0], [0, 1, 1], [0, 1, 1]]).T)
    assert (found.mask[1] >= square).all()
    assert (found.mask[1] <= binary_dilation(grown)).all()
    assert (found.mask[0] >= ring).all()
    assert not found.mask[0][18, 27]  # the hole is one


def test_losses_are_reported():
    with pytest.warns(LossWarning, match="3 holes and parts"):
        written(result_of(ring_mask()))
    with pytest.warns(LossWarning, match="1 were left out"):
        assert written(result_of(np.zeros((3, 3), bool))) == ""


def test_class_names_from_files(tmp_path):
    text = "1 0 0 1 0 1 1\n"
    (tmp_path / "classes.txt").write_text("cat\nbig dog\n")
    (tmp_path / "data.yaml").write_text("names:\n  0: cat\n  1: big dog\n")
    for classes in (tmp_path / "classes.txt", str(tmp_path / "data.yaml"), ["cat", "big dog"]):
        assert read_yolo(io.StringIO(text), size=(4, 4), classes=classes).labels == ("big dog",)
    assert read_yolo(io.StringIO(text), size=(4, 4)).labels == ("1",)
    (tmp_path / "data.yaml").write_text("names: 3\n")
    with pytest.raises(AnnotationError, match="list 'names'"):
        read_yolo(io.StringIO(text), size=(4, 4), classes=tmp_path / "data.yaml")


def test_no_file_is_written_if_one_exists(tmp_path):
    (tmp_path / "data.yaml").write_text("mine")
    with pytest.raises(ExistsError):
        write_yolo(result_of(ring_mask()), tmp_path / "a.txt", data=tmp_path / "data.yaml")
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 0 0 1 0 1 1", "line 1 .* must contain only numbers"),
        ("\n0 0 0 1", "line 2 .* must be 'class"),
        ("0 0 0 1 0 1", "must be 'class"),
        ("-1 0 0 1 0 1 1", "must be 'class"),
        ("0.5 0 0 1 0 1 1", "must be 'class"),
        ("0 nan 0 1 0 1 1", "NaN or infinite"),
        ("\x00\xff", "must contain only numbers"),
    ],
)
def test_error_messages_describe_the_problem(text, message):
    with pytest.raises(AnnotationError, match=message):
        read_yolo(io.StringIO(text), size=(4, 4))


def test_boxes_and_unknown_classes():
    (box,) = read_yolo(io.StringIO("0 0.5 0.5 0.5 0.5"), size=(4, 8))
    assert box.bbox == (2, 1, 6, 3)
    with pytest.warns(RepairWarning, match="class 7, which has no name"):
        assert read_yolo(io.StringIO("7 0 0 1 0 1 1"), size=(4, 4), classes=["a"]).labels == ("7",)


@pytest.mark.filterwarnings("ignore::sam2_widget.RepairWarning")
@given(st.text(alphabet="0123456789.-e \n", max_size=60))
def test_malformed_labels_are_read_or_refused(text):
    with contextlib.suppress(AnnotationError):
        assert isinstance(read_yolo(io.StringIO(text), size=(5, 5)), LabeledMasks)
