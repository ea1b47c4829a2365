"""Sources: whatever holds an image → its RGB, and how it came about."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sam2_widget import axes as axes_
from sam2_widget.axes import Layout, Plane
from sam2_widget.contrast import (
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
from sam2_widget.errors import ImageError
from sam2_widget.predictor import UInt8Array

MAX_PIXELS = 150_000_000
"""Largest image in pixels: 450 MB as RGB. Beyond it a kernel on a shared server would die."""


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


ImageLike: TypeAlias = (
    str | os.PathLike[str] | Image.Image | npt.NDArray[np.generic] | TensorLike | ArrayLike
)

T = TypeVar("T")


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


def load_image(
    image: ImageLike,
    *,
    axes: str | None = None,
    plane: Plane | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> LoadedImage:
    """Convert anything that is an image to RGB.

    Parameters
    ----------
    image : path, PIL image, ndarray, torch tensor, xarray DataArray, dask, zarr or h5py array
        Of shape (H, W), (H, W, C) or (C, H, W) with C = 1, 3 or 4, or any other that `axes` names;
        of bool, whole numbers or floats. Where both readings fit, arrays are (H, W, C) and tensors
        (C, H, W). Of lazy arrays only what is shown is computed. Transparency is laid on white.
        The EXIF orientation is applied, and colours are converted to sRGB if the file has a
        profile.
    axes : str, optional
        A letter for each axis: Y, X, C for channels, any other for planes, e.g. ``"TZCYX"``.
        Files and DataArrays that name their axes need none.
    plane : int or mapping, optional
        Which plane of a stack: its number, or one for each axis, e.g. ``{"T": 0, "Z": 12}``.
    channels : int, sequence or mapping, optional
        Which channels are shown: one in grey, three as (red, green, blue), or a mapping of channels
        to colours, e.g. ``{0: "blue", 3: "magenta"}``, which are added up.
    contrast_limits : "auto", "full", pair, or sequence of pairs
        The values shown as black and as white. By default 8 bits and floats within [0, 1] are shown
        as they are, others between their 0.1 and 99.9 percentiles, channels alike unless `channels`
        is a mapping. ``"full"`` is the range of the type.

    Returns
    -------
    LoadedImage

    Raises
    ------
    ImageError
        If it cannot be read, or makes no sense.
    """
    options = Options(axes, plane, channels, contrast_limits)
    if isinstance(image, (str, os.PathLike)):
        loaded, source = _from_file(Path(image), options), {"source": os.fspath(image)}
    elif isinstance(image, Image.Image):
        loaded = _decoded(partial(_from_pil, image, options, ""), "the PIL image")
        source = {}
    else:
        loaded, source = _from_array(image, options), {}
    said = {"options": options.said} if options.said else {}
    return replace(loaded, record=MappingProxyType({**source, **loaded.record, **said}))


def check_size(width: int, height: int) -> None:
    """Raise `ImageError` if an image has no pixels or too many."""
    if width == 0 or height == 0:
        raise ImageError(f"the image is empty, got {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the image has {width} x {height} = {width * height / 1e6:.0f} megapixels, the limit "
            f"is {MAX_PIXELS / 1e6:.0f}: pass a part of it, or scale it down"
        )


# --- files ----------------------------------------------------------------------------------------


def _from_file(path: Path, options: Options) -> LoadedImage:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises if the name is too long
        hint = "it is a folder" if os.path.isdir(path) else "there is no such file"  # noqa: PTH112
        raise ImageError(f"cannot read the image {str(path)!r}: {hint} (in {Path.cwd()})")
    what = f"the image {str(path)!r}"
    if path.suffix.lower() == ".npy":
        array = _decoded(lambda: np.load(path, mmap_mode="r", allow_pickle=False), what)
        return _from_array(array, options, name=path.name)
    if _is_tiff(path) and find_spec("tifffile"):
        return _decoded(partial(_from_tiff, path, options), what)
    return _decoded(partial(_from_picture, path, options), what)


def _is_tiff(path: Path) -> bool:
    """By the content: microscopes call their TIFFs .stk, .lsm, .svs and more."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:  # which the decoder will tell
        return False


