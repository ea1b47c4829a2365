"""The model thread: the one thread of this kernel that talks to models.

SAM 2 is stateful and not thread-safe, and every thread that calls torch grows a pool of OpenMP
threads of its own, which then fight for the cores. One owner cures both, for all widgets together.

A job sees the context variables of whoever submitted it: ipykernel tells by them which cell or
click a message belongs to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from sam2_widget.tracebacks import as_text

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
    """Run `job` on the model thread, after all that was submitted before.

    What it raises has its traceback as a text only: one that somebody keeps, as IPython does, would
    else keep the tensors that the model was at.
    """
    turn = object()
    _waiting.add(turn)
    # In a list that is emptied: the frame that runs the job is part of a traceback, too.
    return _executor.submit(copy_context().run, _start, turn, [job])


def _start(turn: object, jobs: list[Callable[[], T]]) -> T:
    _waiting.discard(turn)
    try:
        return jobs.pop()()
    except BaseException as error:  # noqa: BLE001 - it is raised again
        failure = error
    try:
        raise as_text(failure)
    finally:
        del failure  # which would hold this frame, and so itself


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
    _observers.submit(copy_context().run, job)


def call_server(job: Callable[[], None]) -> None:
    """Run `job`, which makes pictures for pages, on a thread of its own."""
    _server.submit(copy_context().run, job)


def run(job: Callable[[], T]) -> T:
    """Run `job` on the model thread and wait for its result."""
    if on_model_thread():
        return job()
    future = submit(job)
    # The traceback of an interrupt, which may come any time now, must keep neither.
    del job
    try:
        return future.result()
    finally:
        del future
