"""The lists of objects that pages review: answers their requests and finds what they select."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sam2_widget._utils.text import presentable
from sam2_widget.comm.review_requests import Ranges, ReviewRequest, RowsRequest
from sam2_widget.comm.set_messages import ReviewAnswer, ReviewRowItem, RowsAnswer
from sam2_widget.datasets.annotations import StoredObject
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.review import Every, Review
from sam2_widget.errors import SettingError

LISTS_KEPT = 32
"""Pages whose lists are kept."""

OUTDATED = "The list has changed: select the objects again."


@dataclass(frozen=True, slots=True, eq=False)
class _List:
    number: int
    review: Review


class ReviewLists:
    """The list of each page.

    Parameters
    ----------
    images : ImageSet
    look : callable
        Identifies the picture of an object, given the number of its image; and its colour.
    """

    def __init__(
        self, images: ImageSet, look: Callable[[int, StoredObject], tuple[str, str]]
    ) -> None:
        self._images = images
        self._look = look
        self._lock = threading.Lock()
        self._lists: OrderedDict[str, _List] = OrderedDict()
        self._count = 0

    @property
    def is_used(self) -> bool:
        """Whether a page has asked for a list."""
        return bool(self._lists)

    def answer(self, request: ReviewRequest) -> ReviewAnswer:
        """The list that a page asks for: the one it has if that holds the same objects."""
        review = self._images.review(
            label=Every.LABEL if request.labels is None else request.labels,
            state=request.state,
            accepted=request.accepted,
            sort=request.sort,
            descending=request.descending,
        )
        with self._lock:
            before = self._lists.pop(request.client, None)
            if before is not None and request.keep:
                review = review.in_order_of(before.review)
            if before is not None and before.review.has_same_objects(review):
                number = before.number
            else:
                self._count += 1
                number = self._count
            self._lists[request.client] = _List(number, review)
            if len(self._lists) > LISTS_KEPT:
                self._lists.popitem(last=False)
        return {
            "type": "review",
            "client": request.client,
            "n": request.n,
            "list": number,
            "total": len(review),
            "unmeasured": review.unmeasured,
        }

    def rows(self, request: RowsRequest) -> RowsAnswer:
        """A part of a list; nothing if the page has got another list since."""
        found = self._lists.get(request.client)
        some: list[ReviewRowItem] = []
        if found is not None and found.number == request.list:
            part = found.review[request.first : request.first + request.count]
            some = list(self._items(part))
        return {
            "type": "review_rows",
            "client": request.client,
            "n": request.n,
            "list": request.list,
            "first": request.first,
            "rows": some,
        }

    def _items(self, review: Review) -> Iterator[ReviewRowItem]:
        for row in review:
            number = self._images.number(row.image)
            objects = self._images.store[row.image].objects
            one = next((one for one in objects if one.id == row.id), None)
            look, color = ("", "") if one is None else self._look(number, one)
            yield {
                "number": number,
                "object": row.id,
                "name": presentable(row.image),
                "label": row.label,
                "state": row.state,
                "score": row.score,
                "area": row.area,
                "time": None if row.time is None else row.time.timestamp(),
                "accepted": row.accepted,
                "color": color,
                "look": look,
            }

    def selected(self, client: str, listed: int, ranges: Ranges) -> Review:
        """The objects at positions of a page's list.

        Raises
        ------
        SettingError
            If the page has got another list since.
        """
        found = self._lists.get(client)
        if found is None or found.number != listed:
            raise SettingError(OUTDATED)
        chosen = np.zeros(len(found.review), bool)
        for first, last in ranges:
            chosen[first : last + 1] = True
        return found.review[chosen]
