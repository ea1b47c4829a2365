"""Outlines: masks → polygons with holes and back, exact to the pixel.

A polygon runs along the edges of the pixels, so that its area is the number of pixels: pixel column
``i`` covers ``[i, i + 1)``, as everywhere in this package. Its vertices are then whole numbers, and
COCO's own rasteriser gives exactly the pixels back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError
from sam2_widget.export import rle
from sam2_widget.export.notes import Repairs
from sam2_widget.export.tracing import Rings, trace
from sam2_widget.export.values import clipped, crop_of
from sam2_widget.masks.logits import MaskCrop

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

Ring: TypeAlias = npt.NDArray[np.float64]
"""A closed line, (N, 2) float64 of (x, y) in image pixels; the first vertex is not repeated."""

EMPTY = MaskCrop(0, 0, np.zeros((0, 0), bool))

FAR = 4
"""Vertices further away than so many times the image are first brought near."""

MAX_VERTICES = 1_000_000
"""Most vertices of one polygon that is read."""


def outline(crop: MaskCrop, *, tolerance: float = 0.0) -> Polygon | MultiPolygon:
    """Outline of a mask with its holes.

    Parameters
    ----------
    crop : MaskCrop
    tolerance : float
        How far, in image pixels, the outline may be off to have fewer vertices; 0 is exact.

    Returns
    -------
    shapely Polygon, or MultiPolygon if the mask has several parts
        (x, y) in image pixels, shells counter-clockwise on a y axis that points up. Pixels that
        touch at a corner only are two parts.
    """
    import shapely  # noqa: PLC0415 - not needed to show an image

    whole = _assembled(trace(crop.pixels), (crop.x, crop.y)) if crop.pixels.any() else None
    if whole is None:
        return shapely.MultiPolygon([])
    if tolerance > 0:
        whole = shapely.simplify(whole, tolerance, preserve_topology=True)
    oriented: Polygon | MultiPolygon = shapely.orient_polygons(shapely.normalize(whole))
    return oriented


def _assembled(found: Rings, origin: tuple[int, int]) -> Any:
    """A polygon of each part with its holes, and one geometry of them."""
    import shapely  # noqa: PLC0415

    # Of many geometries shapely does not tell types apart from those of one.
    lines: Any = shapely.linearrings(found.vertices + origin, indices=found.ring)
    # Of each part the shell first, then its holes.
    order = np.lexsort((found.is_hole, found.part))
    _, number = np.unique(found.part[order], return_inverse=True)
    parts: Any = shapely.polygons(lines[order], indices=number)
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def _as_list(geometries: Any) -> list[Any]:
    """Many geometries, whose types shapely does not tell apart from one."""
    found: list[Any] = np.atleast_1d(geometries).tolist()
    return found


def rings(polygon: Polygon | MultiPolygon) -> list[list[Ring]]:
    """The rings of each part: its shell, then its holes."""
    import shapely  # noqa: PLC0415

    parts = shapely.get_parts(polygon).tolist()
    return [[_ring(part.exterior), *map(_ring, part.interiors)] for part in parts]


def _ring(line: BaseGeometry) -> Ring:
    import shapely  # noqa: PLC0415

    return shapely.get_coordinates(line)[:-1]


def joined(ring_list: Sequence[Ring]) -> Ring:
    """One ring out of several, joined by lines of no width, for formats that know no holes.

    Read by the even-odd rule it is the same area. Each ring is joined at its nearest vertex.
    """
    whole = ring_list[0]
    for ring in ring_list[1:]:
        i, j = _nearest(whole, ring)
        around = np.concatenate([ring[j:], ring[: j + 1]])
        whole = np.concatenate([whole[: i + 1], around, whole[i:]])
    return whole


def _nearest(a: Ring, b: Ring) -> tuple[int, int]:
    """Indices of the vertices of `a` and `b` that are nearest to each other."""
    import shapely  # noqa: PLC0415

    tree = shapely.STRtree(_as_list(shapely.points(a)))
    pairs, distances = tree.query_nearest(
        _as_list(shapely.points(b)), return_distance=True, all_matches=False
    )
    best = int(np.argmin(distances))
    return int(pairs[1, best]), int(pairs[0, best])


def fill(shells: Iterable[Sequence[Ring]], size: tuple[int, int], repairs: Repairs) -> MaskCrop:
    """Pixels of polygons whose vertices anybody may have written.

    Parameters
    ----------
    shells : iterable of sequences of rings
        For each part its shell and its holes, vertices in image pixels.
    size : (int, int)
        (height, width) of the image.
    repairs : Repairs
        Notes what had to be mended: crossing lines (read by the even-odd rule), parts outside the
        image (cut off), lines without an area (left out).
    """
    found = EMPTY
    for part in shells:
        shell, *holes = part or [np.zeros((0, 2))]
        if _is_usable(shell, size, repairs):
            usable = [hole for hole in holes if _is_usable(hole, size, repairs)]
            cut = [_ring_pixels(hole, size) for hole in usable]
            found = union(found, _minus(_ring_pixels(shell, size), cut))
    return found


def _is_usable(ring: Ring, size: tuple[int, int], repairs: Repairs) -> bool:
    import shapely  # noqa: PLC0415

    if len(ring) > MAX_VERTICES:
        raise AnnotationError(
            f"a polygon has {len(ring)} vertices, the limit is {MAX_VERTICES}: simplify it"
        )
    if not np.isfinite(ring).all():
        raise AnnotationError("a polygon has a vertex that is not finite: mend the file")
    if len(np.unique(ring, axis=0)) < 3:  # noqa: PLR2004
        repairs.add("a polygon has fewer than three vertices and was left out")
        return False
    if (ring < 0).any() or (ring > (size[1], size[0])).any():
        repairs.add("a polygon reaches outside the image and was cut off there")
    if not shapely.is_valid(shapely.Polygon(ring)) and not _is_joined(ring):
        repairs.add("a polygon crosses itself and was read by the even-odd rule")
    return True


def _is_joined(ring: Ring) -> bool:
    """Whether a ring goes back on itself, as `joined` makes it: that is meant and no fault."""
    ends = np.roll(ring, -1, axis=0)
    there = set(zip(map(tuple, ring.tolist()), map(tuple, ends.tolist()), strict=True))
    return any((end, start) in there for start, end in there)


def _ring_pixels(ring: Ring, size: tuple[int, int]) -> MaskCrop:
    """Pixels inside a ring by COCO's rule, which is even-odd for any ring."""
    from pycocotools import mask as coco_mask  # noqa: PLC0415

    height, width = size
    if np.abs(ring).max() > FAR * max(size):
        ring = _brought_near(ring, size)
    if not len(ring):
        return EMPTY
    (encoded,) = coco_mask.frPyObjects([ring.ravel().tolist()], height, width)
    return rle.decode({**encoded, "size": size}, size)


