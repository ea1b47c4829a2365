"""Calls after a delay."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress


class DelayedCall:
    """Calls a function some time after it was requested, once for all requests until then.

    Parameters
    ----------
    call : callable
        Called without arguments on a thread of its own.
    name : str
        Name of the thread.
    """

    def __init__(self, call: Callable[[], object], name: str) -> None:
        self._call = call
        self._name = name
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __call__(self, seconds: float) -> None:
        """Request a call in so many seconds; one that was requested earlier suffices."""
        with self._lock:
            # Threads do not survive a fork.
            if self._timer is not None and self._timer.is_alive():
                return
            self._timer = threading.Timer(seconds, self._run)
            self._timer.name, self._timer.daemon = self._name, True
            # At the end of the interpreter no thread can be started.
            with suppress(RuntimeError):
                self._timer.start()

    def _run(self) -> None:
        with self._lock:
            self._timer = None  # the call may request another one
        self._call()
