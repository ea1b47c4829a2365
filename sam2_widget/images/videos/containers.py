"""Containers of videos that libav may open, recognized by their first bytes."""

from __future__ import annotations

from typing import Final

START: Final = 1024
"""Bytes at the beginning of a file by which its container is recognized."""

_BRANDS_OF_IMAGES = (
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    *(b"avif", b"avis", b"crx "),
)
"""Brands of files that have the structure of MP4 but contain still images."""

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Types of the first box of a QuickTime or MP4 file."""

_STARTS: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (8, b"AVI ", "avi"),
    (0, b"\0\0\x01\xba", "mpeg"),
    (0, b"\0\0\x01\xb3", "mpegvideo"),
    (0, b"FLV\x01", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (0, b"DKIF", "ivf"),
    (0, b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (0, b"\x06\x0e+4\x02\x05\x01\x01\x0d\x01\x02", "mxf"),
)
"""Offset, bytes, and libav's name of the container."""

_SYNC = 0x47
"""First byte of each packet of an MPEG transport stream."""

_PACKETS = ((0, 188), (4, 192))
"""Offset of the first packet of a transport stream, and the distance between packets."""


def container_of(start: bytes) -> str | None:
    """Name in libav of a file's container, by its first `START` bytes; None if unknown.

    libav's own detection is not used: it would take a text for a playlist and open the files that
    are listed there.
    """
    if start[4:8] in _BOXES:
        return None if start[8:12] in _BRANDS_OF_IMAGES else "mov"
    for at, magic, name in _STARTS:
        if start[at : at + len(magic)] == magic:
            return name
    for at, length in _PACKETS:
        if len(start) > at + 4 * length and all(start[at + n * length] == _SYNC for n in range(5)):
            return "mpegts"
    return None
