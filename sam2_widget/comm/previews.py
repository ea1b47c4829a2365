"""Speculative predictions: for the point under the pointer, and for a pressed mouse button.

A mouse button is held for about a tenth of a second. When it is released the prediction is mostly
finished: the page shows it at once, or the kernel has it in its cache.
"""

from __future__ import annotations

import logging
from functools import partial

from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.planes import EPOCHS, Planes
from sam2_widget.annotation.predictions import Prediction
from sam2_widget.annotation.session import Annotation
from sam2_widget.comm import wire
from sam2_widget.comm.publishing import Publisher, Send
from sam2_widget.comm.requests import Hover, Press
from sam2_widget.errors import PromptError
from sam2_widget.models.worker import Worker
from sam2_widget.prompts.types import Point

logger = logging.getLogger(__name__)

MAX_PAGES = 32
"""Largest number of pages whose hovers may wait for a reply."""


class Previews:
    """Replies to the newest hover of each page, after clicks; predicts presses speculatively.

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

    def request(self, hover: Hover) -> None:
        """Reply to `hover` soon, unless a newer one of the same page comes first."""
        before, self._worker = self._worker, self._planes.shown.model.worker
        with self._planes.lock:
            # Unless that job waits for a model that has been replaced, perhaps because it hangs.
            is_queued = bool(self._newest) and before is self._worker
            self._newest[hover.client] = hover
            while len(self._newest) > MAX_PAGES:
                del self._newest[next(iter(self._newest))]
        if not is_queued:
            self._worker.submit_idle(self._reply_to_all)

    def predict_press(self, press: Press) -> None:
        """Predict the click that `press` may become; for a drag the prediction is dropped."""
        self._press = press
        self._planes.shown.model.worker.submit(
            partial(self._predict_press, press, self._annotation)
        )

    def _predict_press(self, press: Press, before: Annotation) -> None:
        if press is not self._press or before is not self._annotation:
            return  # its click is here already, and is predicted itself
        prediction = self._predict(press)
        with self._planes.lock:
            # If the click has been received meanwhile, the state with its prediction follows.
            if prediction is not None and before is self._annotation:
                self._reply(press, prediction)

    @property
    def _annotation(self) -> Annotation:
        return self._planes.shown.session.annotation

    def _reply_to_all(self) -> None:
        with self._planes.lock:
            hovers, self._newest = self._newest, {}
        for hover in hovers.values():
            prediction = self._predict(hover)
            with self._planes.lock:
                self._reply(hover, prediction)

    def _reply(self, hover: Hover, prediction: Prediction | None) -> None:
        message = wire.preview_message(hover, prediction, self._publisher.registry)
        self._send(message.content, message.buffers)

    def _predict(self, hover: Hover) -> Prediction | None:
        """The prediction for a click there; None if it cannot be predicted now."""
        annotator = self._planes.existing(hover.epoch // EPOCHS)
        if annotator is None:
            return None
        cache, annotation = annotator.model.predictions, annotator.session.annotation
        is_free = annotator.status.phase == "ready" and annotator.model.worker.here
        busy = not is_free or hover.epoch != annotator.epoch
        # A hover does not reload a model to its device.
        if cache is None or busy or getattr(cache.predictor, "offloaded", False):
            return None
        if not cache.is_embedding_loaded:
            return None  # the models' thread does not wait for a disk
        try:
            point = Point(hover.x, hover.y, hover.label)
            point.check_inside(annotator.session.width, annotator.session.height)
            active = None if hover.fresh else annotation.active
            before = active.prompts if active else ()
            return cache.preview((*before, point), annotation.settings)
        except PromptError:
            return None
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "a preview could not be made", error)
            return None
