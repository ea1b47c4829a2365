"""Checks of untrusted TIFF files before tifffile reads them."""

from __future__ import annotations

import struct
from typing import BinaryIO

MAX_PAGES = 1_000_000

BIG = 43
"""Version number of BigTIFF, which may exceed 4 GB; other TIFFs have 42."""


def check_pages(file: BinaryIO) -> None:
    """Raise ValueError if the pages of a TIFF are linked in a circle, or too many.

    tifffile would follow the links endlessly. Other errors are left to the reader.
    """
    try:
        seen, following = _pages(file)
    except (struct.error, OSError, OverflowError):
        return
    if following in seen:
        raise ValueError("its pages follow each other in a circle")
    if following:
        raise ValueError(f"it has more than {MAX_PAGES} pages")


def _pages(file: BinaryIO) -> tuple[set[int], int]:
    """Offsets of the pages, and finally that of the page after the last: 0 if there is none."""
    order = "<" if file.read(2) == b"II" else ">"

    def number(kind: str) -> int:
        found: int = struct.unpack(order + kind, file.read(struct.calcsize(order + kind)))[0]
        return found

    is_big = number("H") == BIG
    offset, count, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    file.seek(8 if is_big else 4)
    seen, following = set[int](), number(offset)
    while following and following not in seen and len(seen) < MAX_PAGES:
        seen.add(following)
        file.seek(following)
        file.seek(number(count) * entry, 1)
        following = number(offset)
    return seen, following
