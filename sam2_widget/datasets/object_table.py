"""All objects of a set in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, overload

from sam2_widget.datasets.annotations import State, StoredObject
from sam2_widget.export.notes import import_optional
from sam2_widget.results.segmentation import Segmentation, SegmentedObject

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("score", "area", "x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """An object of a set.

    Attributes
    ----------
    image : str
        Name of its image.
    place : int
        Its index in the ``objects`` of the image.
    state : str
        State of the image.
    object : StoredObject
    """

    image: str
    place: int
    state: State
    object: StoredObject

    @property
    def label(self) -> str | None:
        """Label of the object."""
        return self.object.object.label


class ObjectTable(Sequence[ObjectRow]):
    """All objects of a set, one row each; no model is needed, except to measure masks.

    Parameters
    ----------
    rows : sequence of ObjectRow
    segmentation : callable
        Computes the masks of an image.
    """

    def __init__(
        self, rows: Sequence[ObjectRow], segmentation: Callable[[str], Segmentation]
    ) -> None:
        self._rows = tuple(rows)
        self._segmentation = segmentation

    @overload
    def __getitem__(self, index: int) -> ObjectRow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ObjectRow, ...]: ...
    def __getitem__(self, index: int | slice) -> ObjectRow | tuple[ObjectRow, ...]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def to_frame(self, *, measure: bool = False) -> pd.DataFrame:
        """A table with one row per object.

        Parameters
        ----------
        measure : bool
            Compute the masks, too, and add score, area (pixels) and the box x0, y0, x1, y1 (upper
            ends exclusive).

        Returns
        -------
        pandas.DataFrame
            Columns: image, id, label, state, prompts (how many), note, then a column for each
            attribute.

        Raises
        ------
        MissingLibraryError
            If pandas is not installed.
        ImageError
            If an image cannot be read and `measure` is true.
        """
        pandas = import_optional("pandas")
        attributes = dict.fromkeys(key for one in self._rows for key in one.object.attributes)
        measured = self._measured() if measure else [{} for _ in self._rows]
        rows = [
            {
                "image": one.image,
                "id": one.object.id,
                "label": one.label,
                "state": one.state,
                "prompts": len(one.object.object.prompts),
                "note": one.object.note,
                **extra,
                **{key: one.object.attributes.get(key) for key in attributes},
            }
            for one, extra in zip(self._rows, measured, strict=True)
        ]
        columns = ["image", "id", "label", "state", "prompts", "note"]
        columns += [*(MEASURES if measure else ()), *attributes]
        frame: pd.DataFrame = pandas.DataFrame(rows, columns=columns)
        return frame

    def _measured(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name, rows in groupby(self._rows, key=lambda row: row.image):
            objects = self._segmentation(name).objects
            found += [_measures(objects[row.place]) for row in rows]
        return found

    def __repr__(self) -> str:
        images = len({one.image for one in self._rows})
        return f"ObjectTable({len(self)} objects in {images} images)"


def _measures(one: SegmentedObject) -> dict[str, Any]:
    return dict(zip(MEASURES, (one.score, one.area, *one.bbox), strict=True))
