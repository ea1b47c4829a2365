"""Masks that take little memory: large crops are compressed bits, unpacked on access."""

from __future__ import annotations

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.masks.logits import MaskCrop, PixelMask

MAX_UNPACKED_PIXELS = 4096
"""Largest crop, in pixels, that is not compressed."""


class PackedCrop(MaskCrop):
    """A `MaskCrop` with compressed pixels; each access to `pixels` unpacks a new array."""

    __slots__ = ("_area", "_mask")

    _area: int
    _mask: PixelMask

    def __init__(self, x: int, y: int, pixels: BoolArray) -> None:
        mask = PixelMask.from_pixels(pixels, x, y, whole=False)
        values = {"x": mask.x, "y": mask.y, "_mask": mask, "_area": int(pixels.sum())}
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the base class is a frozen dataclass

    @property
    def pixels(self) -> BoolArray:
        """The crop, (h, w) bool."""
        return self._mask.crop(0, 0).pixels

    @property
    def area(self) -> int:
        """Number of pixels in the mask."""
        return self._area

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels, the upper ends exclusive."""
        mask = self._mask
        return self.x, self.y, self.x + mask.width, self.y + mask.height


def pack(crop: MaskCrop) -> MaskCrop:
    """Compress a crop unless it is small or already compressed."""
    if isinstance(crop, PackedCrop) or crop.pixels.size <= MAX_UNPACKED_PIXELS:
        return crop
    return PackedCrop(crop.x, crop.y, crop.pixels)
