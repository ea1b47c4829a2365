"""Tiles for pages, encoded on a thread of each widget, so that clicks do not wait for them."""

from __future__ import annotations

import logging
import threading
from contextvars import copy_context

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.planes import Planes
from sam2_widget.comm import wire
from sam2_widget.comm.backlog import newest_requests
from sam2_widget.comm.publishing import Send
from sam2_widget.comm.requests import Tiles

logger = logging.getLogger(__name__)

MAX_WAITING = 4
"""Waiting requests of a page, which sends two at a time and repeats those without an answer."""

MAX_WAITING_IN_ALL = 64


class TileServer:
    """Answers requests for tiles; of too many only the newest.

    Parameters
    ----------
    planes : Planes
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(self, planes: Planes, send: Send) -> None:
        self._planes = planes
        self._send = send
        self._lock = threading.Lock()
        self._waiting: list[Tiles] = []
        self._is_serving = False
        # One for each widget: a slow disk delays no others.
        self._thread = TransientThreadExecutor("sam2-widget-tiles")

    def request(self, request: Tiles) -> None:
        """Answer `request` soon."""
        with self._lock:
            self._waiting = _limited([*self._waiting, request])
            is_serving, self._is_serving = self._is_serving, True
        if not is_serving:
            self._thread.submit(copy_context().run, self._serve_all)

    def _serve_all(self) -> None:
        while (request := self._next()) is not None:
            self._serve(request)

    def _next(self) -> Tiles | None:
        with self._lock:
            self._is_serving = bool(self._waiting)
            return self._waiting.pop(0) if self._waiting else None

    def _serve(self, request: Tiles) -> None:
        shown = self._planes.picture
        if shown.index != request.plane:
            return  # no page shows it any more
        try:
            files = [shown.pyramid.tile(request.level, *place) for place in request.tiles]
            message = wire.tiles_message(request, files)
            self._send(message.content, message.buffers)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "tiles could not be served", error)


def _limited(requests: list[Tiles]) -> list[Tiles]:
    return newest_requests(requests, per_page=MAX_WAITING, in_all=MAX_WAITING_IN_ALL)
