"""Images: anything a user has → RGB uint8, once, for display and model alike; and its picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from sam2_widget.images.arrays import MAX_PIXELS
from sam2_widget.images.sources import ImageLike, load_image
from sam2_widget.predictor import UInt8Array

__all__ = ["MAX_PIXELS", "MAX_VIEW_SIDE", "ImageLike", "View", "encode_view", "to_rgb"]

MAX_VIEW_SIDE = 2048
"""Longest side of the picture that the browser is sent, in pixels: sharp on a HiDPI screen at the
widget's largest size."""

MAX_VIEW_BYTES = 1_000_000
"""Most bytes of that picture: the rest comes as tiles when one zooms in."""

LOSSLESS_PIXELS = 256 * 256

QUALITIES = (90, 80, 65, 50)
"""Of JPEG, the first that fits is taken."""


def to_rgb(image: ImageLike) -> UInt8Array:
    """RGB of anything that is an image, (H, W, 3) uint8; see `load_image`."""
    return load_image(image).rgb


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
