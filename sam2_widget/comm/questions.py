"""What pages ask beside edits: previews, tiles and values. Nothing here changes anything."""

from __future__ import annotations

import logging

import numpy as np

from sam2_widget.comm import wire
from sam2_widget.comm.previews import Previews
from sam2_widget.comm.publishing import Publisher, Send
from sam2_widget.comm.requests import Hover, Press, Probe, Question, Tiles
from sam2_widget.models import worker
from sam2_widget.planes import Planes
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)


class Questions:
    """Answers the questions of pages.

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
        *,
        send: Send,
    ) -> None:
        self._previews = Previews(planes, publisher, send)
        self._planes = planes
        self._send = send

    def ask(self, question: Question) -> None:
        """Answer `question`, now or as soon as it can be."""
        if isinstance(question, Press):
            self._previews.expect(question)
        elif isinstance(question, Hover):
            self._previews.ask(question)
        elif isinstance(question, Tiles):
            # On a thread of its own: clicks do not wait for pictures.
            worker.call_server(lambda: self._serve(question))
        else:
            self._tell_values(question)

    def _serve(self, question: Tiles) -> None:
        try:
            shown = self._planes.picture
            if shown.index != question.plane:
                return  # no page shows it any more
            files = [shown.pyramid.tile(question.level, *place) for place in question.tiles]
            message = wire.tiles_message(question, files)
            self._send(message.content, message.buffers)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "tiles could not be served", error)

    def _tell_values(self, probe: Probe) -> None:
        shown = self._planes.picture
        numbers = shown.image.values
        height, width = numbers.shape[:2]
        values: list[float] = []
        if shown.index == probe.plane and 0 <= probe.x < width and 0 <= probe.y < height:
            values = np.atleast_1d(numbers[int(probe.y), int(probe.x)]).tolist()
        self._send(wire.probe_message(probe, values).content, [])
