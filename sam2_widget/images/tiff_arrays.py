"""Arrays in TIFFs, of which only the indexed pages are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import ImageError
from sam2_widget.images import formats
from sam2_widget.images.arrays import Options, check_plane, check_size
from sam2_widget.images.axes import CHANNEL, SAMPLE, Layout, parsed
from sam2_widget.images.bands import Bands
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.orientation import is_turned
from sam2_widget.images.tiff import check_pages
from sam2_widget.images.tiff_pages import (
    finished,
    finished_type,
    is_picture,
    page_shape,
    page_type,
    read_page,
)
from sam2_widget.images.tiff_tags import (
    INSTALL,
    PALETTE,
    WHITE_IS_ZERO,
    TiffTags,
    all_tags,
    tags_of_page,
)


@dataclass(frozen=True, slots=True, eq=False)
class TiffImage:
    """The first image of a TIFF, or the stack of its pages.

    Attributes
    ----------
    array : array-like
        Read on indexing.
    letters : str
        Its axes.
    tags : TiffTags
        Tags of its first page.
    notes : tuple of str
        Notes on the file for the user.
    """

    array: Any
    letters: str
    tags: TiffTags
    notes: tuple[str, ...] = ()

    def layout(self, options: Options) -> Layout:
        """The axes given by the user, otherwise those of the file."""
        return parsed(options.axes or self.letters, len(self.array.shape))

    def bands(self, layout: Layout) -> Bands:
        """Properties of the channels if these are the samples of a page."""
        at = layout.channel
        found = self.tags.bands
        if at is None or at >= len(self.letters) or self.letters[at] != SAMPLE:
            return Bands(nodata=found.nodata)
        if is_picture(self.tags) or self.tags.photometric == PALETTE:
            return Bands(is_rgb=True)
        return found

    @property
    def profile(self) -> bytes | None:
        """The profile for converting the colours; None if that is done or not needed."""
        return None if is_picture(self.tags) else self.tags.profile

    @property
    def record(self) -> dict[str, Any]:
        """The file's part of the provenance."""
        record: dict[str, Any] = {}
        if self.tags.orientation in range(2, 9):
            record["orientation"] = self.tags.orientation
        if self.tags.photometric == WHITE_IS_ZERO:
            record["photometric"] = "0 is white, inverted"
        return {**record, "notes": self.notes} if self.notes else record


@contextmanager
def tiff_image(
    file: ImageFile, *, with_tifffile: bool, numbers: bool = False
) -> Iterator[TiffImage]:
    """The first image of a TIFF, usable while the file is open.

    Parameters
    ----------
    file : ImageFile
    with_tifffile : bool
        Whether tifffile is installed.
    numbers : bool
        Whether indices of a palette and numbers of few bits are returned unchanged.

    Raises
    ------
    ImageError, or whatever a decoder raises
        If it cannot be read.
    """
    with file.open() as start:
        check_pages(start)
    if not with_tifffile:
        yield _by_pages(file, numbers=numbers)
        return
    import tifffile  # noqa: PLC0415 - optional

    with (
        file.open() as stream,
        # Of an image in several files only this file is read: none may cause another to be opened.
        tifffile.TiffFile(stream, name=_alone(file.name), _multifile=False) as opened,
    ):
        series = opened.series[0]
        tags = tags_of_page(series.keyframe)
        _check(tags, file)
        if is_picture(tags):
            yield _by_pages(file, numbers=numbers)
            return
        array = _SeriesArray(file, series, tags, numbers=numbers)
        yield TiffImage(array, array.letters, tags, _notes(len(opened.series) - 1))


def _alone(name: str) -> str:
    """A file name for which tifffile does not search for further files, as Micro-Manager's."""
    return name.replace("_MMStack", "") or "image.tif"


def tiff_page(file: ImageFile, index: int) -> TiffImage:
    """One page of a TIFF, without tifffile."""
    with file.open() as stream:
        tags = all_tags(stream)[index]
    _check(tags, file)
    array = read_page(file, index, tags)
    return TiffImage(array, "YXS"[: array.ndim], tags)


def _by_pages(file: ImageFile, *, numbers: bool) -> TiffImage:
    """Read by Pillow or OpenCV: pages like the first are a stack."""
    with file.open() as stream:
        pages = all_tags(stream)
    if not pages:
        raise ImageError(f"{file} is broken: it has no page")
    tags = pages[0]
    _check(tags, file)
    whole = [i for i, page in enumerate(pages) if not page.is_reduced or i == 0]
    alike = [i for i in whole if pages[i].is_like(tags)]
    array = _PageArray(file, alike, tags, numbers=numbers)
    notes = _notes(len(whole) - len(alike))
    if tags.imagej_planes > len(pages):
        planes = tags.imagej_planes
        notes += (f"The first of {planes} planes of the stack is shown: to have all, {INSTALL}.",)
    return TiffImage(array, array.letters, tags, notes)


def _notes(further: int) -> tuple[str, ...]:
    """A note for the user on images of other sizes or types in the file."""
    if not further:
        return ()
    note = "The first image of the file is shown: there are others, of other sizes or types"
    return (f"{note} ({further}).",)


def _check(tags: TiffTags, file: ImageFile) -> None:
    if tags.is_raw or formats.is_raw(file.name):
        raise ImageError(f"{file} cannot be read: {formats.RAW}")
    check_size(tags.width, tags.height)
    check_plane(tags.width * tags.height * tags.samples, page_type(tags, numbers=True))


