"""Interrupts that wait for the end of what must not be left half done.

Python raises `KeyboardInterrupt` between any two instructions of the main thread. Between an edit
and its message to the page, that would leave the page with a state that nobody corrects.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Have an interrupt of the main thread wait until the block has ended. Keep the block short."""
    handler = signal.getsignal(signal.SIGINT)
    # Other threads are never interrupted. No Python handler: its owner knows what it does.
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])
