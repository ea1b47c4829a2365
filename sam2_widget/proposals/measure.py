"""Area, box and stability of a mask at the image's size, from its low-resolution logits.

The results are those of the up-sampled mask, but without computing it: between four cells that are
all inside, all pixels are inside, so only squares that the outline crosses are looked at, and in
these only where each row of pixels crosses the outline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array, Float64Array, IntArray

STABILITY_OFFSET = 1.0
"""Stability compares the masks at this logit above and below the outline."""

ROWS_AT_ONCE = 2**16
"""Short rows of pixels along the outline that are computed at once."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Measurements of one mask.

    Attributes
    ----------
    area : int
        In pixels.
    box : (int, int, int, int)
        x0, y0, x1, y1 in pixels, the upper ends exclusive; all 0 for an empty mask.
    stability : float
        IoU of the masks at a higher and a lower threshold, within 0..1: about 1 for a sharp
        outline, 0 for a mask that vanishes at the higher one.
    """

    area: int
    box: tuple[int, int, int, int]
    stability: float

    def moved(self, x: int, y: int) -> Measures:
        """The measurements of the mask moved by `x` pixels to the right and `y` down."""
        x0, y0, x1, y1 = self.box
        return replace(self, box=(x0 + x, y0 + y, x1 + x, y1 + y))


class _Axis:
    """The pixels along one axis, grouped by the two cells that they lie between.

    There is one gap before each cell, and one after the last: pixels nearer to the border than the
    outermost cells have their values, so these cells count twice.

    Attributes
    ----------
    starts, counts : (cells + 1,) intp ndarray
        First pixel in each gap, and the number of its pixels.
    first : (cells + 1,) float64 ndarray
        Weight of the cell after, for the first pixel.
    step : float
        How much that weight grows from pixel to pixel.
    """

    def __init__(self, pixels: int, cells: int) -> None:
        gaps = np.arange(cells + 1)
        self.step = cells / pixels
        centres = (np.arange(pixels) + 0.5) * self.step + 0.5
        self.starts = np.searchsorted(centres, gaps)
        self.counts = np.searchsorted(centres, gaps + 1) - self.starts
        self.first = (self.starts + 0.5) * self.step + 0.5 - gaps


class Ruler:
    """Measures masks of images of one size.

    Parameters
    ----------
    cells : (int, int)
        (h, w) of the logits.
    size : (int, int)
        (height, width) of the image, or of the crop that the logits cover, in pixels.
    """

    def __init__(self, cells: tuple[int, int], size: tuple[int, int]) -> None:
        self._rows, self._columns = (_Axis(*pair) for pair in zip(size, cells, strict=True))
        self._counts = self._rows.counts[:, None] * self._columns.counts
        self._most_rows = max(1, int(self._rows.counts.max()))

    def __call__(self, logits: Float32Array) -> Measures:
        """Measure the mask of (h, w) logits."""
        cells = np.pad(logits, 1, "edge")
        low, high = _of_squares(np.minimum, cells), _of_squares(np.maximum, cells)
        inside = (low > STABILITY_OFFSET) & (self._counts > 0)
        outer = area = inner = int(self._counts[inside].sum())
        boxes = [self._box_of(inside)]
        mixed = ~inside & (high > -STABILITY_OFFSET) & (self._counts > 0)
        rows, columns = np.nonzero(mixed)
        step = max(1, ROWS_AT_ONCE // self._most_rows)
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            counts, box = self._along_outline(cells, rows[some], columns[some])
            outer, area, inner = outer + counts[0], area + counts[1], inner + counts[2]
            boxes.append(box)
        return Measures(area, _union(boxes), inner / outer if outer else 0.0)

    def _box_of(self, squares: BoolArray) -> IntArray:
        """Box of all pixels of some squares; if there are none, with its ends swapped."""
        spans = [
            _span(axis, np.flatnonzero(squares.any(axis=other)))
            for axis, other in ((self._columns, 0), (self._rows, 1))
        ]
        (x0, x1), (y0, y1) = spans
        return np.array([x0, y0, x1, y1])

    def _along_outline(
        self, cells: Float32Array, rows: IntArray, columns: IntArray
    ) -> tuple[list[int], IntArray]:
        """Pixels above each threshold in squares that an outline crosses, and the mask's box.

        Along a row of pixels in a square, values rise or fall steadily: where they cross a
        threshold is computed, and how many pixels lie beyond it.
        """
        at, nth = self._pixel_rows(rows)
        y = self._rows.first[rows][at] + nth * self._rows.step
        left, right = (
            cells[rows, x][at] * (1 - y) + cells[rows + 1, x][at] * y
            for x in (columns, columns + 1)
        )
        slope = right - left
        count, first = self._columns.counts[columns][at], self._columns.first[columns][at]
        counts, box = [], np.empty(0, np.int64)
        for threshold in (-STABILITY_OFFSET, 0.0, STABILITY_OFFSET):
            with np.errstate(divide="ignore", invalid="ignore"):
                crossing = ((threshold - left) / slope - first) / self._columns.step
            from_, to = _above(crossing, slope, count)
            counts.append(int((to - from_).sum()))
            if threshold == 0:
                x, y_ = self._columns.starts[columns][at], self._rows.starts[rows][at] + nth
                box = _box(x + from_, x + to, y_)
        return counts, box

    def _pixel_rows(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Of each row of pixels in some squares: the square's index, and the row's number in it."""
        counts = self._rows.counts[rows]
        at = np.repeat(np.arange(len(rows)), counts)
        return at, np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)


