"""Actions of pages on a set that wait for their turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

import msgspec

from sam2_widget.comm.set_requests import SetAction, StepImage
from sam2_widget.errors import MessageError

MAX_WAITING = 500
"""Most actions that wait; more are refused."""


class ActionQueue:
    """Carries out actions one after the other, on another thread.

    Steps of a page that wait are joined into one: while a key is held, they come faster than images
    can be read.

    Parameters
    ----------
    thread : Executor
        Runs one job after the other.
    carry_out : callable
        Called with each action, on that thread.
    """

    def __init__(self, thread: Executor, carry_out: Callable[[SetAction], object]) -> None:
        self._thread = thread
        self._carry_out = carry_out
        self._lock = threading.Lock()
        self._waiting: deque[SetAction] = deque()

    def add(self, action: SetAction) -> None:
        """Carry out an action after all others; MessageError if too many wait."""
        with self._lock:
            last = self._waiting[-1] if self._waiting else None
            if (joined := _joined(last, action)) is not None:
                self._waiting[-1] = joined
                return
            if len(self._waiting) >= MAX_WAITING:
                raise MessageError(f"{MAX_WAITING} actions wait already: try again in a moment")
            self._waiting.append(action)
        self._thread.submit(self._carry_out_next)

    def _carry_out_next(self) -> None:
        with self._lock:
            action = self._waiting.popleft()
        self._carry_out(action)


def _joined(last: SetAction | None, action: SetAction) -> StepImage | None:
    """Both as one step; None if they are no steps of one page."""
    if not isinstance(last, StepImage) or not isinstance(action, StepImage):
        return None
    if last.rid.client != action.rid.client:
        return None
    return msgspec.structs.replace(action, steps=last.steps + action.steps)
