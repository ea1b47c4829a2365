"""Brush and eraser strokes on top of a mask, exact to the pixel.

The browser paints strokes by the same arithmetic (``js/src/pixels/strokes.js``), in doubles and in
this order of operations, so that the overlay shows exactly the pixels that Python returns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array
from sam2_widget.masks.brush import segments, under
from sam2_widget.masks.logits import LogitMask, MaskCrop, PixelMask, tight
from sam2_widget.prompts.types import Point, Prompt, Stroke

Base: TypeAlias = LogitMask | PixelMask


@dataclass(frozen=True, slots=True)
class Mask:
    """A predicted or given mask, with strokes drawn over it in their order.

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
        for stroke in self.strokes:
            left, top, right, bottom = _reach(stroke, (x0, y0, x1, y1))
            line = segments(stroke.vertices, stroke.radius)
            xs, ys = np.arange(left + 0.5, right), np.arange(top + 0.5, bottom)
            part = pixels[top - y0 : bottom - y0, left - x0 : right - x0]
            part[under(line, xs, ys)] = bool(stroke.label)
        return tight(x0, y0, pixels)


def shrunk(mask: Mask, scale: float) -> Mask:
    """A mask of logits with its strokes for a picture of `scale` times the image's size."""
    return Mask(mask.base, tuple(_shrunk(stroke, scale) for stroke in mask.strokes))


def _shrunk(stroke: Stroke, scale: float) -> Stroke:
    points = tuple((x * scale, y * scale) for x, y in stroke.points)
    return Stroke(points, stroke.radius * scale, stroke.label)


def _extent(
    crop: MaskCrop, strokes: tuple[Stroke, ...], height: int, width: int
) -> tuple[int, int, int, int]:
    """Bounding box (x0, y0, x1, y1) of a mask and the strokes that add, within the image."""
    boxes = [crop.bbox] if crop.pixels.size else []
    boxes += [_reach(stroke, (0, 0, width, height)) for stroke in strokes if stroke.label]
    if not boxes:
        return 0, 0, 0, 0
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _reach(stroke: Stroke, within: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Bounding box (x0, y0, x1, y1) of a stroke within a part of the image."""
    x0, y0, x1, y1 = stroke.bounds
    left, right = (int(np.clip(x, within[0], within[2])) for x in (math.floor(x0), math.ceil(x1)))
    top, bottom = (int(np.clip(y, within[1], within[3])) for y in (math.floor(y0), math.ceil(y1)))
    return left, top, right, bottom


def standing_strokes(prompts: tuple[Prompt, ...]) -> tuple[Stroke, ...]:
    """Strokes in effect: a later click of the opposite label on a stroke removes it."""
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
    line = segments(stroke.vertices, stroke.radius)
    return bool(under(line, np.array([x]), np.array([y]))[0, 0])


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
    for stroke in strokes:
        cells = _cells_under(stroke, logits.shape[0], logits.shape[1], size)
        drawn[cells] = level if stroke.label else -level
    return drawn


@lru_cache(maxsize=256)
def _cells_under(stroke: Stroke, rows: int, columns: int, size: tuple[int, int]) -> BoolArray:
    """Which of `rows` x `columns` equal cells of the image are under a stroke."""
    # Cached, because every later click draws all strokes again.
    cell_height, cell_width = size[0] / rows, size[1] / columns
    ys = np.arange(0.5, rows) * cell_height
    xs = np.arange(0.5, columns) * cell_width
    # A thin line must not pass between the centres of coarse cells.
    radius = max(stroke.radius, cell_height / 2, cell_width / 2)
    return under(segments(stroke.vertices, radius), xs, ys)
