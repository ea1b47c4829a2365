"""Animations and multi-page files: all frames, each with its colours."""

import io

import numpy as np
import pytest
from PIL import Image

from sam2_widget import ImageError, ImageStack, load_image
from sam2_widget.images import pillow
from sam2_widget.images.stacks import stack_of
from tests.python.tiff_files import LZW, RGB, tiff

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
H, W = 9, 14


def animation(kind, **options):
    frames = [Image.new("RGB", (W, H), color) for color in COLORS]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()


ANIMATIONS = {
    "GIF": lambda: animation("GIF", duration=50),
    "APNG": lambda: animation("PNG"),
    "WebP": lambda: animation("WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", ANIMATIONS)
def test_animation_is_opened_as_a_stack(kind, tmp_path):
    data = ANIMATIONS[kind]()
    (tmp_path / "moving").write_bytes(data)
    for source in (data, tmp_path / "moving"):
        stack = stack_of(source)
        assert isinstance(stack, ImageStack)
        assert (len(stack), stack.along) == (4, "T")
        for index in (2, 0, 3, 1):
            assert stack[index].rgb.shape == (H, W, 3)
            assert (stack[index].rgb == COLORS[index]).all()
            loaded = load_image(source, plane=index)
            assert (loaded.rgb == COLORS[index]).all()
            assert loaded.record["plane"] == {"T": index}
        assert (load_image(source, plane={"T": -1}, channels=0).rgb == 255).all()
        with pytest.raises(ImageError, match="a stack with 4 along T: choose a plane"):
            load_image(source)
        with pytest.raises(ImageError, match="no plane 4 along T"):
            load_image(source, plane=4)


def test_single_frame_of_an_animation_format_is_an_image():
    file = io.BytesIO()
    Image.new("RGB", (W, H), (0, 0, 255)).save(file, "GIF")
    assert stack_of(file) is None
    assert (load_image(file).rgb == (0, 0, 255)).all()
    with pytest.raises(ImageError, match="is one picture, not a stack"):
        ImageStack(file)


def test_embedded_previews_of_a_photo_are_not_frames():
    photo, depth = (Image.new("RGB", (W, H), (value,) * 3) for value in (200, 10))
    file = io.BytesIO()
    photo.save(file, "MPO", save_all=True, append_images=[depth])
    assert stack_of(file) is None
    assert abs(load_image(file).rgb.astype(int) - 200).max() < 3


def test_pil_image_shows_its_current_frame_with_a_note():
    image = Image.open(io.BytesIO(animation("GIF")))
    image.seek(2)
    loaded = load_image(image)
    assert (loaded.rgb == COLORS[2]).all()
    assert loaded.record["notes"] == (
        "This is frame 3 of 4: pass the path of the file to have all of them.",
    )
    assert (load_image(image, plane=1).rgb == COLORS[1]).all()
    assert image.tell() == 2
    with pytest.raises(ImageError, match="no plane 9 along T"):
        load_image(image, plane=9)


PAGES = np.random.default_rng(4).integers(0, 60000, (5, H, W))


@pytest.mark.parametrize("compression", [1, LZW, 8])
@pytest.mark.parametrize("orientation", [None, 3, 6])
def test_pages_of_a_tiff_are_a_stack(with_tifffile, compression, orientation):
    data = tiff(*PAGES, bits=16, compression=compression, orientation=orientation, photometric=0)
    stack = stack_of(data)
    assert len(stack) == 5
    turn = {None: 0, 3: 2, 6: -1}[orientation]
    for index in (4, 0):
        np.testing.assert_array_equal(stack[index].values, np.rot90(65535 - PAGES[index], turn))


@pytest.mark.parametrize("compression", [1, LZW])
def test_colour_pages_are_a_stack(with_tifffile, compression):
    pages = np.random.default_rng(6).integers(0, 255, (3, H, W, 3))
    stack = ImageStack(tiff(*pages, photometric=RGB, compression=compression))
    np.testing.assert_array_equal(stack[1].rgb, pages[1])


def test_palette_pages_are_a_stack(with_tifffile):
    table = np.random.default_rng(7).integers(0, 255, (3, 256))
    pages = np.random.default_rng(8).integers(0, 255, (3, H, W))
    data = tiff(*pages, photometric=3, colormap=(table * 257).ravel().tolist())
    stack = ImageStack(data)
    np.testing.assert_array_equal(stack[2].rgb, table.T[pages[2]])
    assert stack.along not in "YXS"


def test_tiff_pages_of_other_sizes_are_reported(with_tifffile):
    data = tiff(PAGES[0], PAGES[1][:4, :5], bits=16)
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.values, PAGES[0])
    assert "of other sizes or types (1)" in loaded.record["notes"][0]


def test_lazily_opened_tiff_keeps_its_bit_depth():
    values = np.random.default_rng(9).integers(0, 4095, (H, W, 3))
    data = tiff(values, bits=16, photometric=RGB)
    loaded = load_image(Image.open(io.BytesIO(data)), contrast_limits=(0, 4095))
    np.testing.assert_array_equal(loaded.values, values)
    pages = Image.open(io.BytesIO(tiff(*PAGES, bits=16, orientation=8)))
    pages.seek(3)
    np.testing.assert_array_equal(load_image(pages).values, np.rot90(PAGES[3], 1))


def test_planes_that_need_tifffile_are_reported(tmp_path, monkeypatch):
    """As ImageJ writes large stacks: all planes lie together after the first page's."""
    path = tmp_path / "a.tif"
    description = b"ImageJ=1.54f\nimages=5\nslices=5\n\0"
    data = tiff(PAGES[0], bits=16, rows=H, more={270: (2, description)})
    path.write_bytes(data)
    for module in ("sources", "stacks"):
        monkeypatch.setattr(f"sam2_widget.images.{module}.find_spec", lambda name: None)
    loaded = load_image(path)
    np.testing.assert_array_equal(loaded.values, PAGES[0])
    assert "The first of 5 planes of the stack is shown" in loaded.record["notes"][0]
    with pytest.raises(ImageError, match="pip install tifffile"):
        ImageStack(path)


@pytest.mark.parametrize("kind", ANIMATIONS)
def test_frames_of_an_animation_are_read_one_after_the_other(kind, monkeypatch):
    opened = []
    real = pillow._open
    monkeypatch.setattr(pillow, "_open", lambda *args: opened.append(args) or real(*args))
    stack = ImageStack(ANIMATIONS[kind]())
    opened.clear()
    for index in range(4):
        assert (stack[index].rgb == COLORS[index]).all()
    assert len(opened) == 1
    stack.close()
    assert (stack[2].rgb == COLORS[2]).all()
    assert len(opened) == 2


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_times_of_an_animation(kind):
    stack = ImageStack(animation(kind, duration=[50, 100, 200, 40]))
    np.testing.assert_allclose(stack.times, [0, 0.05, 0.15, 0.35])
    assert stack.frame_rate is None


def test_an_animation_that_is_cut_off(tmp_path):
    noise = [Image.fromarray(page.astype(np.uint8)) for page in PAGES]
    noise[0].save(tmp_path / "a.gif", save_all=True, append_images=noise[1:])
    data = (tmp_path / "a.gif").read_bytes()
    stack = ImageStack(data[: len(data) * 2 // 3])
    assert 1 < len(stack) < 5
    assert f"cut off or damaged: its first {len(stack)} frames are used" in stack.notes[0]
    np.testing.assert_array_equal(stack[0].rgb[..., 0], np.asarray(noise[0]))
