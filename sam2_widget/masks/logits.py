"""Masks: from the decoder's low-resolution logits to pixels.

A mask is stored and sent as its quantised low-resolution logits, a few KiB for any image size, and
converted to pixels on demand. The browser paints the same logits by the same arithmetic
(``js/src/pixels/mask.js``): the overlay shows exactly the pixels that Python returns. That is why
the interpolation is written out here in float64 instead of calling a resize function.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, Float32Array, Float64Array, Int8Array

STEPS_PER_UNIT = 8
"""Quantisation steps per unit of logit. One byte spans ±15.9, enough for the steep edges of SAM 2,
and half a step moves a contour by at most a sixteenth of a cell."""

LIMIT = 127 / STEPS_PER_UNIT

ROWS_AT_ONCE = 64
"""Rows up-sampled at a time: the temporaries stay in the processor's cache at any image size."""


def quantise(logits: Float32Array) -> Int8Array:
    """Logits of shape (h, w) as one byte each, prepared for compression.

    A cell whose neighbours all have its sign is set to ±127. No pixel changes, because the
    weighted mean of equal signs has that sign, and only the edge of the mask takes space.
    """
    import cv2  # noqa: PLC0415 - takes 0.1 s, and is needed only once there is a model

    if np.isnan(logits).any():
        logits = np.where(np.isnan(logits), np.float32(0), logits)
    quantised = np.rint(np.clip(logits, -LIMIT, LIMIT) * STEPS_PER_UNIT).astype(np.int8)
    positive = (quantised > 0).view(np.uint8)
    around, border = np.ones((3, 3), np.uint8), cv2.BORDER_REPLICATE
    quantised[cv2.erode(positive, around, borderType=border) > 0] = 127
    quantised[cv2.dilate(positive, around, borderType=border) == 0] = -127
    return quantised


def _deflate(data: bytes) -> bytes:
    """Compress with Z_RLE: for logits a quarter smaller than level 1, and as fast."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return packer.compress(data) + packer.flush()


def taps(out: int, size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Float64Array]:
    """Indices of the lower and upper neighbour, and the weight of the upper; half-pixel centres."""
    centre = np.maximum((np.arange(out) + 0.5) * (size / out) - 0.5, 0.0)
    lower = np.minimum(np.floor(centre).astype(np.intp), size - 1)
    return lower, np.minimum(lower + 1, size - 1), centre - lower


def _span(
    lower: npt.NDArray[np.intp], upper: npt.NDArray[np.intp], /, positive: BoolArray
) -> tuple[int, int]:
    """First and one past the last output index with a positive neighbour."""
    seen = np.flatnonzero(positive[lower] | positive[upper])
    return (int(seen[0]), int(seen[-1]) + 1) if seen.size else (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class MaskCrop:
    """A mask without its empty margins.

    Attributes
    ----------
    x, y : int
        Column and row of the crop's top-left pixel in the image.
    pixels : (h, w) bool ndarray
        The mask inside its bounding box; of shape (0, 0) for an empty mask.
    """

    x: int
    y: int
    pixels: BoolArray

    @property
    def area(self) -> int:
        """Number of pixels in the mask."""
        return int(np.count_nonzero(self.pixels))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels, the upper ends exclusive; all 0 for an empty mask."""
        height, width = self.pixels.shape
        return self.x, self.y, self.x + width, self.y + height

    def paste(self, canvas: npt.NDArray[np.generic], value: int) -> None:
        """Set the mask's pixels of `canvas`, shape (H, W), to `value`, in place."""
        height, width = self.pixels.shape
        canvas[self.y : self.y + height, self.x : self.x + width][self.pixels] = value


class Cropped:
    """Base of objects with a mask: derives mask, area and box from its crop and image size.

    Attributes
    ----------
    crop : MaskCrop
    size : (int, int)
        (height, width) of the image in pixels.
    """

    __slots__ = ()
    crop: MaskCrop
    size: tuple[int, int]

    @property
    def mask(self) -> BoolArray:
        """Mask of the image's size, (H, W) bool."""
        mask = np.zeros(self.size, bool)
        self.crop.paste(mask, value=True)
        return mask

    @property
    def area(self) -> int:
        """Pixels in the mask."""
        return self.crop.area

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels, the upper ends exclusive; all 0 for an empty mask."""
        return self.crop.bbox


@dataclass(frozen=True, slots=True)
class LogitMask:
    """A mask as it is stored and sent: low-resolution logits, quantised and compressed.

    Attributes
    ----------
    width, height : int
        Size of the logits, which cover the whole image.
    data : bytes
        zlib stream of (height, width) int8 values, row by row; above 0 is inside.
    empty, whole : bool
        Whether no pixel can be inside, and whether none can be outside.
    """

    width: int
    height: int
    data: bytes
    empty: bool
    whole: bool = False

    @classmethod
    def from_logits(cls, logits: Float32Array) -> LogitMask:
        """Make a mask of the decoder's logits, shape (h, w)."""
        return cls.from_quantised(quantise(logits))

    @classmethod
    def from_quantised(cls, quantised: Int8Array) -> LogitMask:
        """Make a mask of logits that `quantise` returned."""
        height, width = quantised.shape
        positive = quantised > 0
        data = _deflate(quantised.tobytes())
        return cls(width, height, data, empty=not positive.any(), whole=bool(positive.all()))

    @property
    def logits(self) -> Int8Array:
        """The quantised logits, (height, width) int8."""
        flat = np.frombuffer(zlib.decompress(self.data), np.int8)
        return flat.reshape(self.height, self.width)

    def crop(self, height: int, width: int) -> MaskCrop:
        """The mask's pixels in an image of `height` x `width`."""
        return upsample(self.logits, height, width)


