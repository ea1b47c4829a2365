"""The lock of a folder of annotations: one kernel writes to it at a time; others can see which.

It is a file that is created exclusively, which is safe on NFS, too. Another process may take it
over, so its holder checks before each write that it still is the holder.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

import msgspec

from sam2_widget._utils.files import write_bytes
from sam2_widget._utils.regular_files import read_regular
from sam2_widget.errors import ExistsError, LockedError

MAX_BYTES = 2**16

RECENT = 60.0
"""Ages of at least this many seconds are shown in minutes."""


class Holder(msgspec.Struct, frozen=True):
    """The process that may write to a folder.

    Parameters
    ----------
    user, host : str
    process : int
        Process id on `host`.
    token : str
        Unique to this holder.
    since : float
        Seconds since 1970.
    released : bool
        Whether it has stopped writing.
    """

    user: str
    host: str
    process: int
    token: str
    since: float
    released: bool = False

    @classmethod
    def new(cls) -> Holder:
        """A holder for this process."""
        return cls(_user(), socket.gethostname(), os.getpid(), uuid.uuid4().hex, time.time())


class FolderLock:
    """The lock of one folder.

    Parameters
    ----------
    path : Path
        Path of the lock file, in an existing folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._me = Holder.new()
        self._took_over = False

    def take(self, *, take_over: bool = False) -> Holder | None:
        """Take the lock; returns its previous holder, or None.

        A holder whose process has ended is always replaced.

        Raises
        ------
        LockedError
            If another process has it and `take_over` is false.
        OSError
            If the lock cannot be written; this includes `ExportError`.
        """
        data = msgspec.json.encode(self._me)
        before: Holder | None = None
        while True:
            try:
                write_bytes(self._path, data)
            except ExistsError:
                before = self.holder() or before
            else:
                return None if before is None or before.released else before
            if before is not None and _may_be_alive(before):
                if not take_over:
                    raise LockedError(self._refusal(before))
                self._took_over = True
            with suppress(FileNotFoundError):
                self._path.unlink()

    def holder(self) -> Holder | None:
        """The current holder of the lock, or None."""
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(read_regular(self._path, MAX_BYTES), type=Holder)
        return None

    def check(self) -> None:
        """Raise `LockedError` unless this is still the holder.

        If the lock file was deleted, e.g. when the folder was cleaned up, it is written again.
        """
        holder = self.holder()
        if holder is None:
            write_bytes(self._path, msgspec.json.encode(self._me), overwrite=True)
        elif holder.token != self._me.token:
            raise LockedError(
                f"{_described(holder)} has taken over the annotations in "
                f"{str(self._path.parent)!r}: nothing is written there any more. Open the set "
                "again to see what is there now; with take_over=True it is yours again"
            )
        else:
            with suppress(OSError):
                os.utime(self._path)  # so that others see when it was last written to

    def release(self) -> None:
        """Release the lock, if it is still held.

        The file of a lock that was taken over is kept: the previous holder may write again at any
        time, and does not have the data written in the meantime.
        """
        holder = self.holder()
        if holder is None or holder.token != self._me.token:
            return
        with suppress(OSError):
            if self._took_over:
                released = msgspec.structs.replace(self._me, released=True)
                write_bytes(self._path, msgspec.json.encode(released), overwrite=True)
            else:
                self._path.unlink()

    def _refusal(self, holder: Holder) -> str:
        age = time.time() - holder.since
        with suppress(OSError):
            age = time.time() - self._path.stat().st_mtime
        return (
            f"the annotations in {str(self._path.parent)!r} are open elsewhere: "
            f"{_described(holder)}, and were last written {_ago(age)}. Close them there; or, if "
            "nobody works on them any more, pass take_over=True: the other one then writes nothing"
        )


def _described(holder: Holder) -> str:
    return f"{holder.user} on {holder.host} (process {holder.process})"


def _ago(seconds: float) -> str:
    if seconds < RECENT:
        return "less than a minute ago"
    minutes = int(seconds // 60)
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago"


def _may_be_alive(holder: Holder) -> bool:
    """Whether a holder may still write; True on another host, where it is unknown."""
    if holder.released:
        return False
    if holder.host != socket.gethostname() or os.name == "nt":
        return True
    if holder.process == os.getpid():
        # The process id is our own: either that process has ended, or it is this process,
        # which closes what it has open before it opens the same folder again.
        return False
    try:
        os.kill(holder.process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container whose user has no name
        return "somebody"
