"""Frames for playback: pictures of planes with their masks, made on a thread of each widget."""

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
from sam2_widget.comm.requests import Frames
from sam2_widget.images.view import encode_view

logger = logging.getLogger(__name__)

MAX_WAITING = 2
"""Waiting requests of a page, which sends the next when half of the last frames have arrived."""

MAX_WAITING_IN_ALL = 32


class FrameServer:
    """Answers requests for frames, those of a page in their order.

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
        self._waiting: list[Frames] = []
        self._stopped: Frames | None = None
        self._current: Frames | None = None
        # One for each widget: a slow disk delays no others.
        self._thread = TransientThreadExecutor("sam2-widget-frames")

    def request(self, request: Frames) -> None:
        """Answer `request` soon."""
        with self._lock:
            if request.restart:
                self._drop(request.client)
            is_serving = self._current is not None or bool(self._waiting)
            if request.count:
                self._waiting = _limited([*self._waiting, request])
        if not is_serving and request.count:
            self._thread.submit(copy_context().run, self._serve_all)

    def _drop(self, client: str) -> None:
        self._waiting = [one for one in self._waiting if one.client != client]
        if self._current is not None and self._current.client == client:
            self._stopped = self._current

    def _serve_all(self) -> None:
        while (request := self._next()) is not None:
            last = request.first + request.count * request.step
            for plane in range(request.first, min(last, len(self._planes)), request.step):
                if self._stopped is request:
                    break
                self._serve(request, plane)

    def _next(self) -> Frames | None:
        with self._lock:
            self._current = self._waiting.pop(0) if self._waiting else None
            return self._current

    def _serve(self, request: Frames, plane: int) -> None:
        try:
            view = encode_view(self._planes.image(plane).rgb, side=request.side)
            objects = self._planes.visible_objects(plane)
            message = wire.frame_message(request, plane, view, objects)
        except Exception as error:  # noqa: BLE001 - logged, and shown by the page
            log_failure(logger, f"plane {plane} cannot be played", error)
            message = wire.failed_frame_message(request, plane, str(error))
        self._send(message.content, message.buffers)


def _limited(requests: list[Frames]) -> list[Frames]:
    return newest_requests(requests, per_page=MAX_WAITING, in_all=MAX_WAITING_IN_ALL)
