"""The search for proposals, step by step: each step is one call of the model.

Between two steps the clicks of users are served, and the model can be replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from sam2_widget.masks.logits import LogitMask, MaskCrop
from sam2_widget.models import recovery, threads, worker
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.models.recovery import Plan
from sam2_widget.predictor import Candidates, Embedding, PointsPredictor, Predictor, PromptArrays
from sam2_widget.proposals.edges import EdgeMap
from sam2_widget.proposals.filters import ProposalFilter
from sam2_widget.proposals.grid import Crop, Grid, Region, crops_of, points_in
from sam2_widget.proposals.measure import Measures, ruler_for
from sam2_widget.proposals.proposal import PointMasks, Proposal

POINTS_AT_ONCE = 64
POINTS_AT_ONCE_ON_CPU = 16
"""Points decoded in one step: a click waits for one step at most."""

FEWER_POINTS = 4
"""Factor by which the number of points per step is reduced after memory has run out."""

LEAST_REGION = 16
"""Least side of a region in pixels: the model cannot recognize anything in a smaller one."""

PIXELS_PER_CELL = 4
"""About how many pixels of its input a model has along each side of a cell of its logits."""

LEAST_GAIN = 1.5
"""A region is encoded separately if that enlarges it at least this many times for the model."""

NEAR_EDGE = 20
"""A mask that ends within this many pixels of an inner edge of a crop counts as cut off."""

MOST_TAKEN = 0.5
"""Largest fraction of a proposal that existing objects may cover."""

WORTH_REFINING = ProposalFilter(min_score=0.3, min_stability=0.3, max_overlap=0.7)
"""Filter for masks of the first pass: those that pass are refined in the second."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A crop that is encoded, and the points to try in it, (N, 2) in image pixels."""

    crop: Crop
    points: Float64Array


@dataclass(eq=False)
class _Progress:
    """The state of the search in one part.

    Attributes
    ----------
    crop : Crop
    left : (N, 2) float64 ndarray
        Points that have not been tried yet.
    refine : bool
        Whether this is the second pass, in which masks are refined.
    quick : list of Proposal
        Proposals of the first, coarse pass.
    taken : (h, w) bool ndarray or None
        Cells that existing objects cover.
    edges : EdgeMap or None
        Edges of the picture, if the model's proposals must follow them.
    """

    crop: Crop
    left: Float64Array
    refine: bool = False
    quick: list[Proposal] = field(default_factory=list)
    taken: BoolArray | None = None
    edges: EdgeMap | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """A crop encoded by one predictor."""

    predictor: Predictor
    embedding: Embedding


