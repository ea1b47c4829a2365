"""Index of all objects of a set, so that a review of many is filtered and sorted at once.

It is a table of numbers, a row for each object. Only the rows of images that have changed are made
again; no image is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import get_args

import numpy as np
import numpy.typing as npt

from sam2_widget.datasets.annotations import NOTHING, ImageAnnotations, State, StoredObject
from sam2_widget.datasets.classes import new_names
from sam2_widget.datasets.store import AnnotationStore

STATES: tuple[State, ...] = get_args(State)

ROW = np.dtype(
    [
        ("image", "i4"),  # number of the image in the set
        ("place", "i4"),  # index in the objects of the image
        ("id", "i8"),
        ("label", "i4"),  # index in the labels of the index
        ("state", "i1"),  # index in STATES
        ("accepted", "?"),
        ("score", "f8"),  # NaN if it was not measured
        ("area", "f8"),
        ("time", "f8"),  # NaN if it is not known
    ]
)

Rows = npt.NDArray[np.void]
"""Rows of an index, of the type `ROW`."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexedObjects:
    """What an index holds at a moment.

    Attributes
    ----------
    rows : (N,) ndarray of `ROW`
        In the order of the images, and from bottom to top in each.
    labels : tuple of (str or None)
        A label may be there twice, after two classes were merged.
    version : int
        See `ObjectIndex.version`.
    """

    rows: Rows
    labels: tuple[str | None, ...]
    version: int

    def with_label(self, label: str | None) -> npt.NDArray[np.bool_]:
        """Which rows have a label, (N,) bool."""
        return self.have_label(self.rows, label)

    def have_label(self, rows: Rows, label: str | None) -> npt.NDArray[np.bool_]:
        """Which of some rows have a label, (N,) bool."""
        codes = [code for code, name in enumerate(self.labels) if name == label]
        found: npt.NDArray[np.bool_] = np.isin(rows["label"], codes)
        return found

    @property
    def used_labels(self) -> tuple[str, ...]:
        """The labels that rows have, each once."""
        used = np.flatnonzero(np.bincount(self.rows["label"])).tolist()
        return tuple(dict.fromkeys(one for code in used if (one := self.labels[code]) is not None))


class ObjectIndex:
    """The index of a set.

    Parameters
    ----------
    store : AnnotationStore
    names : sequence of str
        Names of all images, in order.
    """

    def __init__(self, store: AnnotationStore, names: Sequence[str]) -> None:
        self._store = store
        self._names = tuple(names)
        self._lock = threading.Lock()
        self._seen: list[ImageAnnotations] = [NOTHING] * len(self._names)
        self._rows: Rows = np.zeros(0, ROW)
        self._codes: dict[str | None, int] = {}
        self._labels: list[str | None] = []
        self._renames = len(store.set.renames)
        self._version = 0

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self.current().version

    def current(self) -> IndexedObjects:
        """All objects as they are now."""
        with self._lock:
            self._rename()
            changed = [
                number
                for number, name in enumerate(self._names)
                if self._store.by_old_names(name) is not self._seen[number]
            ]
            if changed:
                self._index(changed)
            return IndexedObjects(self._rows, tuple(self._labels), self._version)

    def is_current(self, found: IndexedObjects) -> bool:
        """Whether nothing has changed since `current` returned this; indexes nothing anew."""
        store = self._store
        with self._lock:
            is_newest = found.version == self._version and not store.has_deferred
            if not is_newest or len(store.set.renames) != self._renames:
                return False
            return all(map(is_, map(store.by_old_names, self._names), self._seen))

    def images(self, *, unmeasured: bool) -> list[int]:
        """Numbers of the images with objects, or with objects that were not measured."""
        rows = self.current().rows
        chosen = rows["image"][np.isnan(rows["area"])] if unmeasured else rows["image"]
        return list(dict.fromkeys(chosen.tolist()))

    def _rename(self) -> None:
        renames = self._store.set.renames
        if len(renames) == self._renames:
            return
        names = new_names(renames, self._renames)
        self._labels = [one if one is None else names.get(one, one) for one in self._labels]
        self._codes = {name: code for code, name in enumerate(self._labels)}
        self._renames = len(renames)
        self._version += 1

    def _index(self, changed: Sequence[int]) -> None:
        made = np.array([row for number in changed for row in self._rows_of(number)], ROW)
        kept = self._rows
        if kept.size:
            is_changed = np.zeros(len(self._names), bool)
            is_changed[changed] = True
            kept = kept[~is_changed[kept["image"]]]
            made = np.concatenate([kept, made])
            made = made[np.argsort(made["image"], kind="stable")]
        made.flags.writeable = False
        self._rows = made
        self._version += 1

    def _rows_of(self, number: int) -> Iterable[tuple[object, ...]]:
        name = self._names[number]
        known = self._store[name]
        # The annotations of an image without objects are not kept with the new names of classes.
        self._seen[number] = known if known.objects else self._store.by_old_names(name)
        state = STATES.index(known.state)
        for place, one in enumerate(known.objects):
            yield (number, place, one.id, self._code(one.object.label), state, *_values(one))

    def _code(self, label: str | None) -> int:
        found = self._codes.get(label)
        if found is None:
            found = self._codes[label] = len(self._labels)
            self._labels.append(label)
        return found


def _values(one: StoredObject) -> tuple[object, ...]:
    nan = float("nan")
    score, area = (nan, nan) if one.measure is None else (one.measure.score, one.measure.area)
    return one.accepted, score, area, one.time or nan
