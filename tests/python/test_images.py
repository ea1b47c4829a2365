import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sam2_widget import ImageError
from sam2_widget.images.view import (
    MAX_VIEW_BYTES,
    MAX_VIEW_SIDE,
    encode_view,
    to_rgb,
)


class Tensor:
    """What `to_rgb` needs of a torch tensor."""

    def __init__(self, array, dtype="torch.float32"):
        self._array, self.dtype = array, dtype

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self._array


GRADIENT = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_rgb_uint8_is_unchanged(array):
    rgb = to_rgb(array)
    np.testing.assert_array_equal(rgb, array)
    assert not np.shares_memory(rgb, array)
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (1, 6, 5)])
def test_grey_has_three_equal_channels(shape):
    rgb = to_rgb(np.arange(30, dtype=np.uint8).reshape(shape))
    np.testing.assert_array_equal(rgb, np.arange(30).reshape(6, 5, 1).repeat(3, axis=2))


def test_bool_is_black_and_white():
    np.testing.assert_array_equal(to_rgb(np.array([[True, False]]))[0, :, 0], [255, 0])


def test_floats_within_0_and_1_keep_their_brightness():
    np.testing.assert_array_equal(to_rgb(np.array([[0.0, 0.2, 0.6]]))[0, :, 1], [0, 51, 153])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, np.float16])
def test_other_ranges_are_stretched(dtype):
    grey = to_rgb(np.linspace(100, 4000, 1000).reshape(20, 50).astype(dtype))[..., 0]
    assert grey.min() == 0
    assert grey.max() == 255
    assert abs(int(grey[10, 0]) - 128) < 3


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_constant_image_is_shown(value):
    assert to_rgb(np.full((3, 3), value, np.uint16)).shape == (3, 3, 3)
    assert to_rgb(np.full((3, 3), float(value))).shape == (3, 3, 3)


def test_channels_first_and_last():
    channels_first = np.moveaxis(GRADIENT, 2, 0)
    np.testing.assert_array_equal(to_rgb(channels_first), GRADIENT)
    np.testing.assert_array_equal(to_rgb(Tensor(channels_first)), GRADIENT)
    np.testing.assert_array_equal(to_rgb(Tensor(GRADIENT)), GRADIENT)


def test_ambiguous_channel_axis_is_last_for_arrays_and_first_for_tensors():
    both = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    assert to_rgb(both).shape == (3, 4, 3)
    assert to_rgb(Tensor(both)).shape == (4, 3, 3)


def test_transparent_pixels_are_blended_with_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = [10, 20, 30, 255]
    for image in (rgba, Image.fromarray(rgba)):
        rgb = to_rgb(image)
        assert rgb[0, 0].tolist() == [10, 20, 30]
        assert rgb[1, 1].tolist() == [255, 255, 255]


def test_fourth_band_of_floats_does_not_affect_the_contrast():
    rgba = np.zeros((1, 3, 4), np.float32)
    rgba[..., :3] = np.array([0.0, 500.0, 1000.0])[None, :, None]
    rgba[0, :2, 3] = 1
    assert to_rgb(rgba)[0, 2].tolist() == [255, 255, 255]
    assert to_rgb(rgba)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("order", ["<u2", ">u2", ">f4"])
def test_byte_order_does_not_matter(order):
    values = np.linspace(100, 4000, 200).reshape(10, 20)
    np.testing.assert_array_equal(to_rgb(values.astype(order)), to_rgb(values.astype(order[1:])))


def test_big_endian_16_bit_tiff(tmp_path):
    values = np.linspace(1000, 3000, 256).reshape(16, 16).astype(np.uint16)
    path = tmp_path / "imagej.tif"
    image = Image.frombytes("I;16B", (16, 16), values.astype(">u2").tobytes())
    image.save(path)
    np.testing.assert_array_equal(to_rgb(path), to_rgb(values))


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e12, 1e300])
def test_large_values_are_shown_without_overflow(offset):
    values = offset + np.arange(16.0).reshape(4, 4) * max(1.0, abs(offset) * 1e-9)
    grey = to_rgb(values)[..., 0]
    assert (grey.min(), grey.max()) == (0, 255)
    assert to_rgb(np.full((2, 2), offset)).shape == (2, 2, 3)


def test_non_contiguous_arrays():
    wide = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    for view in (wide[::2, ::-1], np.asfortranarray(wide), wide.transpose(1, 0, 2)):
        view.setflags(write=False)
        np.testing.assert_array_equal(to_rgb(view), view)


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_exif_orientation_is_applied_once(tmp_path):
    array = np.zeros((8, 16, 3), np.uint8)
    array[:, :8] = 255  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    path = saved(tmp_path, Image.fromarray(array), "turned.png", exif=exif)
    rgb = to_rgb(path)
    assert rgb.shape == (16, 8, 3)
    assert rgb[0, 0, 0] == 255  # the left is on top now
    assert rgb[-1, 0, 0] == 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA", "HSV"])
