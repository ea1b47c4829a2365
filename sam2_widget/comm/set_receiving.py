"""Checks messages of the page of a set, and passes them on."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from sam2_widget._utils.interrupts import defer_sigint
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.comm import requests
from sam2_widget.comm.receiving import MAX_GAP
from sam2_widget.comm.review_requests import CropsRequest, ReviewRequest, RowsRequest
from sam2_widget.comm.set_requests import (
    ItemsRequest,
    SetAction,
    SetRequest,
    ThumbnailsRequest,
    parse_set_message,
)
from sam2_widget.errors import MessageError, SegmentationError

logger = logging.getLogger(__name__)

CLIENTS_KEPT = 32
"""Pages whose last action is published; every reload counts as a new page."""

CLIENTS_REMEMBERED = 4096
"""Pages whose last action is stored, so that none is carried out twice."""


class SetReceiver:
    """Handles the messages of pages, without waiting for anything.

    Parameters
    ----------
    perform : callable
        Carries out an action soon, after all earlier ones.
    items : callable
        Answers a request for names and states soon.
    thumbnails : callable
        Answers a request for thumbnails soon.
    review : callable
        Answers a request for a list of objects, or for rows of one, soon.
    crops : callable
        Answers a request for pictures of objects soon.
    resend : callable
        Sends all traits.
    acknowledge : callable
        Publishes, by client, the number of the newest action that has arrived.
    refuse : callable
        Notifies a client why its message was not handled.
    """

    def __init__(
        self,
        *,
        perform: Callable[[SetAction], object],
        items: Callable[[ItemsRequest], object],
        thumbnails: Callable[[ThumbnailsRequest], object],
        review: Callable[[ReviewRequest | RowsRequest], object],
        crops: Callable[[CropsRequest], object],
        resend: Callable[[], object],
        acknowledge: Callable[[dict[str, int]], object],
        refuse: Callable[[str, str], object],
    ) -> None:
        self._perform = perform
        self._items = items
        self._thumbnails = thumbnails
        self._review = review
        self._crops = crops
        self._resend = resend
        self._acknowledge = acknowledge
        self._refuse = refuse
        self._acks: OrderedDict[str, int] = OrderedDict()

    def is_framed(self, message: object) -> bool:
        """Whether ipywidgets can unpack a message; notify all pages if not."""
        try:
            requests.check_frame(message)
        except MessageError as error:
            self._refuse("", str(error))
            return False
        return True

    def message(self, content: object) -> None:
        """Handle a custom message."""
        # On ipykernel 6 this is the main thread, where a cell may be interrupted at this moment.
        with defer_sigint():
            try:
                self._take(content)
            except SegmentationError as error:
                self._refuse(_client(content), str(error))
            except Exception as error:  # noqa: BLE001 - logged
                log_failure(logger, "a message of a set's page could not be handled", error)
                self._refuse(_client(content), f"Something went wrong in the kernel: {error!r}")

    def _take(self, content: object) -> None:
        message = parse_set_message(content)
        if isinstance(message, ItemsRequest):
            self._items(message)
        elif isinstance(message, ThumbnailsRequest):
            self._thumbnails(message)
        elif isinstance(message, (ReviewRequest, RowsRequest)):
            self._review(message)
        elif isinstance(message, CropsRequest):
            self._crops(message)
        elif isinstance(message, SetRequest):
            self._resend()
        else:
            self._take_action(message)

    def _take_action(self, action: SetAction) -> None:
        client, n = action.rid.client, action.rid.n
        last = self._acks.get(client, 0)
        if n > last:
            if n - last > MAX_GAP:
                raise MessageError(f"Action {n} of a page follows on its {last}: reload the page.")
            self._acks[client] = n
            self._acks.move_to_end(client)
            if len(self._acks) > CLIENTS_REMEMBERED:
                self._acks.popitem(last=False)
        newest = list(self._acks.items())[-CLIENTS_KEPT:]
        self._acknowledge(dict(newest))
        if n > last:
            self._perform(action)


def _client(content: object) -> str:
    """The client that has sent a message, also of a malformed one if possible."""
    rid = requests.request_id(content)
    return rid.client if rid else ""
