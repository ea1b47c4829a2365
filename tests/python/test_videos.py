"""Videos: every frame by its number, in any order; broken ones; what may be opened."""

import gc
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sam2_widget import ImageError, ImageStack, MissingLibraryError, load_image
from sam2_widget.images.opening import as_file
from sam2_widget.images.stacks import stack_of
from sam2_widget.images.videos import containers, decoder, frame_index, opening, video
from sam2_widget.images.videos.pixels import orientation_of
from tests.waiting import wait_until

from .video_files import (
    CODECS,
    HEIGHT,
    RED,
    WIDTH,
    in_memory,
    number_in,
    picture,
    remux,
    write_sound,
    write_video,
)

COUNT = 40


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A function that writes a film of `CODECS` once."""
    folder = tmp_path_factory.mktemp("films")

    def film(name):
        codec, options = CODECS[name]
        path = folder / name
        return path if path.exists() else write_video(path, codec, count=COUNT, **options)

    return film


@pytest.fixture
def film(films):
    return films("h264.mp4")


def numbers(stack, order):
    return [number_in(stack[n].rgb) for n in order]


# --- every frame, in any order --------------------------------------------------------------------


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_is_the_one_of_its_number(name, films):
    stack = ImageStack(films(name))
    assert (len(stack), stack.along) == (COUNT, "T")
    forward = list(range(COUNT))
    assert numbers(stack, forward) == forward
    assert numbers(stack, forward[::-1]) == forward[::-1]
    jumps = [(n * 17) % COUNT for n in range(COUNT)]
    assert numbers(ImageStack(films(name)), jumps) == jumps
    np.testing.assert_allclose(stack.times, np.arange(COUNT) / 25, atol=0.002)
    assert stack.frame_rate == pytest.approx(25)
    assert stack.notes == ()


@pytest.mark.parametrize("name", ["h264.mp4", "h264, open groups.ts", "mpeg2.mpg", "h264.avi"])
def test_any_order_of_access(name, films, monkeypatch):
    monkeypatch.setattr(decoder, "KEPT_BYTES", 3 * WIDTH * HEIGHT * 2)
    path = films(name)

    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.integers(-COUNT, COUNT - 1), min_size=1, max_size=12))
    def check(order):
        assert numbers(ImageStack(path), order) == [n % COUNT for n in order]

    check()


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_frame_rate(suffix, b_frames, tmp_path):
    steps = np.random.default_rng(3).integers(7, 400, COUNT)
    times = [int(t) for t in np.cumsum(steps) - steps[0]]
    path = write_video(tmp_path / f"a{suffix}", times=times, b_frames=b_frames, count=COUNT)
    stack = ImageStack(path)
    np.testing.assert_allclose(stack.times, np.array(times) / 1000, atol=0.001)
    order = [39, 0, 20, 19, 21, 5]
    assert numbers(stack, order) == order
    assert stack[20].record["time"] == pytest.approx(times[20] / 1000, abs=0.001)


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_rotation_is_applied(turn, suffix, tmp_path):
    angle = turn if turn <= 180 else turn - 360
    stack = ImageStack(write_video(tmp_path / f"a{suffix}", count=5, rotation=angle))
    rgb = stack[3].rgb
    assert rgb.shape[:2] == ((WIDTH, HEIGHT) if turn != 180 else (HEIGHT, WIDTH))
    assert rgb.flags.c_contiguous
    upright = np.rot90(rgb, -turn // 90)
    assert number_in(upright) == 3
    assert abs(upright[-10, 10].astype(int) - RED).max() < 30
    assert stack[3].record["orientation"] == {90: 8, 180: 3, 270: 6}[turn]


def test_reflections_are_applied():
    class Frame:
        def __init__(self, *matrix):
            a, b, c, d = (value << 16 for value in matrix)
            numbers = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32)
            self.side_data = {"DISPLAYMATRIX": numbers.tobytes()}

    found = {
        (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
        (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
    }  # fmt: skip
    assert {m: orientation_of(Frame(*m)) for m in found} == found


def test_frames_that_an_edit_list_leaves_out_are_not_counted(films, tmp_path):
    def earlier(packet):
        packet.pts -= 7 * 512
        packet.dts -= 7 * 512
        return packet

    path = remux(
        films("h264.mp4"),
        tmp_path / "cut.mp4",
        earlier,
        container_options={"avoid_negative_ts": "disabled", "use_editlist": "1"},
    )
    with av.open(str(path)) as file:
        shown = [number_in(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    assert shown[0] == 7
    stack = ImageStack(path)
    assert len(stack) == len(shown) == COUNT - 7
    assert numbers(stack, range(len(shown))) == shown
    assert numbers(ImageStack(path), [20, 3, 32, 0]) == [27, 10, 39, 7]


def test_times_may_be_negative(films, tmp_path):
    def earlier(packet):
        packet.pts -= 400
        packet.dts = None if packet.dts is None else packet.dts - 400
        return packet

    options = {"container_options": {"avoid_negative_ts": "disabled"}}
    path = remux(films("h264.mkv"), tmp_path / "a.mkv", earlier, **options)
    assert numbers(ImageStack(path), [30, 0, 12]) == [30, 0, 12]


def test_frames_before_the_first_keyframe_are_not_counted(films, tmp_path):
    seen = []

    def without_first(packet):
        seen.append(packet.is_keyframe)
        return packet if sum(seen) > 1 or len(seen) > 5 else None

    path = remux(films("h264.ts"), tmp_path / "a.ts", without_first)
    with av.open(str(path)) as file:
        shown = [number_in(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    stack = ImageStack(path)
    assert 0 < shown[0] <= 12
    assert numbers(stack, range(len(stack))) == shown


def test_repeated_times_are_counted_in_their_order(films, tmp_path):
    def halved(packet):
        packet.pts = packet.dts = packet.pts // 80 * 80
        return packet

    path = write_video(tmp_path / "a.mkv", "mjpeg", pixels="yuvj420p", count=COUNT)
    path = remux(path, tmp_path / "b.mkv", halved)
    stack = ImageStack(path)
    assert len(stack) == COUNT
    assert numbers(stack, [5, 4, 30, 0]) == [5, 4, 30, 0]


def test_hidden_frames_of_vp8_are_not_counted(films, tmp_path):
    def hidden(packet):
        if packet.pts != 200:
            return packet
        data = bytearray(bytes(packet))
        data[0] &= ~0x10
        changed = av.Packet(bytes(data))
        changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
        return changed

    stack = ImageStack(remux(films("vp8.webm"), tmp_path / "a.webm", hidden))
    expected = [n for n in range(COUNT) if n != 5]
    assert len(stack) == COUNT - 1
    assert numbers(stack, range(COUNT - 1)) == expected


# --- how it is read -------------------------------------------------------------------------------


class Counted:
    """How often a video was opened, sought in, and its packets were decoded."""

    def __init__(self, monkeypatch):
        self.opened = self.sought = 0
        real_open, real_seek = decoder.Decoder._restart, decoder.Decoder._seek

        def restart(this):
            self.opened += 1
            return real_open(this)

        def seek(this, time):
            self.sought += 1
            return real_seek(this, time)

        monkeypatch.setattr(decoder.Decoder, "_restart", restart)
        monkeypatch.setattr(decoder.Decoder, "_seek", seek)


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.ts", "h264.flv", "mpeg4.avi"])
def test_going_on_seeks_nothing_and_a_jump_seeks_once(name, films, monkeypatch):
    counted = Counted(monkeypatch)
    stack = ImageStack(films(name))
    assert numbers(stack, range(COUNT)) == list(range(COUNT))
    assert (counted.opened, counted.sought) == (0, 0)
    monkeypatch.setattr(decoder, "KEPT_BYTES", 1)
    stack = ImageStack(films(name))
    assert numbers(stack, [30, 5]) == [30, 5]
    assert counted.opened == 0
    assert counted.sought <= 4


def test_going_back_decodes_a_group_once(films, monkeypatch):
    counted = Counted(monkeypatch)
    stack = ImageStack(films("h264, no keyframes but the first.mp4"))
    assert numbers(stack, range(39, -1, -1)) == list(range(39, -1, -1))
    assert counted.sought == 0


def test_a_bounded_number_of_frames_is_kept(film, monkeypatch):
    monkeypatch.setattr(decoder, "KEPT_BYTES", 5 * WIDTH * HEIGHT * 3 // 2)
    source = video.Video(as_file(film))
    for n in range(COUNT):
        source.frame(n)
    assert 1 <= len(source._decoder._kept) <= 5


def test_frames_can_be_read_by_many_threads(films):
    stack = ImageStack(films("h264.mkv"))
    wrong = []

    def read(seed):
        order = np.random.default_rng(seed).integers(0, COUNT, 15).tolist()
        wrong.extend(n for n, found in zip(order, numbers(stack, order), strict=True) if n != found)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def open_files(path):
    folder = Path("/proc/self/fd")
    links = (one.readlink() for one in folder.iterdir() if one.is_symlink())
    return sum(link == path for link in links)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_files_are_closed(film):
    stack = ImageStack(film)
    assert number_in(stack[9].rgb) == 9
    stack.close()
    wait_until(lambda: open_files(film) == 0)
    assert number_in(stack[30].rgb) == 30
    assert open_files(film) == 1
    del stack
    gc.collect()
    wait_until(lambda: open_files(film) == 0)
    assert number_in(load_image(film, plane=3).rgb) == 3
    gc.collect()
    wait_until(lambda: open_files(film) == 0)


def test_bytes_and_file_objects(films):
    path = films("h264.mp4")
    for source in (path.read_bytes(), in_memory(path), str(path)):
        assert number_in(ImageStack(source)[7].rgb) == 7
    with path.open("rb") as file:
        assert number_in(load_image(file, plane={"T": -1}).rgb) == COUNT - 1


def test_frame_has_pixels_and_record(films):
    path = films("h264.mkv")
    loaded = load_image(path, plane=5)
    assert number_in(loaded.rgb) == 5
    assert loaded.name == "h264.mkv"
    assert loaded.record["source"] == str(path)
    assert loaded.record["plane"] == {"T": 5}
    assert loaded.record["time"] == pytest.approx(0.2)
    assert loaded.record["video"] == "h264 yuv420p"
    red = load_image(path, plane={"Z": 5}, channels=0)
    assert red.record["plane"] == {"Z": 5}
    np.testing.assert_array_equal(red.rgb[..., 2], loaded.rgb[..., 0])
    assert ImageStack(path, along="Z")[5].record["plane"] == {"Z": 5}
    assert ImageStack(path, axes="ZYXC").along == "Z"
    with pytest.raises(ImageError, match="axes must name the 4 axes"):
        load_image(path, axes="TYX", plane=5)


def test_one_frame_is_an_image_and_a_plane_makes_no_stack(film, tmp_path):
    path = write_video(tmp_path / "one.mp4", count=1)
    assert stack_of(path) is None
    assert number_in(load_image(path).rgb) == 0
    assert stack_of(film, plane=3) is None
    assert stack_of(film, plane={"T": 3}) is None
    assert len(stack_of(film)) == COUNT


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (None, "a stack with 40 along T: choose a plane"),
        (COUNT, "there is no frame 40: the video has 40$"),
        (-COUNT - 1, "no plane -41 along T"),
        ({"T": 1, "Z": 2}, "the planes of a video lie along T"),
        (1.5, "no plane 1.5 along T"),
        (True, "no plane True along T"),
    ],
)
def test_a_plane_that_is_not_there(plane, message, film):
    with pytest.raises(ImageError, match=message):
        load_image(film, plane=plane)


# --- colours --------------------------------------------------------------------------------------


def flat(path, codec, color, **options):
    return load_image(
        write_video(
            path, codec, count=1, frame=lambda _: np.full((96, 128, 3), color, np.uint8), **options
        )
    ).rgb[50, 60]


def stated(y, cb, cr, matrix, *, full=False):
    """RGB of limited or full range by the matrix of BT.601 or BT.709, as the standards say."""
    kr, kb = {601: (0.299, 0.114), 709: (0.2126, 0.0722)}[matrix]
    luma = y / 255 if full else (y - 16) / 219
    pb, pr = ((c - 128) / (255 if full else 224) for c in (cb, cr))
    r, b = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    green = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.array([r, green, b]) * 255, 0, 255)


@pytest.mark.parametrize(
    ("space", "range_", "height", "matrix"),
    [
        (1, 1, 96, 709),
        (5, 1, 96, 601),
        (2, 1, 96, 601),
        (2, 1, 720, 709),
        (1, 2, 96, 709),
        (6, 2, 720, 601),
    ],
)
def test_colours_are_converted_as_the_file_states(space, range_, height, matrix, tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, height, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = space, range_
        frame = av.VideoFrame(128, height, "yuv420p")
        for plane, value in zip(frame.planes, (120, 90, 170), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.colorspace, frame.color_range = 0, space, range_
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    found = load_image(path).rgb[50, 60]
    assert abs(found - stated(120, 90, 170, matrix, full=range_ == 2)).max() < 3


@pytest.mark.parametrize("pixels", ["yuv420p10le", "gray16le", "gray", "rgb48le", "bgr0"])
def test_other_pixels_become_8_bits(pixels, tmp_path):
    path = write_video(tmp_path / "a.mkv", "ffv1", pixels=pixels, count=3)
    loaded = load_image(path, plane=2)
    assert loaded.rgb.dtype == np.uint8
    assert number_in(loaded.rgb) == 2


def test_transparency_is_laid_on_white(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgba"
        rgba = np.zeros((32, 32, 4), np.uint8)
        rgba[:, 16:] = (255, 0, 0, 255)
        frame = av.VideoFrame.from_ndarray(rgba, format="rgba")
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    rgb = load_image(path).rgb
    assert rgb[5, 5].tolist() == [255, 255, 255]
    assert rgb[5, 25].tolist() == [255, 0, 0]


# --- bad input ------------------------------------------------------------------------------------


def cut(path, target, share):
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def noisy(number):
    """A frame that takes many bytes."""
    rgb = picture(number)
    rgb[2 * 16 :] = np.random.default_rng(number).integers(0, 255, rgb[2 * 16 :].shape)
    return rgb


SLOW = [100 * n for n in range(COUNT)]

CUT = {
    "a.mkv": "libx264",
    "a.ts": "libx264",
    "a.flv": "libx264",
    "a.mpg": "mpeg2video",
    "a.webm": "libvpx-vp9",
    "a.avi": "huffyuv",
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.3, 0.63])
def test_of_a_cut_video_the_frames_up_to_there_are_used(name, share, tmp_path):
    times = SLOW if name in ("a.mkv", "a.webm", "a.flv") else None
    pixels = "yuv422p" if name == "a.avi" else "yuv420p"
    path = write_video(
        tmp_path / name, CUT[name], frame=noisy, count=COUNT, times=times, pixels=pixels
    )
    stack = ImageStack(cut(path, tmp_path / f"cut-{name}", share))
    assert COUNT * share - 9 < len(stack) < COUNT * share + 9
    complete = len(stack) - 3  # the last ones may refer to what is missing
    assert numbers(stack, range(complete)) == list(range(complete))
    if name not in ("a.ts", "a.mpg"):  # which do not state how long they are
        assert f"its first {len(stack)} frames are used" in stack.notes[0]
        assert stack.notes[0] in stack[0].record["notes"]


def test_of_a_cut_mp4_with_its_table_first(tmp_path):
    path = write_video(
        tmp_path / "a.mp4", count=COUNT, frame=noisy, container={"movflags": "faststart"}
    )
    stack = ImageStack(cut(path, tmp_path / "cut.mp4", 0.6))
    assert 10 < len(stack) < 30
    complete = len(stack) - 3
    assert numbers(stack, range(complete)) == list(range(complete))
    assert f"cut off or damaged: its first {len(stack)} frames are used" in stack.notes[0]


def test_of_a_cut_mp4_with_its_table_last(film, tmp_path):
    with pytest.raises(ImageError, match="broken or incomplete, copy or download it again"):
        ImageStack(cut(film, tmp_path / "cut.mp4", 0.9))


def test_damage_in_the_middle_leaves_the_other_frames(films, tmp_path):
    data = bytearray(films("mjpeg.avi").read_bytes())
    with av.open(str(films("mjpeg.avi"))) as file:
        places = [packet.pos for packet in file.demux(video=0) if packet.size]
    data[places[20] : places[20] + 700] = bytes(700)
    path = tmp_path / "a.avi"
    path.write_bytes(data)
    stack = ImageStack(path)
    assert len(stack) == COUNT
    with pytest.raises(ImageError, match="frame 20 of the video is damaged and cannot be decoded"):
        stack[20]
    assert numbers(stack, [21, 19, 39]) == [21, 19, 39]


def test_a_file_that_changes_is_refused(film, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(film.read_bytes())
    stack = ImageStack(path)
    assert len(stack) == COUNT
    wait_until(lambda: stack._image._index.is_complete)
    stack.close()
    path.write_bytes(film.read_bytes() + b"1234")
    with pytest.raises(ImageError, match="has changed since it was opened"):
        stack[3]


def test_frames_of_another_size_are_refused(tmp_path):
    first = write_video(tmp_path / "a.ts", count=12, options={"x264-params": "bframes=0"})
    second = write_video(
        tmp_path / "b.ts",
        count=12,
        times=[2000 + 40 * n for n in range(12)],
        options={"x264-params": "bframes=0"},
        size=(160, 128),
        frame=lambda n: picture(n, 160, 128),
    )
    path = tmp_path / "c.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    stack = ImageStack(path)
    assert number_in(stack[5].rgb) == 5
    with pytest.raises(ImageError, match=r"frame \d+ of the video has 160 x 128 pixels, the first"):
        stack[len(stack) - 2]


def test_sound_only(tmp_path):
    for name in ("a.m4a", "a.mp4", "a.mkv"):
        with pytest.raises(ImageError, match="has only sound: pass a video with pictures"):
            load_image(write_sound(tmp_path / name))


def test_a_cover_is_no_video(tmp_path):
    jpeg = tmp_path / "cover.jpg"
    Image.new("RGB", (32, 32)).save(jpeg)
    path = tmp_path / "a.mp4"
    write_sound(tmp_path / "b.mp4")
    with (
        av.open(str(tmp_path / "b.mp4")) as sound,
        av.open(str(jpeg)) as cover,
        av.open(str(path), "w") as file,
    ):
        streams = [file.add_stream_from_template(f.streams[0]) for f in (sound, cover)]
        streams[1].disposition = av.stream.Disposition.attached_pic
        for source, stream in zip((sound, cover), streams, strict=True):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    file.mux(packet)
    with pytest.raises(ImageError, match="has only sound"):
        load_image(path)


def test_a_codec_that_is_not_there(films, tmp_path):
    path = tmp_path / "a.avi"
    path.write_bytes(films("mjpeg.avi").read_bytes().replace(b"MJPG", b"zzzz"))
    with pytest.raises(ImageError, match="a codec for which this PyAV has no decoder: convert it"):
        load_image(path, plane=0)


def test_no_frames(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = WIDTH, HEIGHT
        file.start_encoding()
    with pytest.raises(ImageError, match=r"has no frame that can be decoded|broken or incomplete"):
        load_image(path)


@pytest.mark.parametrize(
    "start", [b"\x1aE\xdf\xa3", b"\0\0\0\x18ftypisom", b"RIFF\x10\0\0\0AVI ", b"OggS"]
)
def test_what_only_starts_as_a_video(start):
    for rest in (b"", b"x" * 3000):
        with pytest.raises(ImageError, match=r"broken or incomplete|has no "):
            load_image(start + rest)


def test_a_frame_larger_than_the_limit_is_refused(film, monkeypatch):
    monkeypatch.setattr(opening, "MAX_FRAME_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(ImageError, match="frames of 128 x 96 pixels, the limit is"):
        load_image(film, plane=0)


def test_more_frames_than_the_limit_are_left_out(films, monkeypatch):
    for module in (frame_index, video):
        monkeypatch.setattr(module, "MAX_FRAMES", 10)
    for name in ("h264.mp4", "h264.mkv"):
        stack = ImageStack(films(name))
        assert len(stack) == 10
        assert numbers(stack, [9, 0]) == [9, 0]
        wait_until(lambda stack=stack: stack._image._index.is_complete)
        assert "more frames than 10" in stack.notes[0]


def test_missing_pyav_error_has_the_install_command(film, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingLibraryError, match=r"run `pip install 'sam2-widget\[video\]'`$"):
        load_image(film, plane=0)


def test_pyav_is_imported_for_videos_only():
    code = (
        "import sys, numpy as np\n"
        "from sam2_widget import ImageStack\n"
        "ImageStack([np.zeros((9, 9), np.uint8)] * 3)[1]\n"
        "assert 'av' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- nothing but the file itself is opened --------------------------------------------------------


def test_texts_are_no_videos(tmp_path, film):
    texts = {
        "a.m3u8": f"#EXTM3U\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
        "a.mp4": f"ffconcat version 1.0\nfile '{film}'\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert containers.container_of(text.encode()) is None
        with pytest.raises(ImageError, match="not an image that Pillow can read"):
            load_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_what_a_playlist_names_would_not_be_opened(kind, tmp_path, film, monkeypatch):
    """Even if libav took a file for a playlist."""
    monkeypatch.setattr(opening, "container_of", lambda _: kind)
    text = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{film}'\n",
    }[kind]
    path = tmp_path / "a.mp4"
    path.write_text(text)
    with pytest.raises(ImageError):
        opening.open_video(as_file(path))
