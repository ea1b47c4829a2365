"""A video and a folder of frames in the widget: planes are turned, prompts belong to frames."""

import av
import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    Box,
    ImageError,
    ImageStack,
    ObjectPrompts,
    PromptError,
    Prompts,
    SegmentWidget,
    StackPrompts,
    segment,
    track,
)
from sam2_widget.testing import FakePredictor, FakeTrackingPredictor
from tests.python.video_files import HEIGHT, SQUARE, WIDTH, number_in, picture, write_video
from tests.waiting import PATIENCE

from .conftest import Page, served, settle

COUNT = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", count=COUNT)


@pytest.fixture
def open_widget(predictor):
    opened = []

    def open_(image, **options):
        widget = SegmentWidget(image, model=predictor, **options)
        opened.append(widget)
        widget._annotator.model.wait()
        settle()
        return widget

    yield open_
    predictor.gate.set()
    for widget in opened:
        widget.close()


def turned(page, plane):
    page.act("plane", plane=plane)
    served()
    page.widget._annotator.model.wait()
    settle()


def test_a_video_gets_a_slider_for_its_frames(film, open_widget):
    widget = open_widget(film)
    page = Page(widget)
    assert widget._stack == {"axis": "T", "count": COUNT, "annotated": []}
    for plane in (7, 29, 3, 0):
        turned(page, plane)
        assert widget.plane == plane
        assert number_in(widget.image) == plane
        assert page.notice in (None, "")
    widget.plane = -1
    assert number_in(widget.image) == COUNT - 1
    assert len(widget.planes) == COUNT


def test_prompts_of_a_frame_replay_headless(film, open_widget, predictor):
    widget = open_widget(str(film))
    widget.plane = 5
    widget.add_point(20, 60)
    widget.commit("cell")
    masks = widget.masks
    assert masks.shape == (1, HEIGHT, WIDTH)
    prompts = widget.planes.prompts
    assert list(prompts) == [5]
    assert widget.planes.label_map.shape == (COUNT, HEIGHT, WIDTH)
    stack = ImageStack(film)
    for source, options in ((stack[5], {}), (film, {"plane": 5})):
        result = segment(source, prompts[5], model=FakePredictor(), **options)
        np.testing.assert_array_equal(result.masks, masks)


def test_a_rotated_video_has_the_size_of_its_display(tmp_path, open_widget):
    path = write_video(tmp_path / "a.mp4", count=3, rotation=90)
    widget = open_widget(path)
    assert (widget._image["width"], widget._image["height"]) == (HEIGHT, WIDTH)
    widget.add_point(HEIGHT - 2, WIDTH - 2)
    assert widget.masks.shape == (1, WIDTH, HEIGHT)


def test_a_frame_that_is_gone_is_reported_and_others_can_be_shown(tmp_path, open_widget):
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for n, path in enumerate(paths):
        Image.fromarray(picture(n)).save(path)
    paths[2].unlink()
    Image.fromarray(picture(3)[:50]).save(paths[3])
    for source in (paths, tmp_path):
        count = 4 if source is paths else 3
        widget = open_widget(source)
        page = Page(widget)
        widget.add_point(20, 60)
        turned(page, count - 1)
        assert "('3.png') has 128 x 50 pixels, but the first frame has 128 x 96" in page.notice
        assert widget.plane == 0
        assert len(widget.objects) == 1
        turned(page, 1)
        assert number_in(widget.image) == 1
    page = Page(widget := open_widget(paths))
    turned(page, 2)
    assert "frame 2 ('2.png'): cannot read the image" in page.notice
    assert widget.plane == 0


def test_a_video_that_is_cut_off_is_reported(tmp_path, film, open_widget):
    def noisy(number):
        return np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)

    path = write_video(tmp_path / "a.mkv", times=[100 * n for n in range(40)], frame=noisy)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    widget = open_widget(path)
    page = Page(widget)
    assert 10 < len(widget.planes) < 30
    assert f"its first {len(widget.planes)} frames are used" in page.notice


CORNER = Box(0, HEIGHT - 2 * SQUARE, 2 * SQUARE, HEIGHT)
"""The red corner of each frame."""


