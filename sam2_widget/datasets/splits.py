"""Splits of a set into training, validation and test data."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sam2_widget.errors import SettingError

Fractions = Mapping[str, float]
"""The fraction of each part, e.g. ``{"train": 0.8, "val": 0.2}``."""

IMAGES = object()
"""A class that each image counts for once, so that images are balanced like objects."""


@dataclass(slots=True)
class _Group:
    """Images that stay together, and how many objects of each class they have."""

    names: list[str] = field(default_factory=list)
    counts: Counter[Hashable] = field(default_factory=Counter)


def split(
    images: Iterable[tuple[str, Hashable, Mapping[str | None, int]]],
    fractions: Fractions,
    *,
    seed: int = 0,
    stratify: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Divide images into parts; the same seed gives the same parts.

    Parameters
    ----------
    images : iterable of (name, group, counts)
        Images of one group get into the same part; `counts` are the objects of each class.
    fractions : mapping of str to float
    seed : int
    stratify : bool
        Whether to balance the objects of each class among the parts, as far as groups allow.

    Returns
    -------
    dict of str to tuple of str
        Names in their original order.

    Raises
    ------
    SettingError
        If the fractions are not above 0, or do not add up to 1.
    """
    _check(fractions)
    groups: dict[Hashable, _Group] = {}
    order: list[str] = []
    for name, key, counts in images:
        group = groups.setdefault(key, _Group())
        group.names.append(name)
        group.counts[IMAGES] += 1
        if stratify:
            group.counts.update({label: n for label, n in counts.items() if n})
        order.append(name)
    shuffled = list(groups.values())
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret
    parts = _divided(shuffled, fractions)
    place = {name: part for part, names in parts.items() for name in names}
    return {part: tuple(n for n in order if place[n] == part) for part in fractions}


def _check(fractions: Fractions) -> None:
    values = list(fractions.values())
    if not values or any(not 0 < one <= 1 for one in values) or not math.isclose(sum(values), 1):
        raise SettingError(
            "splits must be shares above 0 that add up to 1, e.g. {'train': 0.8, 'val': 0.2}, got "
            f"{dict(fractions)}"
        )


def _divided(groups: list[_Group], fractions: Fractions) -> dict[str, list[str]]:
    """Assign each group to the part that lacks most of its rarest class, rare classes first."""
    totals: Counter[Hashable] = Counter()
    for group in groups:
        totals.update(group.counts)
    missing = {
        part: {key: share * total for key, total in totals.items()}
        for part, share in fractions.items()
    }
    parts: dict[str, list[str]] = {part: [] for part in fractions}
    for group in sorted(groups, key=lambda one: _rarity(one, totals)):
        rarest_first = sorted(group.counts, key=lambda key: totals[key])

        def needs(part: str, keys: Sequence[Hashable] = rarest_first) -> list[float]:
            return [missing[part][key] for key in keys]

        chosen = max(parts, key=needs)
        parts[chosen] += group.names
        for key, count in group.counts.items():
            missing[chosen][key] -= count
    return parts


def _rarity(group: _Group, totals: Counter[Hashable]) -> tuple[int, int]:
    """Sort key that puts groups with rare classes, and then large ones, first."""
    rarest = min(totals[key] for key in group.counts)
    return rarest, -sum(group.counts.values())
