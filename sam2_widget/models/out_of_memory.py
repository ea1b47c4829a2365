"""Recognizes out-of-memory errors without importing torch."""

from __future__ import annotations

from sam2_widget.errors import ClusterError, OutOfMemoryError

_MESSAGES = (
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "bad_alloc",
)
"""Messages of out-of-memory errors for which torch and its libraries have no exception type."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory has run out."""
    if isinstance(error, ClusterError):
        return False  # not of this machine: nothing that is freed here helps there
    if isinstance(error, (MemoryError, OutOfMemoryError)):
        return True
    # Without importing torch, which may be what failed.
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, (RuntimeError, OSError)) and any(part in text for part in _MESSAGES)
