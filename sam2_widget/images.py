"""Images: anything a user has → RGB uint8, once, for display and model alike; and its picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from sam2_widget.predictor import UInt8Array
from sam2_widget.sources import MAX_PIXELS, ImageLike, load_image

__all__ = ["MAX_PIXELS", "MAX_VIEW_SIDE", "ImageLike", "View", "encode_view", "to_rgb"]

MAX_VIEW_SIDE = 2048
"""Longest side of the picture that the browser is sent, in pixels: sharp on a HiDPI screen at the
widget's largest size, and well under 1 MB."""


def to_rgb(image: ImageLike) -> UInt8Array:
    """RGB of anything that is an image, (H, W, 3) uint8; see `sam2_widget.sources.load_image`."""
    return load_image(image).rgb


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The picture that the browser is sent.

    Attributes
    ----------
    width, height : int
        Size of the true image in pixels, over which the picture is stretched.
    mime : str
        ``"image/png"`` or ``"image/jpeg"``.
    data : bytes
        The file.
    """

    width: int
    height: int
    mime: str
    data: bytes


def encode_view(rgb: UInt8Array) -> View:
    """Compress an RGB image of shape (H, W, 3) for the browser, scaled down if it is large."""
    height, width = rgb.shape[:2]
    picture = Image.fromarray(rgb)
    if max(width, height) > MAX_VIEW_SIDE:
        scale = MAX_VIEW_SIDE / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    # Small pictures are icons, masks and cells, where JPEG shows and PNG costs little.
    lossless = picture.width * picture.height <= 256 * 256
    buffer = io.BytesIO()
    if lossless:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return View(width, height, "image/png" if lossless else "image/jpeg", buffer.getvalue())
