"""The review on the pages of a set: lists, pictures and what was done."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sam2_widget._utils.text import presentable
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.comm.request_queue import RequestQueue
from sam2_widget.comm.review_requests import CropsRequest, Ranges, ReviewRequest, RowsRequest
from sam2_widget.comm.set_messages import CropAnswer, ReviewTrait, SetKernelMessage
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.object_crops import ObjectCrops
from sam2_widget.datasets.review import Review
from sam2_widget.errors import SegmentationError
from sam2_widget.widget.review_lists import ReviewLists

logger = logging.getLogger(__name__)


class SetReviewing:
    """The review on the pages of a set.

    Parameters
    ----------
    images : ImageSet
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(
        self,
        images: ImageSet,
        send: Callable[[SetKernelMessage, list[bytes]], object],
    ) -> None:
        self._images = images
        self._crops = ObjectCrops(images)
        self._lists = ReviewLists(images, self._crops.look)
        self._basis: object = None
        self._version = 0
        self._send = send
        self._queue: RequestQueue[ReviewRequest | RowsRequest] = RequestQueue(
            "sam2-widget-review", self._answer, per_page=16, in_all=128
        )
        self._crop_queue: RequestQueue[CropsRequest] = RequestQueue(
            "sam2-widget-crops", self._send_crops, per_page=1, in_all=16
        )

    def state(self) -> ReviewTrait:
        """The state of the review, which pages are sent without a request."""
        edits = self._images.review_edits
        action, message = self._images.reported_review
        if self._lists.is_used:
            basis = (self._images.review_version, self._images.store.set.classes)
            if basis != self._basis:
                self._basis = basis
                self._version += 1
        return {
            "version": self._version,
            "undo": edits[-1].title if edits else "",
            "action": action,
            "message": message,
        }

    def request(self, request: ReviewRequest | RowsRequest) -> None:
        """Answer a request for a list, or for rows of one, soon."""
        self._queue.add(request)

    def request_crops(self, request: CropsRequest) -> None:
        """Answer a request for pictures soon, in place of an earlier one of the same page."""
        self._crop_queue.add(request)

    def wait(self) -> None:
        """Wait until all requests for lists and rows so far are answered."""
        self._queue.wait()

    def _answer(self, request: ReviewRequest | RowsRequest) -> None:
        if isinstance(request, ReviewRequest):
            self._send(self._lists.answer(request), [])
        else:
            self._send(self._lists.rows(request), [])

    def selected(self, client: str, listed: int, ranges: Ranges) -> Review:
        """The objects that a page has selected; SettingError if its list is outdated."""
        return self._lists.selected(client, listed, ranges)

    def close(self) -> None:
        """Answer no more requests."""
        self._queue.close()
        self._crop_queue.close()

    def _send_crops(self, request: CropsRequest) -> None:
        for number, object_id in request.objects:
            if self._crop_queue.has_newer(request.client):
                return
            if number < len(self._images):
                self._send_crop(request, number, object_id)

    def _send_crop(self, request: CropsRequest, number: int, object_id: int) -> None:
        data, error = self._crop(number, object_id)
        content: CropAnswer = {
            "type": "crop",
            "client": request.client,
            "n": request.n,
            "number": number,
            "object": object_id,
            "look": self._crops.look_of(number, object_id),
            "mime": "image/jpeg",
            "error": error,
        }
        self._send(content, [] if data is None else [data])

    def _crop(self, number: int, object_id: int) -> tuple[bytes | None, str]:
        """The picture of an object, or None and why there is none."""
        try:
            return self._crops.read(number, object_id), ""
        except SegmentationError as failure:
            return None, presentable(str(failure))
        except Exception as failure:  # noqa: BLE001 - logged
            log_failure(logger, "the picture of an object could not be made", failure)
            return None, "The picture could not be made."