def _of_squares(
    extreme: Callable[[Float32Array, Float32Array], Float32Array], cells: Float32Array
) -> Float32Array:
    """The least or the largest of the four cells around each square, (h + 1, w + 1)."""
    of_rows = extreme(cells[:-1], cells[1:])
    return extreme(of_rows[:, :-1], of_rows[:, 1:])


def _above(
    crossing: Float64Array, slope: Float64Array, count: IntArray
) -> tuple[IntArray, IntArray]:
    """First and one past the last pixel above a threshold, of rows of `count` pixels.

    `crossing` is where each row has the threshold's value, in pixels from its first one; not a
    number if it has that value everywhere, and so no pixel above it.
    """
    at = np.clip(np.nan_to_num(crossing, nan=np.inf), -1, count)
    rises = slope >= 0
    from_ = np.where(rises, np.floor(at).astype(np.int64) + 1, 0)
    to = np.where(rises, count, np.ceil(at).astype(np.int64))
    return np.minimum(from_, count), np.maximum(to, 0)


def _box(left: IntArray, right: IntArray, y: IntArray) -> IntArray:
    """Box of rows of pixels from `left` to `right`, some of them empty."""
    there = right > left
    if not there.any():
        return np.array([_NOTHING[0], _NOTHING[0], _NOTHING[1], _NOTHING[1]])
    rows = y[there]
    return np.array([left[there].min(), rows.min(), right[there].max(), rows.max() + 1])


@lru_cache(maxsize=8)
def ruler_for(cells: tuple[int, int], size: tuple[int, int]) -> Ruler:
    """A `Ruler`, cached by size."""
    return Ruler(cells, size)


_NOTHING = (np.iinfo(np.int64).max, -1)


def _span(axis: _Axis, squares: IntArray) -> tuple[int, int]:
    if not squares.size:
        return _NOTHING
    last = squares[-1]
    return int(axis.starts[squares[0]]), int(axis.starts[last] + axis.counts[last])


def _union(boxes: list[IntArray]) -> tuple[int, int, int, int]:
    ends = np.array(boxes)
    low, high = ends[:, :2].min(axis=0), ends[:, 2:].max(axis=0)
    if (high <= low).any():
        return 0, 0, 0, 0
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
