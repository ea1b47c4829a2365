"""Trace the rings around the parts of a mask with array operations on all edges at once.

Every edge between inside and outside is directed so that the inside lies on its right, and linked
to the edge that follows it. The rings are the cycles of this permutation, found by pointer
doubling.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Closed lines along pixel edges, none of which touches itself.

    Attributes
    ----------
    vertices : (N, 2) int64 ndarray
        (x, y) of all rings, one ring after the other.
    ring : (N,) int64 ndarray
        Index of the ring of each vertex, ascending.
    part : (R,) int64 ndarray
        Index of the part of the mask that each ring belongs to; a part is a 4-connected component.
    is_hole : (R,) bool ndarray
        Whether each ring is a hole.
    """

    vertices: IntArray
    ring: IntArray
    part: IntArray
    is_hole: npt.NDArray[np.bool_]


def trace(pixels: BoolArray) -> Rings:
    """The rings of a mask (H, W): the shell and the holes of each part."""
    _, labels = cv2.connectedComponents(pixels.astype(np.uint8), connectivity=4)
    start, end, part = _directed(pixels, np.asarray(labels, np.int32))
    ring, order = _cycles(_next_edges(start, end, part))
    sequence = np.lexsort((order, ring))
    vertices, ring = start[sequence], ring[sequence]
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    number = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(ring))))
    return Rings(vertices, number, part[sequence][first], _areas(vertices, number, first) < 0)


def _directed(
    pixels: BoolArray, labels: npt.NDArray[np.int32]
) -> tuple[IntArray, IntArray, IntArray]:
    """Start and end (x, y) of all edges, maximally long, and the index of the part on the right."""
    across = _edges(pixels, labels)
    down = _edges(pixels.T, labels.T)
    # In the transposed image the inside lies on the left, so start and end are swapped.
    turned = [down[1][:, ::-1], down[0][:, ::-1], down[2]]
    start, end, part = (np.concatenate(pair) for pair in zip(across, turned, strict=True))
    return start, end, part


def _edges(pixels: BoolArray, labels: npt.NDArray[np.int32]) -> tuple[IntArray, IntArray, IntArray]:
    """Horizontal edges: those above the inside point right, those below it point left."""
    steps = np.diff(np.pad(pixels, 1).astype(np.int8), axis=0)
    y, x = np.nonzero(np.diff(steps, axis=1))
    begins = np.flatnonzero(steps[y, x + 1])
    rows, left, right = y[begins], x[begins], x[begins + 1]
    is_above = steps[rows, left + 1] > 0
    part = labels[rows - ~is_above, left].astype(np.int64)
    ends = np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)
    start = np.where(is_above[:, None], ends[0], ends[1])
    return start, np.where(is_above[:, None], ends[1], ends[0]), part


def _next_edges(start: IntArray, end: IntArray, part: IntArray) -> IntArray:
    """Index of the edge that follows each edge.

    Where two pixels meet at a corner, two edges start. If both belong to the same part, the left
    turn is taken, so that no ring touches itself; else the edge of the same part.
    """
    width = int(start[:, 0].max(initial=0)) + 1
    direction = np.sign(end - start)
    left = np.stack([direction[:, 1], -direction[:, 0]], axis=1)
    known = _edge_key(start, direction, width)
    order = np.argsort(known)
    sorted_keys = known[order]

    def beginning(direction: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        wanted = _edge_key(end, direction, width)
        place = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
        return order[place], sorted_keys[place] == wanted

    first, is_there = beginning(left)
    second, _ = beginning(-left)
    return np.where(is_there & (part[first] == part), first, second)


def _edge_key(vertex: IntArray, direction: IntArray, width: int) -> IntArray:
    """A unique integer for a vertex and one of the four directions."""
    direction = np.where(direction[:, 0] != 0, direction[:, 0] + 1, direction[:, 1] + 2)
    key: IntArray = (vertex[:, 1] * (width + 1) + vertex[:, 0]) * 4 + direction
    return key


def _cycles(follower: IntArray) -> tuple[IntArray, IntArray]:
    """The smallest edge index in the cycle of each edge, and a key that orders the cycle."""
    smallest, jump = np.arange(len(follower)), follower.copy()
    while True:
        found = np.minimum(smallest, smallest[jump])
        if np.array_equal(found, smallest):
            break
        smallest, jump = found, jump[jump]
    # Count the steps from each edge to the smallest, where counting ends, by doubling the jumps.
    is_end = smallest == np.arange(len(follower))
    jump = np.where(is_end, np.arange(len(follower)), follower)
    steps = (~is_end).astype(np.int64)
    while not is_end[jump].all():
        steps, jump = steps + steps[jump], jump[jump]
    # Edges with more steps come first; the smallest edge has 0 steps and starts the ring.
    return smallest, np.where(is_end, np.iinfo(np.int64).min, -steps)


def _areas(vertices: IntArray, number: IntArray, first: IntArray) -> npt.NDArray[np.float64]:
    """Signed areas of the rings, positive if the inside is on the right."""
    following = np.arange(1, len(vertices) + 1)
    last = np.append(first[1:], len(vertices)) - 1
    following[last] = first
    x, y = vertices.T.astype(np.float64)
    cross = x * y[following] - x[following] * y
    return np.bincount(number, weights=cross, minlength=len(first)) / 2
