"""Label volumes (T, H, W) as TIFF and NPZ: the id of each pixel's object on each frame."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Source, Target, decoded, name_of, read_bytes, writing
from sam2_widget._utils.npy_files import read_npy_file
from sam2_widget.errors import AnnotationError, ExportError, MissingLibraryError
from sam2_widget.export.archives import open_archive
from sam2_widget.export.label_map import from_label_map
from sam2_widget.export.sizes import MAX_ARRAY_BYTES, check_bytes
from sam2_widget.export.tiff_read import decode_tiff
from sam2_widget.export.tracks.frames import (
    FramesLike,
    LabeledFrames,
    flattened,
    gathered,
    in_order,
    with_ids,
)
from sam2_widget.export.values import LabeledMask, ResultLike

ARRAY: Final = "label_map"
"""Name of the volume in an NPZ, which also contains the ids and their labels."""


def write_tracks_tiff(
    frames: FramesLike,
    target: Target,
    *,
    length: int | None = None,
    dtype: npt.DTypeLike = np.uint16,
    overwrite: bool = False,
) -> None:
    """Write a label volume as a TIFF with a page for each frame, page by page.

    Pixels that belong to several objects are given to the upper one, and a `LossWarning` states how
    many. Labels and scores are left out.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames.
    target : path or file object
    length : int, optional
        Number of frames of the video; by default up to the last one given.
    dtype : unsigned integer type
        Type of the pixels.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If there are no frames, they are not in order or of different sizes, or an id does not fit
        `dtype`.
    MissingLibraryError
        If tifffile is not installed.
    """
    tifffile = _tifffile()
    with (
        writing(target, overwrite=overwrite) as file,
        tifffile.TiffWriter(_Unnamed(file)) as writer,
    ):
        for page in _pages(in_order(frames), length, np.dtype(dtype)):
            writer.write(page, photometric="minisblack", compression="zlib", metadata=None)


class _Unnamed:
    """A file object without its name: the name is a number while writing, tifffile needs text."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        if name == "name":
            raise AttributeError(name)
        return getattr(self._file, name)


def _tifffile() -> Any:
    try:
        return import_module("tifffile")
    except ImportError as error:
        raise MissingLibraryError(
            "tifffile, which writes TIFFs, is not installed: run `pip install tifffile`"
        ) from error


def _pages(
    frames: Iterable[tuple[int, ResultLike]], length: int | None, dtype: np.dtype[Any]
) -> Iterator[npt.NDArray[Any]]:
    """The label map of each frame, with empty ones between and after the given frames."""
    done, size = 0, None
    for number, result, label_map in flattened(frames):
        size = result.size
        for _ in range(done, number):
            yield np.zeros(size, dtype)
        yield _page(number, label_map, dtype)
        done = number + 1
    if size is None:
        raise ExportError("there are no frames to write: their size is not known")
    if length is not None and done > length:
        raise ExportError(f"there are results for {done} frames, but length= is {length}")
    for _ in range(done, length or 0):
        yield np.zeros(size, dtype)


def _page(number: int, label_map: npt.NDArray[np.int32], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    most = int(label_map.max(initial=0))
    if most > np.iinfo(dtype).max:
        raise ExportError(
            f"the id {most} on frame {number} does not fit {dtype}: pass dtype='uint32'"
        )
    return label_map.astype(dtype)


def write_tracks_npz(
    frames: FramesLike, target: Target, *, length: int | None = None, overwrite: bool = False
) -> None:
    """Write a label volume as NPZ: ``label_map`` (T, H, W) int32, with ``ids`` and ``labels``.

    The arguments are those of `write_tracks_tiff`. Frames are held as compressed bits until all
    have arrived, since the array's header states their number.
    """
    labels: dict[int, str] = {}
    pages = [
        (page.shape, zlib.compress(page.tobytes(), 1))
        for page in _pages(_noting_labels(frames, labels), length, np.dtype("<i4"))
    ]
    shape = (len(pages), *pages[0][0])
    ids = sorted(labels)
    names = np.array([labels[one] for one in ids], np.str_)
    with (
        writing(target, overwrite=overwrite) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        _write(archive, ARRAY, shape, "<i4", (zlib.decompress(data) for _, data in pages))
        _write(archive, "ids", (len(ids),), "<i8", [np.array(ids, "<i8").tobytes()])
        _write(archive, "labels", names.shape, names.dtype.str, [names.tobytes()])


def _noting_labels(frames: FramesLike, labels: dict[int, str]) -> Iterator[tuple[int, ResultLike]]:
    """Pass frames through, and store the label of each id in `labels`."""
    for number, result in in_order(frames):
        for track, found in with_ids(result):
            labels.setdefault(track, found.label or "")
        yield number, result


def _write(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: str, parts: Iterable[bytes]
) -> None:
    header = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        member.write(header.getvalue())
        for part in parts:
            member.write(part)


# --- reading --------------------------------------------------------------------------------------


def read_tracks_tiff(source: Source, *, size: tuple[int, int] | None = None) -> LabeledFrames:
    """Read a label volume from a TIFF of any program: a frame for each page.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that frames must have.

    Raises
    ------
    AnnotationError
        If it is no such TIFF, or of another size.
    """
    return of_volume(decode_tiff(source, size).planes, name=name_of(source))


def read_tracks_npz(source: Source, *, size: tuple[int, int] | None = None) -> LabeledFrames:
    """Read a label volume (T, H, W) from an NPZ, or the only array of one.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that frames must have.

    Raises
    ------
    AnnotationError
        If there is none, or it has another size.
    """
    name = name_of(source)
    data = read_bytes(source)
    archive = decoded(lambda: open_archive(data), name)
    names = [one.removesuffix(".npy") for one in archive.namelist()]
    key = ARRAY if ARRAY in names else names[0] if len(names) == 1 else None
    if key is None:
        raise AnnotationError(f"{name} must have an array {ARRAY!r}, got {names!r:.100}")
    volume = decoded(lambda: _array(archive, key), name)
    labels: dict[int, str] = {}
    if {"ids", "labels"} <= set(names):
        ids, texts = (decoded(partial(_array, archive, n), name) for n in ("ids", "labels"))
        labels = {int(one): str(text) for one, text in zip(ids, texts, strict=True) if text}
    return of_volume(volume, size=size, labels=labels, name=name)


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        data = member.read(MAX_ARRAY_BYTES + 1)
    check_bytes(len(data), name)
    found: npt.NDArray[Any] = read_npy_file(io.BytesIO(data))
    return found


def of_volume(
    volume: npt.NDArray[Any],
    *,
    size: tuple[int, int] | None = None,
    labels: Mapping[int, str] | None = None,
    name: str = "the label volume",
) -> LabeledFrames:
    """The objects of a label volume, (T, H, W) integers; AnnotationError if it is not one."""
    if volume.ndim != 3 or volume.dtype.kind not in "iu":  # noqa: PLR2004
        raise AnnotationError(
            f"{name} must be (T, H, W) of whole numbers, got {volume.shape} of {volume.dtype}"
        )
    found: dict[int, tuple[LabeledMask, ...]] = {}
    for number, page in enumerate(volume):
        masks = from_label_map(page, size=size, name=f"frame {number} of {name}")
        if len(masks):
            found[number] = tuple(
                replace(one, label=(labels or {}).get(one.number or 0)) for one in masks
            )
    return gathered(found, volume.shape[1:], length=len(volume))
