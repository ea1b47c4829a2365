"""A thread that is there only while there is something to do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Task: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


class PassingThread(Executor):
    """Runs jobs one after the other, in their order, on a thread that ends after the last of them.

    Unlike that of a `ThreadPoolExecutor` it needs nobody to shut it down, however many are made and
    forgotten.

    Parameters
    ----------
    name : str
        Of the thread.
    daemon : bool
        Whether a program that ends does not wait for its jobs.
    """

    def __init__(self, name: str, *, daemon: bool = True) -> None:
        self._name = name
        self._daemon = daemon
        self._lock = threading.Lock()
        self._tasks: deque[_Task] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn` called with the arguments, after all that was submitted before."""
        future: Future[T] = Future()
        with self._lock:
            self._tasks.append((future, partial(fn, *args, **kwargs)))
            # One that could not be started, or was interrupted as it was, is no thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name=self._name, daemon=self._daemon
                )
                self._thread.start()
        return future

    def _work(self) -> None:
        while (task := self._next()) is not None:
            _carry_out(*task)
            del task

    def _next(self) -> _Task | None:
        with self._lock:
            if self._thread is not threading.current_thread():
                return None  # another one has taken its place
            if self._tasks:
                return self._tasks.popleft()
            self._thread = None
            return None


def _carry_out(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
        future.set_exception(error)
        # The error holds this frame, which must not hold it, nor what the job was about.
        del future, job
