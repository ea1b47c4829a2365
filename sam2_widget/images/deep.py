"""Reads images with more than 8 bits per channel by OpenCV, because Pillow would reduce them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_widget.images.arrays import RGBA, LoadedImage, Options, check_plane, from_array
from sam2_widget.images.bands import Bands
from sam2_widget.images.formats import TIFF_STARTS
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.orientation import TAG, upright
from sam2_widget.images.pillow import with_profile

BYTE = 255

STARTS = (
    *(b"\x89PNG\r\n\x1a\n", b"P5", b"P6", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "),
    *TIFF_STARTS,
)
"""Signatures of the formats that are read by OpenCV: PNG, PGM and PPM, JPEG 2000, TIFF."""


def is_deep(image: Image.Image) -> bool:
    """Whether Pillow would lose bits or transparency when it decodes an image."""
    for tile in getattr(image, "tile", ()):
        arguments = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if image.format == "PNG" and "16" in str(arguments[0]):
            return image.mode in ("RGB", "RGBA", "LA") or "transparency" in image.info
        if image.format == "PPM":
            return len(arguments) > 1 and isinstance(arguments[1], int) and arguments[1] > BYTE
        if image.format == "SGI":
            return bool(tile.codec_name == "SGI16")
        if image.format == "JPEG2000":
            return _jpeg2000_bits(image) > 8  # noqa: PLR2004
    return False


def _jpeg2000_bits(image: Image.Image) -> int:
    """Bits per channel of a JPEG 2000, read from its SIZ marker."""
    file = getattr(image, "fp", None)
    if file is None:
        return 0
    at = file.tell()
    file.seek(0)
    start: bytes = file.read(65536)
    file.seek(at)
    marker = start.find(b"\xff\x4f\xff\x51")
    # After two markers: length, capabilities, eight sizes, number of channels.
    bits = start[marker + 42 : marker + 43]
    return (bits[0] & 0x7F) + 1 if marker >= 0 and bits else 0


def decode(data: bytes, page: int = 0) -> npt.NDArray[Any] | None:
    """An image or a page of a TIFF with all bits, (H, W) or (H, W, C) with red first, or None."""
    import cv2  # noqa: PLC0415 - it costs 0.1 s, and most images do not need it

    if not data.startswith(STARTS):
        return None
    buffer = np.frombuffer(data, np.uint8)
    try:
        if page:
            pages = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=(page, page + 1))[1]
            found: Any = pages[0] if pages else None
        else:
            found = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if found is None or found.ndim == 2:  # noqa: PLR2004
        return None if found is None else np.asarray(found)
    return np.asarray(found[..., [2, 1, 0, *range(3, found.shape[2])]])


def load_deep(file: ImageFile, image: Image.Image, options: Options) -> LoadedImage | None:
    """Load an image with all its bits; None if OpenCV cannot."""
    orientation, profile = image.getexif().get(TAG, 1), image.info.get("icc_profile")
    check_plane(image.width * image.height * len(image.getbands()), np.uint16)
    values = decode(file.read())
    if values is None:
        return None
    values = upright(_with_transparency(values, image.info.get("transparency")), orientation)
    record: dict[str, Any] = {"orientation": orientation} if orientation != 1 else {}
    has_alpha = values.ndim == 3 and values.shape[2] in (2, RGBA)  # noqa: PLR2004
    bands = Bands(alpha=values.shape[2] - 1 if has_alpha else None)
    options = replace(options, axes=options.axes or "YXC"[: values.ndim])
    loaded = from_array(values, options, name=file.name, record=record, bands=bands)
    return loaded if options.channels is not None else with_profile(loaded, profile)


def _with_transparency(values: npt.NDArray[Any], key: object) -> npt.NDArray[Any]:
    """Add the transparency of a PNG with one transparent grey, which OpenCV ignores."""
    if values.ndim > 2 or not isinstance(key, int):  # noqa: PLR2004
        return values
    alpha = np.where(values == key, 0, np.iinfo(values.dtype).max).astype(values.dtype)
    return np.dstack([values, alpha])
