"""Edits by hand on top of a mask: brush and eraser, exact to the pixel.

The browser paints strokes by the same arithmetic (``js/src/strokes.js``), in doubles and in this
order of operations, so that the overlay shows exactly the pixels that Python returns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sam2_widget.kinds import Point, Prompt, Stroke
from sam2_widget.masks import (
    BoolArray,
    Float32Array,
    Float64Array,
    LogitMask,
    MaskCrop,
    PixelMask,
    tight,
)

Base: TypeAlias = LogitMask | PixelMask

CELLS_AT_ONCE = 1 << 18
"""Pixels tested in one go: the temporaries stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Mask:
    """What the model says, or what was given, with the strokes laid on top in their order.

    Attributes
    ----------
    base : LogitMask or PixelMask
    strokes : tuple of Stroke
    """

    base: Base
    strokes: tuple[Stroke, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no pixel can be inside."""
        return self.base.empty and not any(stroke.label for stroke in self.strokes)

    @property
    def whole(self) -> bool:
        """Whether no pixel can be outside."""
        return self.base.whole and all(stroke.label for stroke in self.strokes)

    def crop(self, height: int, width: int) -> MaskCrop:
        """The mask's pixels in an image of `height` x `width`."""
        crop = self.base.crop(height, width)
        if not self.strokes:
            return crop
        x0, y0, x1, y1 = _extent(crop, self.strokes, height, width)
        pixels = np.zeros((y1 - y0, x1 - x0), bool)
        MaskCrop(crop.x - x0, crop.y - y0, crop.pixels).paste(pixels, value=True)
        xs, ys = np.arange(x0 + 0.5, x1), np.arange(y0 + 0.5, y1)
        for stroke in self.strokes:
            paint(stroke, pixels, xs, ys)
        return tight(x0, y0, pixels)


def _extent(
    crop: MaskCrop, strokes: tuple[Stroke, ...], height: int, width: int
) -> tuple[int, int, int, int]:
    """The pixels (x0, y0, x1, y1) that a mask and the brush can reach, within the image."""
    boxes = [crop.bbox] if crop.pixels.size else []
    boxes += [_reach(stroke, height, width) for stroke in strokes if stroke.label]
    if not boxes:
        return 0, 0, 0, 0
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _reach(stroke: Stroke, height: int, width: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = stroke.bounds
    left, right = (int(np.clip(x, 0, width)) for x in (math.floor(x0), math.ceil(x1)))
    top, bottom = (int(np.clip(y, 0, height)) for y in (math.floor(y0), math.ceil(y1)))
    return left, top, right, bottom


def paint(
    stroke: Stroke,
    pixels: BoolArray,
    xs: Float64Array,
    ys: Float64Array,
    *,
    value: bool | None = None,
    least: float = 0.0,
) -> None:
    """Set what lies under `stroke` to its label, in place.

    Parameters
    ----------
    stroke : Stroke
    pixels : (h, w) bool ndarray
    xs, ys : (w,) and (h,) float64 ndarray, ascending
        Where the centres of the columns and rows lie, in image pixels.
    value : bool, optional
        What to set instead.
    least : float
        Least radius, in image pixels, so that a thin line does not slip between coarse cells.
    """
    ends, radius = stroke.vertices, max(stroke.radius, least)
    for start, end in zip(ends, ends[1:] if len(ends) > 1 else ends, strict=False):
        left, right = _near(xs, start[0], end[0], radius)
        top, bottom = _near(ys, start[1], end[1], radius)
        if left >= right:
            continue
        step = max(CELLS_AT_ONCE // (right - left), 1)
        for row in range(top, bottom, step):
            rows = slice(row, min(row + step, bottom))
            under = _under(xs[left:right], ys[rows], start, end, radius)
            pixels[rows, left:right][under] = bool(stroke.label) if value is None else value


def _near(centres: Float64Array, a: float, b: float, radius: float) -> tuple[int, int]:
    """Range of `centres` that the segment from `a` to `b` can reach.

    One more on either side: rounding must not cut off what the exact test would take.
    """
    first = int(np.searchsorted(centres, min(a, b) - radius, "left")) - 1
    last = int(np.searchsorted(centres, max(a, b) + radius, "right")) + 1
    return max(first, 0), min(last, len(centres))


def _under(
    xs: Float64Array, ys: Float64Array, start: Float64Array, end: Float64Array, radius: float
) -> BoolArray:
    """Which centres are at most `radius` away from the segment, (len(ys), len(xs)) bool."""
    (ax, ay), (bx, by) = start.tolist(), end.tolist()
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    if length > 0:
        along = ((xs - ax) * dx + ((ys - ay) * dy)[:, None]) / length
        t = np.minimum(np.maximum(along, 0.0), 1.0)
    else:
        t = np.zeros((len(ys), len(xs)))
    ex, ey = xs - (ax + t * dx), ys[:, None] - (ay + t * dy)
    return np.asarray(ex * ex + ey * ey <= radius * radius)


def standing_strokes(prompts: tuple[Prompt, ...]) -> tuple[Stroke, ...]:
    """Strokes that no later click of the opposite label has given back to the model."""
    standing: list[Stroke] = []
    for prompt in prompts:
        if isinstance(prompt, Stroke):
            standing.append(prompt)
        elif isinstance(prompt, Point) and standing:
            standing = [s for s in standing if s.label == prompt.label or not covers(s, prompt)]
    return tuple(standing)


def covers(stroke: Stroke, point: Point) -> bool:
    """Whether the pixel that `point` lies in is under `stroke`."""
    x0, y0, x1, y1 = stroke.bounds
    x, y = math.floor(point.x) + 0.5, math.floor(point.y) + 0.5
    if not (x0 <= x <= x1 and y0 <= y <= y1):
        return False
    pixel = np.zeros((1, 1), bool)
    paint(stroke, pixel, np.array([x]), np.array([y]), value=True)
    return bool(pixel[0, 0])


def draw_into(
    logits: Float32Array, strokes: tuple[Stroke, ...], size: tuple[int, int], level: float
) -> Float32Array:
    """Logits with the strokes drawn in as +-`level`: a copy.

    Parameters
    ----------
    logits : (h, w) float32 ndarray
        They cover the whole image.
    strokes : tuple of Stroke
    size : (int, int)
        (height, width) of the image in pixels.
    level : float
    """
    drawn: Float32Array = logits.copy()
    cell_height, cell_width = (n / cells for n, cells in zip(size, logits.shape, strict=True))
    ys = (np.arange(logits.shape[0]) + 0.5) * cell_height
    xs = (np.arange(logits.shape[1]) + 0.5) * cell_width
    for stroke in strokes:
        under = np.zeros(logits.shape, bool)
        paint(stroke, under, xs, ys, value=True, least=max(cell_height, cell_width) / 2)
        drawn[under] = level if stroke.label else -level
    return drawn
