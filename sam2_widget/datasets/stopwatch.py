"""Measures the time spent on an image."""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_PAUSE = 60.0
"""Most seconds between two edits that count as work: a longer pause is an absence."""


class Stopwatch:
    """Measures the time between edits.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def lap(self) -> float:
        """Seconds since the last call, at most `MAX_PAUSE`."""
        before, self._last = self._last, self._clock()
        return min(self._last - before, MAX_PAUSE)
