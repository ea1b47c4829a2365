"""The windows that the bundled model encodes: the whole image first, then one around the object.

The bundled model takes 256 x 256 pixels and returns 64 x 64 logits, too few for a whole photograph.
So it runs again on a window of the image around the object. Windows come from a short list of sizes
and a grid of positions: successive clicks on one object mostly select the same window, whose
encoding is cached.

Windows are measured in cells: ``CELLS`` x ``CELLS`` of them cover the image, for any aspect ratio.
Results of all windows are converted to logits of all cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget._utils.arrays import BoolArray, Float32Array
from sam2_widget.predictor import PromptArrays

CELLS = 256
SIZES = (32, 45, 64, 90, 128, 181, CELLS)
"""Sides of windows in cells; the ratio of successive ones is the square root of two."""
STEPS = 8
"""Number of grid positions per width of a window."""
MARGIN = 1.25
"""A window is at least this many times as large as the object; on average 1.5 times."""
SLIMMEST = 0.7
"""Least ratio of a window's sides in pixels."""
LEAST_PIXELS = 48
"""Least side of a window in pixels: enlarging fewer pixels adds no detail."""
CUT_OFF = 0.05
"""A mask is cut off by a window if it fills more than this fraction of one of its edges."""
OUTSIDE = -10.0
"""Logit of the cells outside the window."""
ENFORCED_LOGIT = 1.0
"""Least absolute value of logits at a click, with the click's sign."""


class Window(NamedTuple):
    """A part of the image, in cells; the upper ends are exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def cells(self) -> tuple[slice, slice]:
        """The window as an index of (CELLS, CELLS) arrays."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def moved(self, middle: npt.NDArray[np.floating]) -> Window:
        """A window of the same size around another point, (x, y) in cells."""
        width, height = self.x1 - self.x0, self.y1 - self.y0
        x0, y0 = _on_grid(float(middle[0]), width), _on_grid(float(middle[1]), height)
        return Window(x0, y0, x0 + width, y0 + height)

    def pixels(self, width: int, height: int) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of the window in pixels of an image of that size."""
        x, y = width / CELLS, height / CELLS
        return self.x0 * x, self.y0 * y, self.x1 * x, self.y1 * y

    def inside(self, prompts: PromptArrays, width: int, height: int, side: int) -> PromptArrays:
        """Convert prompts in pixels of an image to pixels of the window, scaled to `side` x `side`.

        Points outside are left out.
        """
        x0, y0, x1, y1 = self.pixels(width, height)
        start, extent = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])
        points = (prompts.points.reshape(-1, 2) - start) / extent
        here = ((points >= 0) & (points <= 1)).all(axis=1)
        box = None
        if prompts.box is not None:
            box = ((prompts.box.reshape(2, 2) - start) / extent * side).astype(np.float32)
        moved = (points[here] * side).astype(np.float32)
        return PromptArrays(moved, prompts.labels[here], None if box is None else box.ravel())


WHOLE = Window(0, 0, CELLS, CELLS)


def window_of(
    prompts: PromptArrays, width: int, height: int, logits: Float32Array | None
) -> Window:
    """The window in which to predict prompts on an image of that size in pixels.

    It contains the current mask (logits over the whole image, of any shape), the box and all
    positive points. Negative points are ignored: a distant one has no effect within the window.
    """
    size = np.array([width, height])
    corners = [prompts.points[prompts.labels == 1]]
    if prompts.box is not None:
        corners.append(prompts.box.reshape(2, 2))
    if logits is not None:
        corners.append(_corners(logits > 0) * size)
    found = np.concatenate(corners)
    return window_around(found, width, height) if len(found) else WHOLE


def window_around(points: npt.NDArray[np.floating], width: int, height: int) -> Window:
    """The window for an object with these points, (N, 2) in pixels of an image of that size."""
    size = np.array([width, height])
    low, high = points.min(axis=0).clip(0, size), points.max(axis=0).clip(0, size)
    extent = (high - low) * MARGIN
    side = max(float(extent.max()), LEAST_PIXELS)
    wanted = np.maximum(extent, SLIMMEST * side) * CELLS / size
    middle = (low + high) / 2 * CELLS / size
    sides = [next((s for s in SIZES if s >= cells), CELLS) for cells in wanted]
    x0, y0 = (_on_grid(float(m), s) for m, s in zip(middle, sides, strict=True))
    return Window(x0, y0, x0 + sides[0], y0 + sides[1])


def _on_grid(middle: float, side: int) -> int:
    step = max(1, side // STEPS)
    start = round((middle - side / 2) / step) * step
    return min(max(start, 0), CELLS - side)


def _corners(mask: BoolArray) -> npt.NDArray[np.float64]:
    """Corners of the mask, (2, 2) as fractions of the sides, or (0, 2) if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return np.zeros((0, 2))
    first, last = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    return np.array([first, last]) / mask.shape[::-1]


def is_cut_off(logits: Float32Array, window: Window) -> bool:
    """Whether a mask, (h, w) logits over a window, is cut off by an edge inside the image."""
    mask = logits > 0
    edges = (mask[:, 0], window.x0 > 0), (mask[:, -1], window.x1 < CELLS)
    ends = (mask[0], window.y0 > 0), (mask[-1], window.y1 < CELLS)
    return any(inner and edge.mean() > CUT_OFF for edge, inner in (*edges, *ends))


def cut(logits: Float32Array, window: Window, side: int) -> Float32Array:
    """Convert logits over the image to (side, side) over a window, averaged when scaled down."""
    box = window.pixels(logits.shape[1], logits.shape[0])
    picture = Image.fromarray(np.ascontiguousarray(logits, np.float32))
    return np.array(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))


def paste(logits: Float32Array, window: Window) -> Float32Array:
    """Convert (h, w) logits over a window to (CELLS, CELLS) over the whole image."""
    x0, y0, x1, y1 = window
    whole = np.full((CELLS, CELLS), OUTSIDE, np.float32)
    picture = Image.fromarray(np.ascontiguousarray(logits, np.float32))
    near = picture.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
    whole[window.cells] = np.asarray(near)
    return whole


def enforce_prompts(logits: Float32Array, prompts: PromptArrays, width: int, height: int) -> None:
    """Give logits at clicked pixels the sign of the click, in place; the last click has priority.

    A pixel's value is interpolated between 2 x 2 cells: the sign of all four is set.
    """
    pixels = np.floor(prompts.points).clip(0, (width - 1, height - 1)) + 0.5
    middles = pixels * CELLS / (width, height) - 0.5
    for x, y, label in zip(*middles.T, prompts.labels, strict=True):
        cells = np.s_[max(0, int(y)) : int(y) + 2, max(0, int(x)) : int(x) + 2]
        if label == 1:
            logits[cells] = np.maximum(logits[cells], ENFORCED_LOGIT)
        else:
            logits[cells] = np.minimum(logits[cells], -ENFORCED_LOGIT)
