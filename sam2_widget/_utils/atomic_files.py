"""Atomic writes: a file appears complete or not at all, also if writers compete or are killed.

Where the system allows it (Linux, but not NFS), data is written to a file without a name, of which
nothing remains if the process is killed. Elsewhere it is written to a temporary file that the
process locks. One without a lock was left by a killed process; the next write in that folder
removes it.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from cachetools import TTLCache

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ABANDONED = 3600.0
"""Seconds after which an unfinished file counts as abandoned, where files cannot be locked."""

SEARCH_INTERVAL = 600.0
"""Seconds until a folder is searched again for abandoned files."""

_UNFINISHED = re.compile(r"\.sam2-widget-[0-9a-f]{32}\.tmp")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
"""Errors of file systems without hard links."""

_searched: TTLCache[Path, bool] = TTLCache(256, SEARCH_INTERVAL)
_searched_lock = threading.Lock()


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the name `path` at the end of the block.

    If `path` is a link, the file that it points to is written. A replaced file keeps its
    permissions and, as far as this user may change them, its owner and group.

    Raises
    ------
    FileExistsError
        If the file exists when the block ends, and `overwrite` is false.
    OSError
        If it cannot be written. An existing file is unchanged.
    """
    target = Path(os.path.realpath(path))
    _remove_abandoned(target.parent)
    private = overwrite and target.exists()
    file, name = _unfinished(target.parent, 0o600 if private else 0o666)
    try:
        with file:
            yield file
            file.flush()
            if overwrite:
                _keep_attributes(target, file.fileno())
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()  # it could not be renamed
            _publish(file, name, target, overwrite=overwrite)
    finally:
        if name is not None:
            with suppress(OSError):
                name.unlink(missing_ok=True)
    sync_folder(target.parent)


# --- temporary files ------------------------------------------------------------------------------


def _unfinished(folder: Path, mode: int) -> tuple[BinaryIO, Path | None]:
    """A temporary file to write to, and its path; None for a file without a name."""
    if _may_be_nameless(folder):
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_WRONLY, mode), "wb"), None
    while True:
        name = _new_name(folder)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(name, flags, mode), "wb")
        # Between these two calls another writer may have removed it as abandoned.
        if _lock(file.fileno()) and name.exists():
            return file, name
        file.close()


def _new_name(folder: Path) -> Path:
    return folder / f".sam2-widget-{uuid.uuid4().hex}.tmp"


def _may_be_nameless(folder: Path) -> bool:
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        return _links_nameless(folder.stat().st_dev, folder)
    except OSError:
        return False  # opening the named file raises the error


@cache
def _links_nameless(device: int, folder: Path) -> bool:
    """Whether files can be written without a name and linked later; tried once per device."""
    del device
    name = _new_name(folder)
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError as error:
        if error.errno in (errno.EISDIR, *_NO_LINKS):
            return False
        raise
    try:
        _link_nameless(descriptor, name)
        name.unlink()
    except OSError:
        return False  # no hard links, or no /proc
    finally:
        os.close(descriptor)
    return True


def _link_nameless(descriptor: int, name: Path) -> None:
    source, folder = f"/proc/self/fd/{descriptor}", os.open(name.parent, os.O_RDONLY)
    try:
        # `os.link` follows the link in /proc only if a folder is given as a descriptor.
        os.link(source, name.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed; False if another process holds the lock."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks
    return True


# --- publishing the finished file -----------------------------------------------------------------


def _publish(file: BinaryIO, name: Path | None, target: Path, *, overwrite: bool) -> None:
    if not overwrite and name is None:
        _link_nameless(file.fileno(), target)
    elif not overwrite and name is not None:
        _rename_to_new(name, target)
    elif name is not None:
        name.replace(target)
    else:
        # Locked before it has a name, so that no other writer removes it as abandoned.
        _lock(file.fileno())
        named = _new_name(target.parent)
        try:
            _link_nameless(file.fileno(), named)
            named.replace(target)
        finally:
            named.unlink(missing_ok=True)


def _rename_to_new(name: Path, target: Path) -> None:
    """Rename a file; FileExistsError if `target` exists, without a race as a check would have."""
    try:
        os.link(name, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        name.replace(target)


def _keep_attributes(old: Path, new: int) -> None:
    """Give a file, by its descriptor, owner, group, permissions and attributes of another."""
    try:
        stat = old.stat()
    except FileNotFoundError:
        return
    if os.name == "nt":
        return
    kept = _give(new, stat.st_uid, stat.st_gid) or _give(new, -1, stat.st_gid)
    with suppress(OSError):
        for attribute in os.listxattr(old):  # access control lists among them
            with suppress(OSError):
                os.setxattr(new, attribute, os.getxattr(old, attribute))
    with suppress(OSError):
        # A new group does not get the permissions of the old one.
        os.fchmod(new, stat.st_mode & (0o777 if kept else 0o707))


def _give(descriptor: int, user: int, group: int) -> bool:
    try:
        os.chown(descriptor, user, group)
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Write the folder's entry to disk, too, where folders can be synchronised."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- files left by killed writers -----------------------------------------------------------------


def _remove_abandoned(folder: Path) -> None:
    with _searched_lock:
        if folder in _searched:
            return
        _searched[folder] = True
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _UNFINISHED.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(path: Path) -> None:
    if fcntl is None:
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink()
        return
    # Non-blocking: another user may have put e.g. a pipe there under such a name.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)
