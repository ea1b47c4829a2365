"""Text that can be encoded as UTF-8, for pages and files.

JSON may contain half of an emoji where a page has cut a text, and file names may contain bytes that
are not text. Python represents both as lone surrogates, which cannot be encoded.
"""

from __future__ import annotations

import reprlib

MAX_SHOWN = 1000
"""Largest number of characters of a message on a page."""


def is_sendable(text: str) -> bool:
    """Whether `text` can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def presentable(text: str) -> str:
    """`text` for a page: shortened, with characters replaced that cannot be encoded."""
    return shortened(text).encode("utf-8", "replace").decode()


def shortened(text: str) -> str:
    """`text`, without its middle if it is long."""
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[: MAX_SHOWN // 2]} … {text[-MAX_SHOWN // 2 :]}"


def shown(value: object) -> str:
    """``repr(value)`` for a message, shortened: `value` may come from a file."""
    return _shorter.repr(value)


_shorter = reprlib.Repr()
_shorter.maxstring = _shorter.maxother = 100
_shorter.maxlong = 30
