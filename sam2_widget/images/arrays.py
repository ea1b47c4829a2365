"""Converts arrays of any library to the RGB of one plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget._utils.pickling import PicklesMappings
from sam2_widget.errors import ImageError
from sam2_widget.images import axes as axes_
from sam2_widget.images.axes import Layout, Plane
from sam2_widget.images.bands import Bands, colored
from sam2_widget.images.contrast import Channels, ContrastLimits, check_values

RGBA = 4
"""Number of channels of a picture with transparency."""

MAX_PLANE_BYTES = 2**30
"""Bytes of the largest plane that is read from a file. Its conversion temporarily takes up to three
times as much, which must fit into the memory of a kernel on a shared server."""

CHANNELS_AT_ONCE = 16
"""Channels of an image of `MAX_PIXELS`; a plane of fewer pixels may have more channels."""


class TensorLike(Protocol):
    """A torch tensor, recognized by its methods, so that torch need not be imported."""

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
    """An image that is in memory, as `LoadedImage`, or read on demand."""

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
class LoadedImage(PicklesMappings):
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
        How `rgb` was made; part of the provenance of masks.
    """

    rgb: UInt8Array
    values: npt.NDArray[Any] = field(repr=False)
    name: str = ""
    record: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """The options of `load_image`."""

    axes: str | None = None
    plane: Plane | None = None
    channels: Channels | None = None
    contrast_limits: ContrastLimits = "auto"

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, by the names of the arguments."""
        given = {name: getattr(self, name) for name in ("axes", "plane", "channels")}
        found = {name: value for name, value in given.items() if value is not None}
        is_auto = isinstance(self.contrast_limits, str) and self.contrast_limits == "auto"
        return found if is_auto else {**found, "contrast_limits": self.contrast_limits}


def check_plane(count: int, dtype: Any) -> None:
    """Raise `ImageError` if a plane of a file has too many numbers, or takes too many bytes.

    The header of a small file may state thousands of channels, which a reader fills with zeros.
    """
    limit = CHANNELS_AT_ONCE * MAX_PIXELS
    if count > limit:
        raise ImageError(
            f"a plane of the image has {count} numbers, the limit is {limit}: pass a part of it, "
            "or fewer channels"
        )
    _check_bytes(count, dtype, MAX_PLANE_BYTES)


def _check_bytes(count: int, dtype: Any, limit: int) -> None:
    taken = count * np.dtype(dtype).itemsize
    if taken > limit:
        raise ImageError(
            f"a plane of the image takes {taken / 2**20:.0f} MiB as {np.dtype(dtype)}, the limit "
            f"is {limit / 2**20:.0f} MiB: save a part of it, fewer channels or smaller "
            "numbers, or pass an array"
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
    source: Any,
    options: Options,
    *,
    name: str = "",
    record: dict[str, Any] | None = None,
    bands: Bands | None = None,
    max_bytes: int | None = None,
) -> LoadedImage:
    """Load a plane of an array of any library.

    `record` and `bands` describe it as stated in its file, if it is from one. A plane of more than
    `max_bytes` is rejected before it is read.
    """
    array, layout, found = described(source, options)
    shape = tuple(int(n) for n in array.shape)
    picked = layout.picked(options.plane, shape)
    kept = "".join(a for a in layout.letters if a not in layout.planes)
    sizes = dict(zip(layout.letters, shape, strict=True))
    check_size(sizes["X"], sizes["Y"])
    if max_bytes is not None:
        _check_bytes(prod(sizes[a] for a in kept), array.dtype, max_bytes)
    values = check_values(_computed(array[picked], kept))
    rgb, conversion = colored(values, options, bands or found)
    notes = (*(record or {}).get("notes", ()), *conversion.get("notes", ()))
    planes = {a: p for a, p in zip(layout.letters, picked, strict=True) if a in layout.planes}
    whole = {"shape": shape, "dtype": str(array.dtype), "axes": layout.letters}
    more = {"plane": planes} if planes else {}
    facts = {**(record or {}), **whole, **more, **conversion, **({"notes": notes} if notes else {})}
    return LoadedImage(rgb, np.ma.getdata(values), name, MappingProxyType(facts))


def described(source: Any, options: Options) -> tuple[Any, Layout, Bands]:
    """The array, its axes, and the properties of its channels."""
    if hasattr(source, "dims") and hasattr(source, "coords"):
        return _described_data_array(source, options)
    is_tensor = hasattr(source, "detach")
    if is_tensor:
        source = _tensor_to_array(source)
    elif not all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__")):
        raise ImageError(
            "image must be a path, file object, bytes, PIL image, numpy array, torch tensor, or an "
            f"array of xarray, dask, zarr or h5py, got {type(source).__name__}"
        )
    shape = tuple(source.shape)
    layout = (
        axes_.parsed(options.axes, len(shape))
        if options.axes
        else axes_.guessed(shape, channels=options.channels is not None, first_wins=is_tensor)
    )
    may_be_first = is_tensor and not options.axes
    return source, layout, Bands(alpha=_alpha(source, layout, may_be_first=may_be_first))


def _described_data_array(source: Any, options: Options) -> tuple[Any, Layout, Bands]:
    """As `described`, of an xarray DataArray."""
    layout = axes_.parsed(options.axes, source.ndim) if options.axes else axes_.named(source.dims)
    alpha = _alpha(source, layout) if axes_.SAMPLE in layout.letters else None
    names, nodata = _channel_names(source, layout), _nodata(getattr(source, "attrs", {}))
    return source.data, layout, Bands(names=names, alpha=alpha, nodata=nodata)


def _alpha(array: Any, layout: Layout, *, may_be_first: bool = False) -> int | None:
    """Which channel of an array is transparency.

    Only 8-bit RGBA has transparency, as Pillow and torchvision create it. In other types, and where
    channels come first, as in satellite images, the fourth channel is a band like the others.
    """
    at = layout.channel
    if at is None or array.dtype != np.uint8 or array.shape[at] != RGBA:
        return None
    return RGBA - 1 if at == len(array.shape) - 1 or may_be_first else None


def _nodata(attributes: Mapping[Any, Any]) -> float | None:
    """The number for "no data", as the attributes of a DataArray state it."""
    for key in ("_FillValue", "missing_value", "nodata", "nodatavals"):
        found = np.ravel(attributes.get(key, ()))
        if found.size and np.issubdtype(found.dtype, np.number):
            return float(found[0])
    return None


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
