"""Prompts of this kernel session by image, which outlive the widgets where they were given.

At every edit a reference to the newest annotation is stored. Annotations are immutable, so nothing
is copied.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from sam2_widget.autosave.saved import SavedPrompts
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.prompts.types import MaskPrompt, Scribble, Stroke

MAX_WIDGETS = 1000
"""Widgets whose prompts are kept; those that were changed longest ago are dropped."""

MAX_OF_IMAGE = 5
"""Widgets with the same image whose prompts are kept."""

MAX_BYTES = 64 * 2**20
"""Limit of the memory of all prompts, estimated by `Record.nbytes`."""


class Record:
    """The newest annotations of one widget.

    Parameters
    ----------
    along : str
        Letter of the stack's axis; "" for a plain image.
    """

    def __init__(self, along: str = "") -> None:
        self.along = along
        self.seconds = 0.0
        self._planes: dict[int, Callable[[], Prompts]] = {}

    def put(self, plane: int, prompts: Callable[[], Prompts], seconds: float = 0) -> None:
        """Store the newest prompts of a plane, as a function that creates them when needed."""
        # The mapping is replaced, not changed: another thread may be reading it.
        self._planes = {**self._planes, plane: prompts}
        self.seconds = seconds or time.time()

    def saved(self) -> SavedPrompts:
        """The prompts of all planes with objects."""
        found = {index: prompts() for index, prompts in self._planes.items()}
        planes = {index: prompts for index, prompts in found.items() if prompts}
        return SavedPrompts(StackPrompts(planes, self.along), self.seconds)

    def nbytes(self) -> int:
        """Estimated memory in bytes."""
        return sum(_nbytes(prompts) for prompts in self.saved().planes.values())


def _nbytes(prompts: Prompts) -> int:
    total = 0
    for described in prompts:
        for prompt in described.prompts:
            total += 200
            if isinstance(prompt, (Stroke, Scribble)):
                total += 150 * len(prompt.points)
            elif isinstance(prompt, MaskPrompt):
                total += 2 * len(prompt.counts)
    return total


class SessionStore:
    """Records of this kernel session, by image."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, list[Record]] = {}
        self._sizes: dict[Record, tuple[float, int]] = {}

    def add(self, key: str, record: Record) -> None:
        """Store a record for the image with that key, and drop the oldest beyond the limits."""
        with self._lock:
            records = self._records.setdefault(key, [])
            if record not in records:
                records.append(record)
            if len(records) > MAX_OF_IMAGE:
                records.remove(min(records, key=_seconds))
            self._measure()
            while len(self._sizes) > 1 and self._is_too_much():
                self._forget(*min(self._all(), key=lambda item: item[1].seconds))

    def _measure(self) -> None:
        """Update the sizes of records that have changed."""
        before, self._sizes = self._sizes, {}
        for _, record in self._all():
            seconds, size = before.get(record, (-1.0, 0))
            is_same = seconds == record.seconds
            self._sizes[record] = (record.seconds, size if is_same else record.nbytes())

    def _is_too_much(self) -> bool:
        total = sum(size for _, size in self._sizes.values())
        return len(self._sizes) > MAX_WIDGETS or total > MAX_BYTES

    def _all(self) -> Iterator[tuple[str, Record]]:
        for key, records in self._records.items():
            for record in records:
                yield key, record

    def _forget(self, key: str, record: Record) -> None:
        self._records[key].remove(record)
        del self._sizes[record]
        if not self._records[key]:
            del self._records[key]

    def newest(self, key: str, *, but: Record) -> SavedPrompts | None:
        """The newest prompts of another record of the image; None if there are none."""
        with self._lock:
            records = [one for one in self._records.get(key, []) if one is not but]
        found = (one.saved() for one in sorted(records, key=_seconds, reverse=True))
        return next((one for one in found if one.count), None)

    def clear(self) -> None:
        """Drop all records."""
        with self._lock:
            self._records.clear()
            self._sizes.clear()


def _seconds(record: Record) -> float:
    return record.seconds


store = SessionStore()
"""The store of this kernel session."""
