"""What a click would give: told to who hovers, and to who presses.

A button is held for a tenth of a second. By the time it is released the answer is mostly there: on
the page, which shows it at once, or here.
"""

from __future__ import annotations

import logging
from functools import partial

from sam2_widget.answers import Answer
from sam2_widget.comm import wire
from sam2_widget.comm.publishing import Publisher, Send
from sam2_widget.comm.requests import Hover, Press
from sam2_widget.errors import MessageError, PromptError
from sam2_widget.kinds import Point
from sam2_widget.models.worker import Worker
from sam2_widget.planes import Planes
from sam2_widget.session import Annotation
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

MAX_PAGES = 32
"""Pages whose hovers wait for an answer at one time."""


class Previews:
    """Answers hovers: of each page the newest, and none while clicks wait. And foresees clicks.

    Parameters
    ----------
    planes : Planes
    publisher : Publisher
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(
        self,
        planes: Planes,
        publisher: Publisher,
        send: Send,
    ) -> None:
        self._planes = planes
        self._publisher = publisher
        self._send = send
        self._newest: dict[str, Hover] = {}
        self._press: Press | None = None
        self._worker: Worker | None = None

    def ask(self, hover: Hover) -> None:
        """Answer `hover` soon, unless a newer one of the same page comes first."""
        asked, self._worker = self._worker, self._planes.shown.engine.worker
        with self._planes.lock:
            # Not if it is with a model that has been replaced, perhaps as it does not answer.
            is_queued = bool(self._newest) and asked is self._worker
            self._newest[hover.client] = hover
            while len(self._newest) > MAX_PAGES:
                del self._newest[next(iter(self._newest))]
        if not is_queued:
            self._worker.submit_idle(self._answer_all)

    def expect(self, press: Press) -> None:
        """Tell the answer to the click that `press` will be; that of a drag is forgotten."""
        self._press = press
        self._planes.shown.engine.worker.submit(partial(self._foresee, press, self._annotation))

    def _foresee(self, press: Press, before: Annotation) -> None:
        if press is not self._press or before is not self._annotation:
            return  # its click is here already: it would be asked about once more
        answer = self._answer(press)
        with self._planes.lock:
            # If the click itself has come meanwhile, the state with its answer follows.
            if answer is not None and before is self._annotation:
                self._tell(press, answer)

    @property
    def _annotation(self) -> Annotation:
        return self._planes.shown.session.annotation

    def _answer_all(self) -> None:
        with self._planes.lock:
            hovers, self._newest = self._newest, {}
        for hover in hovers.values():
            answer = self._answer(hover)
            with self._planes.lock:
                self._tell(hover, answer)

    def _tell(self, asked: Hover, answer: Answer | None) -> None:
        message = wire.preview_message(asked, answer, self._publisher.told)
        self._send(message.content, message.buffers)

    def _answer(self, hover: Hover) -> Answer | None:
        """What a click there would give; None if that cannot be told now."""
        try:
            annotator = self._planes.of_epoch(hover.epoch)
        except MessageError:
            return None
        answers, annotation = annotator.engine.answers, annotator.session.annotation
        is_free = annotator.status.phase == "ready" and annotator.engine.worker.here
        busy = not is_free or hover.epoch != annotator.epoch
        # Not for a pointer that passes by does a model come back to its device.
        if answers is None or busy or getattr(answers.predictor, "resting", False):
            return None
        try:
            point = Point(hover.x, hover.y, hover.label)
            point.check_inside(annotator.session.width, annotator.session.height)
            before = annotation.active.prompts if annotation.active else ()
            return answers.preview((*before, point), annotation.settings)
        except PromptError:
            return None
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "a preview could not be made", error)
            return None
