"""The annotations of a set: in memory, and on disk within a second.

On disk it is a folder with a journal for each image, one for the set, and a lock. An edit changes
the data in memory at once; a thread appends the difference to the journal. If that fails, e.g.
because the disk is full, the next difference includes it: nothing is lost while the kernel runs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import msgspec

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.files import write_bytes
from sam2_widget._utils.garbage import no_garbage_collection
from sam2_widget._utils.text import presentable
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.datasets.annotations import (
    NOTHING,
    Change,
    ImageAnnotations,
    difference,
    is_nothing,
    relabelled,
    with_change,
)
from sam2_widget.datasets.classes import (
    SetAnnotations,
    SetChange,
    new_names,
    set_difference,
    set_with_change,
)
from sam2_widget.datasets.journal import Journal
from sam2_widget.datasets.lock import FolderLock, Holder
from sam2_widget.errors import ExistsError, ExportError, LockedError, RepairWarning

logger = logging.getLogger(__name__)

DeferredChange: TypeAlias = Callable[[str, ImageAnnotations], "dict[str, Any]"]
"""Returns the fields of an image's annotations that change; must not fail."""

DELAY = 0.2
"""Seconds to wait for further edits before writing."""

RETRY = 10.0
"""Seconds after which a failed write is tried again."""

COMPACT_FROM = 64
"""Records after which a journal is rewritten, if that makes it shorter."""

READERS = 16
"""Journals that are read in parallel, because a network file system is slow for each."""

MAX_COMPONENT = 180
"""Most bytes of a folder's or file's name."""

README = b"""Annotations of the images in the folder above, written by sam2-widget (SegmentSet).

images/      for each image a journal: a text file with one record a line, appended to
set.jsonl    classes and attributes, in the same form
lock.json    who has the annotations open
thumbnails/  small pictures of the images, which may be deleted

Open them with sam2_widget.SegmentSet; its save() writes COCO, YOLO and other formats.
"""


def journal_path(folder: Path, name: str) -> Path:
    """Path of an image's journal: its name, with parts replaced that are not valid file names.

    Examples
    --------
    >>> journal_path(Path("a"), "left/img 1.png").as_posix()
    'a/images/left/img 1.png.jsonl'
    """
    parts = [_file_name(part) for part in name.split("/")]
    return folder.joinpath("images", *parts[:-1], f"{parts[-1]}.jsonl")


