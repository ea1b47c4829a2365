"""The search grid for proposals: crops of the image, and a grid of points in each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple, TypeAlias

import numpy as np

from sam2_widget._utils.arrays import Float64Array
from sam2_widget.errors import PromptError, SettingError

Region: TypeAlias = tuple[int, int, int, int]
"""x0, y0, x1, y1 in image pixels, the upper ends exclusive."""

MAX_POINTS_PER_SIDE = 256
MAX_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Grid:
    """The points with which the model is prompted.

    Parameters
    ----------
    points_per_side : int
        Points along each side of the region.
    layers : int
        Further layers of crops, for small objects: 1 adds 2 x 2 crops of the region, 2 adds 4 x 4
        to them, and so on. Each crop is encoded separately.
    points_downscale : float
        Factor by which the points along each side of a crop decrease from layer to layer.
    overlap_ratio : float
        Overlap of crops in the first layer, as a fraction of the region's shorter side.

    Raises
    ------
    SettingError
        If a value is out of its range.
    """

    points_per_side: int = 32
    layers: int = 0
    points_downscale: float = 1.0
    overlap_ratio: float = 512 / 1500

    def __post_init__(self) -> None:
        _check_whole("points_per_side", self.points_per_side, 1, MAX_POINTS_PER_SIDE)
        _check_whole("layers", self.layers, 0, MAX_LAYERS)
        check_number("points_downscale", self.points_downscale, 1, 64)
        check_number("overlap_ratio", self.overlap_ratio, 0, 0.9)


def check_number(name: str, value: object, least: float, most: float) -> None:
    """Raise `SettingError` unless `value` is a number between `least` and `most`."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not least <= float(value) <= most:  # type: ignore[arg-type]
        limits = f"of {least:g} or more" if math.isinf(most) else f"within {least:g}..{most:g}"
        raise SettingError(f"{name} must be a number {limits}, got {value!r}")


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= float(value) <= most:  # type: ignore[arg-type]
        raise SettingError(f"{name} must be a whole number within {least}..{most}, got {value!r}")


def checked_region(region: object, size: tuple[int, int]) -> Region:
    """The region in whole pixels that contains `region`; the whole image for None.

    Parameters
    ----------
    region : Box, (x0, y0, x1, y1) or None
        In image pixels.
    size : (int, int)
        (height, width) of the image in pixels.

    Raises
    ------
    PromptError
        If it is not a box, or outside the image.
    """
    height, width = size
    if region is None:
        return 0, 0, width, height
    ends = [getattr(region, name, None) for name in ("x0", "y0", "x1", "y1")]
    try:
        corners = np.array(region if None in ends else ends, np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise PromptError(f"region must be a Box or (x0, y0, x1, y1) in pixels, got {region!r}")
    (x0, x1), (y0, y1) = sorted(corners[::2]), sorted(corners[1::2])
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise PromptError(
            f"the region ({x0:g}, {y0:g}, {x1:g}, {y1:g}) reaches outside the image of {width} x "
            f"{height} pixels: x must be in [0, {width}], y in [0, {height}]"
        )
    return int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1))


class Crop(NamedTuple):
    """A part of the image that is encoded separately, in pixels; the upper ends are exclusive.

    Attributes
    ----------
    x0, y0, x1, y1 : int
    layer : int
        0 for the whole, 1 for 2 x 2 crops of it, 2 for 4 x 4, and so on.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    layer: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1."""
        return self[:4]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """In pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """In pixels."""
        return self.width * self.height

    @property
    def pixels(self) -> tuple[slice, slice]:
        """The crop as an index of (H, W) arrays."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


def crops_of(region: Region, grid: Grid) -> list[Crop]:
    """The whole region, and the overlapping crops of the grid's further layers.

    Parameters
    ----------
    region : Region
    grid : Grid
    """
    whole = Crop(*region)
    found = [whole]
    for layer in range(1, grid.layers + 1):
        count = 2**layer
        overlap = int(grid.overlap_ratio * min(whole.width, whole.height) * 2 / count)
        width, height = (
            math.ceil((side + overlap * (count - 1)) / count)
            for side in (whole.width, whole.height)
        )
        for column in range(count):
            for row in range(count):
                x0 = whole.x0 + column * (width - overlap)
                y0 = whole.y0 + row * (height - overlap)
                x1, y1 = min(x0 + width, whole.x1), min(y0 + height, whole.y1)
                found.append(Crop(x0, y0, x1, y1, layer))
    return found


def points_in(crop: Crop, grid: Grid) -> Float64Array:
    """Centres of equal parts of a crop, row by row.

    Returns
    -------
    (N, 2) float64 ndarray
        (x, y) in pixels of the image.
    """
    per_side = max(1, int(grid.points_per_side / grid.points_downscale**crop.layer))
    centres = (np.arange(per_side) + 0.5) / per_side
    x, y = np.meshgrid(centres * crop.width, centres * crop.height)
    return np.stack([x.ravel() + crop.x0, y.ravel() + crop.y0], axis=1)
