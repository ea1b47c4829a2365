"""The model thread: the one thread of this kernel that talks to models.

SAM 2 is stateful and not thread-safe, and every thread that calls torch grows a pool of OpenMP
threads of its own, which then fight for the cores. One owner cures both, for all widgets together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_NAME = "sam2-widget-model"
_executor = ThreadPoolExecutor(1, thread_name_prefix=_NAME)
_waiting: set[object] = set()
_observers = ThreadPoolExecutor(1, thread_name_prefix="sam2-widget-observers")

_server = ThreadPoolExecutor(1, thread_name_prefix="sam2-widget-pictures")


def on_model_thread() -> bool:
    """Whether the caller is the model thread."""
    return threading.current_thread().name.startswith(_NAME)


def submit(job: Callable[[], T]) -> Future[T]:
    """Run `job` on the model thread, after all that was submitted before."""
    turn = object()
    _waiting.add(turn)

    def start() -> T:
        _waiting.discard(turn)
        return job()

    return _executor.submit(start)


def submit_idle(job: Callable[[], None]) -> None:
    """Run `job` on the model thread as soon as nothing else waits for it."""

    def start() -> None:
        if _waiting:
            _executor.submit(start)
        else:
            job()

    _executor.submit(start)


def call_observers(job: Callable[[], None]) -> None:
    """Run `job`, which calls code of the user's, on a thread of its own.

    On the model thread it could wait for what only that thread can do.
    """
    _observers.submit(job)


def call_server(job: Callable[[], None]) -> None:
    """Run `job`, which makes pictures for pages, on a thread of its own."""
    _server.submit(job)


def run(job: Callable[[], T]) -> T:
    """Run `job` on the model thread and wait for its result."""
    return job() if on_model_thread() else submit(job).result()
