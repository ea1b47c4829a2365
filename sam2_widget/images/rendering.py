"""Draws masks over an image as the widget does, for screenshots and saved notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget._utils.arrays import BoolArray, UInt8Array
from sam2_widget.masks.logits import MaskCrop

FINISHED_SHARE = 2 / 3
"""Opacity of finished objects relative to that of the active one."""

WHITE = (255, 255, 255)

LINE_PER_SIDE = 1 / 1000
"""Width of a contour as a part of the picture's longer side; one pixel at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A mask to draw.

    Attributes
    ----------
    crop : MaskCrop
    size : (int, int)
        (height, width) that the crop refers to: the image's, or any that is in proportion.
    color : str
        ``"#rrggbb"``.
    active : bool
        Whether it is the active object: brighter, and with a white casing.
    """

    crop: MaskCrop
    size: tuple[int, int]
    color: str
    active: bool = False


def draw(
    rgb: UInt8Array,
    layers: Iterable[Layer],
    *,
    side: int | None = None,
    opacity: float = 0.45,
    style: str = "both",
) -> Image.Image:
    """Draw masks over an image, from bottom to top.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 ndarray
    layers : iterable of Layer
    side : int, optional
        Longer side of the picture in pixels; by default that of the image.
    opacity : float
        Of the fill, 0..1.
    style : {"fill", "contour", "both"}
    """
    canvas = scaled(rgb, side or max(rgb.shape[:2]))
    line = max(1, round(max(canvas.shape[:2]) * LINE_PER_SIDE))
    for layer in layers:
        x, y, pixels = _sampled(layer.crop, layer.size, canvas.shape[:2])
        if not pixels.size:
            continue
        part = canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        color = tuple(int(layer.color[at : at + 2], 16) for at in (1, 3, 5))
        if style != "contour":
            _blend(part, pixels, color, opacity * (1 if layer.active else FINISHED_SHARE))
        if style != "fill":
            _outline(part, pixels, color, line, active=layer.active)
    return Image.fromarray(canvas)


def scaled(rgb: UInt8Array, side: int) -> UInt8Array:
    """A copy of the image whose longer side is `side` pixels."""
    height, width = rgb.shape[:2]
    if side == max(height, width):
        return np.array(rgb)
    cv2 = _cv2()
    size = size_at(rgb, side)[::-1]
    how = cv2.INTER_AREA if side < max(height, width) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


def size_at(rgb: UInt8Array, side: int) -> tuple[int, int]:
    """(height, width) of the image when its longer side is `side` pixels."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _sampled(
    crop: MaskCrop, image: tuple[int, ...], picture: tuple[int, ...]
) -> tuple[int, int, BoolArray]:
    """A mask's pixels in the picture, by nearest neighbour of their centres."""
    left, columns = _inside(crop.x, crop.pixels.shape[1], image[1], picture[1])
    top, rows = _inside(crop.y, crop.pixels.shape[0], image[0], picture[0])
    return left, top, crop.pixels[rows][:, columns]


def _inside(start: int, count: int, image: int, picture: int) -> tuple[int, npt.NDArray[np.intp]]:
    """First pixel of the picture within the crop, and the crop's indices for the pixels from it."""
    shown = ((np.arange(picture) + 0.5) * (image / picture)).astype(np.intp) - start
    at = np.flatnonzero((shown >= 0) & (shown < count))
    return (int(at[0]), shown[at]) if at.size else (0, shown[:0])


def _blend(part: UInt8Array, where: BoolArray, color: tuple[int, ...], share: float) -> None:
    """Mix a colour into some pixels, by a lookup table."""
    cv2 = _cv2()
    values = np.arange(256)[:, None] * (1 - share) + np.array(color) * share
    table = np.rint(values).astype(np.uint8)[None]
    part[:] = cv2.copyTo(cv2.LUT(part, table), where.view(np.uint8), np.ascontiguousarray(part))


def _outline(
    part: UInt8Array, pixels: BoolArray, color: tuple[int, ...], line: int, *, active: bool
) -> None:
    """Draw the contour on the mask's own outermost pixels; the active one has a white casing."""
    cv2 = _cv2()
    found, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [(2 * line, color), (line, WHITE)] if active else [(line, color)]
    for width, ring_color in rings:
        ring = np.zeros(pixels.shape, np.uint8)
        # OpenCV's line extends by half its width beyond the mask.
        cv2.drawContours(ring, found, -1, 1, 2 * width - 1)
        part[(ring > 0) & pixels] = ring_color


def _cv2() -> Any:
    # Deferred: the import takes 0.1 s, and most widgets do not need it.
    import cv2  # noqa: PLC0415

    return cv2
