"""Deferring SIGINT during a step that must be completed.

Python may raise `KeyboardInterrupt` between any two instructions of the main thread. Between an
edit and its message to the page, that would leave the page in an outdated state.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_sigint() -> Iterator[None]:
    """Defer an interrupt of the main thread until the block has ended. Keep the block short."""
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread is interrupted; a handler that is not in Python is left alone.
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    deferred: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: deferred.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if deferred:
            handler(*deferred[0])
