import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_widget import Choice, Point, Scribble, Stroke
from sam2_widget.masks.brush import segments, under
from sam2_widget.masks.logits import LogitMask, PixelMask
from sam2_widget.masks.strokes import Mask, covers, draw_into, standing_strokes

sizes = st.tuples(st.integers(1, 25), st.integers(1, 25))
coordinate = st.floats(-8, 33, width=32) | st.integers(-4, 28).map(float)
strokes = st.builds(
    Stroke,
    st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=5),
    st.floats(0.125, 9, width=32) | st.sampled_from([0.5, 1.0, 5.0]),
    st.sampled_from([0, 1]),
)
pixels = st.builds(
    lambda size, seed: np.random.default_rng(seed).random(size) > 0.6, sizes, st.integers(0, 999)
)


def is_under(stroke, x, y):
    """The definition, for the pixel of column `x` and row `y`, in plain doubles."""
    px, py, r = x + 0.5, y + 0.5, stroke.radius
    ends = stroke.points
    for (ax, ay), (bx, by) in zip(ends, ends[1:] or ends, strict=False):
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        t = min(max(((px - ax) * dx + (py - ay) * dy) / length, 0), 1) if length > 0 else 0
        ex, ey = px - (ax + t * dx), py - (ay + t * dy)
        if ex * ex + ey * ey <= r * r:
            return True
    return False


def full(crop, size):
    mask = np.zeros(size, bool)
    crop.paste(mask, value=True)
    return mask


@settings(deadline=None)
@given(pixels, st.lists(strokes, max_size=3))
def test_strokes_are_applied_in_order(base, drawn):
    expected = base.copy()
    for stroke in drawn:
        for y, x in np.ndindex(*base.shape):
            if is_under(stroke, x, y):
                expected[y, x] = stroke.label
    crop = Mask(PixelMask.from_pixels(base), tuple(drawn)).crop(*base.shape)
    np.testing.assert_array_equal(full(crop, base.shape), expected)
    if crop.area:
        assert all(edge.any() for edge in (*crop.pixels[[0, -1]], *crop.pixels[:, [0, -1]].T))


@settings(deadline=None)
@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=4),
    st.floats(0.125, 20, width=32) | st.sampled_from([0.5, 1.0, 1.5, 2.0, 5.0, 13.0]),
    st.sampled_from([0, 1, 4096]),
)
def test_runs_equal_the_test_of_each_pixel(points, radius, few):
    stroke = Stroke(points, radius)
    xs, ys = np.arange(0.5, 26), np.arange(0.5, 23)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sam2_widget.masks.brush.SMALL_AREA", few)
        found = under(segments(stroke.vertices, radius), xs, ys)
    expected = [[is_under(stroke, x, y) for x in range(26)] for y in range(23)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "points",
    [[(10.5, 10.5), (40.5, 10.5)], [(10.5, 5), (10.5, 30)], [(3, 4), (33, 44)], [(9.5, 9.5)]],
)
@pytest.mark.parametrize("radius", [5, 3, 10, 0.5])
def test_pixels_exactly_on_the_edge_are_tested_individually(points, radius, monkeypatch):
    monkeypatch.setattr("sam2_widget.masks.brush.SMALL_AREA", 0)
    stroke = Stroke(points, radius)
    found = under(segments(stroke.vertices, radius), np.arange(0.5, 60), np.arange(0.5, 60))
    expected = [[is_under(stroke, x, y) for x in range(60)] for y in range(60)]
    np.testing.assert_array_equal(found, expected)


@given(strokes, st.integers(0, 24), st.integers(0, 24))
def test_a_stroke_covers_the_pixels_under_it(stroke, x, y):
    assert covers(stroke, Point(x + 0.9, y + 0.1)) == is_under(stroke, x, y)


def test_a_single_vertex_is_a_disc():
    crop = Mask(PixelMask.from_pixels(np.zeros((9, 9), bool)), (Stroke([(4.5, 4.5)], 1),)).crop(
        9, 9
    )
    assert crop.bbox == (3, 3, 6, 6)
    assert crop.area == 5


def test_wide_strokes_are_drawn_in_chunks(monkeypatch):
    stroke = Stroke([(10, 10), (80, 60)], 30)
    mask = Mask(PixelMask.from_pixels(np.zeros((100, 120), bool)), (stroke,))
    at_once = full(mask.crop(100, 120), (100, 120))
    monkeypatch.setattr("sam2_widget.masks.brush.CELLS_AT_ONCE", 500)
    np.testing.assert_array_equal(full(mask.crop(100, 120), (100, 120)), at_once)


def test_later_click_of_the_opposite_label_removes_a_stroke():
    brush, eraser = Stroke([(5, 5), (15, 5)], 2), Stroke([(5, 15)], 2, 0)
    beside, on_brush, on_eraser = Point(10, 9, 0), Point(10, 5.5, 0), Point(5, 15)
    assert standing_strokes((brush, eraser)) == (brush, eraser)
    assert standing_strokes((on_brush, brush, beside, eraser)) == (brush, eraser)
    assert standing_strokes((brush, eraser, on_brush)) == (eraser,)
    assert standing_strokes((brush, eraser, on_eraser)) == (brush,)
    assert standing_strokes((brush, Point(10, 5, 1))) == (brush,)
    assert standing_strokes((brush, on_brush, brush)) == (brush,)
    assert standing_strokes((brush, Choice(1), Scribble([(9, 5), (11, 5)], 0))) == (brush,)


def test_empty_and_full_masks_consider_strokes():
    nothing = LogitMask.from_logits(np.full((2, 2), -1, np.float32))
    everything = LogitMask.from_logits(np.full((2, 2), 1, np.float32))
    brush, eraser = Stroke([(1, 1)], 1), Stroke([(1, 1)], 1, 0)
    assert Mask(nothing).empty
    assert not Mask(nothing, (eraser, brush)).empty
    assert Mask(nothing, (eraser,)).empty
    assert Mask(everything, (brush,)).whole
    assert not Mask(everything, (eraser,)).whole


@pytest.mark.parametrize("label", [0, 1])
def test_strokes_are_drawn_into_logits(label):
    logits = np.zeros((16, 16), np.float32)
    drawn = draw_into(logits, (Stroke([(32, 80), (96, 80)], 0.1, label),), (160, 128), 10)
    row = drawn[8]
    assert not logits.any()
    assert set(row[4:12]) == {10 if label else -10}
    assert not row[:3].any()
    assert not drawn[:7].any()


@given(hnp.arrays(bool, sizes), st.integers(0, 5), st.integers(0, 5))
def test_pixel_masks_keep_their_pixels(mask, x, y):
    size = (mask.shape[0] + 5, mask.shape[1] + 5)
    kept = PixelMask.from_pixels(mask, x, y, whole=False)
    expected = np.zeros(size, bool)
    expected[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    np.testing.assert_array_equal(full(kept.crop(*size), size), expected)
    assert kept.empty == (not mask.any())
    assert kept.crop(*size).bbox == (kept.x, kept.y, kept.x + kept.width, kept.y + kept.height)
