"""NaN, infinities, masked entries and numbers for "no data"."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import load_image, segment
from sam2_widget.images.missing import COLOR
from sam2_widget.prompts.collections import Point
from sam2_widget.testing import FakePredictor
from tests.python.tiff_files import FLOAT, LZW, SIGNED, UNSIGNED, tiff

H, W = 10, 12
GROUND = np.linspace(100, 900, H * W).reshape(H, W)
HOLE = np.zeros((H, W), bool)
HOLE[2:4, 3:9] = True


def assert_hole(loaded, reason):
    """The rest has the contrast that it has alone, the hole is violet, and both are recorded."""
    low, high = np.percentile(GROUND[~HOLE], (0.1, 99.9))
    expected = np.rint(np.clip((GROUND - low) / (high - low), 0, 1) * 255)
    np.testing.assert_allclose(loaded.rgb[~HOLE], np.repeat(expected[~HOLE][:, None], 3, 1), atol=1)
    assert (loaded.rgb[HOLE] == COLOR).all()
    assert loaded.record["missing"] == {"pixels": 12, "value": reason, "color": "#480070"}
    (note,) = loaded.record["notes"]
    assert note == (
        f"12 pixels (10.0%) have no value ({reason}), shown in dark violet and left out of the "
        "contrast."
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (-9999, "-9999")],
)
def test_missing_values_of_an_array(dtype, value, reason):
    if dtype == "float16" and value == -9999:
        value = -32768
        reason = "-32768"
    image = np.where(HOLE, value, GROUND.astype(dtype)).astype(dtype)
    before = image.copy()
    loaded = load_image(image)
    if dtype == "float16":
        assert (loaded.rgb[HOLE] == COLOR).all()
        assert loaded.record["missing"]["value"] == reason
    else:
        assert_hole(loaded, reason)
    np.testing.assert_array_equal(loaded.values, before)


@pytest.mark.parametrize(
    "value", [-32768.0, -99999.0, np.finfo(np.float32).min, np.finfo(np.float32).max, 1e20]
)
def test_common_no_data_values(value):
    image = np.where(HOLE, value, GROUND).astype(np.float32)
    assert_hole(load_image(image), f"{np.float32(value):g}")


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_no_data_values_of_integers(dtype):
    image = np.where(HOLE, -9999, GROUND.astype(int)).astype(dtype)
    loaded = load_image(image)
    assert (loaded.rgb[HOLE] == COLOR).all()
    assert loaded.rgb[~HOLE].max() == 255


def test_no_data_does_not_change_the_scale_of_floats_in_0_1():
    image = np.array([[0.2, -9999.0, 0.6, np.nan]], np.float32)
    assert load_image(image).rgb.tolist() == [[[51] * 3, list(COLOR), [153] * 3, list(COLOR)]]


def test_no_data_value_that_may_be_data_is_kept():
    slope = np.linspace(-9999, 9999, H * W).reshape(H, W)
    for image in (slope, np.full((H, W), -9999.0), GROUND.astype(np.uint16)):
        loaded = load_image(image)
        assert "missing" not in loaded.record
        assert not (loaded.rgb == COLOR).all(axis=2).any()


def test_no_data_value_inside_given_contrast_limits_is_data():
    image = np.where(HOLE, -9999, GROUND).astype(np.float32)
    loaded = load_image(image, contrast_limits=(-9999, 900))
    assert "missing" not in loaded.record
    assert loaded.rgb[3, 5].tolist() == [0, 0, 0]


def test_masked_array():
    image = np.ma.masked_array(np.where(HOLE, 0, GROUND), HOLE)
    assert_hole(load_image(image), "masked")
    rgb = np.ma.masked_array(np.full((H, W, 3), 7, np.uint8), np.dstack([HOLE] * 3))
    loaded = load_image(rgb)
    assert (loaded.rgb[HOLE] == COLOR).all()
    assert (loaded.rgb[~HOLE] == 7).all()
    everything = np.ma.masked_equal(np.zeros((3, 3)), 0)
    assert (load_image(everything).rgb == COLOR).all()


def test_image_without_valid_values():
    loaded = load_image(np.full((3, 4), np.nan))
    assert (loaded.rgb == COLOR).all()
    assert "12 pixels (100.0%)" in loaded.record["notes"][0]


@pytest.mark.parametrize("compression", [1, LZW])
@pytest.mark.parametrize(
    ("bits", "kind", "nodata"),
    [
        (32, FLOAT, "-1"),
        (32, FLOAT, "nan"),
        (16, UNSIGNED, "0"),
        (16, SIGNED, "-1"),
        (8, UNSIGNED, "7"),
    ],
)
def test_no_data_value_of_a_geotiff(bits, kind, nodata, compression, with_tifffile):
    ground = GROUND / 4 + 10 if bits == 8 else GROUND
    image = np.where(HOLE, float(nodata), ground if kind == FLOAT else ground.astype(int))
    data = tiff(image, bits=bits, kind=kind, nodata=nodata, compression=compression)
    loaded = load_image(data)
    assert (loaded.rgb[HOLE] == COLOR).all()
    assert not (loaded.rgb[~HOLE] == COLOR).all(axis=1).any()
    assert loaded.record["missing"]["pixels"] == 12
    if bits == 8:  # bytes are shown as they are
        np.testing.assert_array_equal(loaded.rgb[~HOLE][:, 0], image[~HOLE])
    else:
        low, high = loaded.record["contrast_limits"][0]
        assert 100 <= low < high <= 900


@pytest.mark.parametrize("nodata", ["", "none", "-1", "300", "0.5"])
def test_no_data_value_outside_the_dtype(nodata):
    image = np.full((H, W), 5)
    loaded = load_image(tiff(image, nodata=nodata))
    assert (loaded.rgb == 5).all()
    assert "missing" not in loaded.record


def test_pixel_is_missing_only_if_all_bands_have_the_value():
    image = np.full((H, W, 3), 200, np.uint16)
    image[0, 0] = 0
    image[0, 1] = (0, 100, 100)
    loaded = load_image(tiff(image, bits=16, photometric=2, nodata="0"), contrast_limits=(0, 200))
    assert loaded.rgb[0, 0].tolist() == list(COLOR)
    assert loaded.rgb[0, 1].tolist() == [0, 128, 128]
    # But what is not a number cannot be shown in part.
    floats = image.astype(float)
    floats[5, 5, 1] = np.nan
    assert load_image(floats).rgb[5, 5].tolist() == list(COLOR)


@pytest.mark.parametrize("key", ["_FillValue", "nodata", "missing_value", "nodatavals"])
def test_no_data_attribute_of_a_data_array(key):
    value = (-1.0,) if key == "nodatavals" else -1.0
    image = xr.DataArray(np.where(HOLE, -1, GROUND), dims=("y", "x"), attrs={key: value})
    assert_hole(load_image(image), "-1")


def test_missing_values_of_chosen_channels():
    image = np.stack([np.where(HOLE, np.nan, GROUND), GROUND, GROUND])
    loaded = load_image(image, channels={0: "magenta", 2: "green"})
    assert (loaded.rgb[HOLE] == COLOR).all()
    assert "missing" not in load_image(image, channels=1).record


def test_missing_values_are_in_the_provenance_and_segment_warns():
    image = np.where(HOLE, np.nan, GROUND)
    with pytest.warns(UserWarning, match="12 pixels"):
        result = segment(image, [Point(6, 8)], model=FakePredictor())
    described = json.loads(json.dumps(result.provenance.to_dict()))["image"]
    assert described["missing"] == {"pixels": 12, "value": "NaN", "color": "#480070"}


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=4, max_size=30))
def test_any_float_values_can_be_loaded(numbers):
    image = np.array([numbers], np.float32)
    loaded = load_image(image)
    bad = ~np.isfinite(image)
    assert (loaded.rgb[bad] == COLOR).all()
    np.testing.assert_array_equal(loaded.values, image)