def _file_name(part: str) -> str:
    """`part` if it is a valid file name on every system, else one derived from it."""
    encoded = part.encode("utf-8", "surrogatepass")
    usable = re.sub(r'[<>:"|?*\\\x00-\x1f\ud800-\udfff]', "_", part)
    fits = len(encoded) <= MAX_COMPONENT and part.strip(". ") and part == usable
    if fits and not part.endswith((".", " ")):
        return part
    digest = hashlib.blake2b(encoded, digest_size=6).hexdigest()
    short = usable.encode()[: MAX_COMPONENT // 2].decode(errors="ignore").strip(". ")
    return f"{short}-{digest}"


_open_here: WeakValueDictionary[str, AnnotationStore] = WeakValueDictionary()
"""Stores of this process, by folder: a cell that is run again opens the same one."""


class AnnotationStore:
    """The annotations of a set of images.

    Parameters
    ----------
    folder : Path or None
        Where they are stored; created if it does not exist. None: in memory only.
    names : iterable of str
        Names of the images.
    take_over : bool
        Whether to take over a folder that another process has open, which then stops writing.
    changed : callable, optional
        Called without arguments, on any thread, when `error` has changed.

    Attributes
    ----------
    error : str
        Why the newest changes are not on disk; "" if they are, or will be in a moment.
    repairs : list of str
        Damage found on disk, and how it was repaired.
    taken_from : Holder or None
        The process that the folder was taken over from.

    Raises
    ------
    LockedError
        If another process has the folder open.
    AnnotationError
        If the annotations were written by a newer version.
    ExportError
        If the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path | None,
        names: Iterator[str] | list[str],
        *,
        take_over: bool = False,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.folder = folder
        self.error = ""
        self.repairs: list[str] = []
        self.taken_from: Holder | None = None
        self._changed = changed or _nothing
        self._lock = threading.RLock()
        self._images: dict[str, ImageAnnotations] = {}
        self._set = SetAnnotations()
        self._written: dict[str, ImageAnnotations] = {}
        self._set_written = SetAnnotations()
        self._deferred: dict[str, DeferredChange] = {}
        self._dirty: dict[str, None] = {}
        self._journals: dict[str, Journal[Change]] = {}
        # At exit, wait until all changes are on disk.
        self._thread = TransientThreadExecutor("sam2-widget-set", daemon=folder is None)
        self._write_now = threading.Event()
        self._is_waiting = False
        self._closed = False
        self._lost_lock = False
        if folder is not None:
            self._open(folder, list(names), take_over=take_over)

    # --- opening ----------------------------------------------------------------------------------

    def _open(self, folder: Path, names: list[str], *, take_over: bool) -> None:
        key = os.path.realpath(folder)
        if (earlier := _open_here.get(key)) is not None:
            earlier.close()
            earlier.error = "These annotations were opened again: nothing is saved here any more"
            earlier.report()
        _make_folder(folder)
        self._folder_lock = FolderLock(folder / "lock.json")
        self.taken_from = self._folder_lock.take(take_over=take_over)
        try:
            self._set_journal: Journal[SetChange] = Journal(folder / "set.jsonl", SetChange)
            for change in self._read(self._set_journal):
                self._set = set_with_change(self._set, change)
            self._set_written = self._set
            self._read_images(names)
            if earlier is not None:
                self._adopt(earlier)
        except BaseException:
            self._folder_lock.release()
            raise
        _open_here[key] = self
        if self.repairs:
            shown = "; ".join(self.repairs[:5])
            more = f"; and {len(self.repairs) - 5} more" if len(self.repairs) > 5 else ""  # noqa: PLR2004
            warnings.warn(f"{shown}{more}", RepairWarning, stacklevel=4)

    def _read_images(self, names: list[str]) -> None:
        threads = ThreadPoolExecutor(READERS, thread_name_prefix="sam2-widget-journals")
        with no_garbage_collection(), threads as pool:
            for name, journal, changes in pool.map(self._read_image, names):
                self._take(name, journal, changes)

    def _read_image(self, name: str) -> tuple[str, Journal[Change], list[Change]]:
        assert self.folder is not None  # noqa: S101 - for the type checker
        journal: Journal[Change] = Journal(
            journal_path(self.folder, name), Change, presentable(name)
        )
        return name, journal, self._read(journal)

    def _read(self, journal: Journal[Any]) -> list[Any]:
        parsed = journal.read()
        if parsed.damage:
            copy = journal.keep_copy()
            self.repairs.append(
                f"{journal.path.name} is damaged at {parsed.damage}: the {len(parsed.records)} "
                f"records before it were kept, and a copy of the file is {copy.name}"
            )
        return parsed.records

    def _take(self, name: str, journal: Journal[Change], changes: list[Change]) -> None:
        if not changes:
            return
        found = NOTHING
        for change in changes:
            found = with_change(found, change)
        self._journals[name] = journal
        self._images[name] = self._written[name] = found

    def _adopt(self, earlier: AnnotationStore) -> None:
        """Take over changes that another store of this process could not write.

        Except if another process had taken over its folder, whose changes then have priority.
        """
        if earlier._lost_lock:
            return
        if earlier._set is not earlier._set_written:
            self.change_set(**msgspec.structs.asdict(earlier._set))
        for name in earlier._dirty:
            self.change(name, **msgspec.structs.asdict(earlier[name]))

    # --- reading ----------------------------------------------------------------------------------

    @property
    def set(self) -> SetAnnotations:
        """Annotations that apply to the whole set."""
        return self._set

    def __getitem__(self, name: str) -> ImageAnnotations:
        """The annotations of an image; `NOTHING` if it was not annotated yet."""
        with self._lock:
            if name in self._deferred:
                self._carry_out(name)
            found = self._images.get(name, NOTHING)
            renames = self._set.renames
            if found.renames == len(renames):
                return found
            # Renaming a class only records it: labels of images are changed when they are read.
            found = relabelled(found, new_names(renames, found.renames), len(renames))
            if found.objects:
                self._images[name] = found
            return found

    def by_old_names(self, name: str) -> ImageAnnotations:
        """As `store[name]`, but labels may be old class names; for callers that ignore them."""
        if name in self._deferred:
            return self[name]
        return self._images.get(name, NOTHING)

    def __contains__(self, name: str) -> bool:
        return name in self._images

    def __iter__(self) -> Iterator[str]:
        """Names of the images that have annotations."""
        return iter(list(self._images))

    # --- changing ---------------------------------------------------------------------------------

    def change(self, name: str, **fields: Any) -> ImageAnnotations:
        """Change some fields of an image's `ImageAnnotations`; written shortly afterwards."""
        with self._lock:
            before = self[name]
            after = msgspec.structs.replace(before, **fields)
            if after != before or name not in self._images:
                self._images[name] = after
                self._mark(name)
            return after

    def update(
        self, name: str, change: Callable[[ImageAnnotations], dict[str, Any]]
    ) -> ImageAnnotations:
        """As `change`, with fields computed from annotations that do not change meanwhile."""
        with self._lock:
            return self.change(name, **change(self[name]))

    def update_later(self, names: Iterable[str], change: DeferredChange) -> None:
        """As `update` of many images; each is changed only when it is read or written next."""
        with self._lock:
            changes = dict.fromkeys(names, change)
            for name in changes.keys() & self._deferred.keys():
                self._carry_out(name)
            self._deferred.update(changes)
            self._mark(*changes)

    @property
    def has_deferred(self) -> bool:
        """Whether changes by `update_later` were not carried out yet."""
        return bool(self._deferred)

    def _carry_out(self, name: str) -> None:
        """Carry out the deferred change of an image, which is marked to be written already."""
        change = self._deferred.pop(name)
        before = self[name]
        if fields := change(name, before):
            self._images[name] = msgspec.structs.replace(before, **fields)

    def change_set(self, **fields: Any) -> None:
        """Change some fields of `set`; written shortly afterwards."""
        with self._lock:
            if "renames" in fields:
                # They were made before, with the old names of classes.
                for name in list(self._deferred):
                    self._carry_out(name)
            after = msgspec.structs.replace(self._set, **fields)
            if after != self._set:
                self._set = after
                self._mark()

    def _mark(self, *names: str) -> None:
        if self.folder is None or self._closed:
            return
        self._dirty.update(dict.fromkeys(names))
        if not self._is_waiting:
            self._is_waiting = True
            self._thread.submit(self._write_soon)

    def _write_soon(self) -> None:
        self._write_now.wait(DELAY)
        self._write()

    # --- writing ----------------------------------------------------------------------------------

    def _write(self) -> None:
        with self._lock:
            self._is_waiting = False
            names, self._dirty = list(self._dirty), {}
        before = self.error
        try:
            self._folder_lock.check()
            self._write_set()
            while names:
                self._write_image(names[0])
                names.pop(0)
            self.error = ""
        except (OSError, LockedError) as error:
            self._failed(names, error)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "annotations could not be saved", error)
            self._failed(names, error)
        if self.error != before:
            self.report()

    def report(self) -> None:
        """Notify the owner of `error`."""
        self._changed()

    def _failed(self, names: list[str], error: Exception) -> None:
        """Keep the names whose changes were not written, and try again later."""
        reason = getattr(error, "strerror", None) or str(error)
        self._lost_lock = isinstance(error, LockedError)
        self.error = (
            reason
            if isinstance(error, (LockedError, ExportError))
            else f"The annotations cannot be written to {str(self.folder)!r}: {reason}. They are "
            "kept in memory, and it is tried again: make room, or keep the kernel running"
        )
        with self._lock:
            self._dirty = {**dict.fromkeys(names), **self._dirty}
        timer = threading.Timer(RETRY, weak_callback(self._retry))
        timer.daemon = True
        timer.start()

    def _retry(self) -> None:
        with self._lock:
            if self.error and not self._is_waiting and not self._closed:
                self._is_waiting = True
                self._thread.submit(self._write)

    def _write_set(self) -> None:
        with self._lock:
            now = self._set
        if now is self._set_written:
            return
        change = set_difference(self._set_written, now, time=time.time())
        full = set_difference(SetAnnotations(), now, time=time.time())
        _append(self._set_journal, change, full)
        self._set_written = now

    def _write_image(self, name: str) -> None:
        with self._lock:
            now = self[name]
            before = self._written.get(name, NOTHING)
        change = difference(before, now, time=time.time())
        if is_nothing(change):
            return
        journal = self._journals.get(name) or self._new_journal(name)
        _append(journal, change, difference(NOTHING, now, time=time.time()))
        self._written[name] = now

    def _new_journal(self, name: str) -> Journal[Change]:
        _, journal, _ = self._read_image(name)
        journal.path.parent.mkdir(parents=True, exist_ok=True)
        self._journals[name] = journal
        return journal

    @property
    def is_closed(self) -> bool:
        """Whether the store is closed, so that nothing is written any more."""
        return self._closed

    def flush(self) -> None:
        """Wait until all changes so far are on disk.

        Raises
        ------
        ExportError
            If they cannot be written, or another process has taken over the folder.
        """
        if self.folder is None or self._closed:
            return
        self._write_now.set()
        self._thread.submit(self._flush).result()
        if self.error:
            raise ExportError(self.error)

    def _flush(self) -> None:
        self._write_now.clear()
        if self._dirty or self.error or self._set is not self._set_written:
            self._write()

    def close(self) -> None:
        """Write pending changes and release the folder; the store can still be read."""
        if self.folder is None or self._closed:
            return
        try:
            self.flush()
        except ExportError:
            pass
        except RuntimeError:  # the interpreter is shutting down and starts no more threads
            self._flush()
        self._closed = True
        self._folder_lock.release()


def _append(journal: Journal[Any], change: Any, full: Any) -> None:
    """Append a change; rewrite the journal if it was removed, or has become long."""
    if journal.count >= COMPACT_FROM and journal.is_longer_than([full, change]):
        journal.rewrite([full])
        return
    try:
        journal.append([change])
    except FileNotFoundError:
        # It was removed, perhaps with the folder: only the data in memory is left.
        journal.path.parent.mkdir(parents=True, exist_ok=True)
        journal.rewrite([full])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(ExistsError):
            write_bytes(folder / "README.txt", README)
    except OSError as error:
        raise ExportError(
            f"annotations cannot be kept in {str(folder)!r}: {error.strerror or error}. Pass "
            "another folder, annotations='…'"
        ) from error


def _nothing() -> None:
    pass
