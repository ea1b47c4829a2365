"""Missing values: NaN, infinities, masked entries, and numbers that mean "no data"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, UInt8Array

COLOR = (72, 0, 112)
"""Dark violet: it is not a grey, and rare in photos."""

SENTINELS = (
    *(
        -9999.0,
        -99999.0,
        -32768.0,
        float(np.finfo(np.float32).min),
        float(np.finfo(np.float64).min),
    ),
    # Fill values of netCDF and of climate models.
    *(9.969209968386869e36, 1e20, float(np.finfo(np.float32).max)),
)
"""Numbers that are taken for "no data" without being declared if far from all other values."""

GAP = 0.1
"""Smallest distance to other values, relative to the number itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Missing values of an image.

    Attributes
    ----------
    valid : (H, W, C) bool ndarray
        Values that are not missing.
    pixels : (H, W) bool ndarray
        Pixels that cannot be shown.
    reason : str
        How they are marked in the image, e.g. ``"NaN"``.
    """

    valid: BoolArray
    pixels: BoolArray
    reason: str

    @property
    def record(self) -> dict[str, Any]:
        """Their entry in the provenance."""
        count = int(np.count_nonzero(self.pixels))
        color = "#" + "".join(f"{part:02x}" for part in COLOR)
        return {"pixels": count, "value": self.reason, "color": color}

    @property
    def note(self) -> str:
        """A note for the user."""
        count = int(np.count_nonzero(self.pixels))
        share = count / self.pixels.size
        have = "1 pixel has" if count == 1 else f"{count} pixels ({share:.1%}) have"
        return (
            f"{have} no value ({self.reason}), shown in dark violet and left out of the contrast."
        )

    def paint(self, rgb: UInt8Array) -> None:
        """Paint the pixels without a value."""
        rgb[self.pixels] = COLOR


def find_missing(
    values: npt.NDArray[Any], nodata: float | None = None, *, guess: bool = True
) -> Missing | None:
    """Find missing values in the channels shown.

    Parameters
    ----------
    values : (H, W, C) ndarray or masked array
    nodata : float, optional
        The number that means "no data", if the file states one.
    guess : bool
        Whether numbers of `SENTINELS` far from all other values are taken for missing.

    Returns
    -------
    Missing or None
        None if nothing is missing. A pixel cannot be shown if any of its channels is NaN, infinite
        or masked, or if all of them have the number for "no data".
    """
    data, reasons = np.ma.getdata(values), list[str]()
    bad = _masked_or_not_finite(values, reasons)
    pixels: BoolArray | None = None if bad is None else np.asarray(bad.any(axis=2))
    number = _as_number(nodata, data.dtype) if nodata is not None else None
    if number is None and guess and nodata is None:
        number = _sentinel(data, bad)
    if number is not None:
        empty = np.asarray(data == number)
        if empty.any():
            reasons.append(f"{number:g}")
            whole = np.asarray(empty.all(axis=2))
            bad = np.asarray(empty if bad is None else bad | empty)
            pixels = np.asarray(whole if pixels is None else pixels | whole)
    if bad is None or pixels is None:
        return None
    return Missing(np.asarray(~bad), pixels, ", ".join(reasons))


def _masked_or_not_finite(values: npt.NDArray[Any], reasons: list[str]) -> BoolArray | None:
    data = np.ma.getdata(values)
    bad: BoolArray | None = None
    if data.dtype.kind == "f" and not (finite := np.isfinite(data)).all():
        bad = ~finite
        reasons += ["NaN"] if np.isnan(data).any() else []
        reasons += ["infinite"] if np.isinf(data).any() else []
    if isinstance(values, np.ma.MaskedArray) and (masked := np.ma.getmaskarray(values)).any():
        bad = masked if bad is None else bad | masked
        reasons.append("masked")
    return bad


def _as_number(nodata: float, dtype: np.dtype[Any]) -> Any:
    """The number in the image's type; None if that type cannot represent it."""
    if not np.isfinite(nodata):
        return None  # these are missing anyway
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        fits = nodata == int(nodata) and info.min <= nodata <= info.max
        return dtype.type(int(nodata)) if fits else None
    if dtype.kind != "f":
        return None
    # Files state -3.4028234663852886e+38 with more or fewer digits.
    largest = float(np.finfo(dtype).max)
    return dtype.type(min(max(nodata, -largest), largest))


def _sentinel(data: npt.NDArray[Any], bad: BoolArray | None) -> Any:
    if data.dtype.kind not in "if" or data.dtype.itemsize == 1:
        return None
    rest = data if bad is None else data[~bad]
    if not rest.size:
        return None
    for number in (rest.min(), rest.max()):
        if _is_known(number) and _is_far_off(number, rest):
            return number
    return None


def _is_known(number: Any) -> bool:
    """Whether it is one of the sentinels, at its own precision."""
    if number.dtype.kind == "i":
        return int(number) in SENTINELS
    with np.errstate(over="ignore"):
        return any(number.dtype.type(known) == number for known in SENTINELS)


def _is_far_off(number: Any, values: npt.NDArray[Any]) -> bool:
    """Whether no other value is near it or more extreme."""
    others = values[values != number]
    if not others.size:
        return False
    far = GAP * abs(float(number))
    if number < 0:
        return float(others.min()) - float(number) >= far
    return float(number) - float(others.max()) >= far
