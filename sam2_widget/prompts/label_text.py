"""Which texts may be labels: one check for all of them, wherever they come from."""

from __future__ import annotations

from functools import lru_cache

from sam2_widget._utils.text import is_sendable, shown

MAX_LABEL_LENGTH = 200
"""Characters."""


def label_fault(label: object) -> str | None:
    """What is wrong with a label, as a sentence; None if an object may have it.

    Each label is sent with its object to every page and written to every file: one that is half a
    character could not be, and one of millions of characters would fill each message.
    """
    if label is None:
        return None
    if not isinstance(label, str):
        return f"a label must be text or None, got {type(label).__name__}"
    return _text_fault(label)


# Cached, because 100,000 objects of a set have few different labels.
@lru_cache(maxsize=1024)
def _text_fault(label: str) -> str | None:
    if len(label) > MAX_LABEL_LENGTH:
        return (
            f"a label can have {MAX_LABEL_LENGTH} characters, got {len(label)} in {shown(label)}: "
            "shorten it"
        )
    if not is_sendable(label):
        return f"a label must be text, got half a character in {label!r}: retype it"
    return None
