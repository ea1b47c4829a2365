"""Proposals without a browser: masks of a whole image, or of a region, without any prompts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sam2_widget.annotation.predictions import cache_without_model, maker_of
from sam2_widget.annotation.session import Session
from sam2_widget.errors import OutOfMemoryError, PromptError
from sam2_widget.export.read import read_masks
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.axes import Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import ImageLike, load_image
from sam2_widget.models import recovery
from sam2_widget.models.checkpoints import ModelLike, check_model
from sam2_widget.predictor import Predictor
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.types import Box, Point
from sam2_widget.proposals.filters import Likeness, OverlapOf, ProposalFilter, default_filter
from sam2_widget.proposals.grid import Grid, checked_region
from sam2_widget.proposals.likeness import SUGGESTED, SUGGESTED_OVERLAP, Describer, likeness
from sam2_widget.proposals.prompts import object_prompts
from sam2_widget.proposals.proposal import Proposal
from sam2_widget.proposals.search import ProposalSearch
from sam2_widget.results.headless import plan_for
from sam2_widget.results.proposal_table import ProposalTable
from sam2_widget.results.segmentation import Segmentation, make_segmentation

if TYPE_CHECKING:
    from sam2_widget.export.values import MasksLike

RegionLike: TypeAlias = "Box | Sequence[float]"


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What a result is made from, besides the proposals."""

    image: LoadedImage
    predictor: Predictor
    label: str | None

    def segmentation(self, proposals: Sequence[Proposal]) -> Segmentation:
        """Make objects from proposals, without the model."""
        size = self.image.rgb.shape[:2]
        session = Session(size[1], size[0])
        session.replay(Prompts(object_prompts(proposals, size, self.label)))
        maker = maker_of(self.predictor)
        cache = cache_without_model(size, maker)
        for one in proposals:
            if one.sees_whole(size):
                cache.put(Point(*one.point), one.found, maker)
        predictions = [cache.cached(o.prompts) for o in session.annotation.objects]
        return make_segmentation(session, cache, image=self.image, predictions=predictions)


@dataclass(frozen=True, eq=False)
class ProposedSegmentation(Segmentation):
    """The objects that a model proposes for an image: a `Segmentation` that can be filtered again.

    Attributes
    ----------
    proposals : ProposalTable
        All proposals with the numbers that filters use; `objects` are those that pass the filter.
    filter : ProposalFilter
        The thresholds that selected `objects`.
    likeness : mapping of int to float, or None
        By number of each proposal, how much it is like the examples of `like`; None before.
    """

    proposals: ProposalTable = field(default_factory=ProposalTable, repr=False)
    filter: ProposalFilter = field(default_factory=ProposalFilter)
    likeness: Likeness | None = field(default=None, repr=False)
    _made: _Made | None = field(default=None, repr=False)

    def filtered(
        self,
        *,
        min_score: float | None = None,
        min_stability: float | None = None,
        min_area: int | None = None,
        max_area: int | None = None,
        max_overlap: float | None = None,
        overlap_of: OverlapOf | None = None,
        min_likeness: float | None = None,
    ) -> ProposedSegmentation:
        """The result with other thresholds, computed without the model; None keeps a threshold.

        Parameters and errors as for `ProposalFilter`; for `min_likeness` call `like` first.
        """
        changed = with_thresholds(
            self.filter,
            min_score=min_score,
            min_stability=min_stability,
            min_area=min_area,
            max_area=max_area,
            max_overlap=max_overlap,
            overlap_of=overlap_of,
            min_likeness=min_likeness,
        )
        assert self._made is not None  # noqa: S101 - set by `propose`
        return _result(self.proposals, changed, self._made, self.likeness)

    def like(
        self,
        examples: MasksLike | Sequence[int],
        min_likeness: float = SUGGESTED,
        *,
        max_overlap: float = SUGGESTED_OVERLAP,
    ) -> ProposedSegmentation:
        """The result with only what is like some examples in size, shape, colour and contrast.

        Computed without the model. Every proposal counts by the example that it is most like.

        Parameters
        ----------
        examples : numbers of proposals; or masks, Segmentation, label map, path, …
            Of `proposals`, e.g. ``[3, 8]``; or anything that `read_masks` reads.
        min_likeness : float
            Least likeness, 0..1; ``filtered(min_likeness=…)`` changes it.
        max_overlap : float
            See `ProposalFilter`: objects that are alike mostly lie beside each other.

        Raises
        ------
        PromptError
            If there are no proposals, no example, or no proposal with one of the numbers.
        AnnotationError
            If `examples` are masks of another size than the image.
        SettingError
            If `min_likeness` or `max_overlap` is out of its range.

        Examples
        --------
        >>> result = propose("cells.png")  # doctest: +SKIP
        >>> result.like([3, 8]).to_png("like.png")  # doctest: +SKIP
        """
        chosen = replace(self.filter, min_likeness=min_likeness, max_overlap=max_overlap)
        assert self._made is not None  # noqa: S101 - set by `propose`
        if not self.proposals:
            raise PromptError("there are no proposals that could be like the examples")
        describer = Describer(self._made.image.rgb)
        described = [describer.proposal(one) for one in self.proposals]
        numbers = _proposal_numbers(examples)
        if numbers is None:
            masks = read_masks(examples, self._made.image.rgb.shape[:2])
            known = [describer.mask(one.crop) for one in masks if one.area]
        else:
            known = [describer.proposal(one) for one in self.proposals.numbered(numbers)]
        if not known:
            raise PromptError(f"give at least one example with a mask, got {examples!r}")
        values = likeness(np.array(described), np.array(known)).tolist()
        found = dict(zip((one.number for one in self.proposals), values, strict=True))
        return _result(self.proposals, chosen, self._made, found)


