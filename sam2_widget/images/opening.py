"""Opens image files: the bytes of a path, a file object or a buffer."""

from __future__ import annotations

import io
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sam2_widget._utils.regular_files import open_regular, read_regular
from sam2_widget.errors import ImageError

MAX_BYTES = 2**32
"""Most bytes that are read into memory, e.g. from a file object, which is read only once."""

MAX_NAME = 300
"""Characters of a path that are shown in a message."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """An image file, on disk or in memory.

    Attributes
    ----------
    name : str
        Name without folders, "" if there is none.
    path : Path or None
        Path on disk; None if it is in memory.
    data : bytes
        Content of a file in memory.
    source : str
        Origin of the file for the provenance; "" if unknown.
    """

    name: str
    path: Path | None = None
    data: bytes = field(default=b"", repr=False)
    source: str = ""

    def open(self) -> BinaryIO:
        """A new file object, to be closed by the caller."""
        return io.BytesIO(self.data) if self.path is None else open_regular(self.path)

    def read(self) -> bytes:
        """All bytes, at most `MAX_BYTES`."""
        return self.data if self.path is None else read_regular(self.path, MAX_BYTES)

    def start(self, count: int = 512) -> bytes:
        """The first bytes; empty if it cannot be read: the decoder raises the error."""
        try:
            with self.open() as file:
                return file.read(count)
        except OSError:
            return b""

    def __str__(self) -> str:
        """Name of the file in messages."""
        name = self.source or self.name
        return f"the image {_shortened(name)!r}" if name else "the image"


def as_file(image: object) -> ImageFile | None:
    """The image file of a path, bytes or file object; None for anything else, e.g. an array.

    Parameters
    ----------
    image : str, path-like, bytes, file object or anything else
        A file object is read from its beginning, and left open, at the position where it was.

    Raises
    ------
    ImageError
        If there is no such file, or it cannot be read.
    """
    if isinstance(image, ImageFile):
        return image
    if isinstance(image, (str, os.PathLike)):
        return _on_disk(os.fsdecode(os.fspath(image)))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _in_memory(bytes(image), "")
    if callable(getattr(image, "read", None)) and not hasattr(image, "__array__"):
        name = getattr(image, "name", None)
        return _in_memory(_read(image), name if isinstance(name, str) else "")
    return None


def local_path(text: str) -> Path | None:
    """The path that a text names; None if it is a URL."""
    try:
        return _path_of(text).expanduser()
    except (ImageError, RuntimeError, ValueError):
        return None


def _on_disk(text: str) -> ImageFile:
    path = _path_of(text).expanduser()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a name with a null character
        mode = 0
    if not stat.S_ISREG(mode):
        raise ImageError(f"cannot read the image {_shortened(str(path))!r}: {_reason(path, mode)}")
    return ImageFile(path.name, path, source=text)


def _path_of(text: str) -> Path:
    """The path that a text names; ImageError for URLs other than ``file:``."""
    scheme = re.match("([A-Za-z][A-Za-z0-9+.-]+):/", text)
    if scheme is None:
        return Path(text)
    if scheme[1].lower() == "file":
        return Path(url2pathname(urlsplit(text).path))
    raise ImageError(
        f"cannot read the image {_shortened(text)!r}: it is a URL, and URLs are not fetched: "
        f"run `import httpx; data = httpx.get({_shortened(text)!r}, "
        "follow_redirects=True).raise_for_status().content` and pass data"
    )


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((path / name).exists() for name in (".zarray", ".zgroup", "zarr.json"))


def _reason(path: Path, mode: int) -> str:
    if stat.S_ISDIR(mode):
        zarr = ": it is a Zarr store, pass an array of zarr.open(path)" if is_zarr(path) else ""
        return f"it is a folder (in {Path.cwd()}){zarr}"
    if mode:
        return "it is not a regular file but a device, pipe or socket"
    return f"there is no such file (in {Path.cwd()})"


def _in_memory(data: bytes, name: str) -> ImageFile:
    if not data:
        raise ImageError("cannot read the image: there are no bytes in it")
    return ImageFile(Path(name).name, data=data, source=name)


def _read(file: Any) -> bytes:
    """All bytes of a file object, whose position is restored."""
    if isinstance(file, io.TextIOBase):
        raise ImageError("the image is a file opened for text: open it with open(path, 'rb')")
    try:
        at = _position(file)
        if at is not None:
            file.seek(0)
        try:
            data = file.read(MAX_BYTES + 1)
        finally:
            if at is not None:
                file.seek(at)
    except (OSError, ValueError, TypeError) as error:
        raise ImageError(f"cannot read the image from {type(file).__name__}: {error}") from error
    if not isinstance(data, (bytes, bytearray)):
        raise ImageError(
            f"cannot read the image from {type(file).__name__}: its read() returned "
            f"{type(data).__name__}, not bytes: pass a file opened with mode 'rb', or an array"
        )
    if len(data) > MAX_BYTES:
        raise ImageError(f"the image has more than {MAX_BYTES} bytes: pass the path of its file")
    return bytes(data)


def _position(file: Any) -> int | None:
    """Position of a file object; None if it cannot seek, like a network connection."""
    try:
        return int(file.tell()) if file.seekable() else None
    except (AttributeError, OSError):
        return None


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}…"
