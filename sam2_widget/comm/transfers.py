"""Transfers files to and from the user's computer through the page: bytes only, never a path.

A file is made as a whole and fetched in parts, each after the previous one has arrived; files from
the user are sent in parts in the same way. Bursts of large messages might be lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.files import NamedFile
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.planes import Planes
from sam2_widget.autosave.saved import from_json
from sam2_widget.comm import wire
from sam2_widget.comm.publishing import Send
from sam2_widget.comm.requests import Part, Save, Transfer, Upload
from sam2_widget.errors import AnnotationError, MessageError, SegmentationError
from sam2_widget.export.registry import FORMATS
from sam2_widget.prompts.collections import FORMAT as PROMPTS_FORMAT
from sam2_widget.prompts.collections import Prompts
from sam2_widget.prompts.stacks import FORMAT as STACK_FORMAT
from sam2_widget.prompts.stacks import StackPrompts
from sam2_widget.results.stacks import StackResults

if TYPE_CHECKING:
    from sam2_widget.export.download import Download

logger = logging.getLogger(__name__)

PART = 2**20
"""Bytes in a message."""

MAX_UPLOAD = 64 * 2**20
"""Largest file that is accepted from a page."""

MAX_DOWNLOAD = 512 * 2**20
"""Largest file that is made for a page, and limit of all files that are not fetched yet."""

CLIENTS_KEPT = 4
"""Largest number of pages with a file to fetch, and of pages that are sending a file."""

MAX_JOBS = 8
"""Largest number of waiting jobs that make or read a file."""

MAX_WAITING = 128 * 2**20
"""Limit of uploaded files that are waiting to be read, in bytes."""

ABANDONED = 60.0
"""Seconds without another part after which an upload may be dropped for one of another page."""


@dataclass
class _Upload:
    """A file that a page is sending."""

    n: int
    size: int
    data: bytearray = field(default_factory=bytearray)
    last_active: float = 0.0
    """Time of its newest part (`monotonic`)."""


class Transfers:
    """Makes files for pages, and receives files from pages.

    Parameters
    ----------
    planes : Planes
    send : callable
        Sends a custom message: content and buffers.
    propose : callable
        Called with prompts that a page has stored, and the time of their last change, in seconds
        since 1970.
    """

    def __init__(
        self, planes: Planes, *, send: Send, propose: Callable[[StackPrompts, float], None]
    ) -> None:
        self._planes = planes
        self._send_raw = send
        self._propose = propose
        # One for each widget: a file may wait for masks, and so for a cluster.
        self._thread = TransientThreadExecutor("sam2-widget-files")
        self._made: dict[str, tuple[int, bytes]] = {}
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()
        self._jobs: list[int] = []
        """Bytes of uploaded data of each waiting or running job."""

    def take(self, message: Transfer, buffers: Sequence[object]) -> None:
        """Carry out a page's request, at once or in the background."""
        if isinstance(message, Save):
            self._guarded(message, lambda: self._submit(message, lambda: self._save(message)))
        elif isinstance(message, Part):
            self._send_part(message)
        else:
            self._take_part(message, buffers)

    def _submit(self, request: Save | Upload, job: Callable[[], None], nbytes: int = 0) -> None:
        """Submit a job to the thread for files; MessageError if too many are waiting."""
        with self._lock:
            if len(self._jobs) >= MAX_JOBS or sum(self._jobs) + nbytes > MAX_WAITING:
                raise MessageError(
                    f"{len(self._jobs)} files are still being made or read: wait for them, and try "
                    "again"
                )
            self._jobs.append(nbytes)
        self._thread.submit(self._run, request, job, nbytes)

    def _run(self, request: Save | Upload, job: Callable[[], None], nbytes: int) -> None:
        try:
            self._guarded(request, job)
        finally:
            with self._lock:
                self._jobs.remove(nbytes)

    def _guarded(self, request: Save | Upload, job: Callable[[], None]) -> None:
        """Run a job on its thread; errors become a notice in the widget and a reply to the page."""
        try:
            job()
        except SegmentationError as error:
            self._fail(request, str(error))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "a file could not be made or read", error)
            self._fail(request, f"Something went wrong in the kernel: {error!r}")

    def _fail(self, request: Save | Upload, notice: str) -> None:
        self._planes.shown.notify(notice, request.client)
        if isinstance(request, Save):
            self._send(wire.file_message(request, "", "", 0, 0))
        else:
            # The same page may be sending another file by now.
            upload = self._uploads.get(request.client)
            if upload is not None and upload.n == request.n:
                del self._uploads[request.client]
            self._send(wire.uploaded_message(request, 0, done=True))

    def _send(self, message: wire.CustomMessage) -> None:
        with self._planes.lock:
            self._send_raw(message.content, message.buffers)

    # --- to the page ------------------------------------------------------------------------------

    def _save(self, request: Save) -> None:
        from sam2_widget.export.notes import collect_messages  # noqa: PLC0415 - on demand

        with collect_messages() as notes:
            name, mime, data = self._file(request)
        if len(data) > MAX_DOWNLOAD:
            raise MessageError(
                f"the file has {len(data) / 2**20:.0f} MiB, too much for a page: write it in "
                f"Python, e.g. w.to_{request.format}(path)"
            )
        self._keep(request, data)
        if notes:
            self._planes.shown.notify(" ".join(notes), request.client)
        self._send(wire.file_message(request, name, mime, len(data), -(-len(data) // PART)))

    def _keep(self, request: Save, data: bytes) -> None:
        """Store a file until its page has fetched it; drop the oldest files beyond the limit."""
        with self._planes.lock:
            self._made.pop(request.client, None)
            self._made[request.client] = (request.n, data)
            while len(self._made) > CLIENTS_KEPT or self._kept_bytes > MAX_DOWNLOAD:
                del self._made[next(iter(self._made))]

    @property
    def _kept_bytes(self) -> int:
        return sum(len(data) for _, data in self._made.values())

    def _file(self, request: Save) -> Download:
        from sam2_widget.export.download import download, stem_of  # noqa: PLC0415

        planes, stack = self._planes, StackResults(self._planes)
        number = planes.number_of_epoch(request.epoch)
        stem = stem_of(planes.image(number).name)
        if FORMATS[request.format].scope == "stack":
            return download(stack, request.format, stem)
        if planes.axis:
            stem = f"{stem}-{planes.axis}{number + 1}"
        return download(stack[number], request.format, stem)

    def _send_part(self, request: Part) -> None:
        n, data = self._made.get(request.client, (-1, b""))
        start = request.part * PART
        found = data[start : start + PART] if n == request.n else b""
        if n == request.n and start + PART >= len(data):
            self._made.pop(request.client, None)
        self._send(wire.part_message(request, found))

    # --- from the page ----------------------------------------------------------------------------

    def _take_part(self, part: Upload, buffers: Sequence[object]) -> None:
        self._guarded(part, lambda: self._take_checked_part(part, buffers))

    def _take_checked_part(self, part: Upload, buffers: Sequence[object]) -> None:
        upload = self._appended(part, buffers)
        if len(upload.data) < part.size:
            self._send(wire.uploaded_message(part, len(upload.data), done=False))
            return
        del self._uploads[part.client]
        data = bytes(upload.data)
        self._submit(part, lambda: self._open(part, data), len(data))

    def _begin(self, part: Upload) -> None:
        """Reserve an upload; MessageError if too many others are in progress."""
        if part.size > MAX_UPLOAD:
            raise MessageError(
                f"{part.name!r} has {part.size / 2**20:.0f} MiB, a page can send "
                f"{MAX_UPLOAD // 2**20}: copy it to the kernel and call w.add_masks(path)"
            )
        self._uploads.pop(part.client, None)
        if len(self._uploads) >= CLIENTS_KEPT:
            silent = min(self._uploads, key=lambda client: self._uploads[client].last_active)
            if monotonic() - self._uploads[silent].last_active < ABANDONED:
                raise MessageError(
                    f"{CLIENTS_KEPT} other pages are sending files: open {part.name!r} again when "
                    "they have ended"
                )
            del self._uploads[silent]
        self._uploads[part.client] = _Upload(part.n, part.size)

    def _appended(self, part: Upload, buffers: Sequence[object]) -> _Upload:
        data = b"".join(bytes(one) for one in buffers if isinstance(one, (bytes, memoryview)))
        if part.at == 0:
            self._begin(part)
        upload = self._uploads.get(part.client)
        fits = upload is not None and (upload.n, upload.size) == (part.n, part.size)
        if upload is None or not fits or len(upload.data) != part.at or not 0 < len(data) <= PART:
            raise MessageError(f"{part.name!r} did not arrive whole: open it again")
        upload.data += data
        upload.last_active = monotonic()
        if len(upload.data) > part.size:
            raise MessageError(f"{part.name!r} is longer than it should be: open it again")
        return upload

    def _open(self, part: Upload, data: bytes) -> None:
        if part.kept is None:
            self._open_file(part, data)
        else:
            self._propose(from_json(_text(data, part.name)), part.kept / 1000)
        self._send(wire.uploaded_message(part, part.size, done=True))

    def _open_file(self, part: Upload, data: bytes) -> None:
        from sam2_widget.export.notes import collect_messages  # noqa: PLC0415 - on demand

        annotator = self._planes.of_epoch(part.epoch)
        with collect_messages() as notes:
            added = self._added(annotator, part.name, data)
        count = f"{added} object{'' if added == 1 else 's'}"
        notice = " ".join([f"{count} added from {part.name}.", *notes])
        self._planes.shown.notify(notice, part.client)

    def _added(self, annotator: Annotator, name: str, data: bytes) -> int:
        """Add the objects of a file in one step; returns their number."""
        start = data[:200]
        if STACK_FORMAT.encode() in start:
            prompts = StackPrompts.from_json(_text(data, name))
            StackResults(self._planes).add_prompts(prompts)
            return sum(map(len, prompts.values()))
        if PROMPTS_FORMAT.encode() in start:
            found = Prompts.from_json(_text(data, name))
            count = len(found)
            if count:
                annotator.edit(lambda: annotator.session.replay(found))
        else:
            from sam2_widget.results.loading import add_masks  # noqa: PLC0415 - on demand

            count = add_masks(self._planes, annotator, NamedFile(data, name))
        if not count:
            raise AnnotationError(f"there are no objects in {name!r}")
        return count


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{name!r} is no text in UTF-8") from error
