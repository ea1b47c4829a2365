"""Rasterise polygons exactly as COCO does, with a cost that is known in advance.

pycocotools steps along each edge in fifths of a pixel and allocates memory for all steps without a
check, so a small file can crash the process. The result depends only on the steps from one pixel
column to the next. These are computed directly here, so the work is proportional to the number of
image columns that the edges cross, wherever the vertices are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import IntArray

SCALE = 5
"""Steps per pixel of COCO's grid."""

MAX_COORDINATE = 2.0**40
"""Coordinates, in image pixels, are clipped to this: larger floats cannot represent the grid."""

CROSSINGS_AT_ONCE = 1 << 18
"""Number of crossings computed at a time, so that temporary arrays fit into the CPU's cache."""


class Runs(NamedTuple):
    """Pixels inside a polygon, as runs along the columns of the image.

    Attributes
    ----------
    starts, ends : (N,) int64 ndarray
        Start and exclusive end of each run, as ``x * height + y``.
    is_simple : bool
        Whether the winding number is 1 for all pixels inside, or -1 for all: the polygon does not
        cross itself.
    """

    starts: IntArray
    ends: IntArray
    is_simple: bool


class _Edges(NamedTuple):
    """Edges on COCO's grid, each oriented so that it ascends along its longer axis."""

    x0: IntArray
    y0: IntArray
    x1: IntArray
    y1: IntArray
    direction: IntArray
    """Sign of the x direction in which the polygon passes the edge: 1, 0 or -1."""
    first: IntArray
    crossed: IntArray
    """First column of the image that an edge crosses, and number of columns that it crosses."""

    def take(self, index: IntArray | slice) -> _Edges:
        return _Edges(*(values[index] for values in self))


def count_crossings(ring: npt.NDArray[np.float64], width: int) -> int:
    """Number of image columns that the edges of a ring, (N, 2), cross: the cost of rasterising."""
    return int(_edges(ring, width).crossed.sum())


def interior_runs(ring: npt.NDArray[np.float64], size: tuple[int, int]) -> Runs:
    """Pixels inside a ring, (N, 2) float64 of (x, y), in an image of `size` (height, width)."""
    keys = [_keys(part, size[0]) for part in _chunks(_edges(ring, size[1]))]
    ordered = np.sort(np.concatenate([*keys, np.zeros(0, np.int64)]))
    place, sign = ordered >> 1, 2 * (ordered & 1) - 1
    last = np.flatnonzero(np.diff(place, append=-1))
    # Winding number of the pixels between one crossing and the next.
    winding, place = np.cumsum(sign)[last], place[last]
    ends = np.append(place[1:], 0)
    odd = winding % 2 == 1
    around = winding[winding != 0]
    is_simple = not around.size or ((abs(around) == 1).all() and (around == around[0]).all())
    return Runs(place[odd], ends[odd], bool(is_simple))


def _edges(ring: npt.NDArray[np.float64], width: int) -> _Edges:
    x, y = np.trunc(SCALE * np.clip(ring, -MAX_COORDINATE, MAX_COORDINATE) + 0.5).astype(np.int64).T
    x1, y1 = np.roll(x, -1), np.roll(y, -1)
    direction = np.sign(x1 - x)
    is_flat = abs(x1 - x) >= abs(y1 - y)
    turned = np.where(is_flat, x > x1, y > y1)
    x0, x1 = np.where(turned, x1, x), np.where(turned, x, x1)
    y0, y1 = np.where(turned, y1, y), np.where(turned, y, y1)
    # An edge crosses the centre of column c between the steps 5c + 2 and 5c + 3.
    first = np.maximum(-((2 - np.minimum(x0, x1)) // SCALE), 0)
    last = np.minimum((np.maximum(x0, x1) - 3) // SCALE, width - 1)
    return _Edges(x0, y0, x1, y1, direction, first, np.maximum(last - first + 1, 0))


def _chunks(edges: _Edges) -> Iterator[_Edges]:
    """Yield the edges that cross any column, in chunks of about `CROSSINGS_AT_ONCE` crossings."""
    edges = edges.take(np.flatnonzero(edges.crossed))
    number = np.cumsum(edges.crossed) // CROSSINGS_AT_ONCE
    bounds = [*np.flatnonzero(np.diff(number, prepend=-1)).tolist(), len(number)]
    for start, end in pairwise(bounds):
        yield edges.take(slice(start, end))


def _keys(edges: _Edges, height: int) -> IntArray:
    """For each crossing 2 * (x * height + y), plus 1 where the polygon runs to the right."""
    which = np.repeat(np.arange(len(edges.crossed)), edges.crossed)
    before = np.repeat(np.cumsum(edges.crossed) - edges.crossed, edges.crossed)
    column = np.arange(len(which)) - before + edges.first[which]
    rows = np.clip(-((2 - _steps(edges, which, column)) // SCALE), 0, height)
    return 2 * (column * height + rows) + (edges.direction[which] > 0)


def _steps(edges: _Edges, which: IntArray, column: IntArray) -> IntArray:
    """The smaller y, on COCO's grid, of the two steps between which an edge crosses a column."""
    x0, y0, x1, y1 = (values[which] for values in edges[:4])
    dx, dy = x1 - x0, y1 - y0
    y = np.empty_like(column)
    flat = abs(dx) >= abs(dy)
    at, slope = SCALE * column[flat] + 2 - x0[flat], dy[flat] / dx[flat]
    y[flat] = np.floor(y0[flat] + np.minimum(slope * at, slope * (at + 1)) + 0.5)
    steep = ~flat
    slope, target = dx[steep] / dy[steep], SCALE * column[steep] + 3
    y[steep] = y0[steep] + _step_before(x0[steep], slope, target)
    return y


def _step_before(x0: IntArray, slope: npt.NDArray[np.float64], target: IntArray) -> IntArray:
    """For steep edges, the last step before x reaches `target`."""

    def is_past(step: IntArray) -> npt.NDArray[np.bool_]:
        right = np.floor(x0 + slope * step + 0.5) >= target
        past: npt.NDArray[np.bool_] = right == (slope > 0)
        return past

    step = np.ceil((target - 0.5 - x0) / slope).astype(np.int64)
    # Correct rounding errors of the quotient by evaluating COCO's own formula.
    step -= is_past(step - 1)
    step += ~is_past(step)
    return step - 1
