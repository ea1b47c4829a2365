"""Executors with one thread: one ends its thread when it is idle, the other keeps it.

Both still accept jobs while the interpreter shuts down, as long as threads of the user run: a
`ThreadPoolExecutor` rejects them as soon as the main thread has ended.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Task: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


class TransientThreadExecutor(Executor):
    """Runs jobs one after the other, in order, on a thread that ends when there are no more.

    Unlike a `ThreadPoolExecutor` it need not be shut down, however many are created and dropped.

    Parameters
    ----------
    name : str
        Name of the thread.
    daemon : bool
        Whether the interpreter ends without waiting for the jobs.
    """

    def __init__(self, name: str, *, daemon: bool = True) -> None:
        self._name = name
        self._daemon = daemon
        self._lock = threading.Lock()
        self._tasks: deque[_Task] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule a call of `fn` with the arguments, after all earlier jobs."""
        future: Future[T] = Future()
        with self._lock:
            self._tasks.append((future, partial(fn, *args, **kwargs)))
            # The start of a thread may have failed or been interrupted.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name=self._name, daemon=self._daemon
                )
                self._thread.start()
        return future

    def _work(self) -> None:
        while (task := self._next()) is not None:
            _run(*task)
            del task

    def _next(self) -> _Task | None:
        with self._lock:
            if self._thread is not threading.current_thread():
                return None  # another thread has replaced this one
            if self._tasks:
                return self._tasks.popleft()
            self._thread = None
            return None


class PersistentThreadExecutor(Executor):
    """Runs jobs one after the other, in order, on one thread that stays.

    At exit the interpreter waits for the running job and drops those after it.

    Parameters
    ----------
    name : str
        Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        # Atomic with respect to interrupts: a job is either submitted or not.
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule a call of `fn` with the arguments, after all earlier jobs."""
        future: Future[T] = Future()
        self._tasks.put((future, partial(fn, *args, **kwargs)))
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._start()
        return future

    def _start(self) -> None:
        if self._thread is None:
            # Runs after the user's threads have ended and before daemon threads are killed.
            atexit.register(self._stop)
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stopped and (task := self._tasks.get()) is not None:
            _run(*task)
            del task

    def _stop(self) -> None:
        self._stopped = True
        self._tasks.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()


def _run(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - raised by `Future.result`
        future.set_exception(error)
        # The error refers to this frame: without this, a reference cycle would keep the job alive.
        del future, job
