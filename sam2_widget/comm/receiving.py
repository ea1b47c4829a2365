"""Checks messages of pages and carries them out: prompts, actions and queries."""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from time import perf_counter
from typing import Any

from sam2_widget._utils.interrupts import defer_sigint
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.notices import ALL_PAGES
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.regrouping import merging, splitting
from sam2_widget.annotation.session import AnnotatedObject, Session, number_of
from sam2_widget.annotation.stack_tracks import NOT_A_STACK
from sam2_widget.autosave.autosave import Autosave
from sam2_widget.comm import requests
from sam2_widget.comm.publishing import Publisher
from sam2_widget.errors import MessageError, PromptError, SegmentationError
from sam2_widget.prompts.collections import Prompt, add_prompt
from sam2_widget.proposals.grid import Grid, checked_region

logger = logging.getLogger(__name__)

CONFLICT = "The objects were changed elsewhere at the same time: click again."

TRACKED = "That object has no prompts on this plane: click on it first, which adds some."

NO_PROPOSALS = "These proposals are no longer there: a new search has replaced them."

UNDO_REMOVED = "Undo removed {} objects. Redo brings them back."

CLIENTS_KEPT = 32
"""Pages whose last applied request is published; every reload counts as a new page."""

CLIENTS_REMEMBERED = 4096
"""Pages whose last request is stored, so that no request is carried out twice."""

MAX_GAP = 100_000
"""Largest gap between the numbers of two requests of a page, for lost or merged ones. A larger gap
means a forged client id, after which requests of the real page would be taken for old ones."""


