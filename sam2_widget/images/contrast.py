"""Converts values to RGB uint8: contrast limits, and channels added up in their colours.

The page and the model use the result of the same conversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor

from sam2_widget._utils.arrays import BoolArray, UInt8Array
from sam2_widget.errors import ImageError

PERCENTILES = (0.1, 99.9)
"""Percentiles that are shown as black and white where values are neither 8 bits nor in [0, 1]."""

ROWS_AT_ONCE = 256
"""Rows converted at a time: a large image in double precision would not fit in memory."""

Limits: TypeAlias = tuple[float, float]

ContrastLimits: TypeAlias = Literal["auto", "full"] | Limits | Sequence[Limits]
"""Values shown as black and white. ``"auto"``: 8 bits and floats within [0, 1] as they are, others
between their percentiles; ``"full"``: the range of the type; (low, high); or one pair a channel."""

Channels: TypeAlias = int | str | Sequence[int | str | None] | Mapping[int | str, str]
"""Which channels are shown: one in grey; three as red, green and blue (None: none); or a mapping of
channels to colours, which are added up."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A channel and its colour.

    Attributes
    ----------
    channel : int
    color : (float, float, float)
        What its white adds to red, green and blue, within 0..1.
    """

    channel: int
    color: tuple[float, float, float]


GREY = (1.0, 1.0, 1.0)
_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def shown_channels(
    channels: Channels, count: int, names: Sequence[str] | None = None
) -> tuple[Shown, ...]:
    """Validate the option `channels`.

    Parameters
    ----------
    channels : int, str, sequence or mapping
    count : int
        Number of channels of the image.
    names : sequence of str, optional
        Their names, if the image states them.

    Raises
    ------
    ImageError
        If there is no such channel or colour.
    """

    def index(channel: object) -> int:
        if names is not None and isinstance(channel, str) and channel in names:
            return list(names).index(channel)
        whole = isinstance(channel, (int, np.integer)) and not isinstance(channel, bool)
        if whole and -count <= int(channel) < count:  # type: ignore[call-overload]
            return int(channel) % count  # type: ignore[call-overload,no-any-return]
        known = f"0 to {count - 1}" + (f" or one of {list(names)}" if names else "")
        raise ImageError(f"there is no channel {channel!r}: give {known}")

    if isinstance(channels, Mapping):
        return tuple(Shown(index(c), _color(name)) for c, name in channels.items())
    if isinstance(channels, (int, str, np.integer)):
        return (Shown(index(channels), GREY),)
    if not isinstance(channels, Sequence) or len(channels) != 3:  # noqa: PLR2004
        raise ImageError(
            f"channels must be one channel, three (red, green, blue) or a mapping of channels to "
            f"colours, got {channels!r}"
        )
    return tuple(
        Shown(index(c), color) for c, color in zip(channels, _AXES, strict=True) if c is not None
    )


def _color(name: str) -> tuple[float, float, float]:
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except (ValueError, AttributeError) as error:
        raise ImageError(
            f"there is no colour {name!r}: give e.g. 'magenta' or '#ff00ff'"
        ) from error
    return red / 255, green / 255, blue / 255


def check_values(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values in native byte order; ImageError if they are not numbers."""
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:  # noqa: PLR2004
        raise ImageError(
            f"an image array must be of bool, whole numbers or floats, got {array.dtype}: "
            "convert it, e.g. image.astype(float)"
        )
    # 16-bit TIFFs are often big-endian.
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def limits_of(
    values: npt.NDArray[Any],
    wanted: ContrastLimits,
    count: int,
    valid: BoolArray | None = None,
) -> tuple[Limits | None, ...]:
    """Contrast limits of each of `count` channels; None shows 8-bit values unchanged.

    `valid`, (H, W, count) bool, selects the values that are considered; None for all.

    Raises
    ------
    ImageError
        If `wanted` is invalid.
    """
    if isinstance(wanted, str):
        if wanted not in ("auto", "full"):
            raise _limits_error(wanted)
        return (_auto(values, valid) if wanted == "auto" else _full(values.dtype),) * count
    pairs = np.asarray(wanted, object)
    try:
        numbers = np.asarray(wanted, np.float64)
    except (TypeError, ValueError) as error:
        raise _limits_error(wanted) from error
    if numbers.shape == (2,):
        numbers = np.tile(numbers, (count, 1))
    if numbers.shape != (count, 2) or not np.isfinite(numbers).all():
        raise _limits_error(wanted, count)
    if (numbers[:, 0] >= numbers[:, 1]).any():
        raise ImageError(f"contrast_limits must be (black, white), black the lower: got {pairs}")
    return tuple((low, high) for low, high in numbers.tolist())