def test_every_mode_of_pillow(mode):
    rgb = to_rgb(Image.fromarray(GRADIENT * 2).convert(mode))
    assert rgb.shape == (6, 5, 3)
    assert rgb.dtype == np.uint8


def test_cmyk_jpeg(tmp_path):
    red = Image.new("RGB", (16, 16), (200, 30, 40)).convert("CMYK")
    rgb = to_rgb(saved(tmp_path, red, "cmyk.jpg"))
    assert abs(rgb[8, 8].astype(int) - [200, 30, 40]).max() < 12


def test_palette_with_a_transparent_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putdata([0, 1])
    image.info["transparency"] = 1
    assert to_rgb(image)[0].tolist() == [[255, 0, 0], [255, 255, 255]]


def test_16_bit_png(tmp_path):
    values = np.linspace(1000, 3000, 256).reshape(16, 16).astype(np.uint16)
    rgb = to_rgb(saved(tmp_path, Image.fromarray(values), "deep.png"))
    np.testing.assert_array_equal(rgb, to_rgb(values))
    assert rgb.max() == 255


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_images_of_one_pixel_width_or_height(size):
    rgb = to_rgb(np.zeros(size, np.uint8))
    view = encode_view(rgb)
    assert (view.height, view.width) == size
    assert Image.open(io.BytesIO(view.data)).size[0] >= 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "got NoneType"),
        ([[1, 2]], "got list"),
        (np.zeros((0, 5)), "empty, got 5 x 0"),
        (np.zeros((4, 4, 2), np.uint8), r"got \(4, 4, 2\)"),
        (np.zeros((4, 4, 5, 3), np.uint8), r"got \(4, 4, 5, 3\)"),
        (np.zeros(7, np.uint8), r"got \(7,\)"),
        (np.zeros((4, 4), complex), "got complex128"),
        (np.array([["a"]]), "got <U1"),
    ],
)
def test_bad_arrays_are_clear_errors(bad, message):
    with pytest.raises(ImageError, match=message):
        to_rgb(bad)


def test_bad_files_are_clear_errors(tmp_path):
    with pytest.raises(ImageError, match="there is no such file"):
        to_rgb(tmp_path / "none.png")
    with pytest.raises(ImageError, match="there are no images in the folder"):
        to_rgb(str(tmp_path))
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ImageError, match="not an image that Pillow can read"):
        to_rgb(tmp_path / "text.jpg")
    whole = saved(tmp_path, Image.fromarray(np.tile(GRADIENT, (20, 20, 1))), "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(ImageError, match="is broken"):
        to_rgb(tmp_path / "cut.jpg")
    with Image.open(tmp_path / "cut.jpg") as lazy, pytest.raises(ImageError, match="is broken"):
        to_rgb(lazy)
    closed = Image.new("L", (3, 3))
    closed.close()
    with pytest.raises(ImageError, match="is broken"):
        to_rgb(closed)
    with pytest.raises(ImageError, match="no such file"):
        to_rgb("x" * 5000)


def test_pixel_limit_is_checked_before_decoding(tmp_path, monkeypatch):
    huge = np.broadcast_to(np.uint8(0), (20_000, 20_000))
    with pytest.raises(ImageError, match="400 megapixels, the limit is 150"):
        to_rgb(huge)
    path = saved(tmp_path, Image.new("L", (100, 100)), "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="over the limit"):
        to_rgb(path)


def test_large_image_is_sent_reduced():
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    rgb = np.kron(noise, np.ones((10, 10, 1), np.uint8))
    view = encode_view(rgb)
    assert (view.width, view.height) == (4000, 3000)
    assert Image.open(io.BytesIO(view.data)).size == (view.view_width, view.view_height)
    assert max(view.view_width, view.view_height) <= MAX_VIEW_SIDE
    assert len(view.data) <= MAX_VIEW_BYTES
    assert view.mime == "image/jpeg"


def test_small_image_is_sent_losslessly():
    view = encode_view(GRADIENT)
    assert view.mime == "image/png"
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(view.data))), GRADIENT)


def test_photo_is_sent_at_the_largest_screen_size():
    y, x = np.mgrid[:3000, :4000]
    rgb = np.stack([x % 256, y % 256, (x + y) // 28], axis=-1).astype(np.uint8)
    view = encode_view(rgb)
    assert (view.view_width, view.view_height) == (2048, 1536)
