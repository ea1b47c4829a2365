"""Moves idle models off the GPU, whose memory other users may need."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol
from weakref import WeakKeyDictionary

from sam2_widget import config
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import embeddings


class Offloadable(Protocol):
    """A model that can be moved from its device to the host's memory and back."""

    offloaded: bool

    @property
    def device(self) -> str:
        """Device that it computes on."""

    def offload(self) -> None:
        """Move to the host's memory."""


_changed = threading.Condition()
_last_use: WeakKeyDictionary[Offloadable, float] = WeakKeyDictionary()
_watch: threading.Thread | None = None


def used(model: Offloadable) -> None:
    """Record that a model is used now, which keeps it on its device for some time."""
    if model.device == "cpu" or not config.current().idle_minutes:
        return
    global _watch  # noqa: PLW0603 - one for all models
    with _changed:
        _last_use[model] = time.monotonic()
        if _watch is None:
            _watch = threading.Thread(target=_watch_models, name="sam2-widget-idle", daemon=True)
            _watch.start()


def _watch_models() -> None:
    """Offload idle models until none is left on a GPU."""
    global _watch  # noqa: PLW0603
    while True:
        with _changed:
            wait = _next_offload()
            if wait is None:
                _watch = None
                return
            if wait > 0:
                _changed.wait(wait)
                continue
        offload_idle()


def _next_offload() -> float | None:
    """Seconds until the next model counts as idle; None if there is no model."""
    limit = 60 * config.current().idle_minutes
    # Copied: the weak dictionary drops freed models at any moment.
    times = list(_last_use.values())
    if not times or not limit:
        return None
    return limit - (time.monotonic() - min(times))


def offload_idle() -> None:
    """Offload all models that have been idle for long enough."""
    limit = 60 * config.current().idle_minutes or math.inf
    with _changed:
        now = time.monotonic()
        due = [model for model, last in list(_last_use.items()) if now - last >= limit]
        for model in due:
            _last_use.pop(model, None)
    for model in due:
        # After all pending jobs of the model's thread; a model that these use stays.
        worker.local.submit(lambda model=model: _offload_unless_used(model))  # type: ignore[misc]


def _offload_unless_used(model: Offloadable) -> None:
    with _changed:
        if model in _last_use:
            return
    embeddings.release_device(model.device)
    model.offload()


def _settings_changed() -> None:
    with _changed:
        _changed.notify_all()


config.subscribe(_settings_changed)