def error_of(job):
    """Wait for a job; the text of its error, "" if there is none."""
    try:
        assert job.wait(PATIENCE)
    except ImageError as error:
        return str(error)
    return ""


def tracked_until_it_breaks(source):
    """Error of a job that follows the corner, and the frames with a mask: the same headless."""
    model = FakeTrackingPredictor()
    widget = SegmentWidget(source, model=model)
    widget.add_box(CORNER.x0, CORNER.y0, CORNER.x1, CORNER.y1)
    job = widget.track()
    raised = error_of(job)
    prompts, rows = widget.planes.prompts, [row.frame for row in widget.tracks if row.present]
    widget.close()
    found, results = [], track(source, prompts, model=model)
    try:
        found.extend(one.frame for one in results if one.ids)
        error = ""
    except ImageError as failure:
        error = str(failure)
    assert (error, found) == (raised, rows)
    assert job.error == raised
    return error, rows


@pytest.fixture
def damaged(tmp_path):
    """A video whose frame 20 cannot be decoded."""
    path = write_video(tmp_path / "a.avi", "mjpeg", count=COUNT, pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        places = [packet.pos for packet in file.demux(video=0) if packet.size]
    data[places[20] : places[20] + 700] = bytes(700)
    path.write_bytes(data)
    return path


def test_a_damaged_frame_ends_a_track_and_the_frames_before_it_stay(damaged):
    error, frames = tracked_until_it_breaks(damaged)
    assert "frame 20 of the video is damaged and cannot be decoded" in error
    assert frames == list(range(20))


def test_a_track_continues_behind_a_damaged_frame_if_the_object_is_marked_there(damaged):
    widget = SegmentWidget(damaged, model=FakeTrackingPredictor())
    corner = (CORNER.x0, CORNER.y0, CORNER.x1, CORNER.y1)
    widget.add_box(*corner)
    job = widget.track()
    with pytest.raises(ImageError, match="damaged"):
        job.wait(PATIENCE)
    widget.set_absent(1, plane=20)
    widget.plane = 21
    widget.select(number=1)
    widget.add_box(*corner)
    job = widget.track()
    assert job.wait(PATIENCE)
    assert job.error == ""
    present = [row.frame for row in widget.tracks if row.present]
    assert present == [frame for frame in range(COUNT) if frame != 20]
    widget.close()


def test_a_video_that_is_cut_off_is_tracked_up_to_there(tmp_path):
    def noisy(number):
        rgb = picture(number)
        rgb[: HEIGHT // 2] = np.random.default_rng(number).integers(0, 255, (HEIGHT // 2, WIDTH, 3))
        return rgb

    path = write_video(tmp_path / "a.mkv", times=[100 * n for n in range(40)], frame=noisy)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    count = len(ImageStack(path))
    assert 10 < count < 30
    error, frames = tracked_until_it_breaks(path)
    assert frames == list(range(len(frames)))
    # The last frames may refer to what is missing.
    assert count - 3 <= len(frames) <= count
    assert bool(error) == (len(frames) < count)


def test_a_frame_file_that_is_deleted_ends_a_track_and_the_frames_before_it_stay(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(8)]
    for n, path in enumerate(paths):
        Image.fromarray(picture(n)).save(path)
    paths[5].unlink()
    error, frames = tracked_until_it_breaks(paths)
    assert "frame 5 ('5.png'): cannot read the image" in error
    assert frames == list(range(5))


def test_keyframes_outside_a_film_are_refused(film, open_widget):
    outside = StackPrompts({COUNT: Prompts((ObjectPrompts((CORNER,), number=1),))}, "T")
    with pytest.raises(PromptError, match=f"there is no plane {COUNT}"):
        open_widget(film, prompts=outside)
    widget = open_widget(film)
    with pytest.raises(PromptError, match=f"there is no plane {COUNT}"):
        widget.planes.add_prompts(outside)
    assert not widget.planes.prompts


def test_closing_a_widget_closes_the_video(film, open_widget):
    widget = open_widget(film)
    video = widget._planes.stack._image
    widget.close()
    assert video._decoder._video is None
