"""A video: its upright frames by number."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sam2_widget._utils.arrays import Float64Array
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.errors import ImageError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.orientation import is_turned
from sam2_widget.images.videos.decoder import Decoder
from sam2_widget.images.videos.frame_index import MAX_FRAMES, FrameIndex
from sam2_widget.images.videos.opening import OpenVideo, open_video, video_name
from sam2_widget.images.videos.pixels import HDR_NOTE, is_hdr, orientation_of, rgb_of
from sam2_widget.images.videos.stated import stated_by

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

CUT_OFF: Final = 1.0
"""Seconds by which the frames may end before the duration that the file states."""


class Video:
    """The frames of a video file, each decoded on demand.

    The frames are counted in the background. The file is open until that is done, and until `close`
    or the end of this object; after `close` it is opened again when a frame is read. All methods
    are thread-safe.

    Parameters
    ----------
    file : ImageFile

    Attributes
    ----------
    file : ImageFile
    size : (int, int)
        (height, width) of the frames in pixels, after rotation.
    frame_rate : float or None
        Average number of frames a second in the file's header.

    Raises
    ------
    ImageError
        If it is broken, or has no frames.
    MissingLibraryError
        If PyAV is not installed.
    """

    def __init__(self, file: ImageFile) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._length: int | None = None
        video = open_video(file)
        open_again = partial(_open_again, file, video.identity)
        try:
            self._stated = stated_by(video)
            self._decoder = Decoder(video, open_again)
            self._first = _checked_first(self._decoder, file)
        except BaseException:
            video.close()
            raise
        self._index = self._decoder.index
        self.frame_rate = self._stated.frame_rate
        self.size = _size(self._first)
        _start(self._index, open_again)
        weakref.finalize(self, _release, self._index, self._decoder)

    def __len__(self) -> int:
        """Number of frames; waits until they are counted."""
        if self._length is None:
            self._length = self._counted()
        return self._length

    def _counted(self) -> int:
        stated = self._stated.count
        if stated is None or not self._index.has(0) or self._index.is_complete:
            return self._index.count()
        return min(stated - self._index.skipped, MAX_FRAMES)

    def has(self, number: int) -> bool:
        """Whether there is a frame of that number, from 0; waits until it is counted."""
        return self._index.has(number)

    @property
    def times(self) -> Float64Array:
        """When each frame is shown, in seconds after the first, (frames,) float64.

        Waits until all frames are counted.
        """
        count = self._index.count()
        if self._index.by_order:
            return np.arange(count) / (self.frame_rate or 1.0)
        units = np.asarray(self._index.times(), np.int64)
        return np.asarray((units - units[:1]) * self._stated.time_base, np.float64)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the file for the user, as far as it has been read."""
        found = [HDR_NOTE] if is_hdr(self._first) else []
        if self._index.is_complete and self._index.count() == MAX_FRAMES:
            found.append(f"The video has more frames than {MAX_FRAMES}: the others are left out.")
        if self._stated.is_cut_off or self._index.is_damaged or self._ends_early():
            found.append(f"The video is cut off or damaged: its first {len(self)} frames are used.")
        return tuple(found)

    def _ends_early(self) -> bool:
        stated = self._stated.duration
        if not self._index.is_complete or self._index.by_order or stated is None:
            return False
        return bool(self.times[-1] + CUT_OFF + 1 / (self.frame_rate or 1.0) < stated)

    # --- frames -----------------------------------------------------------------------------------

    def frame(self, number: int) -> LoadedImage:
        """An upright frame.

        Raises
        ------
        ImageError
            If there is none of that number, it is damaged, or has another size than the first.
        """
        if number < 0 or not self._index.has(number):
            raise ImageError(self._no_frame(number))
        with self._lock:  # also for colours: two threads must not convert one frame at once
            frame = self._decoder.frame(number)
            self._check_size(number, frame)
            rgb = rgb_of(frame)
            record = self._record(number, frame)
        return LoadedImage(rgb, rgb, self.file.name, record)

    def _check_size(self, number: int, frame: av.VideoFrame) -> None:
        if _size(frame) != self.size:
            raise ImageError(
                f"frame {number} of the video has {_pixels(_size(frame))} pixels, the first has "
                f"{_pixels(self.size)}: cut the video where its size changes"
            )

    def _no_frame(self, number: int) -> str:
        end = "" if number >= len(self) else ", since the file is cut off or damaged"
        return f"there is no frame {number}: the video has {self._index.count()}{end}"

    def _record(self, number: int, frame: av.VideoFrame) -> MappingProxyType[str, Any]:
        """Record of how the pixels were made."""
        stated, orientation = self._stated, orientation_of(frame)
        notes = [*self.notes] if number in (0, self._index_of_last()) else []
        if frame.is_corrupt:
            notes.append(f"Frame {number} is damaged: what could be decoded is shown.")
        record: dict[str, Any] = {
            "shape": (frame.height, frame.width, 3),
            "dtype": "uint8",
            "video": f"{stated.codec} {frame.format.name}",
            "frame": number,
            "time": self._time_of(number),
        }
        turned = {"orientation": orientation} if orientation != 1 else {}
        return MappingProxyType(record | turned | ({"notes": tuple(notes)} if notes else {}))

    def _index_of_last(self) -> int | None:
        return self._index.count() - 1 if self._index.is_complete else None

    def _time_of(self, number: int) -> float:
        if self._index.by_order:
            return number / (self.frame_rate or 1.0)
        units = self._index.time_of(number) - self._index.time_of(0)
        return units * self._stated.time_base

    def close(self) -> None:
        """Close the file; it is opened again when a frame is read."""
        with self._lock:
            self._decoder.close()


def _open_again(file: ImageFile, identity: tuple[int, ...]) -> OpenVideo:
    video = open_video(file)
    if video.identity != identity:
        video.close()
        raise ImageError(f"{video_name(file)} has changed since it was opened: open it anew")
    return video


def _checked_first(decoder: Decoder, file: ImageFile) -> av.VideoFrame:
    if decoder.first is None:
        raise ImageError(
            f"{video_name(file)} has no frame that can be decoded: it is broken "
            "or incomplete, copy or download it again"
        )
    return decoder.first


def _start(index: FrameIndex, open_again: Callable[[], OpenVideo]) -> None:
    """Count the frames in the background, on a thread without a reference to the video."""

    def scan() -> None:
        try:
            index.scan(open_again)
        except Exception as error:  # noqa: BLE001 - logged; what was counted can be used
            log_failure(logger, "the frames of a video could not be counted to the end", error)

    threading.Thread(target=scan, name="sam2-widget-frames", daemon=True).start()


def _release(index: FrameIndex, decoder: Decoder) -> None:
    index.cancel()
    decoder.close()


def _size(frame: av.VideoFrame) -> tuple[int, int]:
    """(height, width) after rotation."""
    if is_turned(orientation_of(frame)):
        return frame.width, frame.height
    return frame.height, frame.width


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"
