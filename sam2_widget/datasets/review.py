"""Objects of a set under review: filtered, sorted, and edited together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args, overload

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget.datasets.annotations import State, StoredObject, now
from sam2_widget.datasets.review_edits import EditableObjects, ObjectEdit, ReviewEdit
from sam2_widget.datasets.review_index import STATES, IndexedObjects, Rows
from sam2_widget.errors import SettingError
from sam2_widget.export.notes import import_optional

if TYPE_CHECKING:
    import pandas as pd

Sort: TypeAlias = Literal["image", "score", "area", "time"]
"""What objects are sorted by."""

SORTS: tuple[Sort, ...] = get_args(Sort)


class Every(Enum):
    """Stands for all labels, because None stands for objects without one."""

    LABEL = "every label"


LabelFilter: TypeAlias = "str | Every | Iterable[str | None] | None"
"""One label or several; None for objects without a label."""


class ReviewedSet(EditableObjects, Protocol):
    """The interface of a set that a review uses."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all images."""

    def checked_class(self, label: str | None) -> str | None:
        """Return a label if objects may have it, else raise `LabelError`."""

    def is_current(self, found: IndexedObjects) -> bool:
        """Whether nothing has changed since then."""

    def keep_edit(self, edit: ReviewEdit, count: int) -> None:
        """Keep a bulk edit that has changed `count` objects, to be undone."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """An object under review.

    Attributes
    ----------
    image : str
        Name of its image.
    place : int
        Its index in the ``objects`` of the image.
    id : int
        Unique in its image, and kept.
    label : str or None
    state : str
        State of the image.
    score : float or None
        The model's estimate of the mask's IoU, 0..1; None if it was not measured.
    area : int or None
        Pixels of the mask; None if it was not measured.
    time : datetime or None
        When its prompts or label were last changed, in UTC; None if it is not known.
    accepted : bool
        Whether it was accepted as it is.
    """

    image: str
    place: int
    id: int
    label: str | None
    state: State
    score: float | None
    area: int | None
    time: datetime | None
    accepted: bool


COLUMNS = ("image", "id", "label", "state", "score", "area", "time", "accepted")


class Review(Sequence[ReviewRow]):
    """Objects of a set, chosen and sorted, as they were when the review was made.

    A slice, a list of places or `where` choose some of them; `relabel`, `delete` and `accept`
    change all of them. Objects that do not exist any more are left out of an edit.
    """

    def __init__(self, objects: ReviewedSet, found: IndexedObjects, rows: Rows) -> None:
        self._objects = objects
        self._found = found
        self._rows = rows

    # --- choosing ---------------------------------------------------------------------------------

    @overload
    def __getitem__(self, index: int) -> ReviewRow: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | npt.NDArray[np.generic]) -> Review: ...
    def __getitem__(
        self, index: int | slice | Sequence[int] | npt.NDArray[np.generic]
    ) -> ReviewRow | Review:
        """An object by its place, or a review of some: a slice, a list of places or a mask."""
        if isinstance(index, (int, np.integer)):
            return self._row(self._rows[index])
        if isinstance(index, slice):
            return self._some(self._rows[index])
        chosen = np.asarray(index)
        return self._some(self._rows[chosen if chosen.size else []])

    def __len__(self) -> int:
        return len(self._rows)

    def where(self, function: Callable[[ReviewRow], object]) -> Review:
        """The objects for which `function` is true.

        Raises
        ------
        SettingError
            If `function` compares scores or areas, and some objects were not measured.

        Examples
        --------
        >>> s.measure()  # doctest: +SKIP
        >>> small = s.review().where(lambda row: row.area < 20)  # doctest: +SKIP
        """
        try:
            chosen = [place for place, row in enumerate(self) if function(row)]
        except TypeError as error:
            if not self.unmeasured:
                raise
            raise SettingError(
                f"{self.unmeasured} of {len(self)} objects were not measured: their score and area "
                f"are None ({error}). Call s.measure() before s.review(), or ask for "
                "`row.area is not None` first"
            ) from error
        return self._some(self._rows[chosen])

    def has_same_objects(self, other: Review) -> bool:
        """Whether another review has the same objects in the same order."""
        return np.array_equal(_keys(self._rows), _keys(other._rows))

    def in_order_of(self, other: Review) -> Review:
        """These objects in the order that they have in another review, if it has them all."""
        mine, theirs = _keys(self._rows), _keys(other._rows)
        order = np.argsort(mine)
        places = np.searchsorted(mine, theirs, sorter=order)
        found = order[np.minimum(places, len(order) - 1)] if len(order) else places
        kept = found[mine[found] == theirs] if len(order) else found[:0]
        return self._some(self._rows[kept]) if len(kept) == len(self) else self

    @property
    def unmeasured(self) -> int:
        """How many have no score and area yet: see ``s.measure()``."""
        return int(np.isnan(self._rows["area"]).sum())

    def _some(self, rows: Rows) -> Review:
        return Review(self._objects, self._found, rows)

    def _row(self, row: np.void) -> ReviewRow:
        image, place, key, label, state, accepted, score, area, time = row.item()
        return ReviewRow(
            self._objects.names[image],
            place,
            key,
            self._found.labels[label],
            STATES[state],
            None if score != score else score,  # noqa: PLR0124 - NaN
            None if area != area else int(area),  # noqa: PLR0124
            None if time != time else datetime.fromtimestamp(time, timezone.utc),  # noqa: PLR0124
            bool(accepted),
        )

    # --- editing ----------------------------------------------------------------------------------

    def relabel(self, label: str | None, *, warn: bool = True) -> ReviewEdit:
        """Give all these objects a label, or none; they must be accepted again.

        Parameters
        ----------
        label : str or None
        warn : bool
            Whether to warn of images that were left as they are, e.g. because an object is locked;
            ``skipped`` of the result has all.

        Returns
        -------
        ReviewEdit
            With `undo`.

        Raises
        ------
        LabelError
            If it is not one of the classes of the set.
        """
        checked = self._objects.checked_class(label)
        time = now()

        def relabelled(one: StoredObject) -> StoredObject:
            if one.object.label == checked:
                return one
            return one.changed_to(msgspec.structs.replace(one.object, label=checked), time)

        title = f"Relabel as {'no class' if checked is None else checked!r}"
        changing = ~self._found.have_label(self._rows, checked)
        return self._edit(title, relabelled, changing, warn=warn)

    def delete(self, *, warn: bool = True) -> ReviewEdit:
        """Delete all these objects; see `relabel`."""
        return self._edit("Delete", lambda _: None, np.ones(len(self), bool), warn=warn)

    def accept(self, *, accepted: bool = True, warn: bool = True) -> ReviewEdit:
        """Mark all these objects as accepted, or as not accepted; see `relabel`.

        An object that is edited afterwards must be accepted again.
        """

        def marked(one: StoredObject) -> StoredObject:
            same = one.accepted == accepted
            return one if same else msgspec.structs.replace(one, accepted=accepted)

        title = "Accept" if accepted else "Accept no longer"
        return self._edit(title, marked, self._rows["accepted"] != accepted, warn=warn)

    def _edit(
        self, title: str, edit: ObjectEdit, changing: npt.NDArray[np.bool_], *, warn: bool
    ) -> ReviewEdit:
        """Edit all objects; `changing` is a mask of those that change, as they were reviewed."""
        made = ReviewEdit(self._objects, title)
        is_current = self._objects.is_current(self._found)
        made.apply(self._selected(), edit)
        # Counting what was changed would carry out what is deferred.
        is_known = is_current and not made.skipped
        self._objects.keep_edit(made, int(changing.sum()) if is_known else len(made))
        if made.skipped and warn:
            name, why = next(iter(made.skipped.items()))
            warnings.warn(
                f"{len(made.skipped)} images were left as they are, {name!r} because: {why}",
                stacklevel=3,
            )
        return made

    def _selected(self) -> dict[str, list[int]]:
        """Ids of the objects, by the name of their image."""
        names = self._objects.names
        rows = self._rows[np.argsort(self._rows["image"], kind="stable")]
        images, starts = np.unique(rows["image"], return_index=True)
        keys = rows["id"].tolist()
        bounds = [*starts.tolist(), len(keys)]
        return {
            names[image]: keys[start:end]
            for image, (start, end) in zip(images.tolist(), pairwise(bounds), strict=True)
        }

    # --- results ----------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """A table with a row for each object: image, id, label, state, score, area, time, accepted.

        Raises
        ------
        MissingLibraryError
            If pandas is not installed.
        """
        pandas = import_optional("pandas")
        rows = [[getattr(row, name) for name in COLUMNS] for row in self]
        frame: pd.DataFrame = pandas.DataFrame(rows, columns=list(COLUMNS))
        frame["area"] = frame["area"].astype("Int64")
        frame["time"] = pandas.to_datetime(frame["time"], utc=True)
        return frame

    def __repr__(self) -> str:
        images = len(np.unique(self._rows["image"]))
        unmeasured = self.unmeasured
        rest = f", {unmeasured} without score and area: s.measure()" if unmeasured else ""
        return f"Review({len(self)} objects in {images} images{rest})"


def _keys(rows: Rows) -> npt.NDArray[np.int64]:
    """Identifies each object by one number."""
    # Ids are at most 2^53 in messages of pages, and small in fact.
    keys: npt.NDArray[np.int64] = (rows["image"].astype(np.int64) << 32) + rows["id"]
    return keys


def chosen_rows(
    found: IndexedObjects,
    *,
    label: LabelFilter,
    state: str | Iterable[str] | None,
    accepted: bool | None,
) -> Rows:
    """The rows of an index that fulfil all conditions."""
    rows = found.rows
    keep = np.ones(len(rows), bool)
    if not isinstance(label, Every):
        labels = [label] if label is None or isinstance(label, str) else list(label)
        keep &= np.logical_or.reduce([~keep, *map(found.with_label, labels)])
    if state is not None:
        states = [state] if isinstance(state, str) else list(state)
        for one in states:
            if one not in STATES:
                raise SettingError(f"state must be one of {STATES}, got {one!r}")
        keep &= np.isin(rows["state"], [STATES.index(one) for one in STATES if one in states])
    if accepted is not None:
        keep &= rows["accepted"] == accepted
    return rows[keep]


def sorted_rows(rows: Rows, sort: str, *, descending: bool) -> Rows:
    """Rows sorted by a column; those without a value last, and equal ones in their order."""
    if sort not in SORTS:
        raise SettingError(f"sort must be one of {SORTS}, got {sort!r}")
    if sort == "image":
        return rows[::-1] if descending else rows
    values = rows[sort]
    return rows[np.argsort(-values if descending else values, kind="stable")]
