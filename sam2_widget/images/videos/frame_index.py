"""Index of the frames of a video, built from its packets without decoding them."""

from __future__ import annotations

import heapq
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from sam2_widget.images.videos.opening import OpenVideo, pyav

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

MAX_FRAMES: Final = 2_000_000
"""Largest number of frames of a video or sequence: 18 hours at 30 a second. Epochs are counted from
plane * 2**32, and for more planes they would exceed the exact integers of JavaScript."""

BATCH: Final = 128
BATCH_BYTES: Final = 2**22
"""Packets, and bytes of packets, between two notifications of waiting threads."""

AVI_WITHOUT_TIMES: Final = ("h264", "hevc", "vvc")
"""Codecs whose frames have no times of presentation in an AVI and are not in display order."""

_by_time = attrgetter("pts")


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """The properties of a packet that the index needs.

    Attributes
    ----------
    pts, dts : int or None
        Times of presentation and decoding, in units of the stream's time base.
    is_keyframe : bool
        Whether decoding can start here.
    is_partial : bool
        Whether it is truncated.
    is_shown : bool
        Whether it is a frame that is shown; others are only references for decoding.
    """

    pts: int | None
    dts: int | None
    is_keyframe: bool
    is_partial: bool = False
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A packet from which decoding can start, with its times as in `PacketTimes`."""

    pts: int
    dts: int


class FrameIndex:
    """Times of presentation of all frames, in order, and the keyframes.

    A frame's number is final as soon as no later packet can be shown before it, that is when the
    decoding time of the newest packet has passed its time of presentation.

    Parameters
    ----------
    first : int or None
        Time of the first frame that the decoder returns: earlier frames cannot be decoded. None if
        frames have no times.

    Attributes
    ----------
    by_order : bool
        Whether frames can only be counted from the beginning, because their times are missing,
        repeated or out of order.
    is_complete : bool
        Whether all packets were seen.
    is_damaged : bool
        Whether the packets ended with an error, or in the middle of one.
    skipped : int
        Number of frames before the first that can be decoded; valid with the first frame.
    """

    def __init__(self, first: int | None) -> None:
        self._first = first
        self.by_order = first is None
        self.is_complete = False
        self.is_damaged = False
        self.skipped = 0
        self._changed = threading.Condition()
        self._newest: PacketTimes | None = None
        self._pending: list[int] = []
        self._pts = array("q")
        self._keyframes: list[Keyframe] = []
        self._packets = 0
        self._has_keyframe = False
        self._before_keyframe = 0
        self._cancelled = False

    # --- queries ----------------------------------------------------------------------------------

    def has(self, number: int) -> bool:
        """Whether a frame exists; waits until the index has reached it or ended."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_complete or self._known > number)
            return number < self._known

    def count(self) -> int:
        """Number of frames; waits until the index is complete."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_complete)
            return self._known

    @property
    def _known(self) -> int:
        return min(self._packets if self.by_order else len(self._pts), MAX_FRAMES)

    def times(self) -> array[int]:
        """Times of presentation of all frames; waits until the index is complete."""
        return self._pts[: self.count()]

    def time_of(self, number: int) -> int:
        """Time of presentation of a frame in the index."""
        with self._changed:
            return self._pts[number]

    def number_of(self, pts: int | None) -> int | None:
        """Number of the frame with this time of presentation; None if it is not in the index."""
        if pts is None:
            return None
        with self._changed:
            at = bisect_left(self._pts, pts)
            return at if at < len(self._pts) and self._pts[at] == pts else None

    def keyframes_before(self, pts: int, count: int) -> list[Keyframe]:
        """The `count` newest keyframes shown at or before a time, in descending order."""
        with self._changed:
            end = bisect_right(self._keyframes, pts, key=_by_time)
            return self._keyframes[max(end - count, 0) : end][::-1]

    # --- scanning the packets ---------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop `scan` soon."""
        self._cancelled = True

    def scan(self, open_again: Callable[[], OpenVideo]) -> None:
        """Read all packets of a video, which is opened for this and closed at the end."""
        try:
            video = open_again()
            try:
                self.by_order |= _has_no_times(video)
                self._take_all(video)
            finally:
                video.close()
        except Exception:
            self.is_damaged = True
            raise
        finally:
            self._finish()

    def _take_all(self, video: OpenVideo) -> None:
        batch: list[PacketTimes] = []
        size = 0
        try:
            for packet in video.packets():
                if (times := _times(packet)) is not None:
                    batch.append(times)
                size += packet.size
                if len(batch) >= BATCH or size >= BATCH_BYTES:
                    self.take(batch)
                    batch, size = [], 0
                if self._cancelled or self._packets > MAX_FRAMES:
                    break
        except pyav().FFmpegError:
            self.is_damaged = True
        self.take(batch)

    def take(self, packets: Iterable[PacketTimes]) -> None:
        """Add packets, in the order of the file."""
        with self._changed:
            for packet in packets:
                if self._newest is not None:
                    self._add(self._newest)
                self._newest = packet  # which may turn out to be cut off
            self._changed.notify_all()

    def _add(self, packet: PacketTimes) -> None:
        self._has_keyframe |= packet.is_keyframe
        if not self._has_keyframe:
            self._before_keyframe += 1
            return
        self._packets += packet.is_shown
        if packet.pts is None:
            self.by_order |= packet.is_shown
            return
        if packet.is_keyframe:
            self._add_keyframe(packet.pts, packet.dts)
        if packet.is_shown:
            heapq.heappush(self._pending, packet.pts)
        while packet.dts is not None and self._pending and self._pending[0] < packet.dts:
            self._settle(heapq.heappop(self._pending))

    def _add_keyframe(self, pts: int, dts: int | None) -> None:
        if self._keyframes and pts <= self._keyframes[-1].pts:
            self.by_order = True
        else:
            self._keyframes.append(Keyframe(pts, pts if dts is None else dts))

    def _settle(self, pts: int) -> None:
        """Assign the next number to a frame."""
        if self._pts and pts <= self._pts[-1]:
            self.by_order = True
        elif self._first is not None and pts < self._first:
            self.skipped += 1
        else:
            self._pts.append(pts)

    def _finish(self) -> None:
        with self._changed:
            if self._newest is not None and self._newest.is_partial:
                self.is_damaged = True
            elif self._newest is not None:
                self._add(self._newest)
            while self._pending:
                self._settle(heapq.heappop(self._pending))
            if not self._has_keyframe:  # none is marked
                self._packets, self.by_order = self._before_keyframe, True
            self.is_complete = True
            self._changed.notify_all()


def _has_no_times(video: OpenVideo) -> bool:
    codec = video.stream.codec_context.codec.canonical_name
    return video.container.format.name == "avi" and codec in AVI_WITHOUT_TIMES


def _times(packet: Packet[VideoStream]) -> PacketTimes | None:
    """The times of a packet; None if nothing is decoded from it."""
    if not packet.size or _is_hidden(packet):
        return None
    return PacketTimes(
        packet.pts, packet.dts, packet.is_keyframe, packet.is_corrupt, not packet.is_discard
    )


def _is_hidden(packet: Packet[VideoStream]) -> bool:
    """Whether a VP8 packet is only a reference for decoding others."""
    if packet.stream.codec_context.codec.canonical_name != "vp8":
        return False
    return not memoryview(packet)[0] & 0x10
