"""The base of background jobs: progress, cancelling, waiting, and errors."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable

from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.model_state import as_model_error
from sam2_widget.errors import ClosedError, SegmentationError

logger = logging.getLogger(__name__)


class Job:
    """A job that runs on a thread of its own.

    Attributes
    ----------
    completed, total : int
        Steps that are done, and steps in total.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.completed = 0
        self.total = 0
        self._failure: SegmentationError | None = None
        self._ended = threading.Condition(lock)
        self._is_done = False
        self._is_cancelled = False

    @property
    def _state(self) -> str:
        """Its state in a word, for `repr`."""
        if self.error:
            return f"failed: {self.error}"
        if not self._is_done:
            return "running"
        return "cancelled" if self._is_cancelled else "done"

    @property
    def error(self) -> str:
        """Why it failed; "" if it did not. Results found until then stay."""
        return "" if self._failure is None else str(self._failure)

    @property
    def done(self) -> bool:
        """Whether it has ended: it is complete, was cancelled, or failed."""
        return self._is_done

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._is_cancelled

    @property
    def progress(self) -> float:
        """Fraction that is done, within 0..1."""
        return self.completed / self.total if self.total else float(self._is_done)

    def cancel(self) -> None:
        """Stop after the current step. Results found so far stay."""
        self._is_cancelled = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        bool
            True if it is complete or was cancelled, False if it still runs after `timeout`.

        Raises
        ------
        SegmentationError
            If it failed, e.g. `ModelError` or `ImageError`. Results found until then stay.
        """
        with self._ended:
            has_ended = self._ended.wait_for(lambda: self._is_done, timeout)
        if self._failure is not None:
            raise copy.copy(self._failure)
        return has_ended

    def _run(self, work: Callable[[], None]) -> None:
        """Do the work of the job; if it fails, end the job and keep the error."""
        try:
            work()
        except ReferenceError:
            self._end(ClosedError("the widget is gone"))
        except SegmentationError as failure:
            self._end(failure)
        except Exception as failure:  # noqa: BLE001 - any failure must reach the user
            log_failure(logger, "a job failed", failure)
            self._end(as_model_error(failure))

    def _end(self, failure: SegmentationError | None = None) -> None:
        with self._ended:
            # The copy has no traceback, which would keep images in memory.
            self._failure = copy.copy(failure)
            self._is_done = True
            self._ended.notify_all()
