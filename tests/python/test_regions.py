import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure

from sam2_widget.masks.logits import LogitMask, quantise
from sam2_widget.masks.regions import clean, shrink, touched

logits = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-16, 16, width=32),
)
cells = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def regions(mask, connectivity):
    labels = measure.label(mask, connectivity=connectivity)
    return [labels == n for n in range(1, labels.max() + 1)]


@settings(deadline=None)  # the first call imports OpenCV
@given(logits, st.integers(0, 20), st.integers(0, 20))
def test_small_holes_and_specks_are_removed(values, holes, specks):
    before = quantise(values)
    after = clean(LogitMask.from_logits(values), holes=holes, specks=specks).logits
    parts = regions(after > 0, 2)
    assert all(part.sum() > specks for part in parts) or len(parts) == 1
    if (before > 0).any():
        assert parts
        assert all(hole.sum() > holes for hole in regions(after <= 0, 1))
    unchanged = (before > 0) == (after > 0)
    # What stays keeps its values, so that its edge keeps its place.
    assert (np.abs(before.astype(int)) <= np.abs(after.astype(int)))[unchanged].all()


@settings(deadline=None)
@given(logits)
def test_default_settings_change_nothing(values):
    mask = LogitMask.from_logits(values)
    assert clean(mask, holes=0, specks=0) == mask


def test_the_largest_part_is_never_dropped():
    values = np.full((8, 8), -5, np.float32)
    values[1, 1] = values[6, 5:7] = 5
    cleaned = clean(LogitMask.from_logits(values), holes=0, specks=60).logits
    np.testing.assert_array_equal(np.argwhere(cleaned > 0), [[6, 5], [6, 6]])


@settings(deadline=None)
@given(cells, st.integers(0, 2**32 - 1))
def test_touched_regions_are_complete(mask, seed):
    seeds = np.random.default_rng(seed).random(mask.shape) > 0.8
    found = touched(mask, seeds)
    expected = np.zeros_like(mask)
    for region in regions(mask, 1):
        if (region & seeds).any():
            expected |= region
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(4, 4), (2, 8), (16, 16)])
def test_area_fractions_keep_the_mean(size):
    mask = np.zeros((16, 16), bool)
    mask[4:12, :8] = True
    share = shrink(mask, size)
    assert share.shape == size
    assert share.mean() == pytest.approx(0.25, abs=0.01)
    assert 0 <= share.min() <= share.max() <= 1
