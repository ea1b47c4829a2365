"""Proposals for the images of a set, as objects that wait to be accepted."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.annotation.many_proposals import ManyProposals
from sam2_widget.datasets.annotations import ImageAnnotations, Measure, StoredObject, now
from sam2_widget.datasets.review_edits import ObjectsChange
from sam2_widget.datasets.set_base import SetBase
from sam2_widget.errors import ClosedError, SettingError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.models import recovery
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.predictor import Predictor
from sam2_widget.proposals.filters import NO_EXAMPLES, ProposalFilter, default_filter
from sam2_widget.proposals.grid import Grid
from sam2_widget.proposals.prompts import object_prompts
from sam2_widget.proposals.proposal import Proposal
from sam2_widget.proposals.search import ProposalSearch
from sam2_widget.results.headless import plan_for

logger = logging.getLogger(__name__)


class SetProposals(SetBase):
    """The proposals for a set, as methods."""

    _model: ModelLike
    _device: str | None

    @abstractmethod
    def edit_objects(self, name: str, change: ObjectsChange) -> None:
        """Change the objects of an image, also those shown in a widget."""

    @abstractmethod
    def checked_class(self, label: str | None) -> str | None:
        """Return a label if objects may have it."""

    def _start_proposals(self) -> None:
        self._proposals: ManyProposals[str] | None = None
        self._proposing = TransientThreadExecutor("sam2-widget-set-proposals")

    def propose(
        self,
        images: Iterable[str | int] | None = None,
        *,
        chosen: ProposalFilter | None = None,
        label: str | None = None,
        points_per_side: int = 16,
        layers: int = 0,
    ) -> ManyProposals[str]:
        """Look for everything in images without objects, one after the other, in the background.

        What is found becomes objects that wait to be accepted: ``s.review(accepted=False)``, and
        **Review** on the page, show them. An image counts as untouched until then. Images that have
        objects are left as they are, so that a search that was cancelled can be continued.

        Parameters
        ----------
        images : iterable of str or int, optional
            Names or numbers; by default all images that need work.
        chosen : ProposalFilter, optional
            Which proposals become objects; by default with the thresholds that suit the model.
        label : str, optional
            Label of all of them.
        points_per_side, layers : optional
            See `sam2_widget.propose`.

        Returns
        -------
        ManyProposals
            With ``progress``, ``done``, ``cancel()``, ``wait(timeout)``, ``found`` and ``failures``
            by image. An earlier search is cancelled.

        Raises
        ------
        ImageError
            If there is no such image.
        LabelError
            If objects may not have the label.
        SettingError
            If a setting is out of its range.

        Examples
        --------
        >>> s.propose(label="cell").wait()  # doctest: +SKIP
        True
        >>> s.review(accepted=False, sort="score")  # doctest: +SKIP
        """
        grid = Grid(points_per_side, layers)
        if chosen is not None and not isinstance(chosen, ProposalFilter):
            raise SettingError(f"chosen must be a ProposalFilter, got {chosen!r}")
        if chosen is not None and chosen.min_likeness:
            raise SettingError(NO_EXAMPLES)
        given = self._without_objects() if images is None else self._named(images)
        label = self.checked_class(label)
        if self._proposals is not None:
            self._proposals.cancel()
        job = self._proposals = ManyProposals(given)
        search = _SetSearch(self, job, grid, chosen, label)
        self._proposing.submit(self._run_proposals, job, search)
        return job

    def _run_proposals(self, job: ManyProposals[str], search: _SetSearch) -> None:
        job.run(search)
        self.report_proposals(job)

    def report_proposals(self, job: ManyProposals[str]) -> None:
        """Called when a search has ended; a hook for subclasses."""

    def _without_objects(self) -> list[str]:
        known = self.store.by_old_names
        return [one for one in self.names if not (known(one).objects or known(one).is_finished)]

    def _named(self, images: Iterable[str | int]) -> list[str]:
        if isinstance(images, str):
            raise SettingError(f"images must be several names or numbers, e.g. [{images!r}]")
        return list(dict.fromkeys(self.image_at(self.number(one)).name for one in images))

    def _end_proposals(self) -> None:
        if self._proposals is not None:
            self._proposals.cancel()


class _SetSearch:
    """Searches one image of a set after the other."""

    def __init__(
        self,
        images: SetProposals,
        job: ManyProposals[str],
        grid: Grid,
        chosen: ProposalFilter | None,
        label: str | None,
    ) -> None:
        self._images = images
        self._job = job
        self._grid = grid
        self._chosen = chosen
        self._label = label
        self._predictor: Predictor | None = None

    def __call__(self, name: str) -> int | None:
        """The number of objects that an image has got; None if the job was cancelled."""
        images = self._images
        if images.annotations(name).objects:
            return 0
        loaded = images.load(images.image_at(images.number(name)))
        proposals = self._search(loaded)
        if proposals is None:
            return None
        size = loaded.rgb.shape[:2]
        objects = _stored(proposals, (size[0], size[1]), self._label)
        added = 0

        def change(known: ImageAnnotations) -> dict[str, Any]:
            nonlocal added
            if known.objects or not objects:
                return {}  # the user was faster
            added = len(objects)
            return {"objects": objects}

        if images.store.is_closed:
            raise ClosedError("the set is closed: open it again")
        images.edit_objects(name, change)
        return added

    def _search(self, loaded: LoadedImage) -> list[Proposal] | None:
        if self._predictor is None:
            plan = plan_for(self._images._model, self._images._device)  # noqa: SLF001 - its methods
            self._predictor = recovery.attempt(plan, lambda one: one.load(), report=logger.info)
        search = ProposalSearch(loaded.rgb, self._predictor, self._grid)
        while not search.is_done:
            if self._job.cancelled:
                return None
            search.advance(logger.info)
            self._job.note_share(search.completed / max(search.total, 1))
        self._predictor = search.predictor
        return (self._chosen or default_filter(self._predictor))(search.proposals)


def _stored(
    proposals: Sequence[Proposal], size: tuple[int, int], label: str | None
) -> tuple[StoredObject, ...]:
    """Proposals as objects with measures; the best is the lowest."""
    time = now()
    pairs = zip(proposals, object_prompts(proposals, size, label), strict=True)
    return tuple(
        StoredObject(
            number, prompts, time=time, measure=Measure(round(one.score, 4), one.area, one.box)
        )
        for number, (one, prompts) in enumerate(pairs, 1)
    )
