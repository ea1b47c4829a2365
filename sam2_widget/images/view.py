"""The view: the compressed picture of an image that pages are sent."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget.images.sources import ImageLike, load_image

__all__ = ["MAX_PIXELS", "MAX_VIEW_SIDE", "ImageLike", "View", "encode_view", "to_rgb"]

MAX_VIEW_SIDE = 2048
"""Longer side of the view in pixels: sharp on a HiDPI screen at the widget's largest size."""

MAX_VIEW_BYTES = 1_000_000
"""Largest size of the view in bytes; more detail is sent as tiles when the user zooms in."""

LOSSLESS_PIXELS = 256 * 256

QUALITIES = (90, 80, 65, 50)
"""JPEG qualities; the first that fits into the limit is used."""


def to_rgb(image: ImageLike) -> UInt8Array:
    """RGB of an image of any source, (H, W, 3) uint8; see `load_image`."""
    return load_image(image).rgb


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The picture that pages are sent.

    Attributes
    ----------
    width, height : int
        Size of the original image in pixels, to which the picture is scaled.
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


def encode_view(rgb: UInt8Array, *, side: int = MAX_VIEW_SIDE) -> View:
    """Compress an RGB image of shape (H, W, 3) for the browser, scaled down if it is large.

    `side` is the longest side that the picture may have, in pixels.
    """
    height, width = rgb.shape[:2]
    picture = _fitted(Image.fromarray(rgb), side)
    # Small images are icons, masks and cells: artefacts of JPEG would show, and PNG is small.
    if picture.width * picture.height <= LOSSLESS_PIXELS:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return View(width, height, *picture.size, "image/png", buffer.getvalue())
    picture, data = encode_jpeg(picture, MAX_VIEW_BYTES)
    return View(width, height, *picture.size, "image/jpeg", data)


def encode_jpeg(picture: Image.Image, limit: int) -> tuple[Image.Image, bytes]:
    """The picture as a JPEG file of at most `limit` bytes, and the picture at the size encoded.

    Noise, as in micrographs, compresses badly: first the quality is reduced, then the size.
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
