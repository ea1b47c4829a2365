"""Requests of pages that are answered on a thread of their own; of too many the newest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.comm.backlog import RequestT, newest_requests


class RequestQueue(Generic[RequestT]):
    """Answers requests one after the other; of too many the newest.

    Parameters
    ----------
    name : str
        Name of the thread.
    answer : callable
        Called with each request, on the thread.
    per_page, in_all : int
        Most requests that wait, of each page and of all together.
    """

    def __init__(
        self, name: str, answer: Callable[[RequestT], object], *, per_page: int, in_all: int
    ) -> None:
        self._answer = answer
        self._limits = (per_page, in_all)
        self._lock = threading.Lock()
        self._waiting: list[RequestT] = []
        self._is_answering = False
        self._is_closed = False
        self._thread = TransientThreadExecutor(name)

    def add(self, request: RequestT) -> None:
        """Answer `request` soon."""
        per_page, in_all = self._limits
        with self._lock:
            if self._is_closed:
                return
            waiting = [*self._waiting, request]
            self._waiting = newest_requests(waiting, per_page=per_page, in_all=in_all)
            is_answering, self._is_answering = self._is_answering, True
        if not is_answering:
            self._thread.submit(copy_context().run, self._answer_all)

    def has_newer(self, client: str) -> bool:
        """Whether a request of a page waits, or none is to be answered any more."""
        with self._lock:
            return self._is_closed or any(one.client == client for one in self._waiting)

    def close(self) -> None:
        """Answer no more requests."""
        with self._lock:
            self._is_closed = True
            self._waiting = []

    def wait(self) -> None:
        """Wait until all requests so far are answered."""
        self._thread.submit(_nothing).result()

    def _answer_all(self) -> None:
        while (request := self._next()) is not None:
            self._answer(request)

    def _next(self) -> RequestT | None:
        with self._lock:
            self._is_answering = bool(self._waiting)
            return self._waiting.pop(0) if self._waiting else None


def _nothing() -> None:
    pass
