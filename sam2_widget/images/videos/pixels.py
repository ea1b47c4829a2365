"""Converts decoded frames to upright RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.images.contrast import composed_on_white
from sam2_widget.images.orientation import upright

if TYPE_CHECKING:
    import av

_UNSPECIFIED = 2
"""Value of a colour matrix that the file does not specify."""

_HD_HEIGHT = 720
"""Rows from which such a frame is taken for BT.709, as in browsers; smaller ones for BT.601."""

_HDR = (16, 18)
"""Transfer functions PQ and HLG, in libav's numbers."""

HDR_NOTE = (
    "The video has high dynamic range, which is shown without tone mapping: it may look pale."
)


def rgb_of(frame: av.VideoFrame) -> UInt8Array:
    """The upright pixels of a frame, (H, W, 3) uint8, contiguous.

    Colours are converted by libswscale with the matrix and range of the file; more than 8 bits are
    reduced to 8, and transparency is composed on white. The rotation is applied. Pixels that are
    not square are not rescaled.
    """
    is_transparent = any(component.is_alpha for component in frame.format.components)
    stated = _matrix(frame)
    pixels = frame.to_ndarray(format="rgba" if is_transparent else "rgb24", **stated)
    rgb = composed_on_white(_picture(pixels)) if is_transparent else pixels
    return np.ascontiguousarray(upright(rgb, orientation_of(frame)))


def _picture(rgba: Any) -> Any:
    from PIL import Image  # noqa: PLC0415 - rare

    return Image.fromarray(np.ascontiguousarray(rgba))


def _matrix(frame: av.VideoFrame) -> dict[str, Any]:
    if frame.colorspace != _UNSPECIFIED or frame.height < _HD_HEIGHT:
        return {}
    return {"src_colorspace": "ITU709"}


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether the frame has high dynamic range."""
    return frame.color_trc in _HDR


def orientation_of(frame: av.VideoFrame) -> int:
    """The orientation of the display matrix as an EXIF number; 1 if there is none.

    Rotations are rounded to multiples of 90 degrees.
    """
    side_data: Any = frame.side_data
    if (data := side_data.get("DISPLAYMATRIX")) is None:
        return 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(a) >= abs(b):
        return {(False, False): 1, (False, True): 2, (True, True): 3, (True, False): 4}[
            (d < 0, a < 0)
        ]
    return {(False, False): 5, (False, True): 6, (True, True): 7, (True, False): 8}[(b < 0, c < 0)]
