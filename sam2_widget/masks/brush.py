"""Rasterizes brush strokes: exact to the pixel, and fast for wide brushes too.

The pixels of a row under a segment of the stroke form one run. Its ends are computed twice, with a
slightly smaller and a slightly larger radius; only the few pixels in between are tested one by one,
with the test that the browser applies to every pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, Float64Array

CELLS_AT_ONCE = 1 << 22
"""Pixels that are rasterized at a time, so that the counts of a large image fit in memory."""

SMALL_AREA = 1 << 12
"""Pixels up to which testing each one is as fast as computing runs."""

MARGIN = 1e-4
"""Change of the radius in image pixels that brackets a run; rounding errors are far smaller."""


class Segment(NamedTuple):
    """A straight part of a line, from (ax, ay) to (bx, by) in image pixels, and its radius."""

    ax: float
    ay: float
    bx: float
    by: float
    radius: float

    def covers(self, px: Float64Array, py: Float64Array) -> BoolArray:
        """Whether points are within the radius; the same order of operations as in the browser."""
        ax, ay = self.ax, self.ay
        dx, dy = self.bx - ax, self.by - ay
        length = dx * dx + dy * dy
        along = ((px - ax) * dx + (py - ay) * dy) / (length if length > 0 else 1.0)
        t = np.minimum(np.maximum(along, 0.0), 1.0) if length > 0 else 0.0 * along
        ex, ey = px - (ax + t * dx), py - (ay + t * dy)
        return np.asarray(ex * ex + ey * ey <= self.radius * self.radius)

    def runs(self, py: Float64Array, extra: float) -> tuple[Float64Array, Float64Array]:
        """First and last x on each row `py` that is covered with the radius grown by `extra`.

        The first is greater than the last on rows that the segment does not reach.
        """
        radius = max(self.radius + extra, 0.0)
        first, last = self._slab(py, radius)
        for x, y in ((self.ax, self.ay), (self.bx, self.by)):
            rest = radius * radius - (py - y) ** 2
            half = np.sqrt(np.maximum(rest, 0.0))
            first = np.where(rest >= 0, np.minimum(first, x - half), first)
            last = np.where(rest >= 0, np.maximum(last, x + half), last)
        return first, last

    def _slab(self, py: Float64Array, radius: float) -> tuple[Float64Array, Float64Array]:
        """The same for the rectangle between the two ends."""
        dx, dy = self.bx - self.ax, self.by - self.ay
        width = radius * np.hypot(dx, dy)
        if max(abs(dx), abs(dy)) < MARGIN / 10:
            # The two discs suffice, and the quotients below would be rounding errors.
            return np.full(len(py), np.inf), np.full(len(py), -np.inf)
        aside, along = (py - self.ay) * dx, (py - self.ay) * dy
        low, high = _between(aside - width, aside + width, dy)
        start, end = _between(-along, dx * dx + dy * dy - along, dx)
        first, last = np.maximum(low, start) + self.ax, np.minimum(high, end) + self.ax
        missed = ~(first <= last)
        return np.where(missed, np.inf, first), np.where(missed, -np.inf, last)


def _between(
    low: Float64Array, high: Float64Array, factor: float
) -> tuple[Float64Array, Float64Array]:
    """Range of the x with low <= x * factor <= high."""
    if abs(factor) < np.finfo(np.float64).tiny:
        contains_zero = (low <= 0) & (high >= 0)
        infinite = np.where(contains_zero, np.inf, -np.inf)
        return -infinite, infinite
    a, b = low / factor, high / factor
    return np.minimum(a, b), np.maximum(a, b)


def segments(vertices: Float64Array, radius: float) -> list[Segment]:
    """The segments of a line, (N, 2) float64; a single vertex is a segment of length 0."""
    starts: list[tuple[float, float]] = vertices.tolist()
    ends = starts[1:] or starts
    pairs = zip(starts, ends, strict=False)
    return [Segment(ax, ay, bx, by, radius) for (ax, ay), (bx, by) in pairs]


def under(line: list[Segment], xs: Float64Array, ys: Float64Array) -> BoolArray:
    """Which pixels are under a line, (len(ys), len(xs)) bool.

    Parameters
    ----------
    line : list of Segment
    xs, ys : (w,) and (h,) float64 ndarray, ascending
        Where the centres of the columns and rows lie, in image pixels.
    """
    found = np.zeros((len(ys), len(xs)), bool)
    step = max(CELLS_AT_ONCE // max(len(xs), 1), 1)
    for start in range(0, len(ys), step):
        rows = slice(start, start + step)
        found[rows] = _under(line, xs, ys[rows])
    return found


def _under(line: list[Segment], xs: Float64Array, ys: Float64Array) -> BoolArray:
    # Runs that begin minus runs that end at each pixel; their cumulative sum counts the runs there.
    counts = np.zeros((len(ys), len(xs) + 1), np.int16)
    found = np.zeros((len(ys), len(xs)), bool)
    for part in line:
        left, right = _near(xs, part.ax, part.bx, part.radius)
        top, bottom = _near(ys, part.ay, part.by, part.radius)
        if left >= right or top >= bottom:
            continue
        if (right - left) * (bottom - top) <= SMALL_AREA:
            covered = part.covers(xs[None, left:right], ys[top:bottom, None])
            found[top:bottom, left:right] |= covered
        else:
            _add_runs(part, xs, ys[top:bottom], counts[top:bottom], found[top:bottom])
    found |= np.cumsum(counts[:, :-1], axis=1, dtype=np.int16) > 0
    return found


def _near(centres: Float64Array, a: float, b: float, radius: float) -> tuple[int, int]:
    """Range of `centres` that the segment from `a` to `b` can cover, with one more on each side."""
    first = int(np.searchsorted(centres, min(a, b) - radius, "left")) - 1
    last = int(np.searchsorted(centres, max(a, b) + radius, "right")) + 1
    return max(first, 0), min(last, len(centres))


def _add_runs(
    part: Segment,
    xs: Float64Array,
    ys: Float64Array,
    counts: npt.NDArray[np.int16],
    found: BoolArray,
) -> None:
    """Count the runs of the smaller radius, and test the pixels between both radii."""
    least, most = (_columns(xs, *part.runs(ys, extra)) for extra in (-MARGIN, MARGIN))
    rows = np.arange(len(ys))
    certain = np.clip(least[0], most[0], most[1]), np.clip(least[1], most[0], most[1])
    np.add.at(counts, (rows, certain[0]), 1)
    np.add.at(counts, (rows, certain[1]), -1)
    for start, end in ((most[0], certain[0]), (certain[1], most[1])):
        sizes = end - start
        row = np.repeat(rows, sizes)
        column = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        column += np.repeat(start, sizes)
        hit = part.covers(xs[column], ys[row])
        found[row[hit], column[hit]] = True


def _columns(
    xs: Float64Array, first: Float64Array, last: Float64Array
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Range of columns between `first` and `last`; empty where there is none."""
    start, end = np.searchsorted(xs, first, "left"), np.searchsorted(xs, last, "right")
    return start, np.maximum(start, end)
