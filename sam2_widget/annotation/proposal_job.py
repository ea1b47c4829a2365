"""The job that proposes objects of an image, point by point, while the user works on.

It runs on a thread of its own and calls the model once for each step, in the same queue as clicks:
a click waits for one step at most. It can be stopped after any step; proposals found so far stay.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from itertools import count
from typing import Protocol
from weakref import proxy

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.comparison import Compared, Comparison, Examples
from sam2_widget.annotation.jobs import Job
from sam2_widget.annotation.model_state import CurrentModel
from sam2_widget.annotation.predictions import PredictionCache, maker_of
from sam2_widget.annotation.provenance import Maker
from sam2_widget.annotation.session import Annotation
from sam2_widget.errors import ClosedError
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.types import Point
from sam2_widget.proposals.filters import ProposalFilter, default_filter
from sam2_widget.proposals.grid import Grid, Region
from sam2_widget.proposals.proposal import Proposal
from sam2_widget.proposals.search import ProposalSearch

logger = logging.getLogger(__name__)

_numbers = count(1)


class ProposalJob(Job):
    """A job that looks for proposals: what ``w.propose`` returns.

    Attributes
    ----------
    number : int
        Number of the search, by which pages tell one from another.
    region : (int, int, int, int)
        Where it looks: x0, y0, x1, y1 in image pixels.
    completed, total : int
        Points that were tried, and points in total; `total` grows when some are refined.
    note : str
        Why there can be no proposals; "" if there can be.
    filter : ProposalFilter
        The thresholds that suit the model.
    rejected : set of int
        Numbers of proposals that the user has rejected.
    compared : Compared
        How much the proposals are like the objects with the current label.
    compare : Comparison
        Compares the proposals with other examples.
    """

    def __init__(
        self, lock: threading.RLock, region: Region, image: Callable[[], UInt8Array]
    ) -> None:
        super().__init__(lock)
        self.number = next(_numbers)
        self.region = region
        self.rejected: set[int] = set()
        self.note = ""
        self.filter = ProposalFilter()
        self.compared = Compared()
        self.compare = Comparison(image)
        self._found: list[tuple[Proposal, Maker]] = []
        self._objects: dict[int, int] = {}

    def __repr__(self) -> str:
        found = f"{len(self._found)} proposals"
        return f"ProposalJob({found}, {self.completed} of {self.total} points, {self._state})"

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """The proposals found so far."""
        return tuple(one for one, _ in list(self._found))

    def numbered(self, numbers: Iterable[int]) -> list[Proposal]:
        """The proposals with these numbers; those that do not exist are left out."""
        wanted = set(numbers)
        return [one for one in self.proposals if one.number in wanted]

    def accepted_in(self, annotation: Annotation) -> set[int]:
        """Numbers of the proposals of which objects were made that are still there."""
        if not self._objects:
            return set()
        there = {one.id for one in annotation.objects}
        return {number for number, one in self._objects.items() if one in there}

    def note_accepted(self, numbers: Iterable[int], ids: Iterable[int]) -> None:
        """Remember which objects were made of proposals."""
        self._objects.update(zip(numbers, ids, strict=True))

    def put_into(self, cache: PredictionCache, proposals: Iterable[Proposal]) -> None:
        """Add the masks of proposals to a cache, so that they need no further run of the model."""
        makers = {one.number: maker for one, maker in list(self._found)}
        for one in proposals:
            if one.sees_whole(cache.size):
                cache.put(Point(*one.point), one.found, makers[one.number])


class ProposedImage(Protocol):
    """The interface of an image and its objects that a job uses."""

    lock: threading.RLock
    model: CurrentModel

    @property
    def rgb(self) -> UInt8Array:
        """The image."""

    def masks(self) -> Sequence[MaskCrop]:
        """The masks of existing objects; waits for pending predictions."""

    def examples(self) -> Examples:
        """The objects with the current label whose masks are known."""

    def notify(self, notice: str) -> None:
        """Show a notice on all pages."""

    def found_proposals(self) -> None:
        """Show the progress of the search on all pages."""


class Proposer:
    """Runs one job at a time for an image.

    Parameters
    ----------
    image : ProposedImage
        The owner of the proposer.

    Attributes
    ----------
    job : ProposalJob or None
        The running job, or the last one.
    """

    def __init__(self, image: ProposedImage) -> None:
        self.job: ProposalJob | None = None
        # A weak reference, because the image owns this object.
        self._image: ProposedImage = proxy(image)
        self._thread = TransientThreadExecutor("sam2-widget-proposals")
        self._comparing = TransientThreadExecutor("sam2-widget-likeness")
        self._compare_lock = threading.Lock()
        self._is_comparison_queued = False

    def start(self, grid: Grid, region: Region) -> ProposalJob:
        """Start to search for proposals, which replace those of an earlier job."""
        with self._image.lock:
            if self.job is not None:
                self.job.cancel()
            job = self.job = ProposalJob(self._image.lock, region, partial(_rgb, self._image))
        self._thread.submit(copy_context().run, self._work, job, grid)
        return job

    def compare_later(self) -> None:
        """Compare the proposals with the objects that exist now, on another thread."""
        if self.job is None or self._is_comparison_queued:
            return
        self._is_comparison_queued = True
        self._comparing.submit(copy_context().run, self._compare_and_show)

    def _compare_and_show(self) -> None:
        self._is_comparison_queued = False
        try:
            if self.job is not None and self._compare(self.job):
                self._image.found_proposals()
        except ReferenceError:
            pass  # the widget is gone
        except Exception as error:  # noqa: BLE001 - logged: proposals can be used without
            log_failure(logger, "proposals could not be compared", error)

    def _compare(self, job: ProposalJob) -> bool:
        """Compare with the objects that exist now; False if that was done before."""
        with self._compare_lock:
            proposals, examples, last = job.proposals, self._image.examples(), job.compared
            has_all = not examples or len(last.likeness) == len(proposals)
            if has_all and last.examples.is_same_as(examples):
                return False
            job.compared = job.compare(proposals, examples)
            return True

    def _work(self, job: ProposalJob, grid: Grid) -> None:
        job._run(lambda: self._search(job, grid))  # noqa: SLF001 - of this package
        with suppress(ReferenceError):
            self._image.found_proposals()
            if notice := job.note or job.error:
                self._image.notify(f"{notice[0].upper()}{notice[1:]}.")

    def _search(self, job: ProposalJob, grid: Grid) -> None:
        model = self._image.model
        cache = model.wait()
        existing = self._image.masks()
        search = ProposalSearch(
            self._image.rgb, cache.predictor, grid, region=job.region, existing=existing
        )
        job.filter, job.note, job.total = (
            default_filter(search.predictor),
            search.note,
            search.total,
        )
        self._image.found_proposals()
        while not (search.is_done or job.cancelled):
            if model.is_closed:
                raise ClosedError("the widget is closed: make another one")
            if model.predictions not in (None, cache):
                cache = model.wait()  # the user has chosen another model
                search.predictor = cache.predictor
            found = search.advance(self._image.notify)
            maker = maker_of(search.predictor)
            job._found += [(one, maker) for one in found]  # noqa: SLF001 - of this module
            job.completed, job.total = search.completed, search.total
            self._compare(job)
            self._image.found_proposals()
        job.filter = default_filter(search.predictor)
        job._end()  # noqa: SLF001


def _rgb(image: ProposedImage) -> UInt8Array:
    """The pixels of a weakly referenced image, which may be read anew."""
    return image.rgb
