"""Sources of images that a widget opens, and its messages about them."""

import io
import os

import numpy as np
from PIL import Image

from sam2_widget import SegmentWidget
from sam2_widget.testing import FakePredictor
from tests.widget.conftest import Page

BANDS = np.random.default_rng(1).integers(0, 4000, (20, 30, 4)).astype(np.uint16)
NOTE = (
    "Channels 0, 1, 2 of 4 are shown as red, green and blue: choose others by channels=, "
    "e.g. channels=(3, 0, 1)."
)


def opened(image, **options):
    widget = SegmentWidget(image, model=FakePredictor(), **options)
    _ = widget.masks  # which waits for the model
    return widget


def picture(color, kind="PNG", **options):
    file = io.BytesIO()
    Image.new("RGB", (30, 20), color).save(file, kind, **options)
    return file


def test_status_shows_which_bands_are_displayed():
    widget = opened(BANDS)
    page = Page(widget)
    assert str(widget.status).endswith(NOTE)
    assert page.notice == NOTE
    page.act("undo")
    assert page.notice != NOTE
    assert str(widget.status).endswith(NOTE)


def test_image_without_conversion_has_no_note():
    widget = opened(BANDS[..., :3])
    assert str(widget.status) == "Ready"
    assert Page(widget).notice == ""
    assert str(opened(BANDS, channels=(3, 0, 1)).status) == "Ready"


def test_each_plane_has_its_own_notes():
    stack = np.zeros((3, 20, 30), np.float32)
    stack[:, 5] = 7
    stack[1, 3, 4] = np.nan
    widget = opened(stack, axes="ZYX")
    assert "no value" not in str(widget.status)
    widget.plane = 1
    _ = widget.masks
    assert "1 pixel has no value (NaN)" in str(widget.status)
    widget.plane = 2
    _ = widget.masks
    assert "no value" not in str(widget.status)


def test_a_widget_of_a_file_object():
    file = picture((1, 2, 3))
    file.seek(3)
    widget = opened(file)
    assert widget.image[4, 5].tolist() == [1, 2, 3]
    assert (file.tell(), file.closed) == (3, False)


def test_a_widget_of_a_stream_that_is_read_once():
    read, write = os.pipe()
    os.write(write, picture((1, 2, 3)).getvalue())
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        assert opened(stream).image[4, 5].tolist() == [1, 2, 3]


def test_a_widget_of_an_animation_has_its_frames():
    frame = Image.new("RGB", (30, 20), (0, 0, 255))
    widget = opened(picture((255, 0, 0), "GIF", save_all=True, append_images=[frame]))
    assert len(widget.planes) == 2
    assert widget.image[0, 0].tolist() == [255, 0, 0]
    widget.plane = 1
    assert widget.image[0, 0].tolist() == [0, 0, 255]
