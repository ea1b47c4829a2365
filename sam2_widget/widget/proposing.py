"""Proposals for a whole image or a region, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias
from weakref import proxy

import numpy as np

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.comparison import Examples
from sam2_widget.annotation.many_proposals import ManyProposals
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.proposal_job import ProposalJob
from sam2_widget.errors import ImageError, ModelError, PromptError, SegmentationError
from sam2_widget.proposals.filters import Likeness, ProposalFilter
from sam2_widget.proposals.grid import Grid, Region, checked_region
from sam2_widget.proposals.likeness import SUGGESTED, SUGGESTED_OVERLAP
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

    def more_like(
        self,
        objects: Iterable[int] | None = None,
        min_likeness: float = SUGGESTED,
        *,
        max_overlap: float = SUGGESTED_OVERLAP,
    ) -> tuple[int, ...]:
        """Numbers of the proposals that are like given objects, for `accept_proposals`.

        Compared are size, shape, colour and contrast; a proposal counts by the object that it is
        most like. It must pass the thresholds that suit the model. What was rejected in the page,
        and duplicates of objects, are left out.

        Parameters
        ----------
        objects : iterable of int, optional
            Indices of objects in ``w.objects``; by default all with the current label.
        min_likeness : float
            Least likeness, 0..1.
        max_overlap : float
            See `ProposalFilter`: objects that are alike mostly lie beside each other.

        Returns
        -------
        tuple of int
            The best first.

        Raises
        ------
        PromptError
            If there are no proposals yet, no such object, or none with the current label.
        SettingError
            If `min_likeness` or `max_overlap` is out of its range.

        Examples
        --------
        >>> w.accept_proposals(w.more_like([0, 1, 2]))  # doctest: +SKIP
        """
        job = self._annotator.proposer.job
        usual = job.filter if job else ProposalFilter()
        chosen = replace(usual, min_likeness=min_likeness, max_overlap=max_overlap)
        if job is None or not job.proposals:
            raise PromptError("there are no proposals yet: call w.propose() first")
        compared = _compare(self._annotator, job, objects)
        return tuple(one.number for one in _passing(self._annotator, job, chosen, compared))

    def accept_proposals(self, chosen: Chosen | None = None) -> tuple[int, ...]:
        """Make objects of proposals, with the current label, in one step that `undo` takes back.

        Each has the point that found it as its prompt; what was found in a crop starts from its
        mask.

        Parameters
        ----------
        chosen : ProposalFilter, or numbers of proposals, optional
            By a filter, those that were not rejected in the page and are no duplicates of objects;
            by default with the thresholds that suit the model. Examples for its ``min_likeness``
            are the objects with the current label, see `more_like`.

        Returns
        -------
        tuple of int
            The numbers of the proposals that have become objects.

        Raises
        ------
        PromptError
            If there is no proposal with one of the numbers, or no example.
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
    if chosen is not None and not isinstance(chosen, ProposalFilter):
        table = ProposalTable(job.proposals if job else ())
        accepted = list(table.numbered(_checked_numbers(chosen)))
    elif job is None:
        accepted = []
    else:
        chosen = chosen or job.filter
        compared = _compare(annotator, job, None) if chosen.min_likeness else None
        accepted = _passing(annotator, job, chosen, compared)
    if accepted:
        annotator.accept(accepted)
    return tuple(one.number for one in accepted)


def _passing(
    annotator: Annotator, job: ProposalJob, chosen: ProposalFilter, compared: Likeness | None
) -> list[Proposal]:
    """Proposals that pass a filter, and are neither rejected nor duplicates of objects."""
    # As in the page: in place of a rejected proposal, none of its duplicates is accepted.
    passing = [one for one in chosen(job.proposals, compared) if one.number not in job.rejected]
    return _new_among(annotator, passing, chosen.max_overlap)


def _compare(annotator: Annotator, job: ProposalJob, objects: Iterable[int] | None) -> Likeness:
    """Likeness of all proposals to objects, by default those with the current label."""
    result, label = annotator.current_result(), annotator.session.label
    if objects is None:
        given = [one for one in result.objects if one.label == label]
    else:
        ids = {annotator.id_of(i) for i in objects}
        given = [one for one in result.objects if one.id in ids]
    predictions = tuple(one.prediction for one in given if not one.prediction.mask.empty)
    if not predictions:
        named = "" if label is None or objects is not None else f" with the label {label!r}"
        raise PromptError(
            f"there is no example: there must be an object{named} whose mask is not empty"
        )
    return job.compare(job.proposals, Examples(label, predictions)).likeness


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
