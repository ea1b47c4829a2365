"""Limits the number of waiting requests of pages, and so their memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar


class _Request(Protocol):
    @property
    def client(self) -> str:
        """The page that sent it."""


RequestT = TypeVar("RequestT", bound=_Request)


def newest_requests(requests: Sequence[RequestT], *, per_page: int, in_all: int) -> list[RequestT]:
    """The newest requests, in their order.

    Parameters
    ----------
    requests : sequence
        Oldest first.
    per_page, in_all : int
        Limits for each page, and for all pages together.
    """
    count: Counter[str] = Counter()
    kept: list[RequestT] = []
    for request in reversed(requests):
        count[request.client] += 1
        if count[request.client] <= per_page:
            kept.append(request)
    return kept[:in_all][::-1]
