"""A video with the masks drawn over its frames, for viewing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sam2_widget._utils.arrays import Float64Array, UInt8Array
from sam2_widget._utils.files import Target, writing
from sam2_widget.errors import ExportError
from sam2_widget.export.tracks.frame_pngs import davis_palette
from sam2_widget.export.tracks.frames import FramesLike, in_order, with_ids
from sam2_widget.export.values import ResultLike
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.videos.opening import pyav

if TYPE_CHECKING:
    from av.video.stream import VideoStream

CODECS: Final = {
    ".mp4": ("mp4", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
}
"""Container and encoder, by file suffix."""

RATE: Final = 25.0
"""Frames per second for a source without time stamps."""

TICKS: Final = 90_000
"""Units of time per second."""


def write_overlay(
    frames: FramesLike,
    target: Target,
    source: Sequence[LoadedImage],
    *,
    opacity: float = 0.5,
    frame_rate: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write a video with the masks in colours over the frames, frame by frame.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames. All frames from the first to the last of them are written.
    target : path or file object
        MP4, MOV, MKV or WebM by the end of its name; MP4 for a file object.
    source : ImageStack
        The frames.
    opacity : float
        Opacity of the masks, within 0..1.
    frame_rate : float, optional
        Frames per second; by default the time stamps of `source` are used.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If there are no frames, they are not in order or not of the source's size, or the name has
        another suffix.
    MissingLibraryError
        If PyAV is not installed.
    """
    av = pyav()
    container, codec = _codec(target)
    times = _times(source, frame_rate)
    with (
        writing(target, overwrite=overwrite) as file,
        av.open(file, "w", format=container) as output,
    ):
        stream = None
        for number, rgb in _drawn(frames, source, opacity):
            stream = stream or _stream(output, codec, rgb)
            output.mux(stream.encode(_frame(av, rgb, times[number] - times[0])))
        if stream is None:
            raise ExportError("there are no frames to write")
        output.mux(stream.encode())


def _codec(target: Target) -> tuple[str, str]:
    name = target if not hasattr(target, "write") else getattr(target, "name", "")
    suffix = PurePath(str(name)).suffix.lower() or ".mp4"
    if suffix not in CODECS:
        raise ExportError(f"the name of a video must end with {', '.join(CODECS)}, got {suffix!r}")
    return CODECS[suffix]


def _times(source: Sequence[LoadedImage], frame_rate: float | None) -> Float64Array:
    """Time of each frame in seconds."""
    stated = getattr(source, "times", None) if frame_rate is None else None
    if stated is not None and len(stated) == len(source):
        return np.asarray(stated, np.float64)
    return np.arange(len(source)) / (frame_rate or RATE)


def _drawn(
    frames: FramesLike, source: Sequence[LoadedImage], opacity: float
) -> Iterator[tuple[int, UInt8Array]]:
    following: int | None = None
    for number, result in in_order(frames):
        if number >= len(source):
            raise ExportError(f"there is no frame {number}: the source has {len(source)}")
        for between in range(number if following is None else following, number):
            yield between, source[between].rgb
        yield number, drawn(source[number].rgb, result, opacity)
        following = number + 1


def drawn(rgb: UInt8Array, result: ResultLike, opacity: float = 0.5) -> UInt8Array:
    """A frame with the masks over it, (H, W, 3) uint8; ExportError if sizes differ."""
    if rgb.shape[:2] != tuple(result.size):
        raise ExportError(f"the masks are of the size {result.size}, the frame {rgb.shape[:2]}")
    mixed: UInt8Array = rgb.copy()
    for track, found in with_ids(result):
        x0, y0, x1, y1 = found.crop.bbox
        part, inside = mixed[y0:y1, x0:x1], found.crop.pixels
        color = np.array(_color(track, found.color))
        part[inside] = np.rint(part[inside] * (1 - opacity) + color * opacity)
    return mixed


def _color(track: int, color: str | None) -> tuple[int, ...]:
    if color:
        return tuple(bytes.fromhex(color[1:]))
    return tuple(int(value) for value in davis_palette()[1 + (track - 1) % 255])


def _stream(output: Any, codec: str, rgb: UInt8Array) -> VideoStream:
    stream: VideoStream = output.add_stream(codec, rate=Fraction(RATE))
    height, width = rgb.shape[:2]
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    return stream


def _frame(av: Any, rgb: UInt8Array, seconds: float) -> Any:
    height, width = rgb.shape[:2]
    # Encoders need even sizes.
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    frame.pts, frame.time_base = round(seconds * TICKS), Fraction(1, TICKS)
    return frame
