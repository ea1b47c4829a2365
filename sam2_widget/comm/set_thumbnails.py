"""Thumbnails for the page of a set, made on a thread of each set."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sam2_widget._utils.text import presentable
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.comm.request_queue import RequestQueue
from sam2_widget.comm.set_messages import ThumbnailAnswer
from sam2_widget.comm.set_requests import ThumbnailsRequest
from sam2_widget.errors import ImageError

logger = logging.getLogger(__name__)

MAX_WAITING_IN_ALL = 16


class ThumbnailServer:
    """Answers requests for thumbnails; of each page only the newest, which it sees.

    Parameters
    ----------
    read : callable
        The thumbnail of an image as JPEG, by its number; ImageError if it cannot be read.
    count : int
        Number of images.
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        count: int,
        send: Callable[[ThumbnailAnswer, list[bytes]], object],
    ) -> None:
        self._read = read
        self._count = count
        self._send = send
        self._queue: RequestQueue[ThumbnailsRequest] = RequestQueue(
            "sam2-widget-thumbnails", self._serve_all, per_page=1, in_all=MAX_WAITING_IN_ALL
        )

    def request(self, request: ThumbnailsRequest) -> None:
        """Answer `request` soon, in place of an earlier one of the same page."""
        self._queue.add(request)

    def close(self) -> None:
        """Answer no more requests."""
        self._queue.close()

    def _serve_all(self, request: ThumbnailsRequest) -> None:
        for number in request.numbers:
            if self._queue.has_newer(request.client):
                return
            self._serve(request, number)

    def _serve(self, request: ThumbnailsRequest, number: int) -> None:
        if number >= self._count:
            return
        error, buffers = "", []
        try:
            buffers = [self._read(number)]
        except ImageError as failure:
            error = presentable(str(failure))
        except Exception as failure:  # noqa: BLE001 - logged
            log_failure(logger, "a thumbnail could not be made", failure)
            error = "The thumbnail could not be made."
        self._send(
            {
                "type": "thumbnail",
                "client": request.client,
                "n": request.n,
                "number": number,
                "mime": "image/jpeg",
                "error": error,
            },
            buffers,
        )
