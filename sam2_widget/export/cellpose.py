"""Cellpose's ``_seg.npy``: a pickled dict with a label map, read without executing the pickle."""

from __future__ import annotations

import io

import numpy as np

from sam2_widget._utils.files import Source, decoded, name_of, read_bytes, start_of
from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError
from sam2_widget.export.arrays import read_npy_header
from sam2_widget.export.label_map import from_label_map
from sam2_widget.export.pickled import unpickle
from sam2_widget.export.values import LabeledMasks


def read_cellpose(source: Source, *, size: tuple[int, int] | None = None) -> LabeledMasks:
    """Read the masks that Cellpose or its GUI has saved as ``…_seg.npy``.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        Expected (height, width) of the image.

    Raises
    ------
    AnnotationError
        If the file is not such a file, or its pickle holds anything but arrays and plain values;
        other objects are never created.
    """
    name = name_of(source)
    data = read_bytes(source)
    return decoded(lambda: _read(data, size, name), name)


def _read(data: bytes, size: tuple[int, int] | None, name: str) -> LabeledMasks:
    content = unpickle(_pickle(data, name), name)
    masks = content.get("masks") if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray):
        actual = (
            shown(sorted(map(str, content)))
            if isinstance(content, dict)
            else type(content).__name__
        )
        raise AnnotationError(
            f"{name} must hold an array 'masks', as Cellpose's files do, got {actual}"
        )
    if masks.ndim != 2:  # noqa: PLR2004
        raise AnnotationError(
            f"the masks of {name} must be (H, W), got the shape {masks.shape}: pass the masks of "
            "one plane as an array"
        )
    return from_label_map(masks, size=size, name=name)


def _pickle(data: bytes, name: str) -> bytes:
    """The pickle inside an NPY file that holds one Python object."""
    file = io.BytesIO(data)
    shape, _, dtype = read_npy_header(file, name)
    if not dtype.hasobject or shape != ():
        raise AnnotationError(
            f"{name} holds pickled Python objects, {shape} of {dtype}, which can execute code: it "
            "is not loaded; save the masks as an array of integers"
        )
    return file.read()


def is_cellpose(source: Source) -> bool:
    """Whether an NPY file, a path or a `NamedFile`, holds Python objects instead of numbers."""
    data = start_of(source)
    return data[:6] == b"\x93NUMPY" and (b"'|O'" in data or b"'O'" in data)
