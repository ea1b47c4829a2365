"""Opening regular files only: reading a pipe may block for ever, and a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

NOT_REGULAR = "it is not a regular file but a device, pipe, socket or folder"

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # otherwise opening a pipe waits for its writer
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file, or a link to one, for reading bytes.

    Raises
    ------
    OSError
        If it cannot be opened, or is a device, pipe, socket or folder.
    """
    # Checked before opening, which has side effects on some devices, and again on the open file.
    _check(os.stat(path).st_mode, path)  # noqa: PTH116 - no Path is needed
    descriptor = os.open(path, _FLAGS)
    try:
        _check(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def descriptor_path(file: BinaryIO, path: Path) -> Path:
    """A path to the open file itself, even if `path` refers to another file by now.

    For libraries that accept only a path. Valid while the file is open; `path` itself where the
    system has no such paths.
    """
    through = Path(f"/proc/self/fd/{file.fileno()}")
    return through if through.exists() else path


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """All bytes of a regular file.

    Raises
    ------
    OSError
        As `open_regular`, or if it has more than `limit` bytes.
    """
    with open_regular(path) as file:
        data = read_within(file, limit)
    if data is None:
        reason = f"it is larger than {limit} bytes"
        raise OSError(errno.EFBIG, reason, str(Path(path)))
    return data


def read_within(file: BinaryIO, limit: int) -> bytes | None:
    """All bytes of an open regular file; None if it has more than `limit`.

    Allocates only as much memory as the file has bytes, even if the limit is higher.
    """
    size = os.fstat(file.fileno()).st_size
    data = file.read(size + 1) if size <= limit else b""
    return data if size <= limit and len(data) <= limit else None


def _check(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, NOT_REGULAR, os.fspath(path))
