"""Images as scientists have them: click a known pixel, get that pixel."""

import io
import sys

import dask.array as da
import numpy as np
import pytest
import tifffile
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sam2_widget import ImageError
from sam2_widget.images import arrays
from sam2_widget.images.sources import load_image
from sam2_widget.images.stacks import ImageStack

H, W = 20, 30
ROW, COLUMN = 4, 17


def marked(shape=(H, W), value=1, dtype=np.uint8):
    """All 0 but one pixel."""
    image = np.zeros(shape, dtype)
    image[ROW, COLUMN] = value
    return image


def assert_marked(loaded, color=(255, 255, 255)):
    assert loaded.rgb.shape == (H, W, 3)
    assert loaded.rgb.dtype == np.uint8
    assert loaded.rgb.flags.c_contiguous
    assert loaded.rgb[ROW, COLUMN].tolist() == list(color)
    assert np.count_nonzero(loaded.rgb.any(axis=2)) == 1


TYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("dtype", TYPES)
def test_every_dtype(dtype):
    value = 255 if dtype == "uint8" else 1
    assert_marked(load_image(marked(value=value, dtype=dtype)))


CHANNELS = np.stack([marked(value=v, dtype=np.uint16) for v in (100, 2000, 30_000, 0, 7)])


@pytest.mark.parametrize("order", ["CYX", "YXC", "YCX", "XYC", "CXY"])
def test_axes_in_any_order(order):
    turned = CHANNELS.transpose([("CYX").index(a) for a in order])
    loaded = load_image(turned, axes=order, channels=2)
    assert_marked(loaded)
    assert loaded.record["axes"] == order
    assert loaded.record["channels"] == {2: "grey"}
    assert loaded.values.shape == (H, W, 5)
    assert loaded.values[ROW, COLUMN].tolist() == [100, 2000, 30_000, 0, 7]


def test_channels_as_red_green_blue():
    loaded = load_image(CHANNELS, channels=(1, None, 0), contrast_limits=(0, 2000))
    assert_marked(loaded, (255, 0, 13))
    assert load_image(CHANNELS, channels=(-4, None, 0)).record["channels"] == {
        1: "#ff0000",
        0: "#0000ff",
    }


def test_each_channel_has_its_own_contrast():
    loaded = load_image(CHANNELS, channels={0: "magenta", 2: "#008000"})
    assert_marked(loaded, (255, 128, 255))
    (_, first), (_, second) = loaded.record["contrast_limits"]
    assert 0 < first <= 100 < second <= 30_000


def test_ambiguous_channel_axis_must_be_given():
    with pytest.raises(ImageError, match="name its axes"):
        load_image(np.zeros((7, 7, 7)), channels=0)
    assert load_image(np.zeros((7, 9, 8)), channels=0).rgb.shape == (9, 8, 3)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (5, "no channel 5: give 0 to 4"),
        ((0, 1), "one channel, three"),
        ({0: "ultraviolet"}, "no colour 'ultraviolet'"),
        ({"x": "red"}, "no channel 'x'"),
        (True, "no channel True"),
        (1.5, "one channel, three"),
    ],
)
def test_invalid_channels_are_refused(channels, message):
    with pytest.raises(ImageError, match=message):
        load_image(CHANNELS, channels=channels)


def test_many_channels_must_be_chosen():
    with pytest.raises(ImageError, match="has 5 channels: choose which"):
        load_image(CHANNELS, axes="CYX")


@pytest.mark.parametrize(
    ("limits", "grey"),
    [((0, 1000), 128), ((400, 600), 128), ("full", 2), ([(0, 500)], 255), ((600, 900), 0)],
)
def test_given_contrast_limits_are_used(limits, grey):
    loaded = load_image(np.full((2, 2), 500, np.uint16), contrast_limits=limits)
    assert loaded.rgb[0, 0].tolist() == [grey] * 3


