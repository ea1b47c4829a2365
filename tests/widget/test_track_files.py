"""Files of the objects of all planes: what a widget writes, and opens again."""

import io
from typing import Any

import av
import numpy as np
import pytest
from pycocotools import mask as rle

from sam2_widget import (
    AnnotationError,
    Box,
    ExistsError,
    ExportError,
    ObjectPrompts,
    Prompts,
    SegmentWidget,
    StackPrompts,
    read_tracks,
)
from sam2_widget._utils.files import NamedFile
from sam2_widget.testing import FakeTrackingPredictor
from tests.waiting import PATIENCE

from .conftest import Page
from .test_transfers import fetch, save, upload

COUNT, H, W = 6, 48, 64
FORMATS = {
    "tracks-coco": "a.json",
    "tracks-mots": "a.txt",
    "tracks-csv": "a.csv",
    "stack-tiff": "a.tif",
    "tracks-npz": "a.npz",
    "tracks-pngs": "a.zip",
}
LABELLED = {"a.json", "a.csv", "a.tif", "a.npz", "a.txt"}


def film():
    frames = np.zeros((COUNT, H, W, 3), np.uint8)
    for index in range(COUNT):
        frames[index, 8:20, 4 + 4 * index : 20 + 4 * index] = (220, 30, 30)
        frames[index, 30:42, 30:44] = (30, 30, 220)
    return frames


FILM = film()
PROMPTS = StackPrompts(
    {
        0: Prompts((ObjectPrompts((Box(4, 8, 20, 20),), "car", 7),)),
        2: Prompts((ObjectPrompts((Box(30, 30, 44, 42),), "house", 300),)),
        4: Prompts((ObjectPrompts((), "car", 7),)),
    },
    "T",
)


def opened(**options):
    model = FakeTrackingPredictor()
    return SegmentWidget(FILM, axes="TYXC", model=model, labels=["car", "house"], **options)


@pytest.fixture
def widget():
    widget = opened(prompts=PROMPTS)
    assert widget.track().wait(PATIENCE)
    yield widget
    widget.close()


def labels_of(widget):
    return {
        number: label
        for plane in widget.planes
        for number, label in zip(plane.numbers, (o.label for o in plane.objects), strict=True)
    }


@pytest.mark.parametrize("name", FORMATS.values())
def test_all_planes_of_a_widget_are_written_and_read_back(widget, tmp_path, name):
    volume = widget.planes.label_map
    assert [set(np.unique(plane)) for plane in volume] == [{0, 7, 300}] * 4 + [{0, 300}] * 2
    path = widget.planes.to_file(tmp_path / name)
    np.testing.assert_array_equal(read_tracks(path, size=(H, W)).label_map, volume)
    with pytest.raises(ExistsError):
        widget.planes.to_file(path)
    widget.planes.to_file(path, overwrite=True)
    again = opened(masks=path)
    np.testing.assert_array_equal(again.planes.label_map, volume)
    if name in LABELLED:
        assert labels_of(again) == {7: "car", 300: "house"}
    again.close()
    with path.open("rb") as file:
        third = opened()
        third.planes.add_masks(file)
        np.testing.assert_array_equal(third.planes.label_map, volume)
        third.close()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_page_saves_all_planes_and_opens_them_again(widget, format_):
    saved = save(Page(widget), format_, n=1)
    data = fetch(Page(widget), saved, 1)
    assert saved["name"].startswith("image.")
    other = opened()
    upload(Page(other), saved["name"], data)
    np.testing.assert_array_equal(other.planes.label_map, widget.planes.label_map)
    other.close()


def test_a_folder_has_a_picture_for_each_plane(widget, tmp_path):
    widget.planes.to_file(tmp_path / "masks")
    names = [f"{number:05d}.png" for number in range(COUNT)]
    assert sorted(one.name for one in (tmp_path / "masks").iterdir()) == names
    again = opened(masks=tmp_path / "masks")
    np.testing.assert_array_equal(again.planes.label_map, widget.planes.label_map)
    again.close()


def test_the_overlay_of_a_widget_shows_all_planes(widget, tmp_path):
    path = widget.planes.to_file(tmp_path / "a.mp4", frame_rate=10)
    with av.open(path) as video:
        frames = [one.to_ndarray(format="rgb24") for one in video.decode(video=0)]
    assert len(frames) == COUNT
    changed = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, FILM, strict=True)]
    assert min(changed) > 1, "each frame has a mask over it"
    data = fetch(Page(widget), save(Page(widget), "tracks-overlay", n=2), 2)
    with av.open(io.BytesIO(data)) as video:
        assert sum(1 for _ in video.decode(video=0)) == COUNT


def test_tracks_of_other_objects_get_other_numbers(widget):
    tracks = NamedFile(name="a.csv")
    widget.planes.to_file(tracks)
    tracks.seek(0)
    with pytest.warns(UserWarning, match="has the number 7, so .* got the number 302"):
        widget.planes.add_masks(read_tracks(tracks))
    assert widget.planes[0].numbers == (7, 300, 302, 301)


RUNS: Any = rle.encode(np.asfortranarray(np.ones((H, W), np.uint8)))["counts"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"40 1 1 48 64 " + RUNS, "the tracks have a frame 40, there are 6 planes"),
        ("a.txt", b"0 1 1 9 64 " + RUNS, r"9, 64.*48, 64|64 x 9.*64 x 48"),
        ("a.csv", b"frame,id\n0,1\n", "must have the columns"),
        ("a.json", b'{"videos": [], "annotations": []}', "one entry in 'videos'"),
    ],
)
def test_tracks_that_do_not_fit_are_refused(name, data, message):
    widget = opened()
    with pytest.raises(AnnotationError, match=message):
        widget.add_masks(NamedFile(data, name))
    assert not widget.planes.prompts
    widget.close()


def test_formats_that_are_none_are_refused(widget, tmp_path):
    with pytest.raises(ExportError, match="no known format of tracks"):
        widget.planes.to_file(tmp_path / "a.xyz")
