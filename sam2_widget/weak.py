"""Callbacks that do not keep alive whom they call: what no name refers to goes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec
from weakref import WeakMethod

P = ParamSpec("P")


def weakly(method: Callable[P, object]) -> Callable[P, None]:
    """Return a function that calls a bound method as long as its object is there."""
    reference = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        found = reference()
        if found is not None:
            found(*args, **kwargs)

    return call


class Watchers:
    """Bound methods to call, each once, as long as their objects are there; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: list[WeakMethod[Callable[[], None]]] = []

    def add(self, method: Callable[[], None]) -> None:
        """Have a method called from now on; one that is so already is not called twice."""
        with self._lock:
            others = [one for one in self._methods if one() not in (None, method)]
            self._methods = [*others, WeakMethod(method)]

    def __call__(self) -> None:
        """Call them all."""
        for method in [one() for one in self._methods]:
            if method is not None:
                method()
