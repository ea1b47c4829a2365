"""Files of tracks: ids, masks and labels come back, and others read them."""

import io
import json
import zipfile

import av
import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as pycocotools

from sam2_widget.errors import AnnotationError, ExistsError, ExportError, LossWarning
from sam2_widget.export.tracks.formats import read_tracks, write_tracks
from sam2_widget.export.tracks.frame_pngs import davis_palette
from sam2_widget.export.tracks.frames import LabeledFrame, LabeledFrames
from sam2_widget.export.tracks.overlay import drawn
from sam2_widget.export.values import LabeledMask, LabeledMasks, crop_of
from sam2_widget.images.stacks import ImageStack

NAMES = {1: "cat", 3: "Größe, 10 µm", 7: None, 200: "cat"}
LABELLED = ("youtube-vis", "csv", "npz")
SCORED = ("youtube-vis", "csv")
EXACT = ("youtube-vis", "csv")
"""Formats that keep labels, scores, and masks that overlap."""

FORMATS = {
    "youtube-vis": "a.json",
    "mots": "a.txt",
    "csv": "a.csv",
    "tiff": "a.tif",
    "npz": "a.npz",
    "pngs": "a.zip",
}


@st.composite
def films(draw, *, overlap):
    """Frames with objects of some ids, each with pixels, in their order."""
    size = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    numbers = draw(st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True))
    frames = [draw(frames_(number, size, overlap=overlap)) for number in sorted(numbers)]
    return LabeledFrames(tuple(frames), frames[-1].frame + 1, size)


@st.composite
def frames_(draw, number, size, *, overlap):
    objects, taken = [], np.zeros(size, bool)
    for track in draw(st.lists(st.sampled_from(sorted(NAMES)), unique=True, max_size=3)):
        mask = draw(hnp.arrays(bool, size)) & (~taken | overlap)
        taken |= mask
        if mask.any():
            score = draw(st.none() | st.sampled_from([0.25, 0.875]))
            objects.append(LabeledMask(crop_of(mask), size, NAMES[track], score, number=track))
    return LabeledFrame(tuple(objects), size, frame=number)


def by_id(frame):
    return {one.number: one for one in frame}


