import warnings

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from sam2_widget import AnnotationError, RepairWarning
from sam2_widget.export import rle
from sam2_widget.export.bridges import join_rings
from sam2_widget.export.notes import Repairs
from sam2_widget.export.outlines import fill, outline, rings
from sam2_widget.export.values import clip_to_image, crop_of
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.masks.rle import run_lengths

masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def on_canvas(crop, size):
    mask = np.zeros(size, bool)
    crop.paste(mask, value=True)
    return mask


@given(masks)
def test_outline_round_trips_exactly(mask):
    polygon = outline(crop_of(mask))
    assert shapely.is_valid(polygon)
    assert polygon.area == mask.sum()
    repairs = Repairs()
    np.testing.assert_array_equal(
        on_canvas(fill(rings(polygon), mask.shape, repairs), mask.shape), mask
    )
    assert not repairs._lines


@given(masks)
def test_holes_joined_by_bridges_keep_the_pixels(mask):
    whole = [join_rings(part) for part in rings(outline(crop_of(mask)))]
    repairs = Repairs()
    read = fill([[ring] for ring in whole], mask.shape, repairs)
    np.testing.assert_array_equal(on_canvas(read, mask.shape), mask)
    assert not repairs._lines
    if whole:
        flat = [ring.ravel().tolist() for ring in whole]
        coco = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *mask.shape)))
        np.testing.assert_array_equal(coco.astype(bool), mask)


@given(masks)
def test_parts_joined_to_one_ring_keep_the_pixels(mask):
    parts = rings(outline(crop_of(mask)))
    if parts:
        one = join_rings([ring for part in parts for ring in part])
        read = fill([[one]], mask.shape, Repairs())
        np.testing.assert_array_equal(on_canvas(read, mask.shape), mask)


def test_outline_has_holes_and_a_counter_clockwise_shell():
    mask = np.ones((5, 7), bool)
    mask[1:4, 2:5] = False
    polygon = outline(MaskCrop(10, 20, mask))
    assert polygon.bounds == (10, 20, 17, 25)
    assert shapely.get_num_interior_rings(polygon) == 1
    assert len(polygon.exterior.coords) == 5  # no vertices along straight lines
    assert polygon.exterior.is_ccw


def test_tolerance_reduces_the_number_of_vertices():
    y, x = np.mgrid[:60, :60]
    crop = crop_of(np.hypot(y - 30, x - 30) < 25)
    exact, rough = outline(crop), outline(crop, tolerance=1.0)
    assert len(rough.exterior.coords) < len(exact.exterior.coords) / 3
    assert shapely.hausdorff_distance(exact, rough) <= 1.0 + 1e-9


def fill_with_repairs(shells, size):
    repairs = Repairs()
    crop = fill([[np.array(ring, float) for ring in part] for part in shells], size, repairs)
    return on_canvas(crop, size), repairs._lines


def test_a_bow_tie_is_read_by_the_even_odd_rule():
    mask, repairs = fill_with_repairs([[[(0, 0), (8, 8), (8, 0), (0, 8)]]], (8, 8))
    assert mask[4, 0]
    assert mask[4, 7]
    assert not mask[0, 4]
    assert repairs == ["a polygon crosses itself and was read by the even-odd rule"]


def test_polygons_are_clipped_to_the_image():
    mask, repairs = fill_with_repairs([[[(-1e9, -5), (4, -5), (4, 1e9), (-1e9, 1e9)]]], (6, 8))
    np.testing.assert_array_equal(mask, np.tile(np.arange(8) < 4, (6, 1)))
    assert "extends beyond the image" in repairs[0]
    mask, repairs = fill_with_repairs([[[(20, 20), (30, 20), (30, 30)]]], (6, 8))
    assert not mask.any()
    assert "extends beyond the image" in repairs[0]


def test_holes_of_an_invalid_shell_are_left_out():
    mask, repairs = fill_with_repairs([[[(1, 1), (5, 5)], [(0, 0), (4, 0), (4, 4)]], []], (6, 8))
    assert not mask.any()
    assert len(repairs) == 2