class ProposalSearch:
    """Finds the proposals of one image; call `step` until `is_done`.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
    predictor : Predictor
    grid : Grid
    region : Region, optional
        From `checked_region`. Masks that extend beyond it are left out.
    existing : sequence of MaskCrop
        Existing objects, which are left out.
    points_at_once : int, optional
        Points decoded in one step.

    Attributes
    ----------
    predictor : Predictor
        May be replaced between two steps.
    proposals : list of Proposal
        The proposals found so far.
    completed, total : int
        Points that were decoded, and points in total; `total` grows when some are refined.
    note : str
        Why there can be no proposals; "" if there can be.
    """

    def __init__(
        self,
        image: UInt8Array,
        predictor: Predictor,
        grid: Grid,
        *,
        region: Region | None = None,
        existing: Sequence[MaskCrop] = (),
        points_at_once: int | None = None,
    ) -> None:
        self.predictor = predictor
        self.proposals: list[Proposal] = []
        self.completed = 0
        self._image = image
        self._region = Crop(*(region or (0, 0, image.shape[1], image.shape[0])))
        self._existing = existing
        self._points_at_once = points_at_once
        self.note = self._why_none()
        self._parts = deque([] if self.note else self._plan(grid))
        self.total = sum(len(part.points) for part in self._parts)
        self._progress: _Progress | None = None
        self._encoded: _Encoded | None = None

    def _why_none(self) -> str:
        width, height = self._region.width, self._region.height
        if min(width, height) < LEAST_REGION:
            return (
                f"a region of {width} x {height} pixels is too small for proposals: it must be at "
                f"least {LEAST_REGION} pixels wide and high"
            )
        seen = self._image[self._region.pixels]
        if np.array_equal(seen.min(axis=(0, 1)), seen.max(axis=(0, 1))):
            return "there is nothing to propose: all pixels have the same colour"
        return ""

    def _plan(self, grid: Grid) -> list[_Part]:
        region, *crops = crops_of(self._region.box, grid)
        first = _Part(self._crop_for(region), points_in(region, grid))
        return [first, *(_Part(crop, points_in(crop, grid)) for crop in crops)]

    def _crop_for(self, region: Crop) -> Crop:
        """The crop to encode for a region: the whole image, unless its resolution is too low."""
        height, width = self._image.shape[:2]
        longest, seen = max(width, height), PIXELS_PER_CELL * max(self.predictor.logits_size)
        gain = min(longest / max(region.width, region.height), longest / seen)
        return region if gain >= LEAST_GAIN else Crop(0, 0, width, height)

    @property
    def is_done(self) -> bool:
        """Whether all points have been tried."""
        return not self._parts

    def step(self) -> list[Proposal]:
        """Call the model once, and return new proposals; a failed step can be repeated."""
        part = self._parts[0]
        if self._encoded is None or self._encoded.predictor is not self.predictor:
            self._encoded = self._encode(part.crop)
        if self._progress is None:
            self._progress = self._begin(part)
        progress = self._progress
        found = self._try_points(self._encoded, progress) if len(progress.left) else []
        if not len(progress.left):
            self._end(progress)
        return found

    def advance(self, report: Callable[[str], None]) -> list[Proposal]:
        """A step; if memory runs out, retried with fewer points or as `recovery` proposes.

        `report` is called with a sentence for the user before each retry.

        Raises
        ------
        OutOfMemoryError
            If no retry succeeds. Proposals found so far are kept.
        """
        plan = recovery.plan_of(self.predictor)
        attempts = count()

        def step_with(changed: Plan) -> list[Proposal]:
            if next(attempts):
                self._points_at_once = max(1, self._batch_size() // FEWER_POINTS)
            if changed is not plan:
                self.predictor = changed.load()
            return self.step()

        return recovery.attempt(plan, step_with, report=report)

    def _encode(self, crop: Crop) -> _Encoded:
        predictor, pixels = self.predictor, self._image[crop.pixels]
        if pixels.shape != self._image.shape:
            embedding = predictor.embed(np.ascontiguousarray(pixels))
        else:
            source = embeddings.source(predictor, pixels)
            source.fetch()
            embedding = worker.of(predictor).run(source)
        return _Encoded(predictor, embedding)

    def _begin(self, part: _Part) -> _Progress:
        taken = _covered(self._existing, part.crop, self.predictor.logits_size)
        points = part.points
        if taken is not None:
            points = points[~_at(taken, points, part.crop)]
            self.total -= len(part.points) - len(points)
        edges = None
        if self._least_edges():
            edges = EdgeMap(self._image[part.crop.pixels], self.predictor.logits_size)
        return _Progress(part.crop, points, taken=taken, edges=edges)

    def _least_edges(self) -> float:
        return float(getattr(self.predictor, "proposal_edges", 0.0))

    def _end(self, progress: _Progress) -> None:
        """Continue with the second pass over the proposals, or with the next part."""
        if progress.quick:
            worth = WORTH_REFINING(progress.quick)
            points = list(dict.fromkeys(proposal.point for proposal in worth))
            progress.left, progress.refine, progress.quick = np.array(points), True, []
            self.total += len(points)
        if not len(progress.left):
            self._parts.popleft()
            self._progress = self._encoded = None

    def _try_points(self, encoded: _Encoded, progress: _Progress) -> list[Proposal]:
        """Decode the next points."""
        points, answers = self._decode(encoded, progress)
        progress.left = progress.left[len(points) :]
        self.completed += len(points)
        measure = partial(self._found, progress)
        pairs = list(zip(points.tolist(), answers, strict=True))
        found = [one for some in threads.spread(measure, pairs) for one in some]
        if self._is_coarse(progress):
            progress.quick += [Proposal(0, *one) for one in found]
            return []
        first = len(self.proposals) + 1
        proposals = [Proposal(number, *one) for number, one in enumerate(found, first)]
        self.proposals += proposals
        return proposals

    def _decode(
        self, encoded: _Encoded, progress: _Progress
    ) -> tuple[Float32Array, list[Candidates]]:
        """The next points, in image pixels, and the model's candidates for them."""
        predictor, embedding = encoded.predictor, encoded.embedding
        start = np.array(progress.crop[:2], np.float32)
        if isinstance(predictor, PointsPredictor) and not progress.refine:
            points = progress.left[: self._batch_size()].astype(np.float32)
            return points, predictor.predict_points(embedding, points - start)
        points = progress.left[:1].astype(np.float32)
        prompts = PromptArrays(points - start, np.ones(1, np.int32))
        return points, [predictor.predict(embedding, prompts, multimask=True)]

    def _batch_size(self) -> int:
        on_cpu = self.predictor.device == "cpu"
        return self._points_at_once or (POINTS_AT_ONCE_ON_CPU if on_cpu else POINTS_AT_ONCE)

    def _found(
        self, progress: _Progress, answer: tuple[list[float], Candidates]
    ) -> list[tuple[PointMasks, int, Measures]]:
        """The masks of one point that may be proposals."""
        (x, y), candidates = answer
        crop = progress.crop
        ruler = ruler_for(candidates.logits.shape[1:], (crop.height, crop.width))
        measured = [ruler(logits).moved(crop.x0, crop.y0) for logits in candidates.logits]
        usable = [
            index
            for index, (measures, logits) in enumerate(
                zip(measured, candidates.logits, strict=True)
            )
            if self._is_usable(measures, logits, progress)
        ]
        if not usable:
            return []
        masks = tuple(LogitMask.from_logits(logits) for logits in candidates.logits)
        scores = tuple(np.clip(np.nan_to_num(candidates.scores), 0.0, 1.0).tolist())
        found = PointMasks((x, y), crop, masks, scores, candidates.best)
        return [(found, index, measured[index]) for index in usable]

    def _is_usable(self, measures: Measures, logits: Float32Array, progress: _Progress) -> bool:
        """Whether a mask is not empty, cut off, covered by objects, or off all edges."""
        if not measures.area or self._is_cut_off(measures.box, progress.crop):
            return False
        if self._is_taken(logits, progress.taken):
            return False
        if progress.edges is None or self._is_coarse(progress):
            return True
        return progress.edges.share(logits) >= self._least_edges()

    def _is_taken(self, logits: Float32Array, taken: BoolArray | None) -> bool:
        """Whether existing objects cover most of a mask."""
        if taken is None:
            return False
        import cv2  # noqa: PLC0415 - as in `masks.logits`

        # The first pass of a model that refines has fewer cells.
        size = taken.shape[::-1]
        inside = cv2.resize((logits > 0).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return bool(np.count_nonzero(taken & (inside > 0)) > MOST_TAKEN * np.count_nonzero(inside))

    def _is_coarse(self, progress: _Progress) -> bool:
        """Whether this is the first pass of two."""
        predictor = self.predictor
        refines = isinstance(predictor, PointsPredictor) and predictor.refines_points
        return refines and not progress.refine

    def _is_cut_off(self, box: tuple[int, int, int, int], crop: Crop) -> bool:
        """Whether a mask extends beyond the region, or ends near an inner edge of its crop."""
        region, (height, width) = self._region, self._image.shape[:2]
        ends = np.array(box) - (0, 0, 1, 1)  # the outermost pixels, as in sam2's own generator
        image = np.array([0, 0, width, height])
        outer, inner = np.array(region.box), np.array(crop.box)
        outward = np.array([-1, -1, 1, 1])
        # In a region that is encoded separately, a mask that is cut off ends at its last pixel.
        beyond = ((np.array(box) - outer) * outward >= 0) & (outer != image)
        if crop.layer == 0:
            return bool(beyond.any())
        near = (np.abs(ends - inner) <= NEAR_EDGE) & (np.abs(ends - outer) > NEAR_EDGE)
        return bool((beyond | near).any())


def _covered(existing: Sequence[MaskCrop], crop: Crop, cells: tuple[int, int]) -> BoolArray | None:
    """Cells of a crop that are mostly covered by objects, (h, w) bool; None if there are none."""
    if not existing:
        return None
    covered = np.zeros((crop.height, crop.width), np.uint8)
    for mask in existing:
        x0, y0, x1, y1 = mask.bbox
        left, top = max(x0, crop.x0), max(y0, crop.y0)
        right, bottom = min(x1, crop.x1), min(y1, crop.y1)
        if left < right and top < bottom:
            part = mask.pixels[top - y0 : bottom - y0, left - x0 : right - x0]
            target = covered[top - crop.y0 : bottom - crop.y0, left - crop.x0 : right - crop.x0]
            target[part] = 2
    import cv2  # noqa: PLC0415 - as in `masks.logits`

    return np.asarray(cv2.resize(covered, cells[::-1], interpolation=cv2.INTER_AREA) > 0)


def _at(cells: BoolArray, points: Float64Array, crop: Crop) -> BoolArray:
    """The values of a crop's cells at points in image pixels."""
    size = np.array([crop.width, crop.height])
    columns, rows = ((points - crop[:2]) / size * cells.shape[::-1]).astype(int).T
    return np.asarray(cells[rows, columns])
