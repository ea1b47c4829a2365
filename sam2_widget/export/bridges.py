"""Join several rings into one by zero-width bridges, for formats with one outline per object.

The bridges form a minimum spanning tree of the rings, so their total length is the smallest
possible. Every edge of such a tree is an edge of the Delaunay triangulation of the vertices, which
shapely computes in O(n log n).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ring: TypeAlias = npt.NDArray[np.float64]
"""A closed line, (N, 2) float64 of (x, y) in image pixels; the first vertex is not repeated."""

Bridge: TypeAlias = Sequence[int]
"""Indices of two vertices of different rings, into the concatenated vertices of all rings."""


def join_rings(rings: Sequence[Ring]) -> Ring:
    """Join rings into one that covers the same area under the even-odd rule."""
    if len(rings) == 1:
        return rings[0]
    vertices = np.concatenate(rings)
    ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    bridges = _spanning_tree(_candidate_bridges(vertices, ring_of), ring_of.tolist())
    return vertices[_traverse(bridges, ring_of)]


def _candidate_bridges(vertices: Ring, ring_of: npt.NDArray[np.intp]) -> Iterator[Bridge]:
    """Yield possible bridges, shortest first; together they connect all rings."""
    sites, site_of = np.unique(vertices, axis=0, return_inverse=True)
    site_of = site_of.ravel()
    # Parts that touch at a corner share a vertex: a bridge of length 0.
    order = np.argsort(site_of, kind="stable")
    same = np.flatnonzero(np.diff(site_of[order]) == 0)
    yield from zip(order[same].tolist(), order[same + 1].tolist(), strict=True)
    vertex_of = order[np.searchsorted(site_of[order], np.arange(len(sites)))]
    yield from _shortest_first(vertices, vertex_of[_delaunay_edges(sites)], ring_of)
    # Fallback if rounding errors left two rings unconnected: bridges between consecutive rings.
    first = np.flatnonzero(np.diff(ring_of, prepend=-1)).tolist()
    yield from pairwise(first)


def _shortest_first(
    vertices: Ring, pairs: npt.NDArray[np.intp], ring_of: npt.NDArray[np.intp]
) -> Iterator[Bridge]:
    pairs = pairs[ring_of[pairs[:, 0]] != ring_of[pairs[:, 1]]]
    length = np.hypot(*(vertices[pairs[:, 0]] - vertices[pairs[:, 1]]).T)
    yield from pairs[np.argsort(length, kind="stable")].tolist()


def _delaunay_edges(sites: Ring) -> npt.NDArray[np.intp]:
    """Edges of the Delaunay triangulation as (N, 2) indices; sites are distinct and sorted."""
    import shapely  # noqa: PLC0415 - not needed to show an image

    lines = shapely.delaunay_triangles(shapely.multipoints(sites), only_edges=True)
    ends = shapely.get_coordinates(lines)
    # Every line has two vertices, so the coordinates are pairs.
    keys = sites[:, 0] + 1j * sites[:, 1]
    return np.searchsorted(keys, ends[:, 0] + 1j * ends[:, 1]).reshape(-1, 2)


def _spanning_tree(candidates: Iterable[Bridge], ring_of: Sequence[int]) -> list[Bridge]:
    """Choose the bridges of a minimum spanning tree (Kruskal's algorithm)."""
    parent = list(range(ring_of[-1] + 1))

    def root(ring: int) -> int:
        while parent[ring] != ring:
            parent[ring] = ring = parent[parent[ring]]
        return ring

    tree: list[Bridge] = []
    for a, b in candidates:
        if len(tree) == len(parent) - 1:
            break
        root_a, root_b = root(ring_of[a]), root(ring_of[b])
        if root_a != root_b:
            parent[root_a] = root_b
            tree.append((a, b))
    return tree


class _RingGraph:
    """Rings and the bridges between them, for a traversal along all vertices."""

    def __init__(self, bridges: Sequence[Bridge], ring_of: npt.NDArray[np.intp]) -> None:
        self._ring_of = ring_of
        self._first = np.flatnonzero(np.diff(ring_of, prepend=-1))
        self._size = np.bincount(ring_of)
        self._across: dict[int, list[int]] = defaultdict(list)
        for a, b in bridges:
            self._across[a].append(b)
            self._across[b].append(a)
        self._leaving: dict[int, list[int]] = defaultdict(list)
        for vertex in self._across:
            self._leaving[int(ring_of[vertex])].append(vertex)

    def around(self, start: int, came: int) -> Iterator[tuple[npt.NDArray[np.intp], int | None]]:
        """Go once around a ring, from `start` back to `start`.

        `came` is the vertex at the other end of the bridge that leads to `start`, or -1.

        Yields
        ------
        (indices, int or None)
            Consecutive vertices up to the next bridge, and the vertex at its other end; None after
            the last stretch.
        """
        ring = int(self._ring_of[start])
        first, count = int(self._first[ring]), int(self._size[ring])
        at = 0
        for stop in sorted(self._leaving[ring], key=lambda vertex: (vertex - start) % count):
            end = (stop - start) % count
            for other in self._across[stop]:
                if (stop, other) != (start, came):
                    yield first + (start - first + np.arange(at, end + 1)) % count, other
                    at = end
        yield first + (start - first + np.arange(at, count + 1)) % count, None


def _traverse(bridges: Sequence[Bridge], ring_of: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Indices of the vertices along a traversal of all rings that uses each bridge both ways."""
    rings = _RingGraph(bridges, ring_of)
    # An explicit stack: a chain of a thousand rings would exceed Python's recursion limit.
    walks, path = [rings.around(0, -1)], []
    while walks:
        stretch, other = next(walks[-1])
        path.append(stretch)
        if other is None:
            walks.pop()
        else:
            walks.append(rings.around(other, int(stretch[-1])))
    return np.concatenate(path)[:-1]
