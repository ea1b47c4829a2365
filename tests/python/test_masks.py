import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_widget.masks.logits import LogitMask, MaskCrop, quantise, upsample

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
logits = hnp.arrays(
    np.int8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(-127, 127)
)


def brute_force(values, height, width):
    """The definition, pixel by pixel."""
    h, w = values.shape
    mask = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            s = max((x + 0.5) * (w / width) - 0.5, 0.0)
            t = max((y + 0.5) * (h / height) - 0.5, 0.0)
            i0, j0 = min(int(s), w - 1), min(int(t), h - 1)
            i1, j1 = min(i0 + 1, w - 1), min(j0 + 1, h - 1)
            f, g = s - i0, t - j0
            q = values.astype(float)
            top = q[j0, i0] * (1 - f) + q[j0, i1] * f
            bottom = q[j1, i0] * (1 - f) + q[j1, i1] * f
            mask[y, x] = top * (1 - g) + bottom * g > 0
    return mask


def full(crop, height, width):
    mask = np.zeros((height, width), bool)
    crop.paste(mask, value=True)
    return mask


@given(logits, sizes)
def test_upsampling_equals_the_reference(values, size):
    np.testing.assert_array_equal(full(upsample(values, *size), *size), brute_force(values, *size))


@given(logits, sizes)
def test_crop_is_the_bounding_box(values, size):
    crop = upsample(values, *size)
    mask = full(crop, *size)
    assert crop.area == mask.sum()
    if crop.area:
        rows, columns = np.nonzero(mask)
        assert crop.bbox == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    else:
        assert crop.bbox == (0, 0, 0, 0)


def test_large_masks_are_upsampled_in_chunks():
    values = np.random.default_rng(0).integers(-127, 128, (16, 16)).astype(np.int8)
    np.testing.assert_array_equal(
        full(upsample(values, 333, 20), 333, 20), brute_force(values, 333, 20)
    )


def plain(values):
    """Quantisation without the saturation of what no pixel depends on."""
    return np.clip(np.rint(values * 8), -127, 127).astype(np.int8)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(-40, 40, width=32),
    ),
    sizes,
)
def test_quantization_changes_no_pixel(values, size):
    quantised = quantise(values)
    assert quantised.dtype == np.int8
    np.testing.assert_array_equal(
        full(upsample(quantised, *size), *size), brute_force(plain(values), *size)
    )


def test_quantization_is_exact_near_the_outline_and_saturates_elsewhere():
    values = np.array([[9, 2, 1, -1, -2, -3]], np.float32)
    np.testing.assert_array_equal(quantise(values), [[127, 127, 8, -8, -127, -127]])


def test_nan_logits_do_not_affect_other_pixels():
    values = np.array([[np.nan, np.inf, -np.inf, 3]], np.float32)
    np.testing.assert_array_equal(quantise(values), [[0, 127, -127, 24]])


@given(logits)
def test_logit_mask_keeps_the_logits(values):
    values = values.astype(np.float32) / 8
    mask = LogitMask.from_logits(values)
    np.testing.assert_array_equal(mask.logits, quantise(values))
    assert mask.empty == (not (mask.logits > 0).any())
    assert (mask.height, mask.width) == values.shape


def test_size_of_a_mask_at_the_resolution_of_sam2():
    y, x = np.mgrid[:256, :256]
    blob = 12 * (1 - np.hypot(x - 100, y - 120) / 60)
    assert len(LogitMask.from_logits(blob.astype(np.float32)).data) < 2_000


@pytest.mark.parametrize("value", [1, 7])
def test_paste_writes_only_the_masks_pixels(value):
    canvas = np.zeros((4, 5), np.int32)
    MaskCrop(1, 2, np.array([[True, False], [True, True]])).paste(canvas, value)
    assert canvas.sum() == 3 * value
    assert canvas[2, 1] == canvas[3, 1] == canvas[3, 2] == value
