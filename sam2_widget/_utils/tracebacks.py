"""Tracebacks as text, which keep no objects alive.

IPython and Python keep the last traceback. It refers to frames and these to all their variables,
which for the model are gigabytes of tensors. Clearing the frames is not enough: a frame refers to
its function, and that to its closure.
"""

from __future__ import annotations

import logging
import traceback
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def log_failure(
    logger: logging.Logger, message: str, error: BaseException, level: int = logging.ERROR
) -> None:
    """Log an error with its traceback as a text.

    As ``exc_info`` the error, and the widget with it, would be kept alive by every handler that
    stores records: pytest's, Sentry's, `logging.handlers.MemoryHandler`.
    """
    text = "".join(traceback.format_exception(error)).rstrip()
    logger.log(level, "%s\n%s", message, text)


class ModelTraceback(Exception):  # noqa: N818 - not an error, but the cause of one
    """The traceback of another thread as text, shown as the cause of the error itself."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def as_text(error: E) -> E:
    """`error` with its traceback and its causes as text."""
    if isinstance(error.__cause__, ModelTraceback):  # raised a second time
        error.__cause__ = None
    text = "".join(traceback.format_exception(error))
    error.__context__ = None
    error.__cause__ = ModelTraceback(text)
    return error.with_traceback(None)
