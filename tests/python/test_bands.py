"""Channels that are bands, transparency, or nothing: what is shown, and what is recorded."""

import numpy as np
import pytest
import tifffile
import torch

from sam2_widget import ImageError, load_image, segment
from sam2_widget.prompts.collections import Point
from sam2_widget.testing import FakePredictor
from tests.python.tiff_files import ASSOCIATED, RGB, UNASSOCIATED, UNSPECIFIED, tiff

H, W = 6, 8
DRAW = np.random.default_rng(2)
BANDS = DRAW.integers(0, 3000, (H, W, 4)).astype(np.uint16)
LIMITS = (0, 3000)


def shown(values):
    return np.rint(values.astype(float) / 3000 * 255)


def first_three(image, **options):
    """Loaded, and found to be the first three bands, with a word of the fourth."""
    loaded = load_image(image, contrast_limits=LIMITS, **options)
    np.testing.assert_array_equal(loaded.rgb, shown(BANDS[..., :3]))
    np.testing.assert_array_equal(loaded.values, BANDS)
    assert loaded.record["channels"] == {0: "red", 1: "green", 2: "blue"}
    (note,) = loaded.record["notes"]
    assert note == (
        "Channels 0, 1, 2 of 4 are shown as red, green and blue: choose others by channels=, "
        "e.g. channels=(3, 0, 1)."
    )
    return loaded


def test_fourth_band_of_an_array_is_not_alpha():
    first_three(BANDS)
    first_three(np.moveaxis(BANDS, 2, 0))
    first_three(torch.from_numpy(np.moveaxis(BANDS, 2, 0).astype(np.int32)))
    near_infrared = load_image(BANDS, channels=(3, 0, 1), contrast_limits=LIMITS)
    np.testing.assert_array_equal(near_infrared.rgb, shown(BANDS[..., [3, 0, 1]]))


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("photometric", [RGB, 1])
def test_fourth_band_of_a_tiff_is_not_alpha(planar, photometric):
    count = 1 if photometric == RGB else 3
    first_three(
        tiff(BANDS, bits=16, photometric=photometric, planar=planar, extra=[UNSPECIFIED] * count)
    )
    # Nor where the file has no description.
    first_three(tiff(BANDS, bits=16, photometric=photometric, planar=planar))


def test_a_stack_of_four_channels(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(BANDS, 2, 0),
        photometric="minisblack",
        imagej=True,
        metadata={"axes": "CYX"},
    )
    first_three(tmp_path / "a.tif")


def test_contrast_uses_only_the_displayed_bands():
    """The fourth, which is not shown, has no say."""
    bright = BANDS.copy()
    bright[..., 3] = 65535
    np.testing.assert_array_equal(load_image(bright).rgb, load_image(BANDS[..., :3]).rgb)


def test_8_bit_rgba_has_an_alpha_channel():
    rgba = DRAW.integers(0, 255, (H, W, 4)).astype(np.uint8)
    alpha = rgba[..., 3:] / 255
    on_white = rgba[..., :3] * alpha + 255 * (1 - alpha)
    tensor = torch.from_numpy(np.moveaxis(rgba, 2, 0).copy())
    for image in (rgba, tensor):
        np.testing.assert_allclose(load_image(image).rgb, on_white, atol=1)
    stack = load_image(np.stack([rgba, rgba]), axes="ZYXC", plane=1)
    np.testing.assert_allclose(stack.rgb, on_white, atol=1)
    # Satellites' files are read with the bands first.
    bands = load_image(np.moveaxis(rgba, 2, 0))
    np.testing.assert_array_equal(bands.rgb, rgba[..., :3])
    assert "Channels 0, 1, 2 of 4" in bands.record["notes"][0]


@pytest.mark.parametrize("kind", [ASSOCIATED, UNASSOCIATED])
def test_alpha_channel_declared_in_a_file(kind):
    values = BANDS.copy()
    values[..., 3] = DRAW.integers(1, 65535, (H, W))
    part = values[..., 3:] / 65535
    if kind == ASSOCIATED:
        values[..., :3] = BANDS[..., :3] * part
    data = tiff(values, bits=16, photometric=RGB, extra=[kind])
    loaded = load_image(data, contrast_limits=LIMITS)
    expected = BANDS[..., :3] / 3000 * 255 * part + 255 * (1 - part)
    # Of a colour times nearly nothing, nearly nothing is known.
    seen = part[..., 0] > 0.05
    np.testing.assert_allclose(loaded.rgb[seen], expected[seen], atol=3)
    assert "notes" not in loaded.record


def test_transparent_pixels_do_not_affect_the_contrast():
    values = np.zeros((H, W, 4), np.uint16)
    values[..., :3] = np.linspace(1000, 2000, W)[None, :, None]
    values[..., 3] = 65535
    values[0] = 0
    data = tiff(values, bits=16, photometric=RGB, extra=[UNASSOCIATED])
    loaded = load_image(data)
    ((low, high), *_) = loaded.record["contrast_limits"]
    assert 1000 <= low < high <= 2000
    assert loaded.rgb[0].tolist() == [[255] * 3] * W


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((10, 40, 50, 3), "ZYXC"),
        ((12, 40, 40), "ZYX"),
        ((40, 50, 7), "YXC"),
        ((5, 2, 40, 50), "ZCYX"),
        ((2, 5, 3, 40, 50), "TZCYX"),
    ],
)
def test_the_hint_for_an_array_works(shape, axes):
    image = np.zeros(shape, np.uint8)
    with pytest.raises(ImageError, match=f"axes='{axes}'"):
        load_image(image)
    planes = dict.fromkeys((a for a in axes if a in "ZT"), 1)
    channels = 0 if "C" in axes and image.shape[axes.index("C")] != 3 else None
    loaded = load_image(image, axes=axes, plane=planes or None, channels=channels)
    assert loaded.rgb.shape == (40, 50 if 50 in shape else 40, 3)


def test_the_hint_for_colour_images_names_a_plane():
    with pytest.raises(ImageError, match="a stack of 10 colour images, with plane=0"):
        load_image(np.zeros((10, 400, 500, 3), np.uint8))
    with pytest.raises(ImageError, match="a stack of 12 planes, or axes='CYX' with channels="):
        load_image(np.zeros((12, 400, 400), np.uint8))


def test_segment_warns_which_bands_are_shown():
    with pytest.warns(UserWarning, match="Channels 0, 1, 2 of 4 are shown"):
        result = segment(BANDS, [Point(2, 2)], model=FakePredictor())
    assert result.provenance.to_dict()["image"]["channels"]["0"] == "red"
