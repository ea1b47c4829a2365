"""Saves the prompts of one widget, and finds prompts that were saved earlier for its image.

Every edit is stored in the kernel at once, and on disk within a second. Each widget writes on a
thread of its own, because a slow disk must delay neither clicks nor other widgets.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypedDict

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.text import presentable
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.session import Annotation, Session, prompts_of
from sam2_widget.autosave.folder import SaveFolder
from sam2_widget.autosave.identity import image_key
from sam2_widget.autosave.kernel import Record, store
from sam2_widget.autosave.saved import SavedPrompts
from sam2_widget.errors import ExistsError, ExportError, PromptError, SegmentationError
from sam2_widget.images.stacks import ImageStack
from sam2_widget.prompts.categories import NO_CATEGORIES
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.stacks import StackPrompts

logger = logging.getLogger(__name__)

DELAY = 0.3
"""Seconds between an edit and the write of the file, so that edits in between share a write."""

RETRY = 20.0
"""Seconds until a failed write is repeated."""

# Shared by all widgets, so that of two with the same image the second finds the prompts of the
# first. It never waits for a disk: the pixels are in memory.
_keys = TransientThreadExecutor("sam2-widget-image-keys")


class Offer(TypedDict):
    """Saved prompts that can be restored.

    Attributes
    ----------
    objects : int
        Number of objects.
    seconds : float
        Time of their last change, in seconds since 1970.
    """

    objects: int
    seconds: float


class SavedTrait(TypedDict):
    """Where prompts are saved, and which earlier prompts of the same image can be restored.

    Attributes
    ----------
    key : str
        Identifies the image by its pixels; empty until it is known.
    owner : str
        Eight hexadecimal digits of the widget.
    on_disk : bool
        Whether they are saved on the kernel's disk.
    folder : str
        Path of the folder; empty if pages do not show it.
    file : str
        Its name; empty before it is first written.
    error : str
        Why the newest version could not be written, or empty.
    """

    key: str
    owner: str
    on_disk: bool
    folder: str
    file: str
    error: str
    offer: Offer | None


class Autosave:
    """Saves the prompts of a widget automatically.

    Parameters
    ----------
    planes : Planes
        While the first plane is shown.
    folder : Path or None
        Where they are saved; None keeps them in the kernel only.
    changed : callable
        Called on some thread when `message` has changed.
    shows_folder : bool
        Whether pages show the path of `folder`, not only the file's name.

    Attributes
    ----------
    key : str
        See `image_key`; empty until it is known.
    owner : str
        Eight hexadecimal digits of this widget's own.
    file : Path or None
        The file that holds the prompts; None if none was written.
    error : str
        Why the newest prompts could not be written; empty if they could.
    """

    def __init__(
        self,
        planes: Planes,
        folder: Path | None,
        *,
        changed: Callable[[], None],
        shows_folder: bool = True,
    ) -> None:
        self._planes = planes
        self._shows_folder = shows_folder
        self._folder = None if folder is None else SaveFolder(folder)
        self._changed = changed
        self._name = planes.picture.image.name
        self._record = Record(planes.axis)
        self._annotations = planes.annotations()
        self._lock = threading.Lock()
        # Not a daemon with a folder: the process must not end before the file is written.
        self._thread = TransientThreadExecutor("sam2-widget-autosave", daemon=folder is None)
        self._is_waiting = False
        self._write_now = threading.Event()
        self._searched = threading.Event()
        self._offer: SavedPrompts | None = None
        self.key = ""
        self.owner = uuid.uuid4().hex[:8]
        self.file: Path | None = None
        self.error = ""

    def start(self) -> None:
        """Search for earlier prompts of the image in the background."""
        _keys.submit(self._find_key, self._planes.picture.image.rgb, self._planes.stack)

    def skip_search(self) -> None:
        """Disable autosave: offer no earlier prompts."""
        self._searched.set()

    @property
    def folder(self) -> Path | None:
        """Where the prompts are saved; None if nowhere."""
        return None if self._folder is None else self._folder.path

    # --- earlier prompts --------------------------------------------------------------------------

    def _find_key(self, rgb: UInt8Array, stack: ImageStack | None) -> None:
        try:
            key = image_key(rgb, stack)
            with self._lock:
                self.key, is_begun = key, self._record.seconds > 0
            if is_begun:
                store.add(key, self._record)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "the image could not be recognised", error)
        self._thread.submit(self._search)

    def _search(self) -> None:
        try:
            if self.key:
                self._offer = self._newest()
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "saved prompts could not be looked for", error)
        try:
            self._changed()
        finally:
            self._searched.set()
        if self._is_waiting:
            self._save()

    def _newest(self) -> SavedPrompts | None:
        found = [store.newest(self.key, but=self._record)]
        if self._folder is not None:
            found.append(self._folder.newest(self.key, but=self.file))
        fitting = [one for one in found if one is not None and self._fits(one)]
        return max(fitting, key=lambda one: one.seconds, default=None)

    def _fits(self, saved: SavedPrompts) -> bool:
        """Whether saved prompts differ from the widget's, and all lie in its image."""
        now = {i: prompts_of(one, NO_CATEGORIES) for i, one in self._planes.annotations().items()}
        if all(_is_same(now.get(index), one) for index, one in saved.planes.items()):
            return False
        try:
            self._planes.check_prompts(saved.planes)
        except PromptError as error:
            logger.warning("saved prompts do not fit their image: %s", error)
            return False
        return saved.planes.along == self._planes.axis

    @property
    def offer(self) -> SavedPrompts | None:
        """Earlier prompts of this image that were neither taken nor dismissed yet.

        Waits until the search has ended.
        """
        self._searched.wait()
        return self._offer

    def take(self) -> SavedPrompts | None:
        """Return the present offer and withdraw it, without waiting; the prompts stay saved."""
        with self._lock:
            taken, self._offer = self._offer, None
        if taken is not None:
            self._changed()
        return taken

    def propose(self, planes: StackPrompts, seconds: float) -> None:
        """Offer prompts that a page has kept, in the background, if they are the newest."""
        self._thread.submit(self._propose, planes, min(seconds, time.time()))

    def _propose(self, planes: StackPrompts, seconds: float) -> None:
        saved, offered = SavedPrompts(planes, seconds), self._offer
        is_older = offered is not None and offered.seconds >= seconds
        if not self.key or is_older or not saved.count or not self._fits(saved):
            return
        if offered is not None and offered.planes == planes:
            return
        record = Record(planes.along)
        for index, prompts in planes.items():
            record.put(index, partial(_identity, prompts), seconds)
        # So that the next widget with this image offers it, too.
        store.add(self.key, record)
        self._offer = saved
        self._changed()

    # --- saving -----------------------------------------------------------------------------------

    def edited(self, plane: int, session: Session) -> None:
        """Save the annotation of a plane; to be called after every edit."""
        annotation, categories = session.annotation, session.numbers.known
        with self._lock:
            before = self._annotations.get(plane) or Annotation(settings=annotation.settings)
            same_objects = before.objects is annotation.objects
            same_objects = same_objects and before.absent == annotation.absent
            if same_objects and before.settings == annotation.settings:
                return
            self._annotations[plane] = annotation
            is_first = not self._record.seconds
            if is_first:
                for index, one in self._annotations.items():
                    self._record.put(index, partial(prompts_of, one, categories))
            self._record.put(plane, partial(prompts_of, annotation, categories))
            is_idle, self._is_waiting = not self._is_waiting, self._folder is not None
        if is_first and self.key:
            _keys.submit(store.add, self.key, self._record)
        if is_idle and self._folder is not None:
            self._thread.submit(self._save_soon)

    def _save_soon(self) -> None:
        self._write_now.wait(DELAY)
        if self._searched.is_set():
            self._save()

    def _save(self) -> None:
        with self._lock:
            self._is_waiting = False
        before = (self.file, self.error)
        try:
            self._write()
            self.error = ""
        except Exception as error:  # noqa: BLE001 - shown in the widget
            self.error = str(error)
            if not isinstance(error, SegmentationError):
                log_failure(logger, "prompts could not be saved", error)
            timer = threading.Timer(RETRY, weak_callback(self._retry))
            timer.daemon = True
            timer.start()
        if before != (self.file, self.error):
            self._changed()

    def _write(self) -> None:
        saved = self._record.saved()
        if self._folder is None or not self.key or not (saved.count or self.file):
            return
        if self.file is not None:
            with suppress(ExistsError):
                self._folder.write(self.file, saved.planes)
                return
        file = self._folder.file_of(self.key, uuid.uuid4().hex[:8], self._name)
        self._folder.write(file, saved.planes)
        self.file = file
        self._folder.trim(file)

    def _retry(self) -> None:
        if self.error:
            self._thread.submit(self._save)

    def flush(self) -> None:
        """Wait until all edits so far are saved."""
        self._searched.wait()
        self._write_now.set()
        self._thread.submit(self._write_now.clear).result()

    def saved_file(self) -> Path | None:
        """Path of the file after all edits are written; ExportError if they cannot be."""
        if self._folder is None:
            return None
        self.flush()
        if self.error:
            raise ExportError(self.error)
        return self.file

    # --- pages ------------------------------------------------------------------------------------

    def message(self) -> SavedTrait:
        """The trait ``_saved``."""
        offer = self._offer
        folder = str(self.folder or "")
        shown, error = folder, self.error
        if folder and not self._shows_folder:
            shown, error = "", error.replace(folder, Path(folder).name)
        return {
            "key": self.key,
            "owner": self.owner,
            "on_disk": self._folder is not None,
            "folder": presentable(shown),
            "file": presentable(self.file.name if self.file else ""),
            "error": presentable(error),
            "offer": {"objects": offer.count, "seconds": offer.seconds} if offer else None,
        }


def _is_same(one: Prompts | None, other: Prompts) -> bool:
    return one is not None and (one.objects, one.settings) == (other.objects, other.settings)


def _identity(prompts: Prompts) -> Prompts:
    return prompts
