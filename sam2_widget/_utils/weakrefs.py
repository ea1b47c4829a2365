"""Callbacks that refer to their objects weakly, so that these can be freed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec
from weakref import WeakMethod

P = ParamSpec("P")


def weak_callback(method: Callable[P, object]) -> Callable[P, None]:
    """Return a function that calls a bound method while its object exists."""
    reference = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        found = reference()
        if found is not None:
            found(*args, **kwargs)

    return call


class WeakCallbacks:
    """Bound methods that are called together, each while its object exists; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: list[WeakMethod[Callable[[], None]]] = []

    def add(self, method: Callable[[], None]) -> None:
        """Register a method; one that is registered already is not called twice."""
        with self._lock:
            others = [one for one in self._methods if one() not in (None, method)]
            self._methods = [*others, WeakMethod(method)]

    def __call__(self) -> None:
        """Call all methods whose objects still exist."""
        for method in [one() for one in self._methods]:
            if method is not None:
                method()
