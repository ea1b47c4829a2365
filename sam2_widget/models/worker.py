"""The threads that call models: `local` for all models of this kernel, one for each cluster.

SAM 2 is stateful and not thread-safe, and every thread that calls torch creates a pool of OpenMP
threads, which compete for the cores. A single thread for all widgets avoids both. A model on a
cluster has neither problem, but an answer may take half a minute. It has a thread of its own, so
that other models do not wait for it.

**Waiting**: every thread may wait for `local`, also those of clusters. No model's thread may wait
for a cluster's. So there is no circular wait.

A job runs with the context variables of the thread that submitted it: ipykernel uses them to assign
a message to a cell or click.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import TypeVar
from weakref import WeakKeyDictionary

from sam2_widget._utils.executors import PersistentThreadExecutor, TransientThreadExecutor
from sam2_widget._utils.tracebacks import as_text
from sam2_widget.errors import ModelError
from sam2_widget.predictor import Predictor, RemotePredictor

T = TypeVar("T")

_this_thread = threading.local()


class Worker:
    """A thread that calls models.

    Parameters
    ----------
    executor : Executor
        An executor with one thread.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: set[object] = set()
        self._idle_jobs: deque[Callable[[], None]] = deque()

    @property
    def here(self) -> bool:
        """Whether the caller is this thread."""
        return getattr(_this_thread, "worker", None) is self

    def restart(self, executor: Executor) -> None:
        """Use another thread, in a forked process that lacks the previous one."""
        self._executor = executor
        self._waiting = set()
        self._idle_jobs.clear()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` on this thread, after all jobs that were submitted before.

        Its exceptions have their traceback as text only: a traceback that is kept, as IPython does,
        would keep the model's tensors.
        """
        global _local_was_used  # noqa: PLW0603 - one for all models of this process
        if self is local:
            check_process()
            _local_was_used = True
        ticket = object()
        self._waiting.add(ticket)
        # In a list that is emptied: the frame that runs the job is part of the traceback, too.
        future = self._executor.submit(copy_context().run, self._start, ticket, [job])
        # Also called for a cancelled job, which is never started.
        future.add_done_callback(lambda _: self._leave(ticket))
        return future

    def _start(self, ticket: object, jobs: list[Callable[[], T]]) -> T:
        _this_thread.worker = self
        self._waiting.discard(ticket)
        try:
            return jobs.pop()()
        except BaseException as error:  # noqa: BLE001 - it is raised again
            failure = error
        try:
            raise as_text(failure)
        finally:
            del failure  # it refers to this frame, which would be a reference cycle

    def _leave(self, ticket: object) -> None:
        self._waiting.discard(ticket)
        if self._idle_jobs and not self._waiting:
            self._executor.submit(self._run_idle)

    def submit_idle(self, job: Callable[[], None]) -> None:
        """Run `job` on this thread as soon as no other job is waiting."""
        self._idle_jobs.append(job)
        if not self._waiting:
            self._executor.submit(self._run_idle)

    def _run_idle(self) -> None:
        """Run one idle job. If other jobs are waiting, the last of them submits this again."""
        if self._waiting:
            return
        try:
            job = self._idle_jobs.popleft()
        except IndexError:
            return
        _this_thread.worker = self
        try:
            job()
        finally:
            if self._idle_jobs and not self._waiting:
                self._executor.submit(self._run_idle)

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
        # The traceback of an interrupt, which may occur from here on, must keep neither.
        del job
        try:
            return future.result()
        finally:
            del future


local = Worker(PersistentThreadExecutor("sam2-widget-model"))
"""The thread of all models of this kernel, and of all other calls of torch."""

_remote: WeakKeyDictionary[RemotePredictor, Worker] = WeakKeyDictionary()
_lock = threading.Lock()


def of(predictor: Predictor) -> Worker:
    """The thread that a predictor is called on."""
    if not isinstance(predictor, RemotePredictor):
        return local
    with _lock:
        found = _remote.get(predictor)
        if found is None:
            found = _remote[predictor] = Worker(TransientThreadExecutor("sam2-widget-cluster"))
    return found


def on_model_thread() -> bool:
    """Whether the caller is the thread of any model."""
    return hasattr(_this_thread, "worker")


_local_was_used = False
_model_was_left_behind = False

AFTER_FORK = (
    "this process was forked from one that had used a model, which does not work in both: start it "
    "by 'spawn', multiprocessing.get_context('spawn') or DataLoader(multiprocessing_context="
    "'spawn'), or use models only after the fork"
)


def check_process() -> None:
    """Raise `ModelError` in a process that was forked after its parent had used a model.

    The threads of the model and of torch do not exist in the child, and their locks stay locked.
    """
    if _model_was_left_behind:
        raise ModelError(AFTER_FORK)


def _after_fork() -> None:
    """In a forked child, replace locks and threads of the parent."""
    global _this_thread, _remote, _lock, _model_was_left_behind  # noqa: PLW0603
    _model_was_left_behind = _model_was_left_behind or _local_was_used
    _this_thread = threading.local()
    _lock = threading.Lock()
    _remote = WeakKeyDictionary()
    local.restart(PersistentThreadExecutor("sam2-widget-model"))


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
