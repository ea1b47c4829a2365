"""Text that can be sent to a page and written to a file.

JSON may hold half an emoji, left over where a page cut a text in two, and names of files may hold
bytes that are no text. Python keeps both as lone surrogates, and no message with one of them can be
sent: a single label would end all answers.
"""

from __future__ import annotations

MAX_SHOWN = 1000
"""Characters of a message that a page is shown."""


def is_sendable(text: str) -> bool:
    """Whether `text` can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def presentable(text: str) -> str:
    """`text` as a page can be shown it: what cannot be encoded replaced, the middle left out."""
    if len(text) > MAX_SHOWN:
        text = f"{text[: MAX_SHOWN // 2]} … {text[-MAX_SHOWN // 2 :]}"
    return text.encode("utf-8", "replace").decode()
