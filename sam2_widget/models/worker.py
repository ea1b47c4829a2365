"""The threads that talk to models: `local` for all of this kernel, one for each on a cluster.

SAM 2 is stateful and not thread-safe, and every thread that calls torch grows a pool of OpenMP
threads of its own, which then fight for the cores. One owner cures both, for all widgets together.
A model on other machines has none of these troubles, but may be waited for for half a minute. It
has a thread of its own, so that nobody else waits.

**Who may wait for whom**: everybody for `local`, a cluster's thread too; no model's thread for a
cluster's. So none can wait for itself by way of another.

A job sees the context variables of whoever submitted it: ipykernel tells by them which cell or
click a message belongs to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar
from weakref import WeakKeyDictionary

from sam2_widget.errors import ModelError
from sam2_widget.passing import PassingThread
from sam2_widget.predictor import Predictor, RemotePredictor
from sam2_widget.tracebacks import as_text

T = TypeVar("T")

_this_thread = threading.local()
_server = ThreadPoolExecutor(1, thread_name_prefix="sam2-widget-pictures")


class Worker:
    """A thread that talks to models.

    Parameters
    ----------
    executor : Executor
        Of one thread.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: set[object] = set()

    @property
    def here(self) -> bool:
        """Whether the caller is this thread."""
        return getattr(_this_thread, "worker", None) is self

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` on this thread, after all that was submitted before.

        What it raises has its traceback as a text only: one that somebody keeps, as IPython does,
        would else keep the tensors that the model was at.
        """
        turn = object()
        self._waiting.add(turn)
        # In a list that is emptied: the frame that runs the job is part of a traceback, too.
        return self._executor.submit(copy_context().run, self._start, turn, [job])

    def _start(self, turn: object, jobs: list[Callable[[], T]]) -> T:
        _this_thread.worker = self
        self._waiting.discard(turn)
        try:
            return jobs.pop()()
        except BaseException as error:  # noqa: BLE001 - it is raised again
            failure = error
        try:
            raise as_text(failure)
        finally:
            del failure  # which would hold this frame, and so itself

    def submit_idle(self, job: Callable[[], None]) -> None:
        """Run `job` on this thread as soon as nothing else waits for it."""

        def start() -> None:
            if self._waiting:
                self._executor.submit(start)
            else:
                _this_thread.worker = self
                job()

        self._executor.submit(start)

    def run(self, job: Callable[[], T]) -> T:
        """Run `job` on this thread and wait for its result.

        Raises
        ------
        ModelError
            If the caller is a model's thread that may not wait for this one.
        """
        if self.here:
            return job()
        if self is not local and on_model_thread():
            raise ModelError("a model's thread cannot wait for a cluster: use another thread")
        future = self.submit(job)
        # The traceback of an interrupt, which may come any time now, must keep neither.
        del job
        try:
            return future.result()
        finally:
            del future


local = Worker(ThreadPoolExecutor(1, thread_name_prefix="sam2-widget-model"))
"""Of all models of this kernel, and of all else that is torch's."""

_remote: WeakKeyDictionary[RemotePredictor, Worker] = WeakKeyDictionary()
_lock = threading.Lock()


def of(predictor: Predictor) -> Worker:
    """Whose thread a predictor is called on."""
    if not isinstance(predictor, RemotePredictor):
        return local
    with _lock:
        found = _remote.get(predictor)
        if found is None:
            found = _remote[predictor] = Worker(PassingThread("sam2-widget-cluster"))
    return found


def on_model_thread() -> bool:
    """Whether the caller is the thread of a model, of whichever."""
    return hasattr(_this_thread, "worker")


def call_server(job: Callable[[], None]) -> None:
    """Run `job`, which makes pictures for pages, on a thread of its own."""
    _server.submit(copy_context().run, job)
