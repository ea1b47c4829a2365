"""Tags of a page of a TIFF, which describe its numbers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sam2_widget.errors import ImageError
from sam2_widget.images.bands import Bands
from sam2_widget.images.tiff import MAX_PAGES

INSTALL = "run `pip install tifffile imagecodecs` (or 'sam2-widget[tiff]') and try again"

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
ASSOCIATED, UNASSOCIATED = 1, 2
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
SEPARATE = 2
NO_COMPRESSION, OLD_JPEG, JPEG = 1, 6, 7
_COLORS = {RGB: 3, CMYK: 4, YCBCR: 3, LAB: 3, 9: 3, 10: 3}
"""Samples per pixel without extra samples, by photometric interpretation; 1 for all others."""

_ALPHAS = (ASSOCIATED, UNASSOCIATED, 999)
"""Values of ExtraSamples for transparency; 999 is not in the standard."""


@dataclass(frozen=True, slots=True, eq=False)
class TiffTags:
    """The tags of a page.

    Attributes
    ----------
    width, height : int
        As stored, before the orientation is applied.
    photometric : int or None
        None if the file does not state it.
    bits, samples, sample_format, planar, orientation, compression : int
    extra : tuple of int
        Meaning of the samples after the colours.
    nodata : float or None
        The number for "no data", in GDAL's tag.
    colormap : (3, N) uint16 ndarray or None
    profile : bytes or None
        ICC profile.
    is_reduced : bool
        Whether the page is a smaller copy of another, or a mask of it.
    is_raw : bool
        Whether it is from a raw camera file.
    imagej_planes : int
        Planes of a stack of ImageJ, which may all be stored after the first page; else 1.
    """

    width: int
    height: int
    photometric: int | None
    bits: int
    samples: int
    sample_format: int
    planar: int
    orientation: int
    compression: int
    extra: tuple[int, ...]
    nodata: float | None
    colormap: npt.NDArray[np.uint16] | None
    profile: bytes | None
    is_reduced: bool
    is_raw: bool
    imagej_planes: int

    @classmethod
    def read(cls, get: Callable[[int], Any]) -> TiffTags:
        """Read the tags by a function that returns the value of a tag number, or None."""

        def number(tag: int, default: int) -> int:
            found = np.ravel(get(tag) if get(tag) is not None else default)
            return int(found[0]) if found.size else default

        photometric, compression = get(262), number(259, NO_COMPRESSION)
        default = 3 if compression in (OLD_JPEG, JPEG) and photometric in (RGB, YCBCR) else 1
        return cls(
            width=number(256, 0),
            height=number(257, 0),
            photometric=YCBCR if compression == OLD_JPEG else _whole(photometric),
            bits=number(258, 1),
            samples=number(277, default),
            sample_format=number(339, UNSIGNED),
            planar=number(284, 1),
            orientation=number(274, 1),
            compression=compression,
            extra=tuple(int(one) for one in np.ravel(get(338) if get(338) is not None else ())),
            nodata=_float(get(42113)),
            colormap=_colormap(get(320)),
            profile=_bytes(get(34675)),
            is_reduced=bool(number(254, 0) & 5),
            is_raw=get(50706) is not None,
            imagej_planes=_imagej_planes(get(270)),
        )

    @property
    def colors(self) -> int:
        """Samples per pixel without extra samples."""
        return _COLORS.get(self.photometric or 0, 1)

    @property
    def bands(self) -> Bands:
        """Properties of the samples."""
        alphas = [i for i, kind in enumerate(self.extra) if kind in _ALPHAS]
        first = self.samples - len(self.extra)
        return Bands(
            alpha=first + alphas[0] if alphas and first > 0 else None,
            premultiplied=bool(alphas) and self.extra[alphas[0]] == ASSOCIATED,
            is_rgb=self.photometric == RGB,
            nodata=self.nodata,
        )

    def is_like(self, other: TiffTags) -> bool:
        """Whether two pages can be planes of one stack."""
        names = ("width", "height", "photometric", "bits", "samples", "sample_format")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def _whole(value: Any) -> int | None:
    found = np.ravel(value) if value is not None else np.zeros(0)
    return int(found[0]) if found.size else None


def _float(value: Any) -> float | None:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    try:
        return float(text.strip("\0 "))
    except ValueError:
        return None


def _imagej_planes(description: Any) -> int:
    found = re.search(r"^ImageJ=.*?^images=(\d{1,9})$", str(description), re.DOTALL | re.MULTILINE)
    return int(found[1]) if found else 1


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, tuple):
        value = bytes(value)
    return value if isinstance(value, bytes) else None


def _colormap(value: Any) -> npt.NDArray[np.uint16] | None:
    found = np.ravel(value) if value is not None else np.zeros(0)
    if not found.size or found.size % 3:
        return None
    return np.asarray(found.reshape(3, -1), np.uint16)


def tags_of_page(page: Any) -> TiffTags:
    """Tags of a page of tifffile."""

    def get(number: int) -> Any:
        tag = page.tags.get(number)
        return None if tag is None else tag.value

    return TiffTags.read(get)


_BYTES_A_PAGE, _BYTES_A_TAG = 6, 12
"""Smallest number of bytes of a page's list of tags, and of each tag in it."""


def all_tags(file: BinaryIO) -> list[TiffTags]:
    """Tags of all pages of a file, without tifffile.

    Raises
    ------
    ImageError
        If only tifffile can read it, or if its pages are linked in a circle or overlap: reading a
        small file of that kind could take hours.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    header = file.read(16)
    if header.startswith(b"MM\0+"):
        raise ImageError(f"it is a big-endian BigTIFF: {INSTALL}")
    header = header if header.startswith(b"II+\0") else header[:8]
    directory = ImageFileDirectory_v2(header)
    following, found = directory.next, list[TiffTags]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tags that nobody needs here
        bytes_read = 0
        while following and len(found) < MAX_PAGES:
            file.seek(following)
            directory.load(file)
            bytes_read += len(directory) * _BYTES_A_TAG + _BYTES_A_PAGE
            if bytes_read > size:
                raise ImageError("its pages follow each other in a circle or lie over each other")
            found.append(TiffTags.read(directory.get))
            following = directory.next
    return found
