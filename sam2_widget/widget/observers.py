"""Calls the user's functions when something has changed, never on a model's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.planes import Planes

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Caller:
    """Calls the functions of one widget, one after the other, in the order of the events.

    It uses a thread of its own: on a model's thread a function could wait for that thread forever,
    and a thread for all widgets would make them wait for each other. The interpreter waits for
    running functions when it ends, because they may be writing files.
    """

    def __init__(self) -> None:
        self._thread = TransientThreadExecutor("sam2-widget-observers", daemon=False)

    def __call__(self, job: Callable[[], None]) -> None:
        """Submit `job`, which runs with the context variables of the caller."""
        self._thread.submit(copy_context().run, job)


class Event(Generic[T]):
    """An event with the functions that are called for it.

    Parameters
    ----------
    name : str
        Name of the method that users call.
    call : callable
        Submits a job to the thread for the user's functions: a `Caller`.
    failed : callable
        Called with a sentence when one of the functions fails, as no cell shows the error.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[Callable[[], None]], None],
        failed: Callable[[str], None],
    ) -> None:
        self._name = name
        self._call_later = call
        self._failed = failed
        self._functions: list[Callable[[T], object]] = []

    def __bool__(self) -> bool:
        return bool(self._functions)

    def subscribe(self, function: Callable[[T], object]) -> Callable[[], None]:
        """Register a function; returns a function that removes it."""
        if not callable(function):
            raise TypeError(f"{self._name} needs a function to call, got {function!r}")
        # A wrapper of its own, so that the same function may be given twice.
        entry: Callable[[T], object] = lambda value: function(value)  # noqa: E731, PLW0108
        self._functions.append(entry)

        def unsubscribe() -> None:
            if entry in self._functions:
                self._functions.remove(entry)

        return unsubscribe

    def fire(self, value: Callable[[], T]) -> None:
        """Call all functions with the result of `value`, on their thread."""
        if self._functions:
            self._call_later(lambda: self._call(value))

    def _call(self, value: Callable[[], T]) -> None:
        try:
            found = value()
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, f"there was nothing to call {self._name} with", error)
            return
        for function in list(self._functions):
            self._call_one(function, found)

    def _call_one(self, function: Callable[[T], object], value: T) -> None:
        try:
            function(value)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, f"a function given to {self._name} failed", error)
            self._failed(f"A function given to {self._name} failed: {error!r}")


class Changes:
    """Detects changes of an annotation since its observers were last called.

    Parameters
    ----------
    planes : Planes
    """

    def __init__(self, planes: Planes) -> None:
        self._planes = planes
        self._masks: list[object] = []
        self._other: list[object] = [planes.index, frozenset()]

    def since_last(self) -> tuple[bool, bool]:
        """Whether masks, and whether anything has changed; False while predictions are pending."""
        with self._planes.lock:
            annotator = self._planes.shown
            annotation = annotator.session.annotation
            snapshot = annotator.snapshot()
            if not snapshot.is_complete:
                return False, False
            every = [annotated for annotated, _ in snapshot.all_objects]
            masks: list[object] = [(o.id, found) for o, found in snapshot.all_objects]
            if masks:
                masks.append(annotation.settings.overlap)
            session = annotator.session
            other: list[object] = [self._planes.index]
            other += [(o.label, session.color(o)) for o in every]
            other += [session.hidden & {o.id for o in every}]
            before, self._masks, self._other = (self._masks, self._other), masks, other
        return masks != before[0], (masks, other) != before