@dataclass(frozen=True, slots=True)
class PixelMask:
    """A mask given or edited pixel by pixel, as it is stored and sent: a compressed bitmap.

    Attributes
    ----------
    x, y, width, height : int
        The bounding box in image pixels; all 0 for an empty mask.
    data : bytes
        zlib stream of the rows, each packed to bytes from the highest bit on.
    whole : bool
        Whether the mask covers the whole image.
    """

    x: int
    y: int
    width: int
    height: int
    data: bytes
    whole: bool = False

    @classmethod
    def from_pixels(
        cls, pixels: BoolArray, x: int = 0, y: int = 0, *, whole: bool | None = None
    ) -> PixelMask:
        """Make a mask of a part of the image, (h, w) bool, whose top-left pixel is (x, y).

        `whole` may be left out if `pixels` are those of the whole image.
        """
        covers = bool(pixels.all()) if whole is None else whole
        return cls._of(tight(x, y, pixels), whole=covers)

    @classmethod
    def from_crop(cls, crop: MaskCrop, size: tuple[int, int]) -> PixelMask:
        """Make a mask of an image of `size`, (height, width), of the crop of its pixels."""
        covers = crop.pixels.shape == size and bool(crop.pixels.all())
        return cls._of(crop, whole=covers)

    @classmethod
    def _of(cls, crop: MaskCrop, *, whole: bool) -> PixelMask:
        height, width = crop.pixels.shape
        data = zlib.compress(np.packbits(crop.pixels, axis=1).tobytes(), 1)
        return cls(crop.x, crop.y, width, height, data, whole)

    @property
    def empty(self) -> bool:
        """Whether no pixel is inside."""
        return self.width == 0

    def touches(self, other: PixelMask) -> bool:
        """Whether the bounding boxes overlap."""
        across = max(self.x, other.x) < min(self.x + self.width, other.x + other.width)
        down = max(self.y, other.y) < min(self.y + self.height, other.y + other.height)
        return across and down

    def crop(self, height: int, width: int) -> MaskCrop:
        """The mask's pixels, which do not depend on the size of the image."""
        del height, width
        if self.empty:
            return MaskCrop(0, 0, np.zeros((0, 0), bool))
        packed = np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.height, -1)
        pixels = np.unpackbits(packed, axis=1, count=self.width).view(bool)
        return MaskCrop(self.x, self.y, pixels)


def upsample(logits: Int8Array, height: int, width: int) -> MaskCrop:
    """Pixels of a mask at the image's size.

    Parameters
    ----------
    logits : (h, w) int8 ndarray
        From `quantise`; they cover the whole image, whatever its aspect.
    height, width : int
        Size of the image in pixels.

    Returns
    -------
    MaskCrop
        Bilinear interpolation between the centres of the logits (as torch's ``interpolate`` without
        ``align_corners``); a pixel is inside where the result is above zero.
    """
    positive = logits > 0
    i0, i1, fx = taps(width, logits.shape[1])
    j0, j1, fy = taps(height, logits.shape[0])
    left, right = _span(i0, i1, np.any(positive, axis=0))
    top, bottom = _span(j0, j1, np.any(positive, axis=1))
    if left == right:
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    i0, i1, fx = i0[left:right], i1[left:right], fx[left:right]
    rows = logits[:, i0] * (1 - fx) + logits[:, i1] * fx
    pixels = np.empty((bottom - top, right - left), bool)
    for start in range(top, bottom, ROWS_AT_ONCE):
        part = slice(start, min(start + ROWS_AT_ONCE, bottom))
        weight = fy[part, None]
        value = rows[j0[part]] * (1 - weight) + rows[j1[part]] * weight
        np.greater(value, 0, out=pixels[part.start - top : part.stop - top])
    return tight(left, top, pixels)


def tight(x: int, y: int, pixels: BoolArray) -> MaskCrop:
    """The crop of a mask to its bounding box; (x, y) is the top-left pixel of `pixels`."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    top, left = int(rows[0]), int(columns[0])
    inner = pixels[top : rows[-1] + 1, left : columns[-1] + 1]
    return MaskCrop(x + left, y + top, inner)


def without(crop: MaskCrop, others: Iterable[MaskCrop]) -> MaskCrop:
    """The mask without the pixels of `others`."""
    left, top, right, bottom = crop.bbox
    pixels = crop.pixels
    for other in others:
        x0, y0, x1, y1 = other.bbox
        x0, y0, x1, y1 = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        if x0 >= x1 or y0 >= y1:
            continue
        if pixels is crop.pixels:
            pixels = pixels.copy()
        cut = other.pixels[y0 - other.y : y1 - other.y, x0 - other.x : x1 - other.x]
        pixels[y0 - top : y1 - top, x0 - left : x1 - left] &= ~cut
    return crop if pixels is crop.pixels else tight(left, top, pixels)
