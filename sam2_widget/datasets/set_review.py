"""Review of a set: its objects in one table, edited together."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from tqdm.auto import tqdm

from sam2_widget.datasets.annotations import ImageAnnotations, Measure, State, StoredObject
from sam2_widget.datasets.review import (
    Every,
    LabelFilter,
    Review,
    Sort,
    chosen_rows,
    sorted_rows,
)
from sam2_widget.datasets.review_edits import ObjectsChange, ReviewEdit
from sam2_widget.datasets.review_index import IndexedObjects, ObjectIndex
from sam2_widget.datasets.set_base import SetBase
from sam2_widget.datasets.store import DeferredChange
from sam2_widget.errors import LabelError, SegmentationError, SettingError
from sam2_widget.prompts.label_text import label_fault
from sam2_widget.results.segmentation import Segmentation, SegmentedObject

KEPT_EDITS = 20
"""Bulk edits that can be undone: each keeps the objects that it changed."""


class SetReview(SetBase):
    """The review of a set, as methods."""

    any_label: bool

    @property
    @abstractmethod
    def classes(self) -> dict[str, str]:
        """The classes of the set, each with its colour."""

    @abstractmethod
    def add_class(self, name: str, color: str | None = None) -> None:
        """Add a class."""

    @abstractmethod
    def update(self, name: str, change: ObjectsChange) -> ImageAnnotations:
        """Store changed fields of the annotations of an image."""

    @abstractmethod
    def edit_later(self, names: Iterable[str], change: DeferredChange) -> Sequence[str]:
        """Change the objects of many images, each when it is read or written next."""

    def _start_review(self) -> None:
        self._index = ObjectIndex(self.store, self.names)
        self._edits: list[ReviewEdit] = []
        self._reported: tuple[int, str] = (0, "")

    # --- reading ----------------------------------------------------------------------------------

    def review(
        self,
        *,
        label: LabelFilter = Every.LABEL,
        state: State | Iterable[State] | None = None,
        accepted: bool | None = None,
        sort: Sort = "image",
        descending: bool = False,
    ) -> Review:
        """The objects of all images that were annotated or opened, to be checked and edited.

        No image is opened. Scores and areas are those of when the masks were last measured: as an
        image is left in the widget, or by `measure`.

        Parameters
        ----------
        label : str, None, or several
            The label that the objects have; None for those without one. By default, any.
        state : str or iterable of str, optional
            The state that their images have.
        accepted : bool, optional
            Whether they were accepted.
        sort : {"image", "score", "area", "time"}
            Objects without such a value come last.
        descending : bool

        Returns
        -------
        Review
            With a row for each object, and `relabel`, `delete` and `accept` for all of them.

        Raises
        ------
        SettingError
            If there is no such state or column.

        Examples
        --------
        >>> doubtful = s.review(label="cat", sort="score")[:20]  # doctest: +SKIP
        >>> edit = doubtful.relabel("dog")  # doctest: +SKIP
        >>> edit.undo()  # doctest: +SKIP
        """
        found = self._index.current()
        rows = chosen_rows(found, label=label, state=state, accepted=accepted)
        return Review(self, found, sorted_rows(rows, sort, descending=descending))

    def measure(self, *, again: bool = False, progress: bool = True) -> int:
        """Measure the score and area of objects that were not measured yet.

        Parameters
        ----------
        again : bool
            Measure all, e.g. with another model than before.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        int
            How many objects were measured.

        Warns
        -----
        UserWarning
            If images could not be read.
        """
        names = [self.names[one] for one in self._index.images(unmeasured=not again)]
        shown = tqdm(names, unit="image", disable=None if progress else True)
        found = [self._measure(name) for name in shown]
        if failed := [one for one in found if isinstance(one, SegmentationError)]:
            warnings.warn(f"{len(failed)} images were not measured: {failed[0]}", stacklevel=2)
        return sum(one for one in found if isinstance(one, int))

    def _measure(self, name: str) -> int | SegmentationError:
        try:
            return self.keep_measures(name, self.segmentation(name))
        except SegmentationError as error:
            return error

    def keep_measures(self, name: str, result: Segmentation) -> int:
        """Store the scores and areas of a result of an image; returns for how many objects."""
        count = 0

        def measured(known: ImageAnnotations) -> dict[str, Any]:
            nonlocal count
            if len(known.objects) != len(result.objects):
                return {}  # it was edited meanwhile
            pairs = list(zip(known.objects, result.objects, strict=True))
            if any(one.object.prompts != found.prompts for one, found in pairs):
                return {}
            count = len(pairs)
            return {"objects": tuple(_measured(one, found) for one, found in pairs)}

        self.store.update(name, measured)
        return count

    @property
    def used_labels(self) -> tuple[str, ...]:
        """The labels that objects have, each once, in the order in which they came up."""
        return self._index.current().used_labels

    # --- editing ----------------------------------------------------------------------------------

    def edit_objects(self, name: str, change: ObjectsChange) -> None:
        """Change the objects of an image."""
        self.update(name, change)

    def checked_class(self, label: str | None) -> str | None:
        """Return a label if objects may have it; a class is added for it if any text may be one.

        Raises
        ------
        LabelError
            If objects may not have it.
        """
        if fault := label_fault(label):
            raise LabelError(fault)
        if label is None or label in self.classes:
            return label
        if not self.any_label:
            raise LabelError(f"label must be one of {list(self.classes)}, got {label!r}")
        if self.classes:
            self.add_class(label)
        return label

    def is_current(self, found: IndexedObjects) -> bool:
        """Whether the objects and states of images are still those."""
        return self._index.is_current(found)

    def keep_edit(self, edit: ReviewEdit, count: int) -> None:
        """Keep a bulk edit that has changed `count` objects, to be undone."""
        if count:
            self._edits = [*self._edits[1 - KEPT_EDITS :], edit]
            self._report(f"{edit.title}: {_objects(count)}")

    def _report(self, message: str) -> None:
        """Keep a sentence about what was done, which pages show."""
        count, _ = self._reported
        self._reported = (count + 1, message)

    @property
    def review_edits(self) -> tuple[ReviewEdit, ...]:
        """The bulk edits that can be undone, the newest last."""
        return tuple(one for one in self._edits if not one.is_undone)

    @property
    def reported_review(self) -> tuple[int, str]:
        """How many bulk edits were made and undone, and what the newest has done."""
        return self._reported

    @property
    def review_version(self) -> int:
        """Grows when objects or states of images have changed."""
        return self._index.version

    def undo_review(self) -> ReviewEdit:
        """Undo the newest bulk edit that was not undone: relabelled, deleted or accepted objects.

        Objects that were changed since are left as they are.

        Raises
        ------
        SettingError
            If there is none.
        """
        edits = self.review_edits
        if not edits:
            raise SettingError("there is no bulk edit to undo")
        restored = edits[-1].undo()
        self._report(f"Undone: {edits[-1].title}, {_objects(restored)}")
        return edits[-1]


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def _measured(one: StoredObject, found: SegmentedObject) -> StoredObject:
    measure = Measure(round(float(found.score), 4), found.area, found.bbox)
    return one if one.measure == measure else msgspec.structs.replace(one, measure=measure)
