"""Tracebacks that keep nothing alive: IPython and the interpreter hold on to the last one.

A traceback holds the frames that an error has passed through, a frame all its variables, and among
those of the model are gigabytes of tensors. Emptying the frames is not enough, for a frame holds
its function, and that its closure.
"""

from __future__ import annotations

import logging
import traceback
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def log_failure(logger: logging.Logger, message: str, error: BaseException) -> None:
    """Log an error with its traceback as a text.

    As ``exc_info`` it would be kept alive, and the widget with it, by every handler that keeps
    records: pytest's, Sentry's, `logging.handlers.MemoryHandler`.
    """
    logger.error("%s\n%s", message, "".join(traceback.format_exception(error)).rstrip())


class ModelTraceback(Exception):  # noqa: N818 - no error, but where one came from
    """The traceback of another thread as text, shown as the cause of the error itself."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def as_text(error: E) -> E:
    """`error` with its traceback, and all that it came of, as a text."""
    if isinstance(error.__cause__, ModelTraceback):  # raised a second time
        error.__cause__ = None
    text = "".join(traceback.format_exception(error))
    error.__context__ = None
    error.__cause__ = ModelTraceback(text)
    return error.with_traceback(None)
