"""Models that nobody uses leave the GPU, for others are waiting for its memory."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol
from weakref import WeakKeyDictionary

from sam2_widget import resources
from sam2_widget.models import worker
from sam2_widget.models.cache import embeddings


class Rests(Protocol):
    """A model that can leave its device and come back."""

    resting: bool

    @property
    def device(self) -> str:
        """Where it computes."""

    def rest(self) -> None:
        """Leave the device."""


_changed = threading.Condition()
_last_use: WeakKeyDictionary[Rests, float] = WeakKeyDictionary()
_watch: threading.Thread | None = None


def used(model: Rests) -> None:
    """`model` is at work: it may stay for some time from now."""
    if model.device == "cpu" or not resources.current().idle_minutes:
        return
    global _watch  # noqa: PLW0603 - one for all models
    with _changed:
        _last_use[model] = time.monotonic()
        if _watch is None:
            _watch = threading.Thread(target=_watch_models, name="sam2-widget-idle", daemon=True)
            _watch.start()


def _watch_models() -> None:
    """Send models to rest as long as there are any that do not."""
    global _watch  # noqa: PLW0603
    while True:
        with _changed:
            wait = _next_rest()
            if wait is None:
                _watch = None
                return
            if wait > 0:
                _changed.wait(wait)
                continue
        rest_idle()


def _next_rest() -> float | None:
    """Seconds until a model is to rest; None if there is none to wait for."""
    limit = 60 * resources.current().idle_minutes
    if not _last_use or not limit:
        return None
    return limit - (time.monotonic() - min(_last_use.values()))


def rest_idle() -> None:
    """Have models rest whose time has come."""
    limit = 60 * resources.current().idle_minutes or math.inf
    with _changed:
        now = time.monotonic()
        due = [model for model, last in _last_use.items() if now - last >= limit]
        for model in due:
            del _last_use[model]
    for model in due:
        # After whatever waits for the model thread; used again meanwhile, it stays.
        worker.local.submit(lambda model=model: _rest_unless_used(model))  # type: ignore[misc]


def _rest_unless_used(model: Rests) -> None:
    with _changed:
        if model in _last_use:
            return
    embeddings.release_device(model.device)
    model.rest()


def _settings_changed() -> None:
    with _changed:
        _changed.notify_all()


resources.subscribe(_settings_changed)
