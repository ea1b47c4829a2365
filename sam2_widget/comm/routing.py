"""Selects the kernel's thread that handles the messages of pages.

A page that supports subshells sends through one, so that clicks need not wait for the running cell.
ipykernel 7.4 interferes: it passes a message to the thread that last published on the comm. After a
cell has published something, this is the main thread: a click would wait for the cell, and later
clicks, handled at once on the subshell, would overtake it.
"""

from __future__ import annotations

import contextlib
from typing import Any


def route_as_sent(comm: Any) -> None:
    """Handle the messages of `comm` on the thread that the page has sent them to."""
    if hasattr(comm, "_reply_subshell_for"):
        # On the comm itself, once: whatever is put right after each message comes too late for what
        # arrives in between.
        with contextlib.suppress(AttributeError):
            comm._reply_subshell_for = _as_sent  # noqa: SLF001 - there is no public way


def _as_sent(_data: object, subshell_id: str | None) -> str | None:
    return subshell_id
