"""Medians and spreads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

WARM_UP = 2
"""Clicks that are made and not counted."""

Clicks = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.low)}–{short(self.high)})"  # noqa: RUF001


def spread(values: Iterable[float]) -> Spread:
    """Median and quartiles of `values`."""
    found = np.array(list(values), float)
    low, median, high = np.percentile(found, [25, 50, 75])
    return Spread(float(median), float(low), float(high), len(found))


def short(value: float) -> str:
    """A number in as many digits as anyone reads."""
    return f"{value:.1f}" if abs(value) < 10 else f"{value:,.0f}"  # noqa: PLR2004


def of(clicks: Clicks, key: str) -> Spread:
    """Spread of one part of the clicks, the first ones apart."""
    return spread(click[key] for click in clicks[WARM_UP:])


def overhead(clicks: Clicks) -> Spread:
    """Spread of all that is not the model's answer."""
    return spread(click["total"] - click["decoder"] for click in clicks[WARM_UP:])


@contextmanager
def busy() -> Iterator[None]:
    """Another process that computes without end."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()
