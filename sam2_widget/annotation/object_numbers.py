"""Numbers of the objects of a stack, which identify an object on all planes."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class ObjectNumbers:
    """Assigns numbers to the objects of all planes. Not thread-safe: its owner holds a lock.

    An object from a file keeps its number and is the same object on all planes, unless its plane
    has another object of that number. A drawn object gets an unused number.
    """

    def __init__(self) -> None:
        self._drawn: set[int] = set()
        self._moved: dict[int, int] = {}
        self._last = 0

    def new(self) -> int:
        """A number for an object that was drawn here."""
        self._last += 1
        self._drawn.add(self._last)
        return self._last

    @property
    def following(self) -> int:
        """The number of the next drawn object."""
        return self._last + 1

    def kept_all(
        self, numbers: Iterable[int | None], taken: Collection[int] = frozenset()
    ) -> dict[int, int]:
        """The numbers of objects from one file; conflicting ones get numbers above all others.

        `taken` are the numbers of the objects that are on these planes already.
        """
        found = {number for number in numbers if number is not None}
        return {number: self.kept(number, taken) for number in sorted(found, reverse=True)}

    def kept(self, number: int, taken: Collection[int] = frozenset()) -> int:
        """The number of an object from a file with `number`: another if that one is in use.

        It is in use if a drawn object has it, or an object on the same planes. The result is the
        same for all objects of that number, so that they stay one object.
        """
        if number not in self._drawn:
            self._last = max(self._last, number)
            if number not in taken:
                return number
        moved = self._moved.get(number)
        if moved is None or moved in taken:
            self._last += 1
            moved = self._moved[number] = self._last
        return moved