def _proposal_numbers(examples: object) -> list[int] | None:
    """Examples as numbers of proposals; None if they are something else."""
    if isinstance(examples, (str, bytes)) or not isinstance(examples, (Sequence, np.ndarray)):
        return None
    is_numbers = all(
        isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in examples
    )
    return [int(one) for one in examples] if is_numbers else None


def with_thresholds(filter_: ProposalFilter, **thresholds: object) -> ProposalFilter:
    """A copy of the filter with those thresholds replaced that are not None."""
    given = {name: value for name, value in thresholds.items() if value is not None}
    return replace(filter_, **given)  # type: ignore[arg-type]  # checked by the filter


def _result(
    proposals: ProposalTable,
    filter_: ProposalFilter,
    made: _Made,
    compared: Likeness | None = None,
) -> ProposedSegmentation:
    chosen = filter_(proposals, compared)
    found = made.segmentation(chosen)
    return ProposedSegmentation(
        **{name: getattr(found, name) for name in Segmentation.__dataclass_fields__},
        proposals=proposals,
        filter=filter_,
        likeness=compared,
        _made=made,
    )


def propose(
    image: ImageLike,
    *,
    model: ModelLike = "auto",
    region: RegionLike | None = None,
    points_per_side: int = 16,
    layers: int = 0,
    points_downscale: float = 1.0,
    overlap_ratio: float = 512 / 1500,
    min_score: float | None = None,
    min_stability: float | None = None,
    min_area: int | None = None,
    max_area: int | None = None,
    max_overlap: float | None = None,
    overlap_of: OverlapOf | None = None,
    label: str | None = None,
    progress: Callable[[float], object] | None = None,
    device: str | None = None,
    axes: str | None = None,
    plane: Plane | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> ProposedSegmentation:
    """Segment everything in an image, or in a region of it, without prompts.

    The model is prompted with a grid of points. Masks below the thresholds are dropped, and of
    masks that overlap much only the best is kept.

    Parameters
    ----------
    image : path, bytes, file object, PIL image, ndarray, tensor, xarray, dask, zarr or h5py array
        See `load_image`.
    model : str or Predictor
        See `load_model`.
    region : Box or (x0, y0, x1, y1), optional
        In image pixels; masks that extend beyond it are left out. By default the whole image.
    points_per_side : int
        Points along each side of the region.
    layers : int
        Further layers of crops, for small objects in large images: 1 adds 2 x 2 crops, 2 adds 4 x 4
        to them, and so on. Each crop is encoded separately, with as many points.
    points_downscale : float
        Factor by which the points along each side of a crop decrease from layer to layer.
    overlap_ratio : float
        Overlap of crops in the first layer, as a fraction of the region's shorter side.
    min_score, min_stability, min_area, max_area, max_overlap, overlap_of : optional
        See `ProposalFilter`. Score and stability have defaults that suit the model.
    label : str, optional
        Label of all objects.
    progress : callable, optional
        Called with the fraction that is done, 0..1, after each step.
    device : str, optional
        See `load_model`.
    axes, plane, channels, contrast_limits : optional
        How the image is converted to RGB; see `load_image`.

    Returns
    -------
    ProposedSegmentation
        A `Segmentation` with ``masks``, ``scores``, ``objects`` and all exports, the best first;
        ``filtered(min_score=…)`` applies other thresholds without running the model again. Its
        ``prompts`` reproduce the masks with `segment` or ``w.add_prompts``.

    Raises
    ------
    ImageError
        If the image cannot be read.
    PromptError
        If the region is not valid, or extends beyond the image.
    SettingError
        If a setting is out of its range.
    ModelError
        If the model cannot be loaded, or there is too little memory for it.

    Warns
    -----
    UserWarning
        If memory ran out in the middle: the result has what was found until then. If there is
        nothing to propose, e.g. in an image of one colour, and why; or if the RGB image lacks a
        part of the data.

    Examples
    --------
    >>> from sam2_widget import propose
    >>> result = propose("photo.jpg", min_area=100)  # doctest: +SKIP
    >>> result.to_coco("photo.json")  # doctest: +SKIP
    """
    grid = Grid(points_per_side, layers, points_downscale, overlap_ratio)
    thresholds = {
        "min_score": min_score,
        "min_stability": min_stability,
        "min_area": min_area,
        "max_area": max_area,
        "max_overlap": max_overlap,
        "overlap_of": overlap_of,
    }
    with_thresholds(ProposalFilter(), **thresholds)  # an error before the model is loaded
    check_model(model)
    loaded = load_image(
        image, axes=axes, plane=plane, channels=channels, contrast_limits=contrast_limits
    )
    if loaded is not image:  # else its warnings were shown before
        for note in loaded.record.get("notes", ()):
            warnings.warn(note, stacklevel=2)
    checked = checked_region(region, loaded.rgb.shape[:2])
    plan = plan_for(model, device)

    def warn(step: str) -> None:
        warnings.warn(step, stacklevel=2)

    predictor = recovery.attempt(plan, lambda changed: changed.load(), report=warn)
    search = ProposalSearch(loaded.rgb, predictor, grid, region=checked)
    try:
        while not search.is_done:
            search.advance(warn)
            if progress is not None:
                progress(search.completed / max(search.total, 1))
    except OutOfMemoryError as error:
        if not search.proposals:
            raise
        share = search.completed / search.total
        warn(f"stopped after {share:.0%} of the points, with what was found until then: {error}")
    chosen = with_thresholds(default_filter(search.predictor), **thresholds)
    made = _Made(loaded, search.predictor, label)
    result = _result(ProposalTable(search.proposals), chosen, made)
    if note := search.note or _why_empty(result):
        warnings.warn(note, stacklevel=2)
    return result


def _why_empty(result: ProposedSegmentation) -> str:
    """The reason if there are no objects, for a warning; "" if there are any."""
    if result.objects:
        return ""
    count = len(result.proposals)
    if not count:
        return "the model has found nothing to propose"
    return f"none of {count} proposals passes {result.filter}: lower the thresholds"