class Receiver:
    """Handles the messages of pages.

    Parameters
    ----------
    planes : Planes
    publisher : Publisher
    ack : dict of str to int
        Newest request applied, by client; updated here.
    query : callable
        Called with a query, which changes nothing and may be answered later.
    transfer : callable
        Called with a request about a file, and the message's buffers.
    autosave : Autosave
        Provides the earlier prompts of the image.
    advance : callable
        Called with the number of an image of a set, and where a page goes from it.
    committed : callable
        Called with the annotator and the id of an object that a page has finished.
    set_traits : callable
        Called with traits that arrive in a custom message.
    """

    def __init__(
        self,
        planes: Planes,
        publisher: Publisher,
        ack: dict[str, int],
        *,
        query: Callable[[requests.Query], None],
        transfer: Callable[[requests.Transfer, Sequence[object]], None],
        autosave: Autosave,
        advance: Callable[[int, str], None],
        committed: Callable[[Annotator, int], None],
        set_traits: Callable[[dict[str, Any]], None],
    ) -> None:
        self._planes = planes
        self._publisher = publisher
        self._ack = ack
        self._left: OrderedDict[str, int] = OrderedDict()
        self._query = query
        self._transfer = transfer
        self._autosave = autosave
        self._advance = advance
        self._committed = committed
        self._arrived = 0.0
        self._set_traits = set_traits

    def prompts(self, content: object) -> None:
        """Handle the trait ``prompts``."""
        self._guarded(content, self._take_prompts)

    def message(self, content: object, buffers: Sequence[object] = ()) -> None:
        """Handle a custom message."""
        self._guarded(content, lambda content: self._take_message(content, buffers))

    def is_framed(self, message: object) -> bool:
        """Whether ipywidgets can unpack a message; notify the user if not."""
        try:
            requests.check_frame(message)
        except MessageError as error:
            self._refuse(None, str(error))
            return False
        return True

    def _guarded(self, content: object, take: Callable[[object], None]) -> None:
        """Run a handler; errors become a notice in the widget, as no cell shows them."""
        self._arrived = perf_counter()
        self._publisher.ahead.message_arrived()
        # On ipykernel 6 this is the main thread, where a cell may be interrupted at this moment.
        with defer_sigint():
            self._taken(content, take)

    def _taken(self, content: object, take: Callable[[object], None]) -> None:
        try:
            take(content)
        except SegmentationError as error:
            self._refuse(content, str(error))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "a message from the browser could not be handled", error)
            self._refuse(content, f"Something went wrong in the kernel: {error!r}")

    def _refuse(self, content: object, notice: str) -> None:
        """Notify the page why nothing was done, and acknowledge the request."""
        with self._planes.lock:
            rid = requests.request_id(content)
            if rid is not None:
                with contextlib.suppress(MessageError):
                    self._acknowledge(rid)
            self._planes.notices.add(notice, rid.client if rid else ALL_PAGES)
        self._planes.shown.after_edit()

    def _take_prompts(self, content: object) -> None:
        request = requests.parse_prompts(content)
        annotator = self._planes.of_epoch(request.epoch)
        with annotator.lock:
            if not self._acknowledge(request.rid):
                return
            taken = self._apply(annotator, request.epoch, request)
            in_view = annotator is self._planes.shown
        annotator.after_edit(prediction_follows=in_view and taken)

    def _take_message(self, content: object, buffers: Sequence[object]) -> None:
        message = requests.parse_message(content)
        if isinstance(message, requests.Query):
            self._query(message)
        elif isinstance(message, requests.Transfer):
            self._transfer(message, buffers)
        elif isinstance(message, requests.AckProbe):
            self._take_timings(message.timings)
        elif isinstance(message, (requests.Hello, requests.Traits, requests.Dismiss)):
            self._take_upkeep(message)
        else:
            self._take_request(message)

    def _take_upkeep(self, message: requests.Hello | requests.Traits | requests.Dismiss) -> None:
        if isinstance(message, requests.Hello):
            with self._planes.lock:
                self._publisher.publish_again(message.objects, message.timeline, message.proposals)
        elif isinstance(message, requests.Traits):
            self._set_traits(message.traits)
        else:
            self._autosave.take()

    def _take_request(self, message: requests.Action) -> None:
        if isinstance(message, requests.ShowPlane):
            self._take_plane(message)
        elif isinstance(message, requests.Advance):
            self._take_advance(message)
        elif isinstance(message, requests.Restore):
            self._take_restore(message)
        elif isinstance(message, requests.Tracking):
            self._take_tracking(message)
        elif isinstance(message, requests.Searching):
            self._take_searching(message)
        elif isinstance(message, requests.Accept):
            self._take_accept(message)
        elif isinstance(message, (requests.Merge, requests.Split)):
            self._take_regrouping(message)
        else:
            self._take_action(message)

    def _take_timings(self, timings: Iterable[requests.PageTiming]) -> None:
        for timing in timings:
            page = (timing.browser / 1e3, timing.trip / 1e3, timing.paint / 1e3)
            self._planes.timings.add_page_times(timing.client, timing.n, page)

    def _take_plane(self, request: requests.ShowPlane) -> None:
        annotator, plane = self._planes.of_epoch(request.epoch), self._planes.checked(request.plane)
        with annotator.lock:
            if not self._acknowledge(request.rid):
                return
            self._apply(annotator, request.epoch, request)
            self._planes.show_plane_later(plane, request.rid.client)
        annotator.after_edit()

    def _take_advance(self, request: requests.Advance) -> None:
        annotator = self._planes.of_epoch(request.epoch)
        with annotator.lock:
            if not self._acknowledge(request.rid):
                return
            self._apply(annotator, request.epoch, request)
        annotator.after_edit()
        self._advance(self._planes.number(annotator), request.to)

    def _take_restore(self, restore: requests.Restore) -> None:
        saved = self._autosave.take()
        if saved is None:
            raise MessageError("There is nothing to restore: it was restored or dismissed before.")
        planes = dict(saved.planes)
        own = planes.pop(self._planes.number(self._planes.of_epoch(restore.epoch)), None)
        self._carry_out(restore, lambda session: None if own is None else session.restore(own))
        for index, prompts in planes.items():
            other = self._planes[index]
            other.edit(partial(other.session.restore, prompts))
        self._planes.shown.notify(_restored(saved.count), restore.rid.client)

    def _take_tracking(self, request: requests.Tracking) -> None:
        """Handle a request about tracks, after applying its prompts."""
        annotator, tracking = self._planes.of_epoch(request.epoch), self._planes.tracking
        if not self._take_prompts_of(request, annotator):
            return
        active = annotator.session.annotation.active
        if tracking is None:
            raise PromptError(NOT_A_STACK)
        if isinstance(request, requests.Track):
            tracking.start(_numbers(request, active), request.planes, request.direction)
        elif isinstance(request, requests.CancelTrack):
            tracking.tracker.cancel()
        elif isinstance(request, requests.Untrack):
            tracking.untrack(request.numbers, request.planes)
        else:
            tracking.mark(request.planes)
            self._planes.found_objects()

    def _take_prompts_of(self, request: requests.Action, annotator: Annotator) -> bool:
        """Apply the prompts of an action that is no edit; False if it was received before."""
        with annotator.lock:
            if not self._acknowledge(request.rid):
                return False
            self._apply(annotator, request.epoch, request)
        annotator.after_edit()
        return True

    def _take_searching(self, request: requests.Searching) -> None:
        """Handle a request about the search for proposals, after applying its prompts."""
        annotator = self._planes.of_epoch(request.epoch)
        if not self._take_prompts_of(request, annotator):
            return
        job = annotator.proposer.job
        if isinstance(request, requests.Propose):
            size = annotator.session.height, annotator.session.width
            grid = Grid(request.points_per_side, request.layers)
            annotator.proposer.start(grid, checked_region(request.region, size))
        elif isinstance(request, requests.CancelPropose):
            if job is not None:
                job.cancel()
        elif job is None or job.number != request.job:
            raise MessageError(NO_PROPOSALS)
        elif request.rejected:
            job.rejected.update(one.number for one in job.numbered(request.numbers))
        else:
            job.rejected.difference_update(request.numbers)
        annotator.found_proposals()

    def _take_accept(self, request: requests.Accept) -> None:
        annotator = self._planes.of_epoch(request.epoch)
        job = annotator.proposer.job
        if job is None or job.number != request.job:
            raise MessageError(NO_PROPOSALS)
        there = job.accepted_in(annotator.session.annotation)
        chosen = [one for one in job.numbered(request.numbers) if one.number not in there]
        self._carry_out(request, annotator.accepting(chosen) if chosen else lambda _: None)

    def _take_regrouping(self, request: requests.Merge | requests.Split) -> None:
        annotator = self._planes.of_epoch(request.epoch)
        ids = request.objects if isinstance(request, requests.Merge) else (request.object,)
        if any(number_of(one) is not None for one in ids):
            raise MessageError(TRACKED)
        try:
            snapshot = annotator.snapshot()
            predictions = [snapshot.prediction_of(one) for one in ids]
            # Not under the lock: computing the masks of a large image is slow.
            if isinstance(request, requests.Merge):
                change = merging(annotator, ids, predictions)
            else:
                change = splitting(annotator, request.object, predictions[0])
        except LookupError as error:
            raise MessageError("That object is no longer there.") from error
        self._carry_out(request, change)

    def _take_action(self, action: requests.Action) -> None:
        annotator = self._planes.of_epoch(action.epoch)
        before = len(annotator.session.annotation.objects)
        self._carry_out(action, action.apply)
        lost = before - len(annotator.session.annotation.objects)
        if isinstance(action, requests.Undo) and lost > 1:
            annotator.notify(UNDO_REMOVED.format(lost), action.rid.client)

    def _carry_out(self, action: requests.Action, change: Callable[[Session], object]) -> None:
        annotator = self._planes.of_epoch(action.epoch)
        with annotator.lock:
            if not self._acknowledge(action.rid):
                return
            committed = self._apply_action(annotator, action, change)
        annotator.after_edit()
        if committed is not None:
            self._committed(annotator, committed)

    def _apply_action(
        self, annotator: Annotator, action: requests.Action, change: Callable[[Session], object]
    ) -> int | None:
        """Apply an action and its prompts; returns the id of the object it has committed."""
        is_stale = action.epoch != annotator.epoch
        annotator.epoch += 1
        if action.needs_epoch and is_stale:
            self._planes.notices.add(CONFLICT, action.rid.client)
            return None
        self._apply(annotator, action.epoch + 1, action)
        active = annotator.session.annotation.active_id
        try:
            change(annotator.session)
        except LookupError as error:
            raise MessageError("That object is no longer there.") from error
        return active if isinstance(action, requests.Commit) else None

    def _acknowledge(self, rid: requests.RequestId) -> bool:
        """Record a request; False if it or a later one of the page has been received before.

        Raises
        ------
        MessageError
            If its number is too large to be of that page.
        """
        last = self._ack.get(rid.client, self._left.get(rid.client, -1))
        if rid.n <= last:
            return False
        if rid.n - last > MAX_GAP:
            raise MessageError(f"Request {rid.n} of a page follows on its {last}: reload the page.")
        self._left.pop(rid.client, None)
        self._ack.pop(rid.client, None)
        self._ack[rid.client] = rid.n
        self._planes.timings.received(rid.client, rid.n, self._arrived)
        while len(self._ack) > CLIENTS_KEPT:
            self._forget(next(iter(self._ack)))
        self._planes.notices.dismiss(rid.client, rid.seen)
        return True

    def _forget(self, client: str) -> None:
        """Stop acknowledging requests of a page that has sent nothing for long."""
        self._left[client] = self._ack.pop(client)
        if len(self._left) > CLIENTS_REMEMBERED:
            self._left.popitem(last=False)
        self._planes.notices.remove_client(client, self._ack)

    def _apply(
        self, annotator: Annotator, epoch: int, request: requests.PromptsRequest | requests.Action
    ) -> bool:
        """Apply a page's prompts, unless they are of another object than the active one."""
        if request.prompts is None:
            return True
        if epoch != annotator.epoch:
            self._planes.notices.add(CONFLICT, request.rid.client)
            return False
        prompts = tuple(self._resolved(p) for p in request.prompts)
        if request.adds:
            active = annotator.session.annotation.active
            prompts = reduce(add_prompt, prompts, active.prompts if active else ())
        annotator.session.set_prompts(prompts)
        return True

    def _resolved(self, prompt: requests.SentPrompt) -> Prompt:
        if not isinstance(prompt, requests.Known):
            return prompt
        known = self._publisher.prompts_by_key.get(prompt.key)
        if known is None:
            raise MessageError("That stroke is no longer there: draw it again.")
        return known


def _numbers(request: requests.Track, active: AnnotatedObject | None) -> tuple[int, ...] | None:
    """Numbers of the objects that are to be tracked; None for all."""
    if request.numbers is None or not request.active:
        return request.numbers
    if active is None or active.number is None:
        raise PromptError("No object is being worked on: click one first.")
    return (*request.numbers, active.number)


def _restored(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'} restored. Undo removes them again."
