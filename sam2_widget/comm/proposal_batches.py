"""Sends new proposals and the progress of the search to pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sam2_widget._utils.text import presentable
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.proposal_job import ProposalJob
from sam2_widget.comm import messages
from sam2_widget.comm.proposals import ProposalContent, ProposalsMessage, ProposingTrait
from sam2_widget.proposals.likeness import SUGGESTED, SUGGESTED_OVERLAP
from sam2_widget.proposals.proposal import Proposal

EVERY = 0.2
"""Smallest number of seconds between two messages while a search runs."""

MAX_BATCH = 256
"""Largest number of proposals in a message: a huge message blocks the page."""


class ProposalPublisher:
    """Brings the proposals of all pages up to date, and sends only what is new.

    Parameters
    ----------
    planes : Planes
    send : callable
        Sends a custom message: content and buffers.
    set_proposing : callable
        Sets the trait ``_proposing``.
    publish_later : callable
        Called with a number of seconds, after which `publish` must be called again.

    Attributes
    ----------
    proposing : dict
        The newest ``_proposing``; empty if there was no search.
    """

    def __init__(
        self,
        planes: Planes,
        *,
        send: Callable[[messages.KernelMessage, list[bytes]], None],
        set_proposing: Callable[[ProposingTrait], None],
        publish_later: Callable[[float], object],
    ) -> None:
        self._planes = planes
        self._send = send
        self._set_proposing = set_proposing
        self._publish_later = publish_later
        self._job: ProposalJob | None = None
        self._sent = 0
        self._marks: tuple[list[int], list[int]] = ([], [])
        self._likeness: list[float] = []
        self._count = 0
        self._next = 0.0
        self.proposing: ProposingTrait = {}

    def publish(self) -> None:
        """Send what has changed; the caller holds the annotators' lock."""
        job = self._planes.shown.proposer.job
        if job is not self._job:
            self._begin(job)
        if job is None:
            return
        if self._is_too_early(job):
            self._publish_later(self._next - time.monotonic())
            return
        # First, because a search that ends meanwhile publishes again.
        is_running = not job.done
        self._send_new(job)
        self._next = time.monotonic() + EVERY
        self._publish_trait(job, is_running=is_running)

    def publish_again(self, seen: int) -> None:
        """Send all proposals, unless a page has received everything up to `seen`."""
        if self._job is None and not self._count:
            return
        if seen != self._count:
            self._begin(self._job)
        self._next = 0.0
        self.publish()

    def _is_too_early(self, job: ProposalJob) -> bool:
        """Whether the search goes on, and the last message was sent a moment ago."""
        goes_on = not job.done and job.total == self.proposing.get("total")
        same_marks = self._marks_of(job) == self._marks
        return goes_on and same_marks and time.monotonic() < self._next

    def _begin(self, job: ProposalJob | None) -> None:
        """Reset the proposals of all pages."""
        self._job, self._sent, self._marks, self._next = job, 0, ([], []), 0.0
        self._likeness = []
        self._put([], reset=True)
        if job is None:
            self.proposing = {}
            self._set_proposing(self.proposing)

    def _send_new(self, job: ProposalJob) -> None:
        new, marks = job.proposals[self._sent :], self._marks_of(job)
        likeness = list(job.compared.likeness.values())
        changed = None if likeness == self._likeness else likeness
        if not new and marks == self._marks and changed is None:
            return
        self._sent, self._marks, self._likeness = self._sent + len(new), marks, likeness
        for start in range(0, max(len(new), 1), MAX_BATCH):
            self._put(new[start : start + MAX_BATCH], likeness=changed)
            changed = None

    def _marks_of(self, job: ProposalJob) -> tuple[list[int], list[int]]:
        annotation = self._planes.shown.session.annotation
        return sorted(job.accepted_in(annotation)), sorted(job.rejected)

    def _put(
        self,
        new: Sequence[Proposal],
        *,
        likeness: list[float] | None = None,
        reset: bool = False,
    ) -> None:
        self._count += 1
        accepted, rejected = self._marks
        content: ProposalsMessage = {
            "type": "proposals",
            "n": self._count,
            "job": self._job.number if self._job else 0,
            "reset": reset,
            "put": [_content(one, index) for index, one in enumerate(new)],
            "accepted": accepted,
            "rejected": rejected,
            "likeness": likeness,
        }
        self._send(content, [one.mask.data for one in new])

    def _publish_trait(self, job: ProposalJob, *, is_running: bool) -> None:
        chosen, examples = job.filter, job.compared.examples
        trait: ProposingTrait = {
            "job": job.number,
            "message": self._count,
            "region": job.region,
            "running": is_running,
            "done": job.completed,
            "total": job.total,
            "note": presentable(job.note),
            "error": presentable(job.error),
            "thresholds": {
                "min_score": chosen.min_score,
                "min_stability": chosen.min_stability,
                "min_area": chosen.min_area,
                "max_area": chosen.max_area,
                "max_overlap": chosen.max_overlap,
            },
            "examples": {
                "count": len(examples),
                "label": examples.label,
                "min_likeness": SUGGESTED,
                "max_overlap": SUGGESTED_OVERLAP,
            },
        }
        if trait != self.proposing:
            self.proposing = trait
            self._set_proposing(trait)


def _content(proposal: Proposal, buffer: int) -> ProposalContent:
    return {
        "number": proposal.number,
        "crop": proposal.found.crop.box,
        "box": proposal.box,
        "score": proposal.score,
        "stability": proposal.stability,
        "area": proposal.area,
        "width": proposal.mask.width,
        "height": proposal.mask.height,
        "buffer": buffer,
    }
