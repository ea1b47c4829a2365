"""What arrives from pages: prompts, actions and questions, checked and carried out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from time import perf_counter
from typing import Any

from sam2_widget.annotator import Annotator
from sam2_widget.comm import requests
from sam2_widget.comm.publishing import Publisher
from sam2_widget.errors import MessageError, SegmentationError
from sam2_widget.interrupts import held_back
from sam2_widget.notices import EVERYBODY
from sam2_widget.planes import Planes
from sam2_widget.prompts import Prompt, add_prompt
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

ELSEWHERE = "The objects were changed elsewhere at the same moment: click again."

CLIENTS_KEPT = 32
"""Browsers whose last request is remembered; every reload of a page is a new one."""


class Receiver:
    """Takes what pages send.

    Parameters
    ----------
    planes : Planes
    publisher : Publisher
    ack : dict of str to int
        Newest request applied, by client: kept up to date here.
    ask : callable
        Takes a question, which changes nothing and may be answered later.
    transfer : callable
        Takes a request about a file, and the message's buffers.
    committed : callable
        Told the annotator and the id of an object that a page has finished.
    set_traits : callable
        Takes what else comes as traits, the prompts among them.
    """

    def __init__(
        self,
        planes: Planes,
        publisher: Publisher,
        ack: dict[str, int],
        *,
        ask: Callable[[requests.Question], None],
        transfer: Callable[[requests.Transfer, Sequence[object]], None],
        committed: Callable[[Annotator, int], None],
        set_traits: Callable[[dict[str, Any]], None],
    ) -> None:
        self._planes = planes
        self._publisher = publisher
        self._ack = ack
        self._ask = ask
        self._transfer = transfer
        self._committed = committed
        self._arrived = 0.0
        self._set_traits = set_traits

    def prompts(self, content: object) -> None:
        """Take the trait ``prompts``."""
        self._guarded(content, self._take_prompts)

    def message(self, content: object, buffers: Sequence[object] = ()) -> None:
        """Take a custom message."""
        self._guarded(content, lambda content: self._take_message(content, buffers))

    def is_framed(self, message: object) -> bool:
        """Whether a message has the form that ipywidgets unpacks; if not, the user is told."""
        try:
            requests.check_frame(message)
        except MessageError as error:
            self._refuse(None, str(error))
            return False
        return True

    def _guarded(self, content: object, take: Callable[[object], None]) -> None:
        """Run a handler; what goes wrong is told in the widget, for no cell would show it."""
        self._arrived = perf_counter()
        # On ipykernel 6 this is the main thread, where a cell may be interrupted at this moment.
        with held_back():
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
        """Say why nothing was done. The page waits for every request to be acknowledged."""
        with self._planes.lock:
            rid = requests.request_id(content)
            if rid is not None:
                self._acknowledge(rid)
            self._planes.notices.tell(notice, rid.client if rid else EVERYBODY)
        self._planes.shown.after_edit()

    def _take_prompts(self, content: object) -> None:
        request = requests.parse_prompts(content)
        annotator = self._planes.of_epoch(request.epoch)
        with annotator.lock:
            if not self._acknowledge(request.rid):
                return
            taken = self._apply(annotator, request.epoch, request)
            in_view = annotator is self._planes.shown
        annotator.after_edit(answer_follows=in_view and taken)

    def _take_message(self, content: object, buffers: Sequence[object]) -> None:
        message = requests.parse_message(content)
        if isinstance(message, requests.Hello):
            with self._planes.lock:
                self._publisher.publish_again(message.objects)
        elif isinstance(message, requests.Question):
            self._ask(message)
        elif isinstance(message, requests.Transfer):
            self._transfer(message, buffers)
        elif isinstance(message, requests.Traits):
            self._set_traits(message.traits)
        elif isinstance(message, requests.Nudge):
            self._take_timings(message.timings)
        elif isinstance(message, requests.Turn):
            self._take_turn(message)
        else:
            self._take_action(message)

    def _take_timings(self, timings: Iterable[requests.PageTiming]) -> None:
        for timing in timings:
            page = (timing.browser / 1e3, timing.trip / 1e3, timing.paint / 1e3)
            self._planes.timings.told(timing.client, timing.n, page)

    def _take_turn(self, turn: requests.Turn) -> None:
        annotator, plane = self._planes.of_epoch(turn.epoch), self._planes.checked(turn.plane)
        with annotator.lock:
            if not self._acknowledge(turn.rid):
                return
            self._apply(annotator, turn.epoch, turn)
            self._planes.turn_later(plane, turn.rid.client)
        annotator.after_edit()

    def _take_action(self, action: requests.Action) -> None:
        annotator = self._planes.of_epoch(action.epoch)
        with annotator.lock:
            if not self._acknowledge(action.rid):
                return
            annotator.epoch += 1
            self._apply(annotator, action.epoch + 1, action)
            active = annotator.session.annotation.active_id
            try:
                action.apply(annotator.session)
            except LookupError as error:
                raise MessageError("That object is no longer there.") from error
        annotator.after_edit()
        if isinstance(action, requests.Commit) and active is not None:
            self._committed(annotator, active)

    def _acknowledge(self, rid: requests.RequestId) -> bool:
        """Note a request; False if a later one of the same browser was here before."""
        if rid.n <= self._ack.get(rid.client, -1):
            return False
        self._ack.pop(rid.client, None)
        self._ack[rid.client] = rid.n
        self._planes.timings.received(rid.client, rid.n, self._arrived)
        while len(self._ack) > CLIENTS_KEPT:
            oldest = next(iter(self._ack))
            del self._ack[oldest]
            self._planes.notices.forget(oldest, self._ack)
        self._planes.notices.seen(rid.client, rid.seen)
        return True

    def _apply(
        self, annotator: Annotator, epoch: int, request: requests.PromptsRequest | requests.Action
    ) -> bool:
        """Take the browser's prompts, unless they are about another object than ours."""
        if request.prompts is None:
            return True
        if epoch != annotator.epoch:
            self._planes.notices.tell(ELSEWHERE, request.rid.client)
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
        known = self._publisher.heavy.get(prompt.key)
        if known is None:
            raise MessageError("That stroke is no longer there: draw it again.")
        return known