class _PageArray:
    """An array of pages of one size, each read by `read_page`."""

    def __init__(self, file: ImageFile, pages: list[int], tags: TiffTags, *, numbers: bool) -> None:
        self._file, self._pages, self._tags, self._numbers = file, pages, tags, numbers
        self.dtype = page_type(tags, numbers=numbers)
        several = len(pages) > 1
        self._page_shape = page_shape(tags, numbers=numbers)
        self.shape = (len(pages), *self._page_shape) if several else self._page_shape
        self.letters = ("I" if several else "") + "YXS"[: len(self._page_shape)]

    def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        if len(self._pages) == 1:
            return self._page(0)[index]
        numbers = np.arange(len(self._pages))[index[0]]
        read = [self._page(int(n)) for n in np.ravel(numbers)]
        whole = np.stack(read).reshape(*np.shape(numbers), *self._page_shape)
        inside: tuple[Any, ...] = (..., *index[1:])
        return np.asarray(whole[inside])

    def _page(self, number: int) -> npt.NDArray[Any]:
        found = read_page(self._file, self._pages[number], self._tags, numbers=self._numbers)
        return found.astype(self.dtype, copy=False)


class _SeriesArray:
    """An array of a series of tifffile."""

    def __init__(self, file: ImageFile, series: Any, tags: TiffTags, *, numbers: bool) -> None:
        self._file, self._series, self._tags, self._numbers = file, series, tags, numbers
        self._stored = _distinct(series.axes)
        self._palette = SAMPLE if tags.photometric == PALETTE and not numbers else ""
        self.letters = self._stored + self._palette
        sizes = dict(zip(self._stored, series.shape, strict=True)) | {self._palette: 3}
        if is_turned(tags.orientation):
            sizes["Y"], sizes["X"] = sizes["X"], sizes["Y"]
        self.shape = tuple(int(sizes[a]) for a in self.letters)
        self.dtype = finished_type(series.dtype, tags, numbers=numbers)
        check_plane(series.keyframe.size, series.dtype)
        inner = series.keyframe.shape
        self._outer = tuple(series.shape[: series.ndim - len(inner)])
        self._in_pages = len(series.pages) == int(np.prod(self._outer)) and tuple(
            series.shape[len(self._outer) :]
        ) == tuple(inner)

    def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        return self._of_pages(index) if self._in_pages else self._of_whole(index)

    def _of_pages(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        cut = len(self._outer)
        numbers = np.arange(int(np.prod(self._outer))).reshape(self._outer)[index[:cut]]
        pages = [self._page(int(n)) for n in np.ravel(numbers)]
        planes = pages[0] if not np.shape(numbers) else np.stack(pages)
        planes = planes.reshape(*np.shape(numbers), *pages[0].shape)
        inside: tuple[Any, ...] = (..., *index[cut:])
        return np.asarray(planes[inside])

    def _page(self, number: int) -> npt.NDArray[Any]:
        page, letters = self._series.pages[number], self._stored[len(self._outer) :]
        try:
            stored = page.asarray()
        except (ValueError, ImportError, NotImplementedError) as error:
            if not _lacks_decoder(error) or not isinstance(page.index, int):
                raise
            found = read_page(self._file, page.index, self._tags, numbers=self._numbers)
            at = (letters + self._palette).find(SAMPLE)
            return found if at < 0 else np.moveaxis(found, -1, at)
        return finished(stored, letters, self._tags, numbers=self._numbers)

    def _of_whole(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        """Read from a stack in one page, as ImageJ writes it: memory-mapped unless compressed."""
        picked = tuple(
            slice(None) if a in "YX" or isinstance(i, slice) else i
            for a, i in zip(self._stored, index, strict=False)
        )
        mapped = self._mapped()
        if mapped is None:
            check_plane(self._series.size, self._series.dtype)
        stored = np.array((self._series.asarray() if mapped is None else mapped)[picked])
        pairs = zip(self._stored, picked, strict=True)
        left = "".join(a for a, i in pairs if isinstance(i, slice))
        found = finished(stored, left, self._tags, numbers=self._numbers)
        left += self._palette
        return np.asarray(
            found[tuple(i for a, i in zip(self.letters, index, strict=True) if a in left)]
        )

    def _mapped(self) -> npt.NDArray[Any] | None:
        """The memory-mapped numbers of the file; None if they are compressed."""
        series = self._series
        if series.dataoffset is None:
            return None
        dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        shape, at = tuple(series.shape), int(series.dataoffset)
        if self._file.path is None:
            buffer = memoryview(self._file.data)[at:]
            return np.frombuffer(buffer, dtype, math.prod(shape)).reshape(shape)
        with self._file.open() as file:
            return np.asarray(np.memmap(file, dtype, "r", at, shape))


def _lacks_decoder(error: Exception) -> bool:
    """Whether tifffile has no decoder for a page; old versions do not mention imagecodecs."""
    return "imagecodecs" in str(error) or "not supported" in str(error)


def _distinct(letters: str) -> str:
    """Letters of tifffile without duplicates; channels beside samples are planes."""
    if CHANNEL in letters and SAMPLE in letters:
        letters = letters.replace(CHANNEL, "P")
    spare = (letter for letter in "QIJKLMNORUVW" if letter not in letters)
    return "".join(next(spare) if a in letters[:i] else a for i, a in enumerate(letters))
