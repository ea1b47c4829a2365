"""Proposals for a whole image or a region, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from weakref import proxy

import numpy as np

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.many_proposals import ManyProposals
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.proposal_job import ProposalJob
from sam2_widget.errors import ImageError, ModelError, PromptError, SegmentationError
from sam2_widget.proposals.filters import ProposalFilter
from sam2_widget.proposals.grid import Grid, Region, checked_region
from sam2_widget.proposals.proposal import Proposal, mask_iou
from sam2_widget.results.proposal_table import ProposalTable
from sam2_widget.results.proposing import RegionLike

Chosen: TypeAlias = "ProposalFilter | Iterable[int]"

LOOK_EVERY = 0.2
"""Seconds after which the progress on a plane, and whether the job was cancelled, is looked at."""


class Proposing:
    """The proposals of a widget, as methods."""

    _annotator: Annotator
    _planes: Planes

    def propose(
        self,
        region: RegionLike | None = None,
        *,
        points_per_side: int = 16,
        layers: int = 0,
        points_downscale: float = 1.0,
        overlap_ratio: float = 512 / 1500,
    ) -> ProposalJob:
        """Look for everything in the image, or in a region of it, in the background.

        Clicks are answered in between. What is an object already is left out. `proposals` are what
        was found so far, and `accept_proposals` makes objects of them.

        Parameters
        ----------
        region, points_per_side, layers, points_downscale, overlap_ratio : optional
            See `sam2_widget.propose`.

        Returns
        -------
        ProposalJob
            With ``progress``, ``done``, ``cancel()`` and ``wait(timeout)``.

        Raises
        ------
        PromptError
            If the region is none, or reaches outside the image.
        SettingError
            If a setting is out of its range.

        Examples
        --------
        >>> w.propose().wait()  # doctest: +SKIP
        True
        >>> w.accept_proposals()  # doctest: +SKIP
        """
        grid = Grid(points_per_side, layers, points_downscale, overlap_ratio)
        session = self._annotator.session
        checked = checked_region(region, (session.height, session.width))
        return self._annotator.proposer.start(grid, checked)

    def propose_planes(
        self,
        planes: Iterable[int] | None = None,
        region: RegionLike | None = None,
        *,
        points_per_side: int = 16,
        layers: int = 0,
    ) -> ManyProposals[int]:
        """Look for everything on several planes of a stack, one after the other, in the background.

        Each plane gets proposals as by `propose`, which the widget shows when the plane is shown.
        `accept_planes` makes objects of them.

        Parameters
        ----------
        planes : iterable of int, optional
            Numbers of planes, e.g. ``range(10, 20)``; by default all.
        region, points_per_side, layers : optional
            As for `propose`; the region is the same on all planes.

        Returns
        -------
        ManyProposals
            With ``progress``, ``done``, ``cancel()``, ``wait(timeout)`` and ``found`` by plane. An
            earlier search is cancelled.

        Raises
        ------
        ImageError
            If there is no such plane, or the images are those of a set.
        PromptError
            If the region is not valid, or extends beyond a plane.
        SettingError
            If a setting is out of its range.

        Examples
        --------
        >>> w.propose_planes().wait()  # doctest: +SKIP
        True
        >>> w.accept_planes()  # doctest: +SKIP
        """
        grid, chosen = Grid(points_per_side, layers), self._checked_planes(planes)
        regions = {one: checked_region(region, self._planes.size_of(one)) for one in chosen}
        if (earlier := self.__dict__.get("_many_proposals")) is not None:
            earlier.cancel()
        job = self._many_proposals = ManyProposals(chosen)
        search = _PlanesSearch(proxy(self._planes), job, grid, regions)
        TransientThreadExecutor("sam2-widget-planes-proposals").submit(job.run, search)
        return job

    def _checked_planes(self, planes: Iterable[int] | None) -> list[int]:
        if self._planes.collection is not None:
            raise ImageError("the images of a set are no planes of a stack: use s.propose(…)")
        given = range(len(self._planes)) if planes is None else planes
        return list(dict.fromkeys(self._planes.checked(one) for one in given))

    @property
    def proposals(self) -> ProposalTable:
        """All that was found so far in the image shown, before any filter.

        ``w.proposals.to_frame()`` has number, score, stability, area, box and point of each.
        """
        job = self._annotator.proposer.job
        return ProposalTable(job.proposals if job else ())

    def accept_proposals(self, chosen: Chosen | None = None) -> tuple[int, ...]:
        """Make objects of proposals, with the current label, in one step that `undo` takes back.

        Each has the point that found it as its prompt; what was found in a crop starts from its
        mask.

        Parameters
        ----------
        chosen : ProposalFilter, or numbers of proposals, optional
            By a filter, those that were not rejected in the page and are no duplicates of objects;
            by default with the thresholds that suit the model.

        Returns
        -------
        tuple of int
            The numbers of the proposals that have become objects.

        Raises
        ------
        PromptError
            If there is no proposal with one of the numbers.
        """
        return _accept(self._annotator, chosen)

    def accept_planes(
        self, chosen: ProposalFilter | None = None, planes: Iterable[int] | None = None
    ) -> dict[int, tuple[int, ...]]:
        """Make objects of the proposals of several planes, in one step of each plane.

        Parameters
        ----------
        chosen : ProposalFilter, optional
            As for `accept_proposals`.
        planes : iterable of int, optional
            By default all that have proposals.

        Returns
        -------
        dict of int to tuple of int
            The numbers of the proposals that have become objects, by plane.

        Raises
        ------
        ImageError
            If there is no such plane, or the images are those of a set.
        PromptError
            If `chosen` is not a filter.
        """
        if chosen is not None and not isinstance(chosen, ProposalFilter):
            raise PromptError(f"for several planes give a ProposalFilter, got {chosen!r}")
        annotators = {
            one: annotator
            for one in self._checked_planes(planes)
            if (annotator := self._planes.existing(one)) and annotator.proposer.job is not None
        }
        return {one: _accept(annotator, chosen) for one, annotator in annotators.items()}


class _PlanesSearch:
    """Searches one plane after the other."""

    def __init__(
        self, planes: Planes, job: ManyProposals[int], grid: Grid, regions: Mapping[int, Region]
    ) -> None:
        self._planes = planes
        self._job = job
        self._grid = grid
        self._regions = regions

    def __call__(self, index: int) -> int | None:
        """The number of proposals on a plane; None if the job was cancelled.

        Raises
        ------
        ModelError
            If the search on the plane has failed.
        """
        search = self._planes.with_model(index).proposer.start(self._grid, self._regions[index])
        try:
            while not search.wait(LOOK_EVERY):
                self._job.note_share(search.progress)
                if self._job.cancelled:
                    search.cancel()
        except SegmentationError as error:
            raise ModelError(f"plane {index}: {error}") from error
        return None if search.cancelled else len(search.proposals)


def _accept(annotator: Annotator, chosen: Chosen | None) -> tuple[int, ...]:
    """Make objects of proposals of one image or plane; returns their numbers."""
    job = annotator.proposer.job
    table = ProposalTable(job.proposals if job else ())
    if chosen is None:
        chosen = job.filter if job else ProposalFilter()
    if isinstance(chosen, ProposalFilter):
        # As in the page: in place of a rejected proposal, none of its duplicates is accepted.
        rejected = job.rejected if job else set()
        left = [one for one in chosen(table) if one.number not in rejected]
        accepted = _new_among(annotator, left, chosen.max_overlap)
    else:
        accepted = list(table.numbered(_checked_numbers(chosen)))
    if accepted:
        annotator.accept(accepted)
    return tuple(one.number for one in accepted)


def _new_among(
    annotator: Annotator, proposals: list[Proposal], max_overlap: float
) -> list[Proposal]:
    """Proposals that are no duplicates of objects."""
    existing = annotator.masks()
    if not existing:
        return proposals
    pixels = ((one, one.pixels()) for one in proposals)
    return [
        one
        for one, mask in pixels
        if all(mask_iou(mask, other) <= max_overlap for other in existing)
    ]


def _checked_numbers(chosen: Iterable[int]) -> list[int]:
    numbers = list(chosen) if isinstance(chosen, Iterable) else [chosen]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise PromptError(
                f"give a ProposalFilter or numbers of w.proposals, e.g. [3, 8], got {chosen!r}"
            )
    return [int(number) for number in numbers]
