"""Arrays of any library → the RGB of one plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import ImageError
from sam2_widget.images import axes as axes_
from sam2_widget.images.axes import Layout, Plane
from sam2_widget.images.contrast import (
    GREY,
    Channels,
    ContrastLimits,
    Shown,
    blended,
    check_values,
    limits_of,
    on_white,
    shown_channels,
    to_bytes,
)
from sam2_widget.predictor import UInt8Array

MAX_PIXELS = 150_000_000
"""Largest image in pixels: 450 MB as RGB. Beyond it a kernel on a shared server would die."""

CHANNELS_AT_ONCE = 16
"""Of the largest image; a smaller one may have more of them in a plane of its file."""


class TensorLike(Protocol):
    """A torch tensor, recognised by what it can do, so that torch need not be imported."""

    def detach(self) -> Any:
        """The tensor without its gradient."""


class ArrayLike(Protocol):
    """An array of numbers of another library: xarray, dask, zarr, h5py."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the numbers."""

    def __getitem__(self, index: Any, /) -> Any: ...


class ImageSource(Protocol):
    """An image that is in memory, as `LoadedImage`, or is read when it is asked for."""

    @property
    def rgb(self) -> UInt8Array:
        """(H, W, 3) uint8."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """The numbers behind the colours, (H, W) or (H, W, C)."""

    @property
    def name(self) -> str:
        """Name of the file, "" if there is none."""

    @property
    def record(self) -> MappingProxyType[str, Any]:
        """How `rgb` was made."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """An image as it is shown and as the model sees it.

    Attributes
    ----------
    rgb : (H, W, 3) uint8 ndarray
        Contiguous, and never a view of the input.
    values : (H, W) or (H, W, C) ndarray
        The numbers behind the colours, all channels of the plane.
    name : str
        Name of the file, "" if there is none.
    record : mapping
        How `rgb` was made: what the provenance of masks tells of their image.
    """

    rgb: UInt8Array
    values: npt.NDArray[Any] = field(repr=False)
    name: str = ""
    record: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """What a user may say about an image; see `load_image`."""

    axes: str | None = None
    plane: Plane | None = None
    channels: Channels | None = None
    contrast_limits: ContrastLimits = "auto"

    @property
    def said(self) -> dict[str, Any]:
        """What was said, by the names of the arguments."""
        given = {name: getattr(self, name) for name in ("axes", "plane", "channels")}
        found = {name: value for name, value in given.items() if value is not None}
        is_auto = isinstance(self.contrast_limits, str) and self.contrast_limits == "auto"
        return found if is_auto else {**found, "contrast_limits": self.contrast_limits}


def check_count(count: int) -> None:
    """Raise `ImageError` if more numbers are to be read at once than any image has.

    A file of some hundred bytes may claim thousands of channels, which a reader fills with zeros.
    """
    limit = CHANNELS_AT_ONCE * MAX_PIXELS
    if count > limit:
        raise ImageError(
            f"a plane of the image has {count} numbers, the limit is {limit}: pass a part of it, "
            "or fewer channels"
        )


def check_size(width: int, height: int) -> None:
    """Raise `ImageError` if an image has no pixels or too many."""
    if width == 0 or height == 0:
        raise ImageError(f"the image is empty, got {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the image has {width} x {height} = {width * height / 1e6:.0f} megapixels, the limit "
            f"is {MAX_PIXELS / 1e6:.0f}: pass a part of it, or scale it down"
        )


def from_array(
    source: Any, options: Options, *, name: str = "", record: dict[str, Any] | None = None
) -> LoadedImage:
    """Load a plane of an array of any library; `record` is what is told of its file."""
    array, layout, names = described(source, options)
    shape = tuple(int(n) for n in array.shape)
    picked = layout.picked(options.plane, shape)
    kept = "".join(a for a in layout.letters if a not in layout.planes)
    sizes = dict(zip(layout.letters, shape, strict=True))
    check_size(sizes["X"], sizes["Y"])
    values = _computed(array[picked], kept)
    values = check_values(values)
    rgb, told = _colored(values, options, names)
    planes = {a: p for a, p in zip(layout.letters, picked, strict=True) if a in layout.planes}
    whole = {"shape": shape, "dtype": str(array.dtype), "axes": layout.letters}
    more = {"plane": planes} if planes else {}
    return LoadedImage(
        rgb, values, name, MappingProxyType({**(record or {}), **whole, **more, **told})
    )


def described(source: Any, options: Options) -> tuple[Any, Layout, Sequence[str] | None]:
    """The array, its axes, and the names of its channels."""
    names: Sequence[str] | None = None
    explicit = options.axes
    if hasattr(source, "detach"):
        source = _tensor_to_array(source)
        first_wins = True
    elif hasattr(source, "dims") and hasattr(source, "coords"):  # xarray
        layout = axes_.parsed(explicit, source.ndim) if explicit else axes_.named(source.dims)
        return source.data, layout, _channel_names(source, layout)
    elif all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__")):
        first_wins = False
    else:
        raise ImageError(
            "image must be a path, PIL image, numpy array, torch tensor, or an array of xarray, "
            f"dask, zarr or h5py, got {type(source).__name__}"
        )
    shape = tuple(source.shape)
    layout = (
        axes_.parsed(explicit, len(shape))
        if explicit
        else axes_.guessed(shape, channels=options.channels is not None, first_wins=first_wins)
    )
    return source, layout, names


def _channel_names(source: Any, layout: Layout) -> Sequence[str] | None:
    """Names of the channels of a DataArray, if they are texts."""
    if layout.channel is None:
        return None
    coordinate = source.coords.get(source.dims[layout.channel])
    found = [] if coordinate is None else np.asarray(coordinate.values).tolist()
    return found if found and all(isinstance(one, str) for one in found) else None


def _tensor_to_array(tensor: Any) -> npt.NDArray[np.generic]:
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":  # numpy has no such type
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


def _computed(array: Any, letters: str) -> npt.NDArray[Any]:
    """A plane in memory, (H, W) or (H, W, C)."""
    found = array if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
    order = [letters.index(a) for a in "YX"] + [i for i, a in enumerate(letters) if a not in "YX"]
    plane: npt.NDArray[Any] = found.transpose(order)
    return plane


def _colored(
    values: npt.NDArray[Any], options: Options, names: Sequence[str] | None
) -> tuple[UInt8Array, dict[str, Any]]:
    """RGB of a plane, (H, W) or (H, W, C), and what was done."""
    cube = values[..., None] if values.ndim == 2 else values  # noqa: PLR2004
    count = cube.shape[2]
    if options.channels is not None:
        shown = shown_channels(options.channels, count, names)
        part = cube[..., [one.channel for one in shown]]
        limits = _limits_of_shown(part, options, alike=not isinstance(options.channels, dict))
        rgb = blended(to_bytes(part, limits), shown)
        return rgb, {"channels": _told(shown), "contrast_limits": limits}
    if count not in axes_.FEW:
        known = f" ({', '.join(names)})" if names else ""
        raise ImageError(
            f"the image has {count} channels{known}: say which are shown, e.g. channels=0 for one "
            "in grey, channels=(0, 1, 2) as red, green, blue, or channels={0: 'green', "
            f"{count - 1}: 'magenta'}}"
        )
    color = cube[..., :3] if count > 1 else cube
    limits = limits_of(color, options.contrast_limits, color.shape[2])
    pixels = to_bytes(color, limits)
    if count == 4:  # noqa: PLR2004
        pixels = on_white(np.concatenate([pixels, _alpha(cube[..., 3:])], axis=2))
    rgb = np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), order="C")
    return rgb, {"contrast_limits": limits}


def _limits_of_shown(
    part: npt.NDArray[Any], options: Options, *, alike: bool
) -> tuple[tuple[float, float] | None, ...]:
    count = part.shape[2]
    if alike or not isinstance(options.contrast_limits, str):
        return limits_of(part, options.contrast_limits, count)
    # Dyes differ in brightness by orders of magnitude.
    return tuple(
        limits_of(part[..., i : i + 1], options.contrast_limits, 1)[0] for i in range(count)
    )


def _told(shown: Sequence[Shown]) -> dict[int, str]:
    """Channels and their colours for the provenance."""
    return {
        one.channel: "grey"
        if one.color == GREY
        else "#" + "".join(f"{round(255 * part):02x}" for part in one.color)
        for one in shown
    }


def _alpha(alpha: npt.NDArray[Any]) -> UInt8Array:
    """Alpha is a fraction of full scale whatever the contrast of the colours."""
    full = 1.0 if alpha.dtype.kind in "fb" else float(np.iinfo(alpha.dtype).max)
    return to_bytes(alpha, [(0.0, full)])