def _brought_near(ring: Ring, size: tuple[int, int]) -> Ring:
    """The part of a ring in and around the image: COCO's rule walks along all of its length."""
    import shapely  # noqa: PLC0415

    frame = shapely.box(-size[1], -size[0], 2 * size[1], 2 * size[0])
    near = shapely.intersection(shapely.make_valid(shapely.Polygon(ring)), frame)
    parts = [g for g in shapely.get_parts(near).tolist() if isinstance(g, shapely.Polygon)]
    found = [line for part in parts if not part.is_empty for line in rings(part)[0]]
    return joined(found) if found else np.zeros((0, 2))


def _minus(shell: MaskCrop, holes: Sequence[MaskCrop]) -> MaskCrop:
    pixels = shell.pixels.copy()
    for hole in holes:
        inside = clipped(MaskCrop(hole.x - shell.x, hole.y - shell.y, hole.pixels), pixels.shape)
        inside.paste(pixels, value=False)
    return crop_of(pixels, shell.x, shell.y)


def union(a: MaskCrop, b: MaskCrop) -> MaskCrop:
    """Pixels of either crop."""
    if not a.pixels.size or not b.pixels.size:
        return b if b.pixels.size else a
    x, y = min(a.x, b.x), min(a.y, b.y)
    right, bottom = np.maximum(a.bbox, b.bbox)[2:].tolist()
    pixels = np.zeros((bottom - y, right - x), bool)
    for crop in (a, b):
        MaskCrop(crop.x - x, crop.y - y, crop.pixels).paste(pixels, value=True)
    return MaskCrop(x, y, pixels)
