"""Videos made here, whose frames carry their number as a code of black and white squares."""

import io
from fractions import Fraction

import av
import numpy as np

WIDTH, HEIGHT = 128, 96
SQUARE = 16
BITS = 16
RED = (200, 30, 30)

CODECS = {
    "h264.mp4": ("libx264", {}),
    "h264.mov": ("libx264", {}),
    "h264.mkv": ("libx264", {}),
    "h264.ts": ("libx264", {}),
    "h264.flv": ("libx264", {}),
    "h264.avi": ("libx264", {}),
    "hevc.mp4": ("libx265", {"options": {"x265-params": "log-level=none"}}),
    "hevc, open groups.mp4": (
        "libx265",
        {"options": {"x265-params": "log-level=none:open-gop=1:keyint=12:bframes=4"}},
    ),
    "h264, open groups.mp4": ("libx264", {"options": {"x264-params": "open-gop=1:keyint=12"}}),
    "h264, open groups.ts": ("libx264", {"options": {"x264-params": "open-gop=1:keyint=12"}}),
    "h264, no keyframes but the first.mp4": ("libx264", {"group": 1000}),
    "h264, intra refresh.ts": (
        "libx264",
        {"options": {"x264-params": "intra-refresh=1:keyint=12:bframes=0"}},
    ),
    "vp9.webm": ("libvpx-vp9", {}),
    "vp8.webm": ("libvpx", {}),
    "mjpeg.avi": ("mjpeg", {"pixels": "yuvj420p"}),
    "mpeg4.avi": ("mpeg4", {"b_frames": 2}),
    "mpeg4.mp4": ("mpeg4", {"b_frames": 2}),
    "mpeg2.mpg": ("mpeg2video", {"b_frames": 2}),
    "mpeg2.ts": ("mpeg2video", {"b_frames": 2}),
    "mpeg1.mpg": ("mpeg1video", {"b_frames": 2}),
    "ffv1.mkv": ("ffv1", {}),
    "raw.avi": ("rawvideo", {"pixels": "yuv420p"}),
    "wmv2.wmv": ("wmv2", {}),
}
"""Codecs and containers: name of a file, encoder, options of `video`."""


def picture(number, width=WIDTH, height=HEIGHT):
    """A frame, (height, width, 3) uint8: its number, and a red corner at the lower left."""
    rgb = np.full((height, width, 3), 60, np.uint8)
    for bit in range(BITS):
        y, x = divmod(bit, BITS // 2)
        square = np.s_[y * SQUARE : (y + 1) * SQUARE, x * SQUARE : (x + 1) * SQUARE]
        rgb[square] = 255 * (number >> bit & 1)
    rgb[-2 * SQUARE :, : 2 * SQUARE] = RED
    return rgb


def number_in(rgb):
    """The number that a frame carries."""
    inner = [
        rgb[y * SQUARE + 4 : (y + 1) * SQUARE - 4, x * SQUARE + 4 : (x + 1) * SQUARE - 4].mean()
        for y in range(2)
        for x in range(BITS // 2)
    ]
    return sum(1 << bit for bit, mean in enumerate(inner) if mean > 127)


def write_video(
    path,
    codec="libx264",
    *,
    count=40,
    pixels="yuv420p",
    times=None,
    options=None,
    rotation=0,
    group=12,
    b_frames=None,
    size=(WIDTH, HEIGHT),
    container=None,
    frame=None,
):
    """Write a video of `count` frames; returns the path. `times` are milliseconds of each."""
    with av.open(str(path), "w", container_options=container or {}) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.options = options or {}
        stream.gop_size = group
        if b_frames is not None:
            stream.max_b_frames = b_frames
        if rotation:
            stream.set_display_rotation(rotation)
        base = Fraction(1, 1000) if times else Fraction(1, 25)
        stream.codec_context.time_base = base
        for number in range(count):
            image = av.VideoFrame.from_ndarray((frame or picture)(number), format="rgb24")
            image.pts, image.time_base = times[number] if times else number, base
            file.mux(stream.encode(image))
        file.mux(stream.encode())
    return path


def remux(source, target, change=None, **options):
    """Copy the packets of a video into another file; `change` may alter or drop (None) each."""
    with av.open(str(source)) as old, av.open(str(target), "w", **options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is None and packet.pts is None:
                continue
            changed = change(packet) if change else packet
            if changed is not None:
                changed.stream = stream
                new.mux(changed)
    return target


def write_sound(path):
    """Write half a second of silence."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        for at in range(0, 4096, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, at
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def in_memory(path):
    """A file object with a file's bytes."""
    return io.BytesIO(path.read_bytes())
