"""Reads frames of a video ahead, on a separate thread, while earlier ones are tracked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.errors import ImageError

AHEAD = 2
"""Number of frames that are read ahead."""


class FrameReader:
    """Reads frames one after the other, in both directions.

    Not thread-safe. An error is raised by the call that needs the frame.

    Parameters
    ----------
    read : callable
        Returns the RGB image of a frame, (H, W, 3) uint8.
    count : int
        Number of frames.
    """

    def __init__(self, read: Callable[[int], UInt8Array], count: int) -> None:
        self._read = read
        self._count = count
        self._thread = TransientThreadExecutor("sam2-widget-frames-ahead")
        self._ahead: dict[int, Future[UInt8Array]] = {}
        self._last = 0

    def __call__(self, index: int) -> UInt8Array:
        """The frame of that number; `ImageError` if the disk cannot read it."""
        step = 1 if index >= self._last else -1
        self._last = index
        wanted = self._ahead.pop(index, None) or self._thread.submit(self._read, index)
        following = [index + step * k for k in range(1, AHEAD + 1)]
        self._keep_only(following)
        for one in following:
            if 0 <= one < self._count and one not in self._ahead:
                self._ahead[one] = self._thread.submit(self._read, one)
        try:
            return wanted.result()
        except OSError as error:
            raise ImageError(f"frame {index} cannot be read: {error}") from error

    def close(self) -> None:
        """Stop reading."""
        self._keep_only(())

    def _keep_only(self, indices: list[int] | tuple[()]) -> None:
        for index in self._ahead.keys() - set(indices):
            self._ahead.pop(index).cancel()
