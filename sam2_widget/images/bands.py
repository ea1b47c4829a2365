"""Chooses which channels of a plane are shown, in which colours, and which is transparency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, UInt8Array
from sam2_widget.errors import ImageError
from sam2_widget.images.contrast import (
    GREY,
    Channels,
    ContrastLimits,
    Limits,
    Shown,
    blended,
    limits_of,
    on_white,
    shown_channels,
    to_bytes,
)
from sam2_widget.images.missing import Missing, find_missing

GREY_BANDS, RGB_BANDS, FOUR_BANDS = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Bands:
    """Properties of the channels of an image.

    Attributes
    ----------
    names : sequence of str or None
    alpha : int or None
        Index of the channel that is transparency.
    premultiplied : bool
        Whether the colours were multiplied by the transparency.
    is_rgb : bool
        Whether the first three are known to be red, green and blue, also if there are more.
    nodata : float or None
        The number that means "no data".
    """

    names: Sequence[str] | None = None
    alpha: int | None = None
    premultiplied: bool = False
    is_rgb: bool = False
    nodata: float | None = None


class ColorOptions(Protocol):
    """The options for colours."""

    @property
    def channels(self) -> Channels | None:
        """See `load_image`."""

    @property
    def contrast_limits(self) -> ContrastLimits:
        """See `load_image`."""


def colored(
    values: npt.NDArray[Any], options: ColorOptions, bands: Bands
) -> tuple[UInt8Array, dict[str, Any]]:
    """RGB of a plane, (H, W) or (H, W, C), and a record of the conversion."""
    cube = values[..., None] if values.ndim == 2 else values  # noqa: PLR2004
    if options.channels is not None:
        return _in_chosen_colors(cube, options, options.channels, bands)
    shown, notes = _shown(cube.shape[2], bands)
    part = cube if len(shown) == cube.shape[2] else cube[..., shown]
    alpha = None if bands.alpha is None else np.ma.getdata(cube)[..., bands.alpha]
    if alpha is not None and bands.premultiplied:
        part = _unmultiplied(np.ma.getdata(part), alpha)
    missing = _missing(part, options, bands)
    data = np.ma.getdata(part)
    limits = limits_of(data, options.contrast_limits, len(shown), _valid(data, missing, alpha))
    pixels = to_bytes(data, limits)
    if alpha is not None:
        pixels = on_white(pixels, to_bytes(alpha[..., None], [_whole(alpha.dtype)])[..., 0])
    rgb = pixels if pixels.shape[2] == RGB_BANDS else np.repeat(pixels, 3, axis=2)
    record: dict[str, Any] = {"contrast_limits": limits}
    if notes:
        record["channels"] = dict(zip(shown, ("red", "green", "blue"), strict=True))
    return _finished(rgb, record, missing, notes)


def _in_chosen_colors(
    cube: npt.NDArray[Any], options: ColorOptions, channels: Channels, bands: Bands
) -> tuple[UInt8Array, dict[str, Any]]:
    shown = shown_channels(channels, cube.shape[2], bands.names)
    part = cube[..., [one.channel for one in shown]]
    missing = _missing(part, options, bands)
    data, valid = np.ma.getdata(part), None if missing is None else missing.valid
    alike = not isinstance(channels, dict)
    limits = _limits_of_shown(data, options.contrast_limits, valid, alike=alike)
    rgb = blended(to_bytes(data, limits), shown)
    record = {"channels": _described(shown), "contrast_limits": limits}
    return _finished(rgb, record, missing, [])


def _finished(
    rgb: UInt8Array, record: dict[str, Any], missing: Missing | None, notes: list[str]
) -> tuple[UInt8Array, dict[str, Any]]:
    if missing is not None:
        missing.paint(rgb)
        record = {**record, "missing": missing.record}
        notes = [*notes, missing.note]
    return rgb, {**record, "notes": tuple(notes)} if notes else record


def _shown(count: int, bands: Bands) -> tuple[list[int], list[str]]:
    """The channels that are shown by default, and a note for the user."""
    colors = [i for i in range(count) if i != bands.alpha]
    if len(colors) in (GREY_BANDS, RGB_BANDS):
        return colors, []
    if len(colors) == FOUR_BANDS or (bands.is_rgb and len(colors) > RGB_BANDS):
        note = (
            f"Channels {', '.join(map(str, colors[:RGB_BANDS]))} of {count} are shown as red, "
            f"green and blue: choose others by channels=, e.g. channels=({colors[3]}, 0, 1)."
        )
        return colors[:RGB_BANDS], [note]
    known = f" ({', '.join(bands.names)})" if bands.names else ""
    raise ImageError(
        f"the image has {count} channels{known}: choose which are shown, e.g. channels=0 for one "
        "in grey, channels=(0, 1, 2) as red, green, blue, or channels={0: 'green', "
        f"{count - 1}: 'magenta'}}"
    )


def _missing(part: npt.NDArray[Any], options: ColorOptions, bands: Bands) -> Missing | None:
    # A user who gives limits knows the values: nothing is guessed.
    guess = isinstance(options.contrast_limits, str) and options.contrast_limits == "auto"
    return find_missing(part, bands.nodata, guess=guess)


def _valid(
    data: npt.NDArray[Any], missing: Missing | None, alpha: npt.NDArray[Any] | None
) -> BoolArray | None:
    """Values that the contrast is found from; None for all."""
    valid = None if missing is None else missing.valid
    if alpha is None or data.dtype == np.uint8:
        return valid
    opaque = np.broadcast_to((alpha > 0)[..., None], data.shape)
    return opaque if valid is None else valid & opaque


def _limits_of_shown(
    part: npt.NDArray[Any], wanted: ContrastLimits, valid: BoolArray | None, *, alike: bool
) -> tuple[Limits | None, ...]:
    count = part.shape[2]
    if alike or not isinstance(wanted, str):
        return limits_of(part, wanted, count, valid)
    # Fluorescent dyes differ in brightness by orders of magnitude.
    return tuple(
        limits_of(
            part[..., i : i + 1], wanted, 1, None if valid is None else valid[..., i : i + 1]
        )[0]
        for i in range(count)
    )


def _described(shown: Sequence[Shown]) -> dict[int, str]:
    """Channels and their colours for the provenance."""
    return {
        one.channel: "grey"
        if one.color == GREY
        else "#" + "".join(f"{round(255 * part):02x}" for part in one.color)
        for one in shown
    }


def _whole(dtype: np.dtype[Any]) -> Limits | None:
    """Full scale of transparency, whatever the contrast of the colours."""
    if dtype == np.uint8:
        return None
    return 0.0, 1.0 if dtype.kind in "fb" else float(np.iinfo(dtype).max)


def _unmultiplied(color: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colours as they were before they were multiplied by their transparency."""
    whole = (_whole(alpha.dtype) or (0.0, 255.0))[1]
    straight = np.empty_like(color)
    for row, (part, weight) in enumerate(zip(color, alpha, strict=True)):
        share = np.maximum(weight.astype(np.float64), np.finfo(np.float64).tiny)[:, None] / whole
        found = np.where(weight[:, None] > 0, part / share, 0)
        straight[row] = np.minimum(np.rint(found), whole) if color.dtype.kind in "ui" else found
    return straight
