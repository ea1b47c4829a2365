"""Trace the outlines of many masks at once, side by side on one large image (a sheet).

A call of `trace` takes about 400 µs and little more per pixel, so that thousands of small masks are
traced much faster together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, IntArray
from sam2_widget.export.outlines import Ring
from sam2_widget.export.tracing import trace
from sam2_widget.masks.batches import batches
from sam2_widget.masks.logits import MaskCrop

T = TypeVar("T")


PIXELS = 2**20
"""Pixels on one sheet, so that it fits into the CPU's cache; a larger crop gets its own sheet."""


def all_rings(crops: Sequence[MaskCrop], *, tolerance: float = 0.0) -> list[list[list[Ring]]]:
    """Outlines of many masks: for each the result of `outlines.rings` of its outline.

    Parameters
    ----------
    crops : sequence of MaskCrop
    tolerance : float
        See `sam2_widget.export.outlines.outline`.

    Returns
    -------
    list
        For each mask a list of its parts, [] if it is empty; for each part its shell, then its
        holes: (N, 2) float64 of (x, y) in image pixels, the first vertex not repeated.
    """
    outlines: list[list[list[Ring]]] = [[] for _ in crops]
    indices = [index for index, crop in enumerate(crops) if crop.pixels.any()]
    traced_parts = chain.from_iterable(
        _traced(batch, tolerance) for batch in batches((crops[i] for i in indices), PIXELS)
    )
    for index, parts in zip(indices, traced_parts, strict=True):
        outlines[index] = parts
    return outlines


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """Masks side by side, one pixel apart.

    Attributes
    ----------
    pixels : (H, W) bool ndarray
    owner : (H + 1, W + 1) int32 ndarray
        Index of the mask that a pixel corner belongs to.
    places : (N, 2) int64 ndarray
        (x, y) of the top-left pixel of each mask on the sheet.
    """

    pixels: BoolArray
    owner: npt.NDArray[np.int32]
    places: IntArray


def _sheet(crops: Sequence[MaskCrop]) -> _Sheet:
    places, size = _places([crop.pixels.shape for crop in crops])
    pixels = np.zeros(size, bool)
    owner = np.zeros((size[0] + 1, size[1] + 1), np.int32)
    for number, (crop, (x, y)) in enumerate(zip(crops, places, strict=True)):
        height, width = crop.pixels.shape
        pixels[y : y + height, x : x + width] = crop.pixels
        owner[y : y + height + 1, x : x + width + 1] = number
    return _Sheet(pixels, owner, np.array(places, np.int64))


def _places(shapes: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """(x, y) of each mask, in rows of decreasing height, and (height, width) of the sheet."""
    area = sum((height + 1) * (width + 1) for height, width in shapes)
    across = max(isqrt(area), *(width + 1 for _, width in shapes), 1)
    places = [(0, 0)] * len(shapes)
    x = y = row = 0
    for index in sorted(range(len(shapes)), key=lambda i: -shapes[i][0]):
        height, width = shapes[index]
        if x + width > across:
            x, y, row = 0, y + row, 0
        places[index] = (x, y)
        x, row = x + width + 1, max(row, height + 1)
    return places, (y + row, across)


def _traced(crops: Sequence[MaskCrop], tolerance: float) -> list[list[list[Ring]]]:
    sheet = _sheet(crops)
    traced = trace(sheet.pixels)
    first_vertex = np.flatnonzero(np.diff(traced.ring, prepend=-1))
    x, y = traced.vertices[first_vertex].T
    mask_of_ring = sheet.owner[y, x].astype(np.int64)
    origins = np.array([(crop.x, crop.y) for crop in crops], np.int64)
    vertices = traced.vertices + (origins - sheet.places)[mask_of_ring][traced.ring]
    # For each mask and part, the shell comes first, then its holes.
    order = np.lexsort((traced.is_hole, traced.part, mask_of_ring))
    return _oriented(vertices, traced.ring, order, (mask_of_ring, traced.part), tolerance)


def _oriented(
    vertices: IntArray,
    ring: IntArray,
    order: IntArray,
    of_ring: tuple[IntArray, IntArray],
    tolerance: float,
) -> list[list[list[Ring]]]:
    """Convert rings to polygons oriented as by `outlines.outline`, and back to rings."""
    import shapely  # noqa: PLC0415 - not needed to show an image

    # Any: shapely's types do not distinguish arrays of geometries from a single one.
    lines: Any = shapely.linearrings(vertices, indices=ring)
    owner, part = (values[order] for values in of_ring)
    starts_part = np.append(True, (np.diff(part) != 0) | (np.diff(owner) != 0))
    parts: Any = shapely.polygons(lines[order], indices=np.cumsum(starts_part) - 1)
    whole: Any = shapely.multipolygons(parts, indices=owner[starts_part])
    if tolerance > 0:
        whole = shapely.simplify(whole, tolerance, preserve_topology=True)
    return _as_rings(shapely.orient_polygons(shapely.normalize(whole)))


def _as_rings(polygons: Any) -> list[list[list[Ring]]]:
    import shapely  # noqa: PLC0415

    count = len(polygons)
    parts, of_part = (
        np.asarray(values) for values in shapely.get_parts(polygons, return_index=True)
    )
    lines, of_ring = (np.asarray(values) for values in shapely.get_rings(parts, return_index=True))
    points, of_point = shapely.get_coordinates(lines, return_index=True)
    ends = np.cumsum(np.bincount(of_point, minlength=len(lines)))
    starts = np.append(0, ends[:-1])
    rings = [points[a : b - 1] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return _grouped(_grouped(rings, of_ring, len(parts)), of_part, count)


def _grouped(items: Sequence[T], of: npt.NDArray[Any], count: int) -> list[list[T]]:
    """Group items by their ascending group index; `count` is the number of groups."""
    ends = np.cumsum(np.bincount(of, minlength=count)).tolist()
    return [list(items[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
