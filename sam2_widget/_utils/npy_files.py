"""Reading untrusted NPY files: never allocates more memory than the file has bytes."""

from __future__ import annotations

import io
import math
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
import numpy.typing as npt

_START = np.lib.format.MAGIC_PREFIX

_Header: TypeAlias = tuple[tuple[int, ...], bool, np.dtype[Any]]


def read_npy_file(file: BinaryIO) -> npt.NDArray[Any]:
    """The array in an open NPY file, read-only; a file on disk is memory-mapped.

    It is mapped by its descriptor: its path may refer to another file than the checked one by now.

    Raises
    ------
    ValueError
        If it is no NPY file, holds Python objects, which are pickles, or has fewer bytes than its
        header states.
    """
    shape, fortran, dtype = _header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, in a pickle, which is never loaded")
    start, size = file.tell(), file.seek(0, io.SEEK_END)
    needed = math.prod(shape) * dtype.itemsize
    if needed > size - start:
        raise ValueError(f"it is cut off: its array of {needed} bytes has {size - start}")
    if isinstance(file, io.BytesIO):
        flat = np.frombuffer(file.getvalue(), np.uint8, needed, start)
    else:
        # An empty file cannot be mapped.
        flat = np.memmap(file, np.uint8, "r", start, needed) if needed else np.zeros(0, np.uint8)
    return flat.view(dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: BinaryIO) -> _Header:
    """Shape, whether the order is Fortran's, and dtype."""
    start = file.read(len(_START))
    if start.startswith(b"PK"):
        raise ValueError("it is an archive of several arrays: name it .npz")
    if start != _START:
        raise ValueError("it is no NPY file, e.g. a pickle: save it by numpy.save")
    file.seek(0)
    version = np.lib.format.read_magic(file)
    readers: dict[tuple[int, int], Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"it is of the version {version}, known are {sorted(readers)}")
    return cast("_Header", readers[version](file))
