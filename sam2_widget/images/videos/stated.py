"""Properties of a video's frames in its header, read before any packet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam2_widget.images.videos.opening import OpenVideo

if TYPE_CHECKING:
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class Stated:
    """Properties in the header of a video.

    Attributes
    ----------
    count : int or None
        Number of frames, if the file has a table of all of them.
    is_cut_off : bool
        Whether that table refers to data beyond the end of the file.
    duration : float or None
        Seconds.
    frame_rate : float or None
        Frames a second, on average.
    time_base : float
        Length of a unit of time in seconds.
    codec : str
        Name of the codec in libav.
    """

    count: int | None
    is_cut_off: bool
    duration: float | None
    frame_rate: float | None
    time_base: float
    codec: str


def stated_by(video: OpenVideo) -> Stated:
    """Read the header of an open video."""
    stream = video.stream
    count, is_cut_off = _table(video)
    rate = stream.average_rate or stream.guessed_rate
    return Stated(
        count,
        is_cut_off,
        _duration(video),
        float(rate) if rate else None,
        float(stream.time_base or 0),
        stream.codec_context.codec.canonical_name,
    )


def _table(video: OpenVideo) -> tuple[int | None, bool]:
    """Number of frames of a complete table that are in the file, and whether some are missing."""
    entries = video.stream.index_entries
    if not video.stream.frames or len(entries) != video.stream.frames:
        return None, False
    size = video.container.size
    count = beyond = 0
    for entry in entries:
        is_frame = entry.size and not entry.is_discard
        is_there = entry.pos + entry.size <= size
        count += bool(is_frame and is_there)
        beyond += not is_there
    return count, bool(beyond)


def _duration(video: OpenVideo) -> float | None:
    stream = video.stream
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if (tagged := _seconds(stream)) is not None:
        return tagged
    container = video.container
    is_alone = len(container.streams) == 1  # else it may be that of the sound
    return container.duration / 1e6 if container.duration and is_alone else None


def _seconds(stream: VideoStream) -> float | None:
    """The duration of a stream in a Matroska file, where it is a tag."""
    found = re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
