"""Selects the proposals to show, as a pure function of the stored ones, without the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float64Array, IntArray
from sam2_widget.errors import SettingError
from sam2_widget.predictor import Predictor
from sam2_widget.proposals.grid import check_number
from sam2_widget.proposals.proposal import Proposal, mask_iou

OverlapOf: TypeAlias = Literal["masks", "boxes"]

Overlaps: TypeAlias = Callable[[int, IntArray], Float64Array]
"""Function that returns the IoU of one item with several others, given by their indices."""

Likeness: TypeAlias = Mapping[int, float]
"""By number of a proposal, how much it is like given examples, 0..1."""

NO_EXAMPLES = "min_likeness needs examples: see `like` of a result of `propose`, and `w.more_like`"


@dataclass(frozen=True, slots=True)
class ProposalFilter:
    """Thresholds that a proposal must pass.

    Parameters
    ----------
    min_score : float
        Least score: the model's own estimate of how exact the mask is, 0..1.
    min_stability : float
        Least stability: how sharp the outline is, 0..1.
    min_area : int
        Least area in image pixels.
    max_area : int or None
        Largest area in image pixels; None for no limit.
    max_overlap : float
        Of two proposals with a larger IoU the one with the lower score is left out, 0..1. Between
        crops the one from the smaller crop stays.
    overlap_of : {"masks", "boxes"}
        Whether that is the IoU of masks, or of their boxes, as in sam2's own generator. Between
        crops it is always that of the boxes.
    min_likeness : float
        Least likeness to one of the examples in size, shape, colour and contrast, 0..1: 0.5 suits
        most images, and with 0, the default, no examples are needed.

    Raises
    ------
    SettingError
        If a value is not valid.
    """

    min_score: float = 0.0
    min_stability: float = 0.0
    min_area: int = 0
    max_area: int | None = None
    max_overlap: float = 0.7
    overlap_of: OverlapOf = "masks"
    min_likeness: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_score", "min_stability", "max_overlap", "min_likeness"):
            check_number(name, getattr(self, name), 0, 1)
        check_number("min_area", self.min_area, 0, math.inf)
        if self.max_area is not None:
            check_number("max_area", self.max_area, 0, math.inf)
            if self.max_area < self.min_area:
                raise SettingError(
                    f"max_area must not be below min_area, got {self.max_area} and {self.min_area}"
                )
        if self.overlap_of not in get_args(OverlapOf):
            raise SettingError(f"overlap_of must be 'masks' or 'boxes', got {self.overlap_of!r}")

    def _passes(self, proposal: Proposal, likeness: Likeness) -> bool:
        """Whether a proposal passes the thresholds that do not depend on other proposals."""
        return (
            likeness.get(proposal.number, 0.0) >= self.min_likeness
            and proposal.score >= self.min_score
            and proposal.stability >= self.min_stability
            and proposal.area >= max(self.min_area, 1)
            and (self.max_area is None or proposal.area <= self.max_area)
        )

    def __call__(
        self, proposals: Sequence[Proposal], likeness: Likeness | None = None
    ) -> list[Proposal]:
        """The proposals that pass, the best first.

        Parameters
        ----------
        proposals : sequence of Proposal
        likeness : mapping of int to float, optional
            Likeness of proposals to examples, by their numbers; required for `min_likeness`.

        Raises
        ------
        SettingError
            If there is a `min_likeness`, but no `likeness`.
        """
        if self.min_likeness and likeness is None:
            raise SettingError(NO_EXAMPLES)
        passed = [one for one in proposals if self._passes(one, likeness or {})]
        scores = np.array([one.score for one in passed])
        by_score = [passed[i] for i in np.argsort(-scores, kind="stable")]
        kept = self._without_duplicates(by_score, _same_crop_overlaps(by_score, self.overlap_of))
        # The smaller the crop, the finer its masks.
        by_crop = sorted(kept, key=lambda one: one.found.crop.area)
        kept = self._without_duplicates(by_crop, _other_crop_overlaps(by_crop))
        return sorted(kept, key=lambda one: (-one.score, one.number))

    def _without_duplicates(self, proposals: list[Proposal], overlaps: Overlaps) -> list[Proposal]:
        kept = suppress(len(proposals), overlaps, self.max_overlap)
        return [proposals[i] for i in kept]


SAM2_THRESHOLDS = (0.8, 0.95)
"""Least score and stability of masks that sam2's own generator keeps."""


def default_filter(predictor: Predictor) -> ProposalFilter:
    """The filter that suits a model's scores and logits."""
    score, stability = getattr(predictor, "proposal_thresholds", SAM2_THRESHOLDS)
    return ProposalFilter(min_score=score, min_stability=stability)


def suppress(count: int, overlaps: Overlaps, max_overlap: float) -> list[int]:
    """Non-maximum suppression of `count` items, the best first; returns those that are kept.

    An item is left out if its overlap with one that is kept is larger than `max_overlap`.
    """
    kept, known = np.empty(count, np.int64), 0
    for index in range(count):
        if not known or overlaps(index, kept[:known]).max() <= max_overlap:
            kept[known] = index
            known += 1
    return kept[:known].tolist()  # type: ignore[no-any-return]


def box_ious(box: Float64Array, others: Float64Array) -> Float64Array:
    """IoU of a box, (4,), with others, (N, 4), by the distances of their outermost pixels' centres.

    So does sam2's own generator: a box one pixel wide has no area.
    """
    ends = np.array([0, 0, 1, 1])
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:]) - 1
    common = np.maximum(high - low, 0).prod(axis=1)
    own, their = box - ends, others - ends
    areas = (own[2:] - own[:2]).prod() + (their[:, 2:] - their[:, :2]).prod(axis=1)
    union = areas - common
    return np.asarray(common / np.where(union > 0, union, 1))


def _boxes(proposals: Sequence[Proposal]) -> Float64Array:
    return np.array([one.box for one in proposals], np.float64).reshape(-1, 4)


def _crop_indices(proposals: Sequence[Proposal]) -> IntArray:
    known = {crop: i for i, crop in enumerate({one.found.crop: None for one in proposals})}
    return np.array([known[one.found.crop] for one in proposals], np.int64)


def _other_crop_overlaps(proposals: Sequence[Proposal]) -> Overlaps:
    boxes, crops = _boxes(proposals), _crop_indices(proposals)

    def overlaps(index: int, others: IntArray) -> Float64Array:
        return np.where(crops[others] == crops[index], 0.0, box_ious(boxes[index], boxes[others]))

    return overlaps


def _same_crop_overlaps(proposals: Sequence[Proposal], of: OverlapOf) -> Overlaps:
    boxes, crops = _boxes(proposals), _crop_indices(proposals)

    def of_boxes(index: int, others: IntArray) -> Float64Array:
        ious = box_ious(boxes[index], boxes[others])
        return np.where(crops[others] == crops[index], ious, 0.0)

    def of_masks(index: int, others: IntArray) -> Float64Array:
        near = others[(crops[others] == crops[index]) & _touch(boxes[index], boxes[others])]
        own = proposals[index].cells
        return np.array([0.0, *(mask_iou(own, proposals[i].cells) for i in near)])

    return of_boxes if of == "boxes" else of_masks


def _touch(box: Float64Array, others: Float64Array) -> BoolArray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    return np.asarray((low < high).all(axis=1))
