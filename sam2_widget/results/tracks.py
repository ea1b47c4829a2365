"""Objects over all planes of a stack, as plain Python values: ``w.tracks``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.annotation.planes import Planes
from sam2_widget.export.tables import centroid, typed_frame
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.categories import Categories
from sam2_widget.results.segmentation import SegmentedObject

if TYPE_CHECKING:
    import pandas as pd

State: TypeAlias = Literal["keyframe", "tracked", "doubtful", "absent", "stale"]

NOTHING = MaskCrop(0, 0, np.zeros((0, 0), bool))

COLUMNS: dict[str, type] = {
    "frame": np.int64,
    "id": np.int64,
    "label": object,
    "area": np.int64,
    **dict.fromkeys(("x0", "y0", "x1", "y1"), np.int64),
    **dict.fromkeys(("centroid_x", "centroid_y"), np.float64),
    "score": np.float64,
    "present": np.bool_,
    "state": object,
}


@dataclass(frozen=True, slots=True)
class TrackRow:
    """One object on one plane.

    Attributes
    ----------
    frame : int
        Number of the plane, from 0.
    id : int
        The object's number, the same on all planes and in label maps.
    label : str or None
    area : int
        Pixels in the mask.
    box : (int, int, int, int)
        (x0, y0, x1, y1) in pixels, the upper ends exclusive; all 0 for an empty mask.
    centroid : (float, float)
        Centre of mass (x, y) in image pixels; NaN for an empty mask.
    score : float
        The model's estimate of the mask's IoU, within 0..1; NaN where the object is absent.
    present : bool
        Whether the object is on this plane.
    state : {"keyframe", "tracked", "doubtful", "absent", "stale"}
        Whether it has prompts there, or the state of a tracked mask: ``"doubtful"`` has a low score
        or differs much from its neighbours, ``"stale"`` was found before a keyframe was changed
        that it depends on.
    """

    frame: int
    id: int
    label: str | None
    area: int
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    score: float
    present: bool
    state: State


@dataclass(frozen=True, slots=True)
class _Entry:
    frame: int
    id: int
    label: str | None
    found: SegmentedObject | None
    state: State

    @property
    def row(self) -> TrackRow:
        crop = self.found.crop if self.found else NOTHING
        score = self.found.score if self.found else np.nan
        return TrackRow(
            self.frame,
            self.id,
            self.label,
            crop.area,
            crop.bbox,
            centroid(crop),
            score,
            crop.area > 0,
            self.state,
        )


class TracksTable(Sequence[TrackRow]):
    """A row for each object on each plane where it has a state, ordered by plane and object.

    A snapshot of the moment when it was read; rows are computed when they are accessed.
    """

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        objects = len({one.id for one in self._entries})
        frames = len({one.frame for one in self._entries})
        return f"TracksTable({len(self)} rows, {objects} objects on {frames} frames)"

    @overload
    def __getitem__(self, index: int) -> TrackRow: ...
    @overload
    def __getitem__(self, index: slice) -> TracksTable: ...
    def __getitem__(self, index: int | slice) -> TrackRow | TracksTable:
        if isinstance(index, slice):
            return TracksTable(self._entries[index])
        return self._entries[index].row

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas.DataFrame, with the box as x0, y0, x1, y1.

        Raises
        ------
        MissingLibraryError
            If pandas is not installed.
        """
        return typed_frame([_flat(row) for row in self], COLUMNS)


def _flat(row: TrackRow) -> dict[str, Any]:
    return {
        "frame": row.frame,
        "id": row.id,
        "label": row.label,
        "area": row.area,
        **dict(zip(("x0", "y0", "x1", "y1"), row.box, strict=True)),
        **dict(zip(("centroid_x", "centroid_y"), row.centroid, strict=True)),
        "score": row.score,
        "present": row.present,
        "state": row.state,
    }


def tracks_table(planes: Planes) -> TracksTable:
    """All objects on all planes; waits for pending predictions and a running job."""
    planes.wait_for_tracking()
    known = planes.categories
    return TracksTable(
        [one for plane in planes.with_objects() for one in _on(planes, plane, known)]
    )


def _on(planes: Planes, plane: int, known: Categories) -> list[_Entry]:
    """The entries of a plane, by ascending ids."""
    result = planes.without_image(plane, known)
    found = dict(zip(result.numbers, result.objects, strict=True))
    states = planes.track_states(plane)
    absent = [number for number, (state, _) in states.items() if state == "absent"]
    entries = [
        _Entry(plane, number, one.label, one, _state(one, states.get(number)))
        for number, one in found.items()
    ]
    entries += [
        _Entry(plane, number, states[number][1], None, "absent")
        for number in absent
        if number not in found
    ]
    return sorted(entries, key=lambda one: one.id)


def _state(one: SegmentedObject, known: tuple[State, str | None] | None) -> State:
    return known[0] if one.tracked and known else "keyframe"


class ObjectMasks(Sequence[BoolArray]):
    """The masks of one object, (planes, H, W) bool: each is computed when it is accessed.

    ``np.asarray(masks)`` makes all at once.
    """

    def __init__(self, planes: Planes, number: int) -> None:
        self._planes = planes
        self._number = number
        self._categories = planes.categories

    def __len__(self) -> int:
        return len(self._planes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(planes, H, W)."""
        return (len(self), *self._planes.size)

    def __repr__(self) -> str:
        return f"ObjectMasks(id {self._number}, shape {self.shape})"

    @overload
    def __getitem__(self, index: int) -> BoolArray: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[BoolArray, ...]: ...
    def __getitem__(self, index: int | slice) -> BoolArray | tuple[BoolArray, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no plane {index}: there are {len(self)}")
        result = self._planes.without_image(index % len(self), self._categories)
        mask = np.zeros(self._planes.size, bool)
        for number, found in zip(result.numbers, result.objects, strict=True):
            if number == self._number:
                found.crop.paste(mask, value=True)
        return mask

    def __array__(
        self,
        dtype: npt.DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - NumPy's signature
    ) -> npt.NDArray[Any]:
        del copy  # it is always a new array
        return np.stack(list(self)).astype(dtype or bool)


class StackMasks(Mapping[int, ObjectMasks]):
    """The masks of all objects of a stack by their ids in the label map."""

    def __init__(self, planes: Planes) -> None:
        self._planes, known = planes, planes.categories
        self._ids = {
            number
            for plane in planes.with_objects()
            for number in planes.without_image(plane, known).numbers
        }

    def __getitem__(self, number: int) -> ObjectMasks:
        if number not in self._ids:
            raise KeyError(f"no object has the id {number!r}: there are {sorted(self._ids)}")
        return ObjectMasks(self._planes, number)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._ids))

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"StackMasks(ids {sorted(self._ids)}, {len(self._planes)} planes)"
