"""Rings around the parts of a mask: all edges at once, in time that grows with their number.

Every edge between inside and outside gets a direction, the inside on its right, and the one that
follows it; the rings are the cycles of that permutation, found by doubling.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam2_widget.masks.logits import BoolArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Closed lines along pixels' edges, none of which touches itself.

    Attributes
    ----------
    vertices : (N, 2) int64 ndarray
        (x, y) of all rings, one after the other.
    ring : (N,) int64 ndarray
        Which ring a vertex is of, ascending.
    part : (R,) int64 ndarray
        Which part of the mask a ring is of; pixels that share an edge are of one part.
    is_hole : (R,) bool ndarray
    """

    vertices: IntArray
    ring: IntArray
    part: IntArray
    is_hole: npt.NDArray[np.bool_]


def trace(pixels: BoolArray) -> Rings:
    """The rings of a mask (H, W): of each part its shell and its holes."""
    _, labels = cv2.connectedComponents(pixels.astype(np.uint8), connectivity=4)
    start, end, part = _directed(pixels, np.asarray(labels, np.int32))
    ring, order = _cycles(_followers(start, end, part))
    sequence = np.lexsort((order, ring))
    vertices, ring = start[sequence], ring[sequence]
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    number = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(ring))))
    return Rings(vertices, number, part[sequence][first], _areas(vertices, number, first) < 0)


def _directed(
    pixels: BoolArray, labels: npt.NDArray[np.int32]
) -> tuple[IntArray, IntArray, IntArray]:
    """Start and end (x, y) of all edges, each as long as can be, and the part on their right."""
    across = _edges(pixels, labels)
    down = _edges(pixels.T, labels.T)
    # In the transposed picture the inside lies on the other side.
    turned = [down[1][:, ::-1], down[0][:, ::-1], down[2]]
    start, end, part = (np.concatenate(pair) for pair in zip(across, turned, strict=True))
    return start, end, part


def _edges(pixels: BoolArray, labels: npt.NDArray[np.int32]) -> tuple[IntArray, IntArray, IntArray]:
    """Horizontal edges: those above the inside run to the right, those below it to the left."""
    steps = np.diff(np.pad(pixels, 1).astype(np.int8), axis=0)
    y, x = np.nonzero(np.diff(steps, axis=1))
    begins = np.flatnonzero(steps[y, x + 1])
    rows, left, right = y[begins], x[begins], x[begins + 1]
    is_above = steps[rows, left + 1] > 0
    part = labels[rows - ~is_above, left].astype(np.int64)
    ends = np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)
    start = np.where(is_above[:, None], ends[0], ends[1])
    return start, np.where(is_above[:, None], ends[1], ends[0]), part


def _followers(start: IntArray, end: IntArray, part: IntArray) -> IntArray:
    """Which edge follows each.

    Where two pixels meet at a corner, two edges begin: if both are of one part, the left one is
    taken, so that no ring touches itself, else the one that stays with the part.
    """
    width = int(start[:, 0].max(initial=0)) + 1
    way = np.sign(end - start)
    left = np.stack([way[:, 1], -way[:, 0]], axis=1)
    known = _key(start, way, width)
    order = np.argsort(known)
    sorted_keys = known[order]

    def beginning(direction: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        wanted = _key(end, direction, width)
        place = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
        return order[place], sorted_keys[place] == wanted

    first, is_there = beginning(left)
    second, _ = beginning(-left)
    return np.where(is_there & (part[first] == part), first, second)


def _key(vertex: IntArray, way: IntArray, width: int) -> IntArray:
    """A number for a vertex and one of the four directions."""
    direction = np.where(way[:, 0] != 0, way[:, 0] + 1, way[:, 1] + 2)
    key: IntArray = (vertex[:, 1] * (width + 1) + vertex[:, 0]) * 4 + direction
    return key


def _cycles(follower: IntArray) -> tuple[IntArray, IntArray]:
    """Of each edge the smallest number in its cycle, and how far that is ahead."""
    smallest, jump = np.arange(len(follower)), follower.copy()
    while True:
        found = np.minimum(smallest, smallest[jump])
        if np.array_equal(found, smallest):
            break
        smallest, jump = found, jump[jump]
    # The way to the smallest one, which is its own end; steps double like the jumps.
    is_end = smallest == np.arange(len(follower))
    jump = np.where(is_end, np.arange(len(follower)), follower)
    steps = (~is_end).astype(np.int64)
    while not is_end[jump].all():
        steps, jump = steps + steps[jump], jump[jump]
    # Far ones come first: the end has 0 steps and is put before them.
    return smallest, np.where(is_end, np.iinfo(np.int64).min, -steps)


def _areas(vertices: IntArray, number: IntArray, first: IntArray) -> npt.NDArray[np.float64]:
    """Signed areas, positive where the inside is on the right."""
    following = np.arange(1, len(vertices) + 1)
    last = np.append(first[1:], len(vertices)) - 1
    following[last] = first
    x, y = vertices.T.astype(np.float64)
    cross = x * y[following] - x[following] * y
    return np.bincount(number, weights=cross, minlength=len(first)) / 2
