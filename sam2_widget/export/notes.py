"""Warnings of what a format loses or a reader repaired, and imports of optional libraries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from sam2_widget._utils.text import shortened
from sam2_widget.errors import LossWarning, MissingLibraryError, RepairWarning

MAX_LISTED = 20
"""Repairs that a warning lists one by one; further ones are counted."""


def warn_loss(message: str) -> None:
    """Issue a `LossWarning` at the line of user code that called this package."""
    _warn(message, LossWarning)


class Repairs:
    """Collects the repairs of a reader, for one warning at the end."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def add(self, note: str) -> None:
        """Add a repair, described by a clause that starts in lower case."""
        if len(self._lines) < MAX_LISTED:
            self._lines.append(shortened(note))
        self._count += 1

    def warn(self, what: str) -> None:
        """Issue one `RepairWarning` for all repairs; no warning if there were none."""
        if not self._lines:
            return
        more = self._count - len(self._lines)
        lines = [*self._lines, *([f"and {more} more"] if more else [])]
        _warn(f"{what} was read with repairs:\n- " + "\n- ".join(lines), RepairWarning)


_collector: ContextVar[list[str] | None] = ContextVar("listener", default=None)


@contextmanager
def collect_messages() -> Iterator[list[str]]:
    """Collect messages of losses and repairs in a list instead of warning, in this thread only.

    `warnings.catch_warnings` would also catch warnings of the user's cells.
    """
    notes: list[str] = []
    token = _collector.set(notes)
    try:
        yield notes
    finally:
        _collector.reset(token)


def _warn(message: str, category: type[Warning]) -> None:
    notes = _collector.get()
    if notes is not None:
        notes.append(message)
        return
    # Report the line of the user's code, however deep the call is.
    warnings.warn(message, category, stacklevel=_depth_of_user())


def _depth_of_user() -> int:
    import sys  # noqa: PLC0415 - only when there is a warning

    frame, depth = sys._getframe(1), 1  # noqa: SLF001 - as `warnings` itself does
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("sam2_widget"):
        frame, depth = frame.f_back, depth + 1
    return depth


def import_optional(module: str, package: str | None = None, *, extra: str = "export") -> Any:
    """Import an optional library; if it is missing, MissingLibraryError with the pip command."""
    try:
        return import_module(module)
    except ImportError as error:
        name = package or module
        raise MissingLibraryError(
            f"{name} is needed for this and not installed: "
            f"run `pip install {name}` or `pip install 'sam2-widget[{extra}]'`"
        ) from error
