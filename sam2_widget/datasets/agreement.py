"""Agreement between two annotators, or a model and a person: objects matched by IoU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from sam2_widget.datasets.agreed_objects import ClassAgreement, Match
from sam2_widget.datasets.agreement_view import ComparedImage, agreement_html
from sam2_widget.errors import AnnotationError
from sam2_widget.export.notes import import_optional
from sam2_widget.export.rle import encode_all
from sam2_widget.export.values import ResultLike

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image", "place", "label", "other_place", "other_label", "iou")


class Agreement(Sequence[Match]):
    """The matched objects of two annotators. A notebook shows figures and pictures of them.

    Attributes
    ----------
    names : (str, str)
        What the two are called in the view.
    """

    def __init__(
        self,
        matches: Iterable[Match],
        images: Sequence[ComparedImage] = (),
        *,
        names: tuple[str, str] = ("one", "the other"),
    ) -> None:
        self._matches = tuple(matches)
        self._images = tuple(images)
        self.names = names

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Match, ...]: ...
    def __getitem__(self, index: int | slice) -> Match | tuple[Match, ...]:
        return self._matches[index]

    def __len__(self) -> int:
        return len(self._matches)

    @property
    def matched(self) -> tuple[Match, ...]:
        """Objects that both have marked."""
        return tuple(one for one in self._matches if one.is_matched)

    @property
    def f1(self) -> float:
        """F1 score: 2 · matched / (all objects of one + all objects of the other)."""
        number = len(self._matches) + len(self.matched)
        return 2 * len(self.matched) / number if number else 1.0

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the objects that both have marked; NaN if there are none."""
        values = [one.iou for one in self.matched]
        return float(np.mean(values)) if values else float("nan")

    @property
    def same_label(self) -> float:
        """Fraction of the objects marked by both that have the same label; NaN if there is none."""
        values = [one.label == one.other_label for one in self.matched]
        return float(np.mean(values)) if values else float("nan")

    @property
    def by_class(self) -> tuple[ClassAgreement, ...]:
        """The figures of each class, those with most objects first."""
        labels: Counter[str | None] = Counter()
        for one in self._matches:
            labels.update({one.label} if one.place is not None else ())
            labels.update({one.other_label} if one.other_place is not None else ())
        return tuple(self._of_class(label) for label, _ in labels.most_common())

    def _of_class(self, label: str | None) -> ClassAgreement:
        mine = [one for one in self._matches if one.place is not None and one.label == label]
        theirs = [
            one for one in self._matches if one.other_place is not None and one.other_label == label
        ]
        ious = [one.iou for one in mine if one.is_matched and one.other_label == label]
        matched = sum(one.is_matched for one in (*mine, *theirs))
        mean = float(np.mean(ious)) if ious else float("nan")
        return ClassAgreement(
            label, len(mine), len(theirs), len(ious), mean, matched - 2 * len(ious)
        )

    def to_frame(self) -> pd.DataFrame:
        """A table with a row per match, and per object that only one has marked.

        Raises
        ------
        MissingLibraryError
            If pandas is not installed.
        """
        pandas = import_optional("pandas")
        rows = [[getattr(one, name) for name in COLUMNS] for one in self._matches]
        frame: pd.DataFrame = pandas.DataFrame(rows, columns=list(COLUMNS))
        places = {"place": "Int64", "other_place": "Int64"}
        typed: pd.DataFrame = frame.astype(places)
        return typed

    def __repr__(self) -> str:
        return f"Agreement({self._summary})"

    @property
    def _summary(self) -> str:
        return (
            f"{len(self.matched)} of {len(self)} objects marked by both, F1 {self.f1:.2f}, mean "
            f"IoU {self.mean_iou:.2f}, same label {self.same_label:.0%}"
        )

    def _repr_html_(self) -> str:
        return agreement_html(self._summary, self.names, self.by_class, self._images)


def matches(image: str, one: ResultLike, other: ResultLike, threshold: float) -> list[Match]:
    """Match the objects of an image: pairs with the highest IoU first, each object once.

    Raises
    ------
    AnnotationError
        If the two are of different sizes.
    """
    if tuple(one.size) != tuple(other.size):
        raise AnnotationError(f"{image!r} has the sizes {one.size} and {other.size}: not the same")
    ious = _ious(one, other)
    pairs = np.argwhere(ious >= threshold)
    ordered = sorted(map(tuple, pairs.tolist()), key=lambda pair: -ious[pair])
    taken: dict[int, int] = {}
    for first, second in ordered:
        if first not in taken and second not in taken.values():
            taken[first] = second
    found = [
        Match(image, i, obj.label, None, None, 0.0)
        if i not in taken
        else Match(image, i, obj.label, taken[i], other.objects[taken[i]].label, ious[i, taken[i]])
        for i, obj in enumerate(one.objects)
    ]
    alone = (j for j in range(len(other.objects)) if j not in taken.values())
    return [*found, *(Match(image, None, None, j, other.objects[j].label, 0.0) for j in alone)]


def _ious(one: ResultLike, other: ResultLike) -> npt.NDArray[np.float64]:
    """IoU of all pairs, (N, M)."""
    shape = len(one.objects), len(other.objects)
    if not all(shape):
        return np.zeros(shape)
    first, second = (
        encode_all((obj.crop for obj in result.objects), result.size) for result in (one, other)
    )
    iou: Any = coco_mask.iou  # its type stubs allow only bytes
    ious = np.zeros(shape)
    ious[:] = np.asarray(iou(second, first, [0] * len(first))).T
    ious[np.isnan(ious)] = 0
    return ious