def test_polygon_with_too_few_vertices_is_left_out():
    mask, repairs = fill_with_repairs([[[(1, 1), (5, 5), (1, 1)]]], (6, 8))
    assert not mask.any()
    assert "fewer than three" in repairs[0]


@given(st.lists(st.tuples(st.floats(-20, 30), st.floats(-20, 30)), min_size=0, max_size=12))
def test_any_polygon_is_read_or_reported(ring):
    mask, repairs = fill_with_repairs([[np.array(ring).reshape(-1, 2)]], (10, 10))
    assert mask.shape == (10, 10)
    assert mask.any() or repairs or shapely.Polygon(ring).area < 2


def test_polygon_with_nan_is_refused():
    with pytest.raises(AnnotationError, match="NaN or infinite"):
        fill_with_repairs([[[(0, 0), (np.nan, 1), (2, 2)]]], (5, 5))


@given(masks, st.integers(0, 3), st.integers(0, 3))
def test_rle_equals_that_of_pycocotools(mask, x, y):
    size = (mask.shape[0] + 2 * y, mask.shape[1] + 2 * x)
    placed = np.zeros(size, bool)
    placed[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    encoded = rle.encode(crop_of(placed), size)
    assert (
        encoded["counts"].encode()
        == coco_mask.encode(np.asfortranarray(placed, np.uint8))["counts"]
    )
    np.testing.assert_array_equal(coco_mask.decode(encoded).astype(bool), placed)
    np.testing.assert_array_equal(on_canvas(rle.decode(encoded, size), size), placed)
    plain = {"size": list(size), "counts": run_lengths(crop_of(placed), size).tolist()}
    np.testing.assert_array_equal(on_canvas(rle.decode(plain, size), size), placed)


@given(st.text(max_size=12) | st.binary(max_size=12) | st.lists(st.integers(-5, 50)) | st.none())
def test_broken_rle_is_refused_or_stays_inside_the_image(counts):
    try:
        crop = rle.decode({"size": [5, 4], "counts": counts}, (5, 4))
    except AnnotationError:
        return
    x0, y0, x1, y1 = crop.bbox
    assert 0 <= x0 <= x1 <= 4
    assert 0 <= y0 <= y1 <= 5


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": [5, 4], "counts": [3]}, "add up to 3 pixels, the image has 20"),
        ({"size": [4, 5], "counts": [20]}, r"must have the size .* got \(4, 5\)"),
        ({"size": [5, 4], "counts": "5"}, "add up"),
        ({"size": [5, 4], "counts": "o"}, "damaged"),
        ({"size": [5, 4], "counts": "o" * 99}, "damaged"),
        ({"size": [5, 4], "counts": [1.5]}, "a list of integers, got"),
        ({"counts": [20]}, "must have 'size'"),
        ([1, 2], "must have 'size'"),
    ],
)
def test_error_messages_for_invalid_rle(value, message):
    with pytest.raises(AnnotationError, match=message):
        rle.decode(value, (5, 4))


@given(masks, st.integers(-15, 15), st.integers(-15, 15))
def test_clip_to_image(mask, x, y):
    crop = clip_to_image(MaskCrop(x, y, mask), (10, 9))
    wide = np.zeros((60, 60), bool)
    wide[y + 20 : y + 20 + mask.shape[0], x + 20 : x + 20 + mask.shape[1]] = mask
    np.testing.assert_array_equal(on_canvas(crop, (10, 9)), wide[20:30, 20:29])


def test_repairs_are_one_warning_at_the_line_of_the_caller():
    repairs = Repairs()
    for number in range(25):
        repairs.add(f"note {number}")
    with pytest.warns(RepairWarning, match=r"note 0\n(.*\n)*- and 5 more") as caught:
        repairs.warn("'x.json'")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Repairs().warn("'y.json'")