def _from_picture(path: Path, options: Options) -> LoadedImage:
    """By Pillow, else by imageio if it is installed."""
    try:
        with warnings.catch_warnings():
            # Pillow warns at half of its limit; ours is checked below and is an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                return _from_pil(file, options, path.name)
    except UnidentifiedImageError:
        if not find_spec("imageio"):
            raise
    from imageio.v3 import imread  # noqa: PLC0415 - optional

    try:
        array = imread(path)
    except Exception as error:
        raise UnidentifiedImageError(str(error)) from error
    return _from_array(array, options, name=path.name)


def _from_tiff(path: Path, options: Options) -> LoadedImage:
    """By tifffile if it is more than a picture: other axes, more bits, more channels."""
    import tifffile  # noqa: PLC0415 - optional

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            if series.axes in ("YX", "YXS") and series.dtype == np.uint8 and not options.said:
                return _from_picture(path, options)
            layout = options.axes or _tiff_axes(series.axes)
            return _from_array(
                _TiffArray(path, series), _with_axes(options, layout), name=path.name
            )
    except tifffile.TiffFileError:
        # A broken TIFF, or one of Pillow's own: let it say what is wrong.
        return _from_picture(path, options)


class _TiffArray:
    """An array in a TIFF, of which only the pages that are asked for are read."""

    def __init__(self, path: Path, series: Any) -> None:
        self.shape = tuple(series.shape)
        self.dtype = series.dtype
        self._path = path
        self._series = series
        inner = len(series.keyframe.shape)
        self._outer = self.shape[: len(self.shape) - inner]

    def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        import tifffile  # noqa: PLC0415

        count = int(np.prod(self._outer))
        if count <= 1 or len(self._series.pages) != count:
            # One page holds all: ImageJ's stacks, which can be mapped unless they are compressed.
            with suppress(ValueError):
                return np.array(tifffile.memmap(self._path, series=0, mode="r")[index])
            return np.asarray(self._series.asarray()[index])
        cut = len(self._outer)
        numbers = np.arange(count).reshape(self._outer)[index[:cut]]
        pages = [self._series.pages[int(n)].asarray() for n in numbers.ravel()]
        planes = np.stack(pages).reshape(*numbers.shape, *pages[0].shape)
        inside: tuple[Any, ...] = (..., *index[cut:])
        return np.asarray(planes[inside])


def _tiff_axes(letters: str) -> str:
    """Tifffile's letters; where there are channels and samples, the channels are planes."""
    return letters.replace("C", "P") if "C" in letters and "S" in letters else letters


def _with_axes(options: Options, axes: str) -> Options:
    return Options(axes, options.plane, options.channels, options.contrast_limits)


def _decoded(decode: Callable[[], T], what: str) -> T:
    """Run a decoder, whose errors are as many as there are formats, and raise ours."""
    try:
        return decode()
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{what} is over the limit of {MAX_PIXELS / 1e6:.0f} megapixels: "
            "pass a part of it, or scale it down"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{what} is not an image that Pillow can read: "
            "open it with the library of its format and pass the array"
        ) from error
    except Exception as error:
        raise ImageError(f"{what} is broken: {error}") from error


def _from_pil(image: Image.Image, options: Options, name: str) -> LoadedImage:
    check_size(*image.size)
    orientation = image.getexif().get(0x0112, 1)
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    record = {"orientation": orientation} if orientation != 1 else {}
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        array = np.asarray(image)
        return _from_array(array, options, name=name, record=record)
    rgb, told = _managed(image, profile)
    record |= told
    if options.said:
        return _from_array(rgb, options, name=name, record=record)
    record |= {"shape": (*rgb.shape[:2], len(image.getbands())), "dtype": "uint8"}
    return LoadedImage(rgb, rgb, name, MappingProxyType({**record, "mode": image.mode}))


