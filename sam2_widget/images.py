"""Images: anything a user has → RGB uint8, once, for display and model alike."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from sam2_widget.errors import ImageError
from sam2_widget.predictor import UInt8Array

MAX_PIXELS = 150_000_000
"""Largest image in pixels: 450 MB as RGB. Beyond it a kernel on a shared server would die."""

MAX_VIEW_SIDE = 2048
"""Longest side of the picture that the browser is sent, in pixels: sharp on a HiDPI screen at the
widget's largest size."""

MAX_VIEW_BYTES = 1_000_000
"""Most bytes of that picture: the rest comes as tiles when one zooms in."""

LOSSLESS_PIXELS = 256 * 256

QUALITIES = (90, 80, 65, 50)
"""Of JPEG, the first that fits is taken."""

PERCENTILES = (0.1, 99.9)
"""What is shown as black and as white where the range of the values is not that of a picture."""


ROWS_AT_ONCE = 256
"""Rows converted in one go: double precision of a large image would not fit in memory."""


class TensorLike(Protocol):
    """A torch tensor, recognised by what it can do, so that torch need not be imported."""

    def detach(self) -> Any:
        """The tensor without its gradient."""


ImageLike: TypeAlias = str | os.PathLike[str] | Image.Image | npt.NDArray[np.generic] | TensorLike


def to_rgb(image: ImageLike) -> UInt8Array:
    """Convert anything that is an image to RGB.

    Parameters
    ----------
    image : path, PIL image, ndarray or torch tensor
        Of shape (H, W), (H, W, C) or (C, H, W) with C = 1, 3 or 4; of dtype uint8, uint16, bool or
        float. Where both readings fit, arrays are (H, W, C) and tensors (C, H, W). Floats within
        [0, 1] are taken as they are; other floats and uint16 are stretched between their 0.1 and
        99.9 percentiles, all channels alike.
        Transparency is laid on white. The EXIF orientation is applied.

    Returns
    -------
    (H, W, 3) uint8 ndarray
        Contiguous, and never a view of the input.

    Raises
    ------
    ImageError
        If the file cannot be read, or the shape, dtype, size or values are none of these.
    """
    if isinstance(image, (str, os.PathLike)):
        return _from_file(Path(image))
    if isinstance(image, Image.Image):
        return _decoded(lambda: _from_pil(image), "the PIL image")
    if isinstance(image, np.ndarray):
        return _from_array(_channels_last(image))
    if hasattr(image, "detach"):
        return _from_array(_channels_last(_tensor_to_array(image), first_wins=True))
    raise ImageError(
        f"image must be a path, PIL image, numpy array or torch tensor, got {type(image).__name__}"
    )


def _check_size(width: int, height: int) -> None:
    if width == 0 or height == 0:
        raise ImageError(f"the image is empty, got {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the image has {width} x {height} = {width * height / 1e6:.0f} megapixels, the limit "
            f"is {MAX_PIXELS / 1e6:.0f}: pass a part of it, or scale it down"
        )


def _from_file(path: Path) -> UInt8Array:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises if the name is too long
        hint = "it is a folder" if os.path.isdir(path) else "there is no such file"  # noqa: PTH112
        raise ImageError(f"cannot read the image {str(path)!r}: {hint} (in {Path.cwd()})")

    def decode() -> UInt8Array:
        with warnings.catch_warnings():
            # Pillow warns at half of its limit; ours is checked below and is an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                return _from_pil(file)

    return _decoded(decode, f"the image {str(path)!r}")


def _decoded(decode: Callable[[], UInt8Array], what: str) -> UInt8Array:
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


def _from_pil(image: Image.Image) -> UInt8Array:
    _check_size(*image.size)
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        array = np.asarray(image)
        return _from_array(array.astype(np.float64) if image.mode == "I" else array)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(image.convert("RGB"))


def _tensor_to_array(tensor: Any) -> npt.NDArray[np.generic]:
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":  # numpy has no such type
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


_CHANNELS = (1, 3, 4)


def _channels_last(
    array: npt.NDArray[np.generic], *, first_wins: bool = False
) -> npt.NDArray[np.generic]:
    """(C, H, W) → (H, W, C), where the shape can be read so; `first_wins` if it can be read both.

    For arrays this is a kindness to (3, H, W), so it must not turn a tiny image of a wrong number
    of channels into a wrong picture.
    """
    if array.ndim != 3:  # noqa: PLR2004 - (H, W) or an error that _from_array tells
        return array
    first, last = array.shape[0] in _CHANNELS, array.shape[2] in _CHANNELS
    plainly_first = not last and min(array.shape[1:]) > max(_CHANNELS)
    if first and (first_wins or plainly_first):
        return np.moveaxis(array, 0, 2)
    return array


