"""Decodes frames of a video by number: forward where possible, else from an earlier keyframe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from sam2_widget.errors import ImageError
from sam2_widget.images.videos.frame_index import FrameIndex, Keyframe
from sam2_widget.images.videos.opening import OpenVideo, pyav

if TYPE_CHECKING:
    import av
    from av.packet import Packet
    from av.video.stream import VideoStream

KEPT_BYTES: Final = 128 * 2**20
"""Bytes of decoded frames in the cache: stepping back decodes a group of frames only once."""

NEAR: Final = 8
"""Distance in frames up to which decoding forward is preferred to seeking."""

TRIED_KEYFRAMES: Final = 3
"""Keyframes that are tried one after the other: streams without a full refresh need more than
one."""


class Decoder:
    """Decodes frames by number. Not thread-safe.

    Parameters
    ----------
    video : OpenVideo
        The open video, from which nothing has been read yet.
    open_again : callable
        Opens the video once more.

    Attributes
    ----------
    first : av.VideoFrame or None
        The first frame; None if none can be decoded.
    index : FrameIndex
        Index of its frames, which `FrameIndex.scan` fills.
    """

    def __init__(self, video: OpenVideo, open_again: Callable[[], OpenVideo]) -> None:
        self._open_again = open_again
        self._video: OpenVideo | None = video
        self._frames = _decoded(video, video.packets())
        self._last = -1
        """Number of the frame that was decoded last."""
        self._kept: LRUCache[int, av.VideoFrame] = LRUCache(KEPT_BYTES, getsizeof=_nbytes)
        self._missing: set[int] = set()
        self.first = next(self._frames, None)
        if self.first is not None:
            self._keep(0, self.first)
        self.index = FrameIndex(None if self.first is None else self.first.pts)

    def close(self) -> None:
        """Close the file; it is opened again when another frame is read."""
        self._kept.clear()
        if self._video is not None:
            self._video.close()
            self._video = None

    def frame(self, number: int) -> av.VideoFrame:
        """A frame of the index.

        Raises
        ------
        ImageError
            If it cannot be decoded.
        """
        if number in self._kept:
            return self._kept[number]
        if number not in self._missing:
            found = self._counted(number) if self.index.by_order else self._sought(number)
            if found is not None:
                return found
            self._missing.add(number)
        raise ImageError(f"frame {number} of the video is damaged and cannot be decoded")

    def _keep(self, number: int, frame: av.VideoFrame) -> None:
        self._last = number
        if _nbytes(frame) <= KEPT_BYTES:
            self._kept[number] = frame

    # --- by counting ------------------------------------------------------------------------------

    def _counted(self, number: int) -> av.VideoFrame | None:
        if self._video is None or number <= self._last:
            self._restart()
        for frame in self._frames:
            self._keep(self._last + 1, frame)
            if self._last == number:
                return frame
        return None

    # --- by time of presentation ------------------------------------------------------------------

    def _sought(self, number: int) -> av.VideoFrame | None:
        pts = self.index.time_of(number)
        keyframes = self.index.keyframes_before(pts, TRIED_KEYFRAMES)
        if self._is_on_the_way(number, keyframes) and (found := self._decoded_to(pts)):
            return found
        for keyframe in keyframes:
            self._start_at(keyframe)
            found = self._decoded_to(pts, keyframe.pts)
            if found is not None and not found.is_corrupt:
                return found
        if found is None and len(keyframes) < TRIED_KEYFRAMES:
            self._restart()
            return self._decoded_to(pts)
        return found

    def _is_on_the_way(self, number: int, keyframes: list[Keyframe]) -> bool:
        """Whether to decode forward from the present position."""
        if self._video is None or number <= self._last:
            return False
        if number <= self._last + NEAR or not keyframes:
            return True
        start = self.index.number_of(keyframes[0].pts)
        return start is None or start <= self._last

    def _decoded_to(self, pts: int, first: int | None = None) -> av.VideoFrame | None:
        """Decode up to a frame; None if it is not found.

        Frames that are shown before `first`, where decoding started, may lack reference frames.
        """
        for frame in self._frames:
            if frame.pts is None or (first is not None and frame.pts < first):
                continue
            number = self.index.number_of(frame.pts)
            if number is not None:
                self._keep(number, frame)
            if frame.pts >= pts:
                return frame if frame.pts == pts else None
        return None

    def _start_at(self, keyframe: Keyframe) -> None:
        """Continue decoding at a keyframe."""
        self._last = (self.index.number_of(keyframe.pts) or 0) - 1
        earlier = self.index.keyframes_before(keyframe.pts - 1, 2)
        for time in (keyframe.pts, keyframe.dts, *(one.dts for one in earlier)):
            if self._seek(time) and self._skip_to(keyframe):
                return
        self._restart()
        self._skip_to(keyframe)

    def _seek(self, time: int) -> bool:
        video = self._opened()
        try:
            video.container.seek(time, stream=video.stream)
        except pyav().FFmpegError:
            return False
        return True

    def _skip_to(self, keyframe: Keyframe) -> bool:
        """Whether the keyframe is among the next packets; then it is decoded next."""
        video = self._opened()
        packets = video.packets()
        with suppress(pyav().FFmpegError):
            for packet in packets:
                if packet.is_keyframe and packet.pts is not None and packet.pts >= keyframe.pts:
                    self._frames = _decoded(video, chain([packet], packets))
                    return bool(packet.pts == keyframe.pts)
        return False

    def _restart(self) -> None:
        """Continue decoding at the beginning."""
        if self._video is not None:
            self._video.close()
        self._video = self._open_again()
        self._frames = _decoded(self._video, self._video.packets())
        self._last = -1

    def _opened(self) -> OpenVideo:
        if self._video is None:
            self._video = self._open_again()
        return self._video


def _decoded(video: OpenVideo, packets: Iterator[Packet[VideoStream]]) -> Iterator[av.VideoFrame]:
    """The decoded frames of packets; broken packets are skipped."""
    broken = pyav().FFmpegError
    try:
        for packet in packets:
            with suppress(broken):
                yield from packet.decode()
    except broken:  # the file is cut off: what the decoder still has
        with suppress(broken):
            yield from video.stream.codec_context.decode(None)


def _nbytes(frame: av.VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)