def test_contrast_of_bytes_can_be_set_too():
    loaded = load_image(np.array([[0, 100, 200]], np.uint8), contrast_limits=(100, 200))
    assert loaded.rgb[0, :, 0].tolist() == [0, 0, 255]
    assert load_image(np.array([[0, 100]], np.uint8), contrast_limits="full").rgb[0, 1, 0] == 100


@pytest.mark.parametrize(
    "limits", ["best", (5, 5), (9, 3), (1, 2, 3), [(0, 1), (0, 1)], (0, np.nan), None, ("a", "b")]
)
def test_invalid_contrast_limits_are_refused(limits):
    with pytest.raises(ImageError, match="contrast_limits must be"):
        load_image(np.zeros((3, 3), np.uint16), contrast_limits=limits)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 2**31))
def test_integers_are_stretched_without_overflow(low, span):
    values = np.array([[low, low + span // 2, low + span]], np.int64)
    grey = load_image(values, contrast_limits=(low, low + span)).rgb[0, :, 0]
    assert (grey[0], grey[2]) == (0, 255)


def test_tensors_are_channels_first():
    tensor = torch.zeros(3, H, W, dtype=torch.bfloat16)
    tensor[:, ROW, COLUMN] = 1
    assert_marked(load_image(tensor))
    assert_marked(load_image(torch.from_numpy(marked(value=255))))


def test_xarray_names_its_axes_and_channels():
    array = xr.DataArray(
        CHANNELS.transpose(1, 2, 0)[None],
        dims=("time", "y", "x", "channel"),
        coords={"channel": ["a", "b", "c", "d", "e"]},
    )
    loaded = load_image(array, channels={"c": "red"})
    assert_marked(loaded, (255, 0, 0))
    assert loaded.record["axes"] == "TYXC"
    assert_marked(load_image(array.transpose("channel", "x", "time", "y"), channels="c"))
    with pytest.raises(ImageError, match=r"one of \['a', 'b'"):
        load_image(array, channels="z")
    with pytest.raises(ImageError, match="has 5 channels"):
        load_image(array)
    with pytest.raises(ImageError, match="rename them to y and x"):
        load_image(xr.DataArray(marked(), dims=("a", "b")))
    assert_marked(load_image(xr.DataArray(marked(value=255), dims=("b", "a")), axes="YX"))


def test_dask_computes_only_what_is_shown():
    computed = []

    def block(where, value):
        computed.append(where)
        return marked(value=value, dtype=np.uint16)[None]

    planes = [
        da.from_delayed(__import__("dask").delayed(block)(i, 10 * i), (1, H, W), np.uint16)
        for i in range(1, 5)
    ]
    stack = da.concatenate(planes)
    assert_marked(load_image(stack, axes="ZYX", plane=2))
    assert computed == [3]


def test_plane_of_a_stack_is_required():
    stack = np.zeros((5, 3, H, W), np.uint8)
    stack[2, 1, ROW, COLUMN] = 255
    with pytest.raises(ImageError, match="5 along Z: choose a plane"):
        load_image(stack, axes="ZCYX")
    loaded = load_image(stack, axes="ZCYX", plane=2)
    assert_marked(loaded, (0, 255, 0))
    assert loaded.record["plane"] == {"Z": 2}
    assert_marked(load_image(stack, axes="ZCYX", plane={"z": -3}), (0, 255, 0))
    with pytest.raises(ImageError, match="no plane 5 along Z"):
        load_image(stack, axes="ZCYX", plane=5)
    with pytest.raises(ImageError, match="choose a plane"):
        load_image(stack[None], axes="TZCYX", plane={"T": 0})
    with pytest.raises(ImageError, match="along Q"):
        load_image(stack, axes="ZCYX", plane={"Z": 0, "Q": 1})
    assert_marked(load_image(stack[2:3, None], axes="ZTCYX"), (0, 255, 0))


@pytest.mark.parametrize("axes", ["ZY", "ZYXX", "ABCD", "YXCS", "YX"])
def test_invalid_axes_are_refused(axes):
    with pytest.raises(ImageError, match="axes must name the 4 axes"):
        load_image(np.zeros((2, 3, 4, 5), np.uint8), axes=axes)


def test_plane_of_a_2d_image_is_refused():
    with pytest.raises(ImageError, match="no further axis"):
        load_image(marked(), plane=3)


@pytest.mark.parametrize("imagej", [True, False])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_many_axes(tmp_path, imagej, compression):
    if imagej and compression:
        compression = None
    data = np.zeros((2, 5, 3, H, W), np.uint16)
    data[1, 3, 2, ROW, COLUMN] = 900
    path = tmp_path / "stäck 1.tif"
    tifffile.imwrite(
        path,
        data,
        imagej=imagej,
        metadata={"axes": "TZCYX"},
        compression=compression,
        photometric="minisblack",
    )
    loaded = load_image(path, plane={"T": 1, "Z": 3})
    assert_marked(loaded, (0, 0, 255))
    assert loaded.name == "stäck 1.tif"
    stack = ImageStack(path, along="Z", plane={"T": 1})
    assert len(stack) == 5
    assert_marked(stack[3], (0, 0, 255))
    assert not stack[2].rgb.any()


def test_tiff_of_16_bits_and_of_a_picture(tmp_path):
    tifffile.imwrite(tmp_path / "deep.tif", marked(value=3000, dtype=np.uint16))
    assert_marked(load_image(tmp_path / "deep.tif"))
    colors = np.zeros((H, W, 3), np.uint8)
    colors[ROW, COLUMN] = (10, 20, 30)
    tifffile.imwrite(tmp_path / "rgb.tif", colors, photometric="rgb")
    assert_marked(load_image(tmp_path / "rgb.tif"), (10, 20, 30))
    tifffile.imwrite(tmp_path / "planar.tif", CHANNELS, photometric="minisblack")
    assert_marked(load_image(tmp_path / "planar.tif", axes="CYX", channels=2))


def test_tiff_is_recognized_by_content(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.stk", CHANNELS, photometric="minisblack", metadata={"axes": "CYX"}
    )
    assert_marked(load_image(tmp_path / "a.stk", channels=2))
    with pytest.raises(ImageError, match="has 5 channels"):
        load_image(tmp_path / "a.stk")


def test_imageio_reads_formats_that_pillow_cannot(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.stk", marked(dtype=np.float64))
    monkeypatch.setattr("sam2_widget.images.sources.is_tiff", lambda path: False)
    assert_marked(load_image(tmp_path / "a.stk"))
    monkeypatch.setattr("sam2_widget.images.sources.find_spec", lambda name: None)
    with pytest.raises(ImageError, match="not an image that Pillow can read"):
        load_image(tmp_path / "a.stk")


def test_without_tifffile_pillow_reads_what_it_can(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "deep.tif", marked(value=3000, dtype=np.uint16))
    monkeypatch.setattr("sam2_widget.images.sources.find_spec", lambda name: None)
    monkeypatch.setattr("sam2_widget.images.stacks.find_spec", lambda name: None)
    assert_marked(load_image(tmp_path / "deep.tif"))
    with pytest.raises(ImageError, match="pip install tifffile"):
        ImageStack(tmp_path / "deep.tif")


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", marked(value=9, dtype=np.float32))
    assert_marked(load_image(tmp_path / "a.npy"))
    np.save(tmp_path / "b.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ImageError, match="is broken"):
        load_image(tmp_path / "b.npy")


def test_a_stack_is_a_sequence_of_planes():
    data = np.zeros((4, H, W), np.uint8)
    data[1] = marked(value=255)
    stack = ImageStack(data, axes="TYX")
    assert len(stack) == 4
    assert stack.along == "T"
    assert_marked(stack[1])
    assert_marked(stack[-3])
    assert [bool(one.rgb.any()) for one in stack] == [False, True, False, False]
    assert len(stack[1:3]) == 2
    with pytest.raises(IndexError, match="there are 4"):
        stack[4]
    with pytest.raises(ImageError, match="along= must be the axis"):
        ImageStack(np.zeros((2, 3, H, W), np.uint8), axes="TZYX")
    with pytest.raises(ImageError, match="no planes"):
        ImageStack(Image.new("L", (3, 3)))


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    file.seek(0)
    return Image.open(file)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once(orientation):
    turned = np.zeros((H, W, 3), np.uint8)
    turned[ROW, COLUMN] = 255
    inverse = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    exif = Image.Exif()
    exif[0x0112] = inverse.get(orientation, 1)
    stored = Image.fromarray(turned)
    stored.getexif()[0x0112] = exif[0x0112]
    from PIL import ImageOps  # noqa: PLC0415

    stored = ImageOps.exif_transpose(stored)
    tag = Image.Exif()
    tag[0x0112] = orientation
    loaded = load_image(saved(stored, format="PNG", exif=tag))
    assert_marked(loaded)
    assert loaded.record.get("orientation", 1) == orientation


def test_colours_are_converted_to_srgb_once():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    red = Image.new("RGB", (4, 4), (200, 30, 40))
    assert load_image(saved(red, format="PNG", icc_profile=srgb.tobytes())).rgb[0, 0].tolist() == [
        *(200, 30, 40)
    ]
    for broken in (lab.tobytes(), b"hello"):  # a profile of another space, and none at all
        loaded = load_image(saved(red, format="PNG", icc_profile=broken))
        assert loaded.rgb[0, 0].tolist() == [200, 30, 40]
        assert loaded.record["profile"] == "not usable, ignored"


def swapped_profile():
    """sRGB with the primaries of red and blue exchanged: its effect cannot be missed."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    tags = {bytes(data[i : i + 4]): i for i in range(132, 132 + 12 * count, 12)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = (
        data[blue + 4 : blue + 12],
        data[red + 4 : red + 12],
    )
    return bytes(data.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")))


def test_color_profile_is_applied_and_recorded():
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    loaded = load_image(saved(red, format="PNG", icc_profile=swapped_profile()))
    assert loaded.rgb[0, 0, 2] > 250
    assert loaded.rgb[0, 0, 0] < 10
    assert "test" in loaded.record["profile"]


def test_channels_and_contrast_limits_apply_to_image_files(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.dstack([marked(value=9), marked(), marked()])).save(path)
    assert_marked(load_image(path, channels=0, contrast_limits=(0, 9)))


def test_record_has_shape_dtype_and_contrast_limits():
    record = load_image(marked(value=500, dtype=np.uint16), contrast_limits=(0, 500)).record
    assert record["shape"] == (H, W)
    assert record["dtype"] == "uint16"
    assert record["contrast_limits"] == ((0.0, 500.0),)


def test_opening_an_array_does_not_import_torch():
    code = "import sys, numpy; from sam2_widget.images.sources import load_image\n"
    code += "load_image(numpy.zeros((3, 3)))\nassert 'torch' not in sys.modules"
    import subprocess  # noqa: PLC0415

    subprocess.run([sys.executable, "-c", code], check=True)


def test_tiff_that_states_thousands_of_channels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_PIXELS", 1000)
    path = tmp_path / "many.tif"
    for channels in (26, 27):
        pixels = np.zeros((20, 30, channels), np.uint16)
        tifffile.imwrite(path, pixels, planarconfig="contig", photometric="minisblack")
        if channels == 26:
            assert load_image(path, axes="YXC", channels=0).rgb.shape == (20, 30, 3)
    with pytest.raises(ImageError, match="16200 numbers, the limit is 16000"):
        load_image(path, axes="YXC", channels=0)
