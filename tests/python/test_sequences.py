"""Folders and lists of images: stacks of frames, each read when it is requested."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2_widget import ImageError, ImageStack, load_image
from sam2_widget.images import sequences
from sam2_widget.images.stacks import stack_of

H, W = 9, 14
FRAMES = np.random.default_rng(5).integers(0, 255, (12, H, W, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Frames that sort by their numbers and not by their letters, and files that are none."""
    for number, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(tmp_path / f"Frame {number}.png")
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / ".hidden.png").write_bytes(b"none")
    (tmp_path / "masks").mkdir()
    return tmp_path


def test_a_folder_is_a_stack(folder):
    for source in (folder, str(folder)):
        stack = stack_of(source)
        assert (len(stack), stack.along) == (12, "T")
        for number in (11, 0, 10, 2):
            np.testing.assert_array_equal(stack[number].rgb, FRAMES[number])
            loaded = load_image(source, plane=number)
            np.testing.assert_array_equal(loaded.rgb, FRAMES[number])
            assert loaded.record["plane"] == {"T": number}
            assert loaded.record["source"] == str(folder / f"Frame {number}.png")
        assert stack[10].name == "Frame 10.png"
        np.testing.assert_array_equal(load_image(source, plane={"Z": -1}).rgb, FRAMES[11])
    assert stack_of(folder, plane=3) is None
    assert stack.times is None


def in_memory(frame):
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG")
    return file.getvalue()


def test_a_list_of_anything_is_a_stack(folder):
    listed = [
        folder / "Frame 0.png",
        str(folder / "Frame 1.png"),
        FRAMES[2],
        Image.fromarray(FRAMES[3]),
        in_memory(FRAMES[4]),
        load_image(FRAMES[5]),
        io.BytesIO(in_memory(FRAMES[6])),
    ]
    for source in (listed, tuple(listed)):
        stack = ImageStack(source, along="z")
        assert (len(stack), stack.along) == (7, "Z")
        for number in (6, 0, 3, 5, 2, 4, 1, 6):
            np.testing.assert_array_equal(stack[number].rgb, FRAMES[number])
        np.testing.assert_array_equal(load_image(source, plane=-1).rgb, FRAMES[6])


def test_options_hold_for_each_frame():
    grey = [np.full((H, W), 1000 * n, np.uint16) for n in range(3)]
    stack = ImageStack(grey, axes="ZYX", contrast_limits=(0, 2000))
    assert stack.along == "Z"
    assert [one.rgb.max() for one in stack] == [0, 128, 255]
    assert stack[1].record["plane"] == {"Z": 1}
    np.testing.assert_array_equal(
        ImageStack(list(FRAMES), channels=1)[4].rgb[..., 0], FRAMES[4][..., 1]
    )
    volumes = [np.full((5, H, W), n, np.uint8) for n in range(4)]
    stack = ImageStack(volumes, axes="TZYX", plane={"Z": 3})
    assert (len(stack), stack.along) == (4, "T")
    assert stack[2].record["plane"] == {"T": 2, "Z": 3}
    assert stack[2].values.max() == 2
    opened = stack_of(volumes, axes="TZYX", plane={"Z": 3})
    assert opened[3].values.max() == 3


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16"])
def test_grey_pictures_in_a_folder_have_the_axes_of_grey_arrays(tmp_path, mode):
    for n, frame in enumerate(FRAMES[:3]):
        grey = Image.fromarray(frame[..., 0])
        if mode == "I;16":
            grey = Image.fromarray(frame[..., 0].astype(np.uint16) * 257)
        (grey if mode == "I;16" else grey.convert(mode)).save(tmp_path / f"{n}.png")
    named, plain = ImageStack(tmp_path, axes="ZYX"), ImageStack(tmp_path, along="Z")
    assert (named.along, len(named)) == ("Z", 3)
    for one, other in zip(named, plain, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)


def test_axes_without_channels_are_refused_for_pictures_in_colour(folder):
    with pytest.raises(ImageError, match="axes must name the 3 axes of the image"):
        ImageStack(folder, axes="TYX")[0]


def test_pages_of_tiffs_may_be_frames(tmp_path):
    paths = [tmp_path / f"{n}.tif" for n in range(3)]
    for n, path in enumerate(paths):
        tifffile.imwrite(path, np.full((2, H, W), 10 * n, np.uint8), photometric="minisblack")
    with pytest.raises(ImageError, match=r"frame 0 \('0.tif'\): the image is a stack"):
        ImageStack(paths)[0]
    letter = ImageStack(paths[0]).along
    stack = ImageStack(paths, plane={letter: 1}, along="T")
    assert stack[2].values.max() == 20


def test_one_image_in_a_list_is_an_image():
    assert stack_of([FRAMES[0]]) is None
    np.testing.assert_array_equal(load_image([FRAMES[0]]).rgb, FRAMES[0])


def test_a_frame_of_another_size_is_named_with_both_sizes(folder):
    Image.fromarray(FRAMES[0][:5, :6]).save(folder / "Frame 7.png")
    stack = ImageStack(folder)
    for _ in range(2):
        with pytest.raises(
            ImageError,
            match=r"frame 7 \('Frame 7.png'\) has 6 x 5 pixels, but the first frame has 14 x 9",
        ):
            stack[7]
    np.testing.assert_array_equal(stack[8].rgb, FRAMES[8])
    np.testing.assert_array_equal(stack[0].rgb, FRAMES[0])


def test_a_deleted_or_broken_frame_leaves_the_others(folder):
    stack = ImageStack(folder)
    (folder / "Frame 0.png").unlink()
    (folder / "Frame 3.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(ImageError, match=r"frame 0 \('Frame 0.png'\): .*there is no such file"):
        stack[0]
    with pytest.raises(ImageError, match=r"frame 3 \('Frame 3.png'\): "):
        stack[3]
    for number in (1, 2, 4, 11):
        np.testing.assert_array_equal(stack[number].rgb, FRAMES[number])


def test_no_frame_at_all(folder):
    stack = ImageStack([folder / "none.png", folder / "none either.png"])
    for number in (0, 1):
        with pytest.raises(ImageError, match="there is no such file"):
            stack[number]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "the list of frames is empty"),
        ([FRAMES[0], 3], r"frame 1 of the list must be a path.* got int"),
        ([[1, 2], [3, 4]], r"got list: pass lists of numbers as np.array"),
    ],
)
def test_what_is_no_list_of_images(source, message):
    for read in (load_image, ImageStack, stack_of):
        with pytest.raises(ImageError, match=message):
            read(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a stack with 12 along T: choose a plane"),
        ({"plane": 12}, "no frame 12"),
        ({"plane": -13}, "no plane -13 along T"),
        ({"plane": 0, "axes": "YXC"}, "cannot be 'Y'"),
    ],
)
def test_a_frame_that_is_not_there(options, message, folder):
    with pytest.raises(ImageError, match=message):
        load_image(folder, **options)


def test_the_axis_is_that_of_frames(folder):
    with pytest.raises(ImageError, match="cannot be 'X'"):
        ImageStack(folder, along="X")
    with pytest.raises(ImageError, match=r"one of \['T'\], got 'Z'"):
        ImageStack(folder, axes="TYXC", along="Z")


def test_more_frames_than_the_limit(folder, monkeypatch):
    monkeypatch.setattr(sequences, "MAX_FRAMES", 11)
    with pytest.raises(ImageError, match=r"the folder .* has 12 frames, the limit is 11"):
        ImageStack(folder)
    with pytest.raises(ImageError, match="the list has 12 frames"):
        ImageStack(list(FRAMES))