def _limits_error(wanted: object, count: int = 1) -> ImageError:
    return ImageError(
        "contrast_limits must be 'auto', 'full', a pair (black, white) or one pair for each of the "
        f"{count} channels shown, got {wanted!r}"
    )


def _full(dtype: np.dtype[Any]) -> Limits | None:
    if dtype == np.uint8:
        return None
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    return 0.0, 1.0


def _auto(color: npt.NDArray[Any], valid: BoolArray | None) -> Limits | None:
    """The values that become black and white."""
    if color.dtype == np.uint8:
        return None
    color = color if valid is None else color[valid]
    if not color.size:
        return _full(color.dtype)
    low, high = float(color.min()), float(color.max())
    is_float = color.dtype.kind == "f"
    if color.dtype == np.bool_ or (is_float and low >= 0.0 and high <= 1.0):
        return 0.0, 1.0
    if low == high:
        # A constant image has no contrast to stretch: show its grey at full scale.
        whole = _full(color.dtype) or (0.0, 255.0)
        return (low - abs(low) - 1.0, low + abs(low) + 1.0) if is_float else whole
    p_low, p_high = (float(p) for p in np.percentile(color, PERCENTILES))
    return (p_low, p_high) if p_high > p_low else (low, high)


def to_bytes(values: npt.NDArray[Any], limits: Sequence[Limits | None]) -> UInt8Array:
    """Each channel of `values`, (H, W, C), between its limits, as 0..255; a new array."""
    if all(limit is None for limit in limits):
        return np.array(values, np.uint8, order="C")
    pixels = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for channel, limit in enumerate(limits):
            part = values[rows, :, channel]
            with np.errstate(invalid="ignore"):  # NaN, which is painted over
                pixels[rows, :, channel] = part if limit is None else _scaled(part, *limit)
    return pixels


def _scaled(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float64]:
    """Map `low` to 0 and `high` to 255, in double precision, for large values in a small range."""
    fraction = (values.astype(np.float64) - low) / (high - low)
    return np.asarray(np.rint(np.clip(fraction, 0, 1) * 255))


def blended(pixels: UInt8Array, shown: Sequence[Shown]) -> UInt8Array:
    """Add up channels, (H, W, C) uint8, in their colours: (H, W, 3) uint8."""
    weights = np.array([one.color for one in shown], np.float64)
    rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
    for start in range(0, len(pixels), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        rgb[rows] = np.rint(np.clip(pixels[rows].astype(np.float64) @ weights, 0, 255))
    return rgb


def on_white(rgb: UInt8Array, alpha: UInt8Array) -> UInt8Array:
    """Compose colours, (H, W, 3) or (H, W, 1), on white by their transparency, (H, W): RGB."""
    color = np.broadcast_to(rgb, (*alpha.shape, 3))
    image = Image.fromarray(np.ascontiguousarray(np.dstack([color, alpha])))
    return composed_on_white(image)


def composed_on_white(image: Image.Image) -> UInt8Array:
    """Compose an RGBA image on white."""
    white = Image.new("RGBA", image.size, "white")
    return np.array(Image.alpha_composite(white, image).convert("RGB"))
