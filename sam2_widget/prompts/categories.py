"""Classes and their numbers: the same in every format, on every plane, in menu and command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sam2_widget.errors import LabelError
from sam2_widget.prompts.label_text import label_fault

ClassesLike: TypeAlias = "Sequence[str] | Mapping[str, int] | Mapping[int, str] | Categories"
"""Names in their order, or names with the numbers that they have."""

MAX_ID = 2**31 - 1

MAX_CATEGORIES = 100_000
"""Most classes: more than any data set has, and all that the objects of a file may bring."""


@dataclass(frozen=True, slots=True)
class Categories:
    """Names of classes in their order, and their numbers where these are given.

    Attributes
    ----------
    names : tuple of str
        Distinct.
    ids : tuple of int, or None
        The number of each in every format; None where their order numbers them, from 0 or 1 on, as
        the format does it.

    Raises
    ------
    LabelError
        If names or numbers are used twice, a name could be no label, a number is negative or no
        whole number, or there are too many.

    Examples
    --------
    >>> Categories(("cat", "dog")).numbers(first=1)
    {'cat': 1, 'dog': 2}
    >>> Categories(("cat", "dog"), ids=(17, 18)).numbers(first=1)
    {'cat': 17, 'dog': 18}
    """

    names: tuple[str, ...] = ()
    ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_names(self.names)
        if len(set(self.names)) < len(self.names):
            raise LabelError(f"classes must have distinct names, got {list(self.names)}")
        if self.ids is None:
            return
        if len(self.ids) != len(self.names) or not all(map(_is_id, self.ids)):
            raise LabelError(
                f"class numbers must be whole numbers within 0..{MAX_ID}, one for each name, "
                f"got {list(self.ids)}"
            )
        if len(set(self.ids)) < len(self.ids):
            raise LabelError(f"class numbers must be distinct, got {list(self.ids)}")

    @classmethod
    def from_ids(cls, names: Mapping[int, str], *, first: int) -> Categories:
        """Of the numbers in a file; such as only count from `first` on are taken for an order.

        A name that has several numbers keeps the smallest.
        """
        found: dict[str, int] = {}
        for number in sorted(names):
            found.setdefault(names[number], int(number))
        ids = tuple(found.values())
        counted = ids == tuple(range(first, first + len(ids)))
        return cls(tuple(found), None if counted else ids)

    def numbers(self, *, first: int) -> dict[str, int]:
        """The number of each class, in a format that counts from `first` on."""
        ids = range(first, first + len(self.names)) if self.ids is None else self.ids
        return dict(zip(self.names, ids, strict=True))

    def names_from_zero(self) -> list[str]:
        """A list whose item ``i`` is the name of number ``i``, or that number if it has none."""
        by_number = {number: name for name, number in self.numbers(first=0).items()}
        return [by_number.get(i, str(i)) for i in range(max(by_number, default=-1) + 1)]

    def with_names(self, names: Iterable[str]) -> Categories:
        """These, then the other `names` in the order they appear, after the largest number."""
        known = {*self.names}
        new = tuple(name for name in dict.fromkeys(names) if name not in known)
        if not new:
            return self
        if self.ids is None:
            return Categories((*self.names, *new))
        start = max(self.ids, default=0) + 1
        return Categories((*self.names, *new), (*self.ids, *range(start, start + len(new))))

    def conflicts(self, other: Categories) -> list[str]:
        """Names whose number would be another in `other`."""
        mine, theirs = self.numbers(first=0), other.numbers(first=0)
        return [name for name, number in theirs.items() if mine.get(name, number) != number]


def _check_names(names: tuple[str, ...]) -> None:
    """Each is sent to every page and may become a label: what no label may be is refused."""
    if len(names) > MAX_CATEGORIES:
        raise LabelError(f"there can be {MAX_CATEGORIES} classes, got {len(names)}: give fewer")
    if fault := next(filter(None, map(label_fault, names)), None):
        raise LabelError(f"a class has a name that is no label: {fault}")


NO_CATEGORIES = Categories()


def _is_id(value: object) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and 0 <= int(value) <= MAX_ID  # type: ignore[call-overload]


def as_categories(classes: ClassesLike) -> Categories:
    """Make `Categories` of names, or of names with their numbers, either way round.

    Raises
    ------
    LabelError
        If it is none of these.
    """
    if isinstance(classes, Categories):
        return classes
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise LabelError(f"classes must be a list of names, got {classes!r}: write [{classes!r}]")
    if not isinstance(classes, Mapping):
        return Categories(tuple(str(name) for name in classes))
    by_name = {_name_and_id(item) for item in classes.items()}
    ordered = sorted(by_name, key=lambda pair: pair[1])
    return Categories(tuple(name for name, _ in ordered), tuple(number for _, number in ordered))


def _name_and_id(item: tuple[object, object]) -> tuple[str, int]:
    for name, number in (item, item[::-1]):
        if isinstance(name, str) and _is_id(number):
            return name, int(number)  # type: ignore[call-overload]
    raise LabelError(
        f"classes must be names with whole numbers, e.g. {{'cat': 1}} or {{1: 'cat'}}, "
        f"got {item[0]!r}: {item[1]!r}"
    )


class ClassNumbers:
    """Which number each class of a widget has. Not thread-safe: its owner holds a lock.

    Attributes
    ----------
    declared : Categories
        Those that the user has declared; they win.
    imported : Categories
        Those of the files that were opened.
    """

    def __init__(self, declared: Categories | None = None) -> None:
        self.declared = declared or NO_CATEGORIES
        self.imported = NO_CATEGORIES
        self._used: dict[str, None] = {}

    @property
    def known(self) -> Categories:
        """Those that do not come from the objects' labels."""
        return self.declared if self.declared.names else self.imported

    def use(self, label: str | None) -> None:
        """Note that an object has this label: what is used first is numbered first."""
        if label is not None:
            self._used.setdefault(label)

    def conflicts(self, categories: Categories) -> list[str]:
        """Names of a file's classes that have another number here."""
        known = self.declared if self.declared.names else self._with(categories)
        return known.conflicts(categories)

    def learn(self, categories: Categories) -> None:
        """Take over the classes of a file; those that are there already keep their number."""
        if not self.declared.names:
            self.imported = self._with(categories)

    def _with(self, categories: Categories) -> Categories:
        return self.imported.with_names(categories.names) if self.imported.names else categories

    def categories(self, labels: Iterable[str]) -> Categories:
        """All that are known, then those of `labels`, the labels of all objects."""
        in_use = dict.fromkeys(labels)
        return self.known.with_names([*(n for n in self._used if n in in_use), *in_use])
