"""Films of moving squares, for tests of tracking."""

from __future__ import annotations

from typing import Any

import numpy as np

from sam2_widget.annotation.propagation import Propagation
from sam2_widget.annotation.stretches import KeyframeMark, Stretch, stretches
from sam2_widget.predictor import Frame, Keyframe

COLORS = ((220, 30, 30), (30, 200, 40), (40, 60, 230))
SIDE = 64
SQUARE = 12


class Film:
    """Squares of `COLORS`, each on a path of its own; a frame is made when it is read."""

    def __init__(self, count: int, *, gone: range = range(0)) -> None:
        self.count = count
        self.gone = gone
        self.read: list[int] = []

    def corner(self, number: int, index: int) -> tuple[int, int]:
        """(x, y) of the top-left pixel of a square, numbered from 1."""
        x = 2 + (index * (1 + number)) % (2 * (SIDE - SQUARE - 4))
        return min(x, 2 * (SIDE - SQUARE - 4) - x + 4), 2 + 18 * (number - 1)

    def __call__(self, index: int) -> np.ndarray:
        self.read.append(index)
        rgb = np.zeros((SIDE, SIDE, 3), np.uint8)
        for number, color in enumerate(COLORS, 1):
            if index not in self.gone:
                x, y = self.corner(number, index)
                rgb[y : y + SQUARE, x : x + SQUARE] = color
        return rgb

    def mask(self, number: int, index: int) -> np.ndarray:
        """(H, W) bool: where a square is."""
        mask = np.zeros((SIDE, SIDE), bool)
        if index not in self.gone:
            x, y = self.corner(number, index)
            mask[y : y + SQUARE, x : x + SQUARE] = True
        return mask

    def keyframe(self, number: int, frame: Frame) -> Keyframe:
        """The true mask of a square."""
        mask = self.mask(number, frame.index)
        return Keyframe(mask, np.where(mask, 8, -8).astype(np.float32))


def plan(keyframes: dict[int, list[int]], wanted: range, direction: str = "both") -> list[Stretch]:
    """Stretches of objects with keyframes at these frames, by number."""
    return [
        stretch
        for number, frames in keyframes.items()
        for stretch in stretches(
            number,
            {index: KeyframeMark(f"{number} at {index}") for index in frames},
            wanted,
            direction=direction,
        )
    ]


def propagation(film: Film, tracker, todo, **options) -> Propagation:
    return Propagation(
        todo, tracker, count=film.count, read=film, keyframe=film.keyframe, **options
    )


def masks_of(found) -> dict[tuple[int, int], tuple[Any, ...]]:
    """What is final, by number and frame, as values that can be compared."""
    final = [one for one in found if one.final]
    values = {(m.number, m.index): (m.mask.data, m.score, m.presence) for m in final}
    assert len(values) == len(final), "a frame was given out twice"
    return values