def _from_array(array: npt.NDArray[np.generic]) -> UInt8Array:
    if array.ndim == 2:  # noqa: PLR2004
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _CHANNELS:  # noqa: PLR2004
        raise ImageError(
            f"an image array must have the shape (H, W) or (H, W, C) with C = 1, 3 or 4, "
            f"got {array.shape}: pick the channels to show, e.g. image[..., :3]"
        )
    _check_size(array.shape[1], array.shape[0])
    pixels = _to_uint8(array)
    if pixels.shape[2] == 4:  # noqa: PLR2004
        return _on_white(pixels)
    return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), order="C")


def _on_white(rgba: UInt8Array) -> UInt8Array:
    image = Image.fromarray(np.ascontiguousarray(rgba), "RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.array(Image.alpha_composite(white, image).convert("RGB"))


def _to_uint8(array: npt.NDArray[np.generic]) -> UInt8Array:
    if not array.dtype.isnative:  # 16-bit TIFF is often big-endian
        array = array.astype(array.dtype.newbyteorder("="))
    if isinstance(array, np.ma.MaskedArray):
        raise ImageError("the image is a masked array: fill it first, e.g. image.filled(0)")
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype == np.bool_:
        return np.asarray(np.where(array, 255, 0), np.uint8)
    if array.dtype == np.uint16 or np.issubdtype(array.dtype, np.floating):
        return _stretch(array)
    raise ImageError(
        f"an image array must be of uint8, uint16, bool or float, got {array.dtype}: "
        "convert it, e.g. image.astype(float)"
    )


def _stretch(array: npt.NDArray[Any]) -> UInt8Array:
    alpha = array[..., 3:]
    color = array[..., :3]
    finite = np.isfinite(array)
    if not finite.all():
        raise ImageError(
            f"the image has {np.count_nonzero(~finite)} values that are NaN or infinite: "
            "replace them, e.g. with np.nan_to_num(image)"
        )
    is_float = bool(np.issubdtype(array.dtype, np.floating))
    low, high = _limits(color, is_float=is_float)
    # Alpha is a fraction of full scale whatever the contrast of the colours.
    full = 1.0 if is_float else 65535.0
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        pixels[rows, :, :3] = _to_byte(color[rows], low, high)
        pixels[rows, :, 3:] = _to_byte(alpha[rows], 0.0, full)
    return pixels


def _to_byte(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float64]:
    """`low` to 0 and `high` to 255; in double precision, for large values with a small range."""
    fraction = (values.astype(np.float64) - low) / (high - low)
    return np.asarray(np.rint(np.clip(fraction, 0, 1) * 255))


def _limits(color: npt.NDArray[Any], *, is_float: bool) -> tuple[float, float]:
    """The values that become black and white."""
    low, high = float(color.min()), float(color.max())
    if is_float and low >= 0.0 and high <= 1.0:
        return 0.0, 1.0
    if low == high:
        # A flat image has no contrast to stretch: show it as the grey of its full scale.
        return (low - abs(low) - 1.0, low + abs(low) + 1.0) if is_float else (0.0, 65535.0)
    p_low, p_high = (float(p) for p in np.percentile(color, PERCENTILES))
    return (p_low, p_high) if p_high > p_low else (low, high)


def source_values(image: object, rgb: UInt8Array) -> npt.NDArray[np.generic]:
    """The values behind each pixel of `rgb`, (H, W) or (H, W, C): those of `image` if an array."""
    if isinstance(image, np.ndarray) and not isinstance(image, np.ma.MaskedArray):
        values = _channels_last(image)
        if values.shape[:2] == rgb.shape[:2]:
            return values
    return rgb


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The picture that the browser is sent.

    Attributes
    ----------
    width, height : int
        Size of the true image in pixels, over which the picture is stretched.
    view_width, view_height : int
        Size of the picture in pixels.
    mime : str
        ``"image/png"`` or ``"image/jpeg"``.
    data : bytes
        The file.
    """

    width: int
    height: int
    view_width: int
    view_height: int
    mime: str
    data: bytes


def encode_view(rgb: UInt8Array) -> View:
    """Compress an RGB image of shape (H, W, 3) for the browser, scaled down if it is large."""
    height, width = rgb.shape[:2]
    picture = _fitted(Image.fromarray(rgb), MAX_VIEW_SIDE)
    # Small pictures are icons, masks and cells, where JPEG shows and PNG costs little.
    if picture.width * picture.height <= LOSSLESS_PIXELS:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return View(width, height, *picture.size, "image/png", buffer.getvalue())
    picture, data = encode_jpeg(picture, MAX_VIEW_BYTES)
    return View(width, height, *picture.size, "image/jpeg", data)


def encode_jpeg(picture: Image.Image, limit: int) -> tuple[Image.Image, bytes]:
    """The picture as a JPEG file of at most `limit` bytes, and the picture that it shows.

    Noise, as in electron micrographs, compresses badly: it gets a lower quality, then fewer pixels.
    """
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality, subsampling=0)
            if buffer.tell() <= limit or max(picture.size) <= 1:
                return picture, buffer.getvalue()
        picture = _fitted(picture, max(picture.size) * 2 // 3)


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side at most `side` pixels."""
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
