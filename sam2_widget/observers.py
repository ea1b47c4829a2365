"""The user's own functions: called when something has changed, never on a model's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from sam2_widget.passing import PassingThread
from sam2_widget.planes import Planes
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Caller:
    """Calls the functions of one widget, one after the other, in the order of what happened.

    It does so on a thread of its own. On a model's they could wait for what only that thread can
    do; on one for all widgets those of others would wait, perhaps for a cluster, too. A program
    that ends waits for them: they may be writing files.
    """

    def __init__(self) -> None:
        self._thread = PassingThread("sam2-widget-observers", daemon=False)

    def __call__(self, job: Callable[[], None]) -> None:
        """Have `job` run soon, with the context variables of whoever asks for it."""
        self._thread.submit(copy_context().run, job)


class Event(Generic[T]):
    """Functions to call with a value.

    Parameters
    ----------
    name : str
        How the user knows it.
    call : callable
        Has a job run where the user's functions are called: a `Caller`.
    failed : callable
        Told a sentence when one of the functions fails, for no cell would show it.
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
        """Have `function` called; returns a function that ends that."""
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
        """Call all functions with what `value` returns, on their thread."""
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
    """Knows what an annotation was when its observers were last told.

    Parameters
    ----------
    planes : Planes
    """

    def __init__(self, planes: Planes) -> None:
        self._planes = planes
        self._masks: list[object] = []
        self._rest: list[object] = [planes.index, frozenset()]

    def since_last(self) -> tuple[bool, bool]:
        """Whether masks, and whether anything has changed; False while answers are pending."""
        with self._planes.lock:
            annotator = self._planes.shown
            annotation = annotator.session.annotation
            answers = annotator.all_answered(annotation.objects)
            if any(answer is None for answer in answers):
                return False, False
            masks: list[object] = list(
                zip([o.id for o in annotation.objects], answers, strict=True)
            )
            if masks:
                masks.append(annotation.settings.overlap)
            session = annotator.session
            rest: list[object] = [self._planes.index]
            rest += [(o.label, session.color(o)) for o in annotation.objects]
            rest += [session.hidden & {o.id for o in annotation.objects}]
            before, self._masks, self._rest = (self._masks, self._rest), masks, rest
        return masks != before[0], (masks, rest) != before
