"""Sources: whatever holds an image → its RGB, and how it came about."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sam2_widget.errors import ImageError
from sam2_widget.images.arrays import (
    MAX_PIXELS,
    ArrayLike,
    LoadedImage,
    Options,
    TensorLike,
    check_count,
    check_size,
    from_array,
)
from sam2_widget.images.axes import Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.tiff import check_pages
from sam2_widget.predictor import UInt8Array

ImageLike: TypeAlias = (
    str
    | os.PathLike[str]
    | Image.Image
    | LoadedImage
    | npt.NDArray[np.generic]
    | TensorLike
    | ArrayLike
)

T = TypeVar("T")


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
        Or what this function has returned, e.g. a plane of an `ImageStack`.
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
    if isinstance(image, LoadedImage):
        if options.said:
            raise ImageError(
                f"the image is loaded already: {', '.join(options.said)} comes too late"
            )
        return image
    if isinstance(image, (str, os.PathLike)):
        loaded, source = _from_file(Path(image), options), {"source": os.fspath(image)}
    elif isinstance(image, Image.Image):
        loaded = decoded(partial(_from_pil, image, options, ""), "the PIL image")
        source = {}
    else:
        loaded, source = from_array(image, options), {}
    said = {"options": options.said} if options.said else {}
    return replace(loaded, record=MappingProxyType({**source, **loaded.record, **said}))


# --- files ----------------------------------------------------------------------------------------


def _from_file(path: Path, options: Options) -> LoadedImage:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises if the name is too long
        hint = "it is a folder" if os.path.isdir(path) else "there is no such file"  # noqa: PTH112
        raise ImageError(f"cannot read the image {str(path)!r}: {hint} (in {Path.cwd()})")
    what = f"the image {str(path)!r}"
    if path.suffix.lower() == ".npy":
        array = decoded(lambda: np.load(path, mmap_mode="r", allow_pickle=False), what)
        return from_array(array, options, name=path.name)
    if is_tiff(path) and find_spec("tifffile"):
        return decoded(partial(_from_tiff, path, options), what)
    return decoded(partial(_from_picture, path, options), what)


def is_tiff(path: Path) -> bool:
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
    return from_array(array, options, name=path.name)


def _from_tiff(path: Path, options: Options) -> LoadedImage:
    """By tifffile if it is more than a picture: other axes, more bits, more channels."""
    import tifffile  # noqa: PLC0415 - optional

    with path.open("rb") as start:
        check_pages(start)
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            if series.axes in ("YX", "YXS") and series.dtype == np.uint8 and not options.said:
                return _from_picture(path, options)
            layout = options.axes or tiff_axes(series.axes)
            options = replace(options, axes=layout)
            return from_array(_TiffArray(path, series), options, name=path.name)
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
        check_count(series.keyframe.size)
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


def tiff_axes(letters: str) -> str:
    """Tifffile's letters; where there are channels and samples, the channels are planes."""
    return letters.replace("C", "P") if "C" in letters and "S" in letters else letters


def decoded(decode: Callable[[], T], what: str) -> T:
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
        return from_array(array, options, name=name, record=record)
    rgb, told = _managed(image, profile)
    record |= told
    if options.said:
        return from_array(rgb, options, name=name, record=record)
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
