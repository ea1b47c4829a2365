"""Objects that two annotators have marked, matched to each other, and figures of a class."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """An object of one annotator, of the other, or of both.

    Attributes
    ----------
    image : str
    place, other_place : int or None
        Its index in the objects of the image of each; None for the one who has not marked it.
    label, other_label : str or None
    iou : float
        IoU of the two masks; 0 for an object that only one has marked.
    """

    image: str
    place: int | None
    label: str | None
    other_place: int | None
    other_label: str | None
    iou: float

    @property
    def is_matched(self) -> bool:
        """Whether both have marked it."""
        return self.place is not None and self.other_place is not None


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """The agreement on the objects of a class.

    Attributes
    ----------
    label : str or None
    objects, other_objects : int
        How many objects of the class each has marked.
    matched : int
        How many objects both have marked as being of the class.
    mean_iou : float
        Of these; NaN if there are none.
    other_label : int
        How many objects both have marked, but only one as being of the class.
    """

    label: str | None
    objects: int
    other_objects: int
    matched: int
    mean_iou: float
    other_label: int

    @property
    def f1(self) -> float:
        """F1 score: 2 · matched / (all objects of one + all objects of the other)."""
        number = self.objects + self.other_objects
        return 2 * self.matched / number if number else 1.0