def _managed(image: Image.Image, profile: bytes | None) -> tuple[UInt8Array, dict[str, Any]]:
    """A picture in sRGB on white."""
    told: dict[str, Any] = {}
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        color, told = _in_srgb(rgba.convert("RGB"), profile)
        color.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", color.size, "white"), color)
    else:
        image, told = _in_srgb(image, profile)
    return np.array(image.convert("RGB")), told


def _in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, dict[str, Any]]:
    if not profile:
        return image, {}
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        if "srgb" in name.lower():
            return image, {"profile": name}
        picture = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
        done = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A profile that fits no mode, or is broken: the numbers as they are.
        return image, {"profile": "not usable, ignored"}
    return (done or image), {"profile": name}


# --- arrays ---------------------------------------------------------------------------------------


def _from_array(
    source: Any, options: Options, *, name: str = "", record: dict[str, Any] | None = None
) -> LoadedImage:
    array, layout, names = _described(source, options)
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


def _described(source: Any, options: Options) -> tuple[Any, Layout, Sequence[str] | None]:
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


class ImageStack(Sequence[LoadedImage]):
    """The planes of an image along one further axis, each loaded when it is asked for.

    Parameters
    ----------
    image : as for `load_image`
    axes, plane, channels, contrast_limits
        As for `load_image`; `plane` fixes the axes that are not `along`. Limits that are not given
        are found for each plane anew.
    along : str, optional
        Letter of the axis, e.g. ``"Z"``; needed if there are several.

    Examples
    --------
    >>> stack = ImageStack(np.zeros((5, 40, 60), np.uint8), axes="ZYX")
    >>> len(stack), stack[2].rgb.shape
    (5, (40, 60, 3))
    """

    def __init__(
        self,
        image: ImageLike,
        *,
        axes: str | None = None,
        along: str | None = None,
        plane: Plane | None = None,
        channels: Channels | None = None,
        contrast_limits: ContrastLimits = "auto",
    ) -> None:
        self._image = image
        self._options = Options(axes, plane, channels, contrast_limits)
        layout, shape = _stack_layout(image, self._options)
        sizes = dict(zip(layout.letters, shape, strict=True))
        several = [axis for axis in layout.planes if sizes[axis] > 1] or list(layout.planes)
        self.along = (along or (several[0] if len(several) == 1 else "")).upper()
        if self.along not in layout.planes:
            raise ImageError(
                f"say along which axis the planes lie: along= one of {several}, got {along!r}"
            )
        self._axes = layout.letters
        self._count = sizes[self.along]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """The `index`-th plane, a `LoadedImage`; or several for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no plane {index}: there are {len(self)}")
        fixed = self._options.plane if isinstance(self._options.plane, dict) else {}
        return load_image(
            self._image,
            axes=self._axes,
            plane={**fixed, self.along: int(index) % len(self)},
            channels=self._options.channels,
            contrast_limits=self._options.contrast_limits,
        )


def _stack_layout(image: ImageLike, options: Options) -> tuple[Layout, tuple[int, ...]]:
    """The axes of a stack and its shape."""
    if isinstance(image, (str, os.PathLike)):
        return _decoded(partial(_tiff_layout, Path(image), options), f"the image {image!r}")
    if isinstance(image, Image.Image):
        raise ImageError("a PIL image has no planes: pass an array with axes=")
    source, layout, _ = _described(image, options)
    return layout, tuple(source.shape)


def _tiff_layout(path: Path, options: Options) -> tuple[Layout, tuple[int, ...]]:
    if not find_spec("tifffile"):
        raise ImageError("tifffile is needed to read a stack: run `pip install tifffile`")
    import tifffile  # noqa: PLC0415 - optional

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        letters = options.axes or _tiff_axes(series.axes)
        return axes_.parsed(letters, series.ndim), tuple(series.shape)
