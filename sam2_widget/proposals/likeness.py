"""How much proposals look like given objects: in size, shape, colour, and contrast to the ground.

A mask is described by a few numbers, which are computed once: comparing a thousand proposals with
other examples takes milliseconds, and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.proposals.proposal import Proposal

SIDE = 128
"""Longest side in pixels of a mask that is described: larger ones in a smaller image."""

LARGEST = 2048
"""Longest side in pixels of the largest of the smaller images."""

MARGIN = 0.3
"""Width of the ground around a mask that it is compared with, as a fraction of the mask's size."""

LEAST_MARGIN = 2
"""In pixels."""

CLEAR = 0.7
"""The ground's distance in colour from the mask is this quantile of that of its pixels."""

SCALES = np.array([2.0, 1.0, 1.0, 0.25])
"""Differences in log area, solidity, roundness and continuation that count as 1."""

COLOUR_SCALE = 100.0
"""Distance of two colours, or contrasts, in 8-bit CIELAB that counts as 1."""

DIGITS = 4
"""Decimal places of a likeness, so that it is short to send."""

SUGGESTED = 0.5
"""Least likeness that suits most images."""

SUGGESTED_OVERLAP = 0.3
"""Largest overlap of proposals that are alike: such objects lie beside each other."""


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The image at a fraction, `scale`, of its size; `rgb` is of shape (h, w, 3)."""

    rgb: UInt8Array
    scale: float


class Describer:
    """Describes masks in an image by numbers that `likeness` compares.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
    """

    def __init__(self, image: UInt8Array) -> None:
        import cv2  # noqa: PLC0415 - as in `masks.logits`

        longest = max(image.shape[:2])
        self._levels = [_Level(image, 1.0)]
        side = min(LARGEST, longest // 2)
        while side >= SIDE:
            scale = side / longest
            size = [max(1, round(n * scale)) for n in image.shape[1::-1]]
            rgb = cv2.resize(self._levels[-1].rgb, size, interpolation=cv2.INTER_AREA)
            self._levels.append(_Level(np.asarray(rgb, np.uint8), scale))
            side //= 2

    def proposal(self, proposal: Proposal) -> Float64Array:
        """Describe a proposal: (10,), all NaN if it is empty at the resolution that is used."""
        level, crop = self._level_for(proposal.box), proposal.found.crop
        height, width = (max(1, round(n * level.scale)) for n in (crop.height, crop.width))
        found = proposal.mask.crop(height, width)
        x, y = (found.x + round(crop.x0 * level.scale), found.y + round(crop.y0 * level.scale))
        return _description(level.rgb, MaskCrop(x, y, found.pixels), proposal.area)

    def mask(self, mask: MaskCrop) -> Float64Array:
        """Describe a mask of the image, likewise."""
        import cv2  # noqa: PLC0415 - as above

        level, area = self._level_for(mask.bbox), mask.area
        if level.scale < 1 and area:
            size = [max(1, round(n * level.scale)) for n in mask.pixels.shape[::-1]]
            covered = cv2.resize(mask.pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            x, y = round(mask.x * level.scale), round(mask.y * level.scale)
            mask = MaskCrop(x, y, np.asarray(covered > 0.5))  # noqa: PLR2004
        return _description(level.rgb, mask, area)

    def _level_for(self, box: tuple[int, int, int, int]) -> _Level:
        longest = max(box[2] - box[0], box[3] - box[1])
        fitting = (level for level in self._levels if longest * level.scale <= SIDE)
        return next(fitting, self._levels[-1])


def likeness(found: Float64Array, examples: Float64Array) -> Float64Array:
    """How much each of some masks is like the example that it is most like.

    Parameters
    ----------
    found : (N, 10) float64 ndarray
        Descriptions from a `Describer`.
    examples : (K, 10) float64 ndarray
        Likewise, at least one.

    Returns
    -------
    (N,) float64 ndarray
        1 for the same as an example, towards 0 the more it differs; 0 for an empty mask.
    """
    nearest = np.full(len(found), np.inf)
    for example in examples:
        np.fmin(nearest, _difference(found, example), out=nearest)
    return np.round(0.5**nearest, DIGITS)


def _difference(found: Float64Array, example: Float64Array) -> Float64Array:
    apart = np.abs(found - example)
    colours = (np.sqrt((apart[:, start : start + 3] ** 2).sum(axis=1)) for start in (4, 7))
    return np.asarray((apart[:, :4] / SCALES).sum(axis=1) + sum(colours) / COLOUR_SCALE)


def _description(rgb: UInt8Array, mask: MaskCrop, area: int) -> Float64Array:
    """Log area, solidity, roundness, continuation, colour and contrast of a mask."""
    import cv2  # noqa: PLC0415 - as above

    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = mask.bbox
    inside = mask.pixels[: height - y0, : width - x0]
    if not inside.any():
        return np.full(10, np.nan)
    margin = max(LEAST_MARGIN, int(MARGIN * np.count_nonzero(inside) ** 0.5))
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    seen = np.ascontiguousarray(rgb[top : y1 + margin, left : x1 + margin])
    lab = cv2.cvtColor(seen, cv2.COLOR_RGB2LAB).astype(np.float32)
    here = np.zeros(seen.shape[:2], np.uint8)
    here[y0 - top : y1 - top, x0 - left : x1 - left] = inside
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    ground = lab[cv2.dilate(here, disc) > here]
    colour = lab[here > 0].mean(axis=0)
    contrast, continuation = _against_ground(colour, ground)
    return np.array([np.log(area), *_shape(inside), continuation, *colour, *contrast])


def _against_ground(colour: Float32Array, ground: Float32Array) -> tuple[Float32Array, float]:
    """Contrast of a mask to the ground around it, and how much of the ground has its colour.

    Of a part of an object, the rest of the object is ground that has its colour.
    """
    if not len(ground):
        return np.zeros(3, np.float32), 0.0
    apart = np.sqrt(((ground - colour) ** 2).sum(axis=1))
    has_its_colour = apart <= np.quantile(apart, CLEAR) / 2
    return colour - ground.mean(axis=0), float(has_its_colour.mean())


def _shape(inside: BoolArray) -> tuple[float, float]:
    """Solidity and roundness of a mask: about 1 for a disc."""
    import cv2  # noqa: PLC0415 - as above

    pixels = inside.astype(np.uint8)
    outlines, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    area = float(np.count_nonzero(inside))
    # Outlines run through the centres of the outermost pixels, half a pixel inside of their edges.
    hull_area = cv2.contourArea(hull) + cv2.arcLength(hull, closed=True) / 2 + 1
    length = cv2.arcLength(outline, closed=True) + np.pi
    return area / hull_area, 4 * np.pi * area / length**2
