"""Convert masks to polygons with holes and back, exact to the pixel.

A polygon runs along the edges of the pixels, so its area is the number of pixels: pixel column
``i`` covers ``[i, i + 1)``, as everywhere in this package. Its vertices are integers, and COCO's
rasteriser returns exactly the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError
from sam2_widget.export import rasterise, rle
from sam2_widget.export.notes import Repairs
from sam2_widget.export.sizes import Budget
from sam2_widget.export.tracing import Rings, trace
from sam2_widget.export.values import clip_to_image, crop_of
from sam2_widget.masks.logits import MaskCrop

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

Ring: TypeAlias = npt.NDArray[np.float64]
"""A closed line, (N, 2) float64 of (x, y) in image pixels; the first vertex is not repeated."""

EMPTY = MaskCrop(0, 0, np.zeros((0, 0), bool))

MAX_VERTICES = 1_000_000
"""Largest number of vertices of a polygon that is read."""


def outline(crop: MaskCrop, *, tolerance: float = 0.0) -> Polygon | MultiPolygon:
    """Outline of a mask, including its holes.

    Parameters
    ----------
    crop : MaskCrop
    tolerance : float
        Maximum deviation of the simplified outline, in image pixels; 0 is exact.

    Returns
    -------
    shapely Polygon, or MultiPolygon if the mask has several parts
        (x, y) in image pixels, shells counter-clockwise if the y axis points up. Pixels that only
        touch at a corner belong to different parts.
    """
    import shapely  # noqa: PLC0415 - not needed to show an image

    whole = _as_geometry(trace(crop.pixels), (crop.x, crop.y)) if crop.pixels.any() else None
    if whole is None:
        return shapely.MultiPolygon([])
    if tolerance > 0:
        whole = shapely.simplify(whole, tolerance, preserve_topology=True)
    oriented: Polygon | MultiPolygon = shapely.orient_polygons(shapely.normalize(whole))
    return oriented


def _as_geometry(traced: Rings, origin: tuple[int, int]) -> Any:
    """Build one geometry: a polygon with holes for each part."""
    import shapely  # noqa: PLC0415

    # Any: shapely's types do not distinguish arrays of geometries from a single one.
    lines: Any = shapely.linearrings(traced.vertices + origin, indices=traced.ring)
    # For each part, its shell comes first, then its holes.
    order = np.lexsort((traced.is_hole, traced.part))
    _, part_of_ring = np.unique(traced.part[order], return_inverse=True)
    parts: Any = shapely.polygons(lines[order], indices=part_of_ring)
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def rings(polygon: Polygon | MultiPolygon) -> list[list[Ring]]:
    """The rings of each part of a polygon: its shell, then its holes."""
    import shapely  # noqa: PLC0415

    parts = shapely.get_parts(polygon).tolist()
    return [[_ring(part.exterior), *map(_ring, part.interiors)] for part in parts]


def _ring(line: BaseGeometry) -> Ring:
    import shapely  # noqa: PLC0415

    return shapely.get_coordinates(line)[:-1]


def fill(
    polygons: Iterable[Sequence[Ring]],
    size: tuple[int, int],
    repairs: Repairs,
    budget: Budget | None = None,
) -> MaskCrop:
    """Rasterise untrusted polygons.

    Parameters
    ----------
    polygons : iterable of sequences of rings
        For each polygon its shell, then its holes; vertices (x, y) in image pixels.
    size : (int, int)
        (height, width) of the image.
    repairs : Repairs
        Collects the repairs: polygons that cross themselves (read by the even-odd rule), extend
        beyond the image (clipped) or have no area (left out).
    budget : Budget, optional
        Limits the work; by default a new `Budget`.

    Returns
    -------
    MaskCrop
        The union of all polygons.

    Raises
    ------
    AnnotationError
        If a vertex is not finite, or the polygons exceed the budget.
    """
    budget = budget or Budget("the polygon")
    parts = [_usable(part, size, repairs) for part in polygons]
    pieces = [_pixels(part, size, repairs, budget) for part in parts if part]
    return union(pieces, budget)


def _usable(part: Sequence[Ring], size: tuple[int, int], repairs: Repairs) -> list[Ring]:
    """The rings of a polygon that have an area; [] if its shell has none."""
    shell, *holes = part or [np.zeros((0, 2))]
    if not _is_usable(shell, size, repairs):
        return []
    return [shell, *(hole for hole in holes if _is_usable(hole, size, repairs))]


def _is_usable(ring: Ring, size: tuple[int, int], repairs: Repairs) -> bool:
    if len(ring) > MAX_VERTICES:
        raise AnnotationError(
            f"a polygon has {len(ring)} vertices, the limit is {MAX_VERTICES}: simplify it"
        )
    if not np.isfinite(ring).all():
        raise AnnotationError("a polygon has a vertex that is NaN or infinite: correct the file")
    if not _has_three_vertices(ring):
        repairs.add("a polygon has fewer than three vertices and was left out")
        return False
    if (ring < 0).any() or (ring > (size[1], size[0])).any():
        repairs.add("a polygon extends beyond the image and was clipped")
    return True


def _has_three_vertices(ring: Ring) -> bool:
    """Whether the ring has at least three distinct vertices."""
    others = ring[(ring != ring[:1]).any(axis=1)]
    return bool((others != others[:1]).any())


def _pixels(
    part: Sequence[Ring], size: tuple[int, int], repairs: Repairs, budget: Budget
) -> MaskCrop:
    """Rasterise a polygon: the pixels of its shell without those of its holes."""
    shell, *holes = (_ring_pixels(ring, size, repairs, budget) for ring in part)
    for hole in holes:
        inner = MaskCrop(hole.x - shell.x, hole.y - shell.y, hole.pixels)
        clip_to_image(inner, shell.pixels.shape).paste(shell.pixels, value=False)
    return crop_of(shell.pixels, shell.x, shell.y) if holes else shell


def _ring_pixels(ring: Ring, size: tuple[int, int], repairs: Repairs, budget: Budget) -> MaskCrop:
    budget.charge_polygon(rasterise.count_crossings(ring, size[1]))
    runs = rasterise.interior_runs(ring, size)
    if not runs.is_simple:
        repairs.add("a polygon crosses itself and was read by the even-odd rule")
    return rle.from_runs(runs.starts, runs.ends, size[0], budget)


def union(crops: Iterable[MaskCrop], budget: Budget) -> MaskCrop:
    """The union of the crops; `budget` is charged with their common bounding box."""
    pieces = [crop for crop in crops if crop.area]
    if len(pieces) < 2:  # noqa: PLR2004
        return pieces[0] if pieces else EMPTY
    boxes = np.array([piece.bbox for piece in pieces])
    (x0, y0), (x1, y1) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    budget.charge_box((x1 - x0) * (y1 - y0))
    pixels = np.zeros((y1 - y0, x1 - x0), bool)
    for piece in pieces:
        MaskCrop(piece.x - x0, piece.y - y0, piece.pixels).paste(pixels, value=True)
    return MaskCrop(x0, y0, pixels)
