"""Warnings that list what a format loses, or what a reader repaired; optional libraries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from sam2_widget.errors import LossWarning, MissingLibraryError, RepairWarning

SHOWN = 20
"""Repairs that are listed one by one; the rest is counted."""


def warn_loss(message: str) -> None:
    """Tell what a format cannot keep, at the caller of this package."""
    _warn(message, LossWarning)


class Repairs:
    """Collects what a reader repaired, to be told in one warning at the end."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def add(self, note: str) -> None:
        """Note a repair, as a part of a sentence."""
        self._notes.append(note)

    def warn(self, what: str) -> None:
        """Tell all repairs in one warning; say nothing if there were none."""
        if not self._notes:
            return
        more = len(self._notes) - SHOWN
        lines = [*self._notes[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
        _warn(f"{what} was read with repairs:\n- " + "\n- ".join(lines), RepairWarning)


_listener: ContextVar[list[str] | None] = ContextVar("listener", default=None)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Have what is lost or repaired put into a list instead, in this thread only.

    `warnings.catch_warnings` would catch those of the user's cells, too.
    """
    notes: list[str] = []
    token = _listener.set(notes)
    try:
        yield notes
    finally:
        _listener.reset(token)


def _warn(message: str, category: type[Warning]) -> None:
    notes = _listener.get()
    if notes is not None:
        notes.append(message)
        return
    # Blame the line of the user's that called us, however deep we are.
    warnings.warn(message, category, stacklevel=_depth_of_user())


def _depth_of_user() -> int:
    import sys  # noqa: PLC0415 - only where a warning is due

    frame, depth = sys._getframe(1), 1  # noqa: SLF001 - as `warnings` itself does
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("sam2_widget"):
        frame, depth = frame.f_back, depth + 1
    return depth


def optional(module: str, package: str | None = None) -> Any:
    """Import an optional library, or say how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        name = package or module
        raise MissingLibraryError(
            f"{name} is needed for this and not installed: "
            f"run `pip install {name}` or `pip install 'sam2-widget[export]'`"
        ) from error