def written(film, format_, **options):
    file = io.BytesIO()
    write_tracks(iter(film), file, format=format_, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_round_trip_keeps_ids_and_pixels(format_, data):
    film = data.draw(films(overlap=format_ in EXACT))
    read = read_tracks(written(film, format_), format=format_)
    expected = {one.frame: by_id(one) for one in film if one.objects}
    assert [one.frame for one in read] == list(expected)
    if expected:
        assert read.size == film.size
    if format_ not in ("mots", "csv"):  # which state no length
        assert read.length == film.length
    for frame in read:
        found, objects = by_id(frame), expected[frame.frame]
        assert set(found) == set(objects)
        for track, one in found.items():
            np.testing.assert_array_equal(one.mask, objects[track].mask)
            if format_ in LABELLED:
                unlabelled = "object" if format_ == "youtube-vis" else None
                assert one.label == (objects[track].label or unlabelled)
            if format_ in SCORED:
                assert one.score == objects[track].score


SIZE = (20, 31)


def disc(x, y, radius=5):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.hypot(columns - x, rows - y) < radius


def frame(number, masks, label="cat", score=None):
    objects = tuple(
        LabeledMask(crop_of(mask), SIZE, label, score, number=track)
        for track, mask in masks.items()
    )
    return LabeledFrame(objects, SIZE, frame=number)


FILM = (
    frame(0, {2: disc(6, 6)}),
    frame(1, {2: disc(8, 6), 5: disc(22, 12)}, score=0.5),
    frame(3, {5: disc(20, 12)}),
)
VOLUME = np.zeros((4, *SIZE), int)
for one in FILM:
    VOLUME[one.frame] = one.label_map


@pytest.mark.parametrize("format_", FORMATS)
def test_by_the_name_of_a_file(format_, tmp_path):
    path = tmp_path / FORMATS[format_]
    write_tracks(FILM, path)
    found = read_tracks(path)
    assert found.ids == (2, 5)
    np.testing.assert_array_equal(found.label_map, VOLUME)
    before = path.read_bytes()
    with pytest.raises(ExistsError):
        write_tracks(FILM, path)
    assert path.read_bytes() == before
    write_tracks({4: LabeledMasks(FILM[0].objects, SIZE)}, path, overwrite=True)
    assert [one.frame for one in read_tracks(path)] == [4]


def test_pycocotools_reads_youtube_vis():
    file = written(FILM, "youtube-vis", length=6, classes={"dog": 4, "cat": 9})
    value = json.load(file)
    assert value["videos"][0]["length"] == len(value["videos"][0]["file_names"]) == 6
    assert {one["name"]: one["id"] for one in value["categories"]} == {"dog": 4, "cat": 9}
    for annotation in value["annotations"]:
        track = annotation["track_id"]
        assert annotation["category_id"] == 9
        masks = annotation["segmentations"]
        assert len(masks) == len(annotation["bboxes"]) == len(annotation["areas"]) == 6
        for number, mask in enumerate(masks):
            expected = VOLUME[number] == track if number < 4 else np.zeros(SIZE)
            if mask is None:
                assert not expected.any()
                assert annotation["areas"][number] is None
            else:
                np.testing.assert_array_equal(pycocotools.decode(mask), expected)
                assert annotation["areas"][number] == expected.sum()
                assert annotation["bboxes"][number] == pycocotools.toBbox(mask).tolist()


def test_pycocotools_reads_mots():
    lines = written(FILM, "mots").read().decode().splitlines()
    assert len(lines) == 4
    for line in lines:
        number, track, kind, height, width, counts = line.split(" ")
        mask = pycocotools.decode({"size": [int(height), int(width)], "counts": counts.encode()})
        np.testing.assert_array_equal(mask, VOLUME[int(number)] == int(track))
        assert kind == "1"


def test_pandas_reads_csv():
    table = pd.read_csv(written(FILM, "csv"))
    assert table[["frame", "id"]].to_numpy().tolist() == [[0, 2], [1, 2], [1, 5], [3, 5]]
    assert table["score"].isna().tolist() == [True, False, False, True]
    assert table["area"][0] == disc(6, 6).sum()
    assert table.loc[0, ["x0", "y0", "x1", "y1"]].tolist() == [2, 2, 11, 11]
    assert table.loc[0, ["centroid_x", "centroid_y"]].tolist() == [6.5, 6.5]


def test_tifffile_and_numpy_read_volumes():
    np.testing.assert_array_equal(tifffile.imread(written(FILM, "tiff")), VOLUME)
    assert tifffile.imread(written(FILM, "tiff")).dtype == np.uint16
    longer = tifffile.imread(written(FILM, "tiff", length=6))
    assert longer.shape == (6, *SIZE)
    assert not longer[4:].any()
    with np.load(written(FILM, "npz")) as found:
        np.testing.assert_array_equal(found["label_map"], VOLUME)
        assert found["ids"].tolist() == [2, 5]
        assert found["labels"].tolist() == ["cat", "cat"]


def test_pillow_reads_a_png_a_frame(tmp_path):
    write_tracks(FILM, tmp_path / "masks")
    names = sorted(path.name for path in (tmp_path / "masks").iterdir())
    assert names == ["00000.png", "00001.png", "00003.png"]
    with Image.open(tmp_path / "masks" / "00001.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), VOLUME[1])
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
    np.testing.assert_array_equal(read_tracks(tmp_path / "masks").label_map, VOLUME)
    write_tracks([frame(0, {1000: disc(6, 6)})], tmp_path / "large")
    assert read_tracks(tmp_path / "large").ids == (1000,)


def test_the_palette_is_that_of_davis():
    assert davis_palette()[[1, 2, 3, 8, 255]].tolist() == [
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [64, 0, 0],
        [224, 224, 192],
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_video_with_the_masks_over_it(suffix, tmp_path):
    grey = [np.full((*SIZE, 3), 100, np.uint8) for _ in range(5)]
    path = tmp_path / f"a{suffix}"
    write_tracks(FILM, path, source=ImageStack(grey), frame_rate=10)
    with av.open(str(path)) as file:
        shown = [one.to_ndarray(format="rgb24") for one in file.decode(video=0)]
    assert len(shown) == 4
    assert shown[0].shape == (20, 32, 3)
    stack = ImageStack(path)
    np.testing.assert_allclose(stack.times, [0, 0.1, 0.2, 0.3], atol=0.001)
    for number, rgb in enumerate(shown):
        for track in (2, 5):
            inside = VOLUME[number] == track
            if inside.any():
                expected = 0.5 * 100 + 0.5 * davis_palette()[track]
                assert abs(rgb[:, :31][inside].mean(axis=0) - expected).max() < 30
        assert abs(rgb[:, :31][VOLUME[number] == 0].mean() - 100) < 12
    with pytest.raises(AnnotationError, match="a video to be looked at"):
        read_tracks(path)


def test_colours_of_the_overlay():
    mask = LabeledMask(crop_of(disc(6, 6)), SIZE, color="#ff0080", number=1)
    rgb = drawn(np.full((*SIZE, 3), 50, np.uint8), LabeledMasks((mask,), SIZE), 1.0)
    assert rgb[6, 6].tolist() == [255, 0, 128]
    assert rgb[0, 0].tolist() == [50, 50, 50]


@pytest.mark.parametrize("format_", ["mots", "tiff", "npz", "pngs"])
def test_overlaps_are_reported_where_they_are_lost(format_):
    both = [frame(at, {1: disc(10, 10), 2: disc(13, 10)}) for at in range(3)]
    shared = 3 * int((disc(10, 10) & disc(13, 10)).sum())
    with pytest.warns(LossWarning, match=f"{shared} pixels belong to several") as warned:
        file = written(both, format_)
    assert len(warned) == 1, "one warning for the whole film"
    found = by_id(read_tracks(file, format=format_)[0])
    np.testing.assert_array_equal(found[2].mask, disc(13, 10))
    np.testing.assert_array_equal(found[1].mask, disc(10, 10) & ~disc(13, 10))


@pytest.mark.parametrize("format_", FORMATS)
def test_frames_that_cannot_be_written(format_, tmp_path):
    path = tmp_path / FORMATS[format_]
    other = LabeledFrame((), (5, 5), frame=4)
    cases = {
        "frame 0 comes after frame 1": (FILM[1], FILM[0]),
        r"frame 4 has the size \(5, 5\), the first has": (*FILM, other),
    }
    for message, film in cases.items():
        with pytest.raises(ExportError, match=message):
            write_tracks(film, path)
        assert not path.exists()


def test_what_does_not_fit():
    with pytest.raises(ExportError, match="id 70000 on frame 0 does not fit uint16: pass dtype"):
        written([frame(0, {70000: disc(5, 5)})], "tiff")
    assert read_tracks(
        written([frame(0, {70000: disc(5, 5)})], "tiff", dtype="uint32"), format="tiff"
    ).ids == (70000,)
    with pytest.raises(ExportError, match="larger than 65535"):
        written([frame(0, {70000: disc(5, 5)})], "pngs")
    for format_ in ("tiff", "npz", "youtube-vis"):
        with pytest.raises(ExportError, match="results for 4 frames, but length="):
            written(FILM, format_, length=3)
    with pytest.raises(ExportError, match="no frames to write"):
        written([], "tiff")
    with pytest.raises(ExportError, match="no known format of tracks: pass format="):
        write_tracks(FILM, "a.xyz")
    with pytest.raises(ExportError, match="the source has 2"):
        written(FILM, "overlay", source=ImageStack([np.zeros((*SIZE, 3), np.uint8)] * 2))


def zipped(name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format_", "data", "message"),
    [
        ("youtube-vis", b"{}", "must have 'annotations' and one entry in 'videos'"),
        ("youtube-vis", b"[1]", "cannot be read"),
        (
            "youtube-vis",
            b'{"videos": [{"height": 4, "width": 4}], "annotations": [3]}',
            "a list of",
        ),
        ("mots", b"1 2 3\n", "must be 'frame id class height width run-lengths'"),
        ("mots", b"1 2 1 4 4 zz\n", "RLE"),
        ("mots", b"0 2 1 4 4 `0\n0 2 1 4 4 `0\n", "same id twice"),
        ("mots", b"9999999 2 1 4 4 `0\n", "the limit is"),
        ("csv", b"a,b\n1,2\n", "must have the columns"),
        ("csv", b"frame,id,height,width,rle\nx,1,4,4,`0\n", "whole numbers"),
        ("tiff", b"none", "cannot be read"),
        ("npz", b"none", "cannot be read"),
        ("npz", zipped("a.npy", b"none"), "cannot be read"),
        ("pngs", zipped("none.png", b"none"), "must end with the number"),
        ("pngs", zipped("1.png", b"none"), "cannot be read"),
        ("pngs", zipped("a.txt", b"none"), "there are no PNGs"),
    ],
)
def test_damaged_files(format_, data, message):
    with pytest.raises(AnnotationError, match=message):
        read_tracks(io.BytesIO(data), format=format_)


def test_another_size_is_refused():
    for format_ in FORMATS:
        with pytest.raises(AnnotationError, match="for an image of 31 x 20 pixels"):
            read_tracks(written(FILM, format_), format=format_, size=(20, 30))


def test_classes_of_mots():
    file = written(FILM, "mots", classes={"dog": 4, "cat": 9})
    found = read_tracks(file, format="mots", classes={"cat": 9})
    assert {one.label for frame in found for one in frame} == {"cat"}
    ignored = written(FILM, "mots", classes={"cat": 10})
    assert len(read_tracks(ignored, format="mots")) == 0
