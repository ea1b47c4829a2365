"""Recognizes an image that was opened before by its content, not by its name."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.errors import ImageError
from sam2_widget.images.opening import ImageFile, as_file
from sam2_widget.images.sequences import FrameSequence
from sam2_widget.images.stacks import ImageStack

SAMPLE = 2**18
"""Numbers of a stack that enter its key; reading all would take minutes from a slow disk."""

SAMPLED_FRAMES = 16
FILE_PARTS = 64
PART_BYTES = 2**14


def image_key(rgb: UInt8Array, stack: ImageStack | None = None) -> str:
    """Key of an image, 32 hexadecimal digits: equal pixels have the same key.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 ndarray
        The image as it is shown; of a stack, its first plane.
    stack : ImageStack, optional
        The stack whose first plane is `rgb`. Its other planes are sampled where that is cheap: in
        an array in memory, a file, and a list or folder of images, but not where a plane would have
        to be computed.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).data)
    if stack is not None:
        digest.update(f"{stack.along} {len(stack)}".encode())
        digest.update(_sample(stack.source))
    return digest.hexdigest()


def _sample(source: Any) -> bytes:
    if isinstance(source, np.ndarray):
        return repr((source.shape, source.dtype)).encode() + _sampled_array(source)
    if isinstance(source, ImageFile):
        return _sampled_file(source)
    if isinstance(source, FrameSequence):
        return _sampled_frames(source)
    return repr(getattr(source, "shape", "")).encode()


def _sampled_frames(sequence: FrameSequence) -> bytes:
    """The first bytes of some frames, evenly spaced; none of a frame that cannot be read."""
    last = max(len(sequence) - 1, 0)
    chosen = np.unique(np.linspace(0, last, SAMPLED_FRAMES).astype(int)).tolist()
    return b"|".join(_sampled_frame(sequence.frames[number]) for number in chosen)


def _sampled_frame(frame: Any) -> bytes:
    if isinstance(frame, np.ndarray):
        return _sample(frame)
    if not isinstance(frame, (str, os.PathLike, bytes)):
        return b""
    try:
        file = as_file(frame)
        return b"" if file is None else file.start(PART_BYTES)
    except ImageError:
        return b""


def _sampled_array(array: npt.NDArray[Any]) -> bytes:
    """Numbers of all planes, evenly spaced."""
    steps = [1] * array.ndim
    part = array
    while part.size > SAMPLE:
        longest = int(np.argmax(part.shape[-2:])) + array.ndim - 2
        if part.shape[longest] == 1:
            longest = int(np.argmax(part.shape))
        steps[longest] *= 2
        part = array[tuple(slice(None, None, step) for step in steps)]
    return part.tobytes()


def _sampled_file(image: ImageFile) -> bytes:
    """Bytes of a file, evenly spaced, and its length."""
    with image.open() as file:
        size = file.seek(0, os.SEEK_END)
        parts = []
        for at in np.linspace(0, max(size - PART_BYTES, 0), FILE_PARTS).astype(int).tolist():
            file.seek(at)
            parts.append(file.read(PART_BYTES))
    return str(size).encode() + b"".join(parts)
