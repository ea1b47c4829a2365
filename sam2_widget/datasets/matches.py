"""The images of a set that match the page's search, through which it goes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sam2_widget.datasets.finding import Query


@dataclass(frozen=True, slots=True)
class Matches:
    """Numbers of the images that match a query.

    Attributes
    ----------
    query : Query
    numbers : sequence of int
        In ascending order.
    list : int
        Grows when another query is made.
    version : int
        Grows when something about the images changes that pages show.
    """

    numbers: Sequence[int]
    query: Query = field(default_factory=Query)
    list: int = 0
    version: int = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = self.before(number)
        return at < len(self.numbers) and self.numbers[at] == number

    def before(self, number: int) -> int:
        """How many matches come before an image."""
        return bisect_left(self.numbers, number)

    def following(self, number: int, way: int) -> Sequence[int]:
        """The matches after an image, nearest first; before it if `way` is negative."""
        if way > 0:
            return self.numbers[bisect_right(self.numbers, number) :]
        return self.numbers[: self.before(number)][::-1]

    def searched(self, query: Query, find: Callable[[Query], Sequence[int]]) -> Matches:
        """The matches of another query."""
        return Matches(find(query), query, self.list + 1, self.version + 1)

    def refreshed(self, find: Callable[[Query], Sequence[int]], shown: int) -> Matches:
        """The matches now.

        The image shown stays one of them although it no longer matches, e.g. because it is done:
        it would vanish while it is being worked on.
        """
        found = list(find(self.query))
        if shown in self and shown not in found:
            found.insert(bisect_left(found, shown), shown)
        return replace(self, numbers=found, version=self.version + 1)
