"""Files to and from the user's own computer, through the page: bytes only, never a path.

A file is made at once and fetched in parts, each when the one before has arrived; a file of the
user's comes in parts in the same way. Bursts of large messages would be lost on their way.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sam2_widget.annotator import Annotator
from sam2_widget.comm import wire
from sam2_widget.comm.publishing import Send
from sam2_widget.comm.requests import Part, Save, Transfer, Upload
from sam2_widget.errors import AnnotationError, MessageError, SegmentationError
from sam2_widget.passing import PassingThread
from sam2_widget.planes import Planes
from sam2_widget.prompts import FORMAT, Prompts
from sam2_widget.stack_prompts import FORMAT as STACK_FORMAT
from sam2_widget.stack_prompts import StackPrompts
from sam2_widget.stack_results import StackResults
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

PART = 2**20
"""Bytes in one message."""

MAX_UPLOAD = 64 * 2**20
"""Largest file that is taken from a page."""

MAX_DOWNLOAD = 512 * 2**20

CLIENTS_KEPT = 4
"""Pages whose file is kept until they have fetched it."""


@dataclass
class _Coming:
    """A file that is being sent by a page."""

    n: int
    size: int
    data: bytearray = field(default_factory=bytearray)


class _Named(io.BytesIO):
    name: str = ""


class Transfers:
    """Makes files for pages, and takes theirs.

    Parameters
    ----------
    planes : Planes
    send : callable
        Sends a custom message: content and buffers.
    """

    def __init__(self, planes: Planes, *, send: Send) -> None:
        self._planes = planes
        self._send_raw = send
        # Of one widget: a file waits for masks, and so perhaps for a cluster.
        self._thread = PassingThread("sam2-widget-files")
        self._made: dict[str, tuple[int, bytes]] = {}
        self._coming: dict[str, _Coming] = {}

    def take(self, message: Transfer, buffers: Sequence[object]) -> None:
        """Carry out what a page asks for, now or soon."""
        if isinstance(message, Save):
            self._thread.submit(self._guarded, message, lambda: self._save(message))
        elif isinstance(message, Part):
            self._send_part(message)
        else:
            self._take_part(message, buffers)

    def _guarded(self, asked: Save | Upload, job: Callable[[], None]) -> None:
        """Run a job on its thread; what goes wrong is told in the widget and to the page."""
        try:
            job()
        except SegmentationError as error:
            self._fail(asked, str(error))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "a file could not be made or read", error)
            self._fail(asked, f"Something went wrong in the kernel: {error!r}")

    def _fail(self, asked: Save | Upload, notice: str) -> None:
        self._planes.shown.complain(notice, asked.client)
        if isinstance(asked, Save):
            self._send(wire.file_message(asked, "", "", 0, 0))
        else:
            self._coming.pop(asked.client, None)
            self._send(wire.uploaded_message(asked, 0, done=True))

    def _send(self, message: wire.CustomMessage) -> None:
        with self._planes.lock:
            self._send_raw(message.content, message.buffers)

    # --- to the page ------------------------------------------------------------------------------

    def _save(self, asked: Save) -> None:
        from sam2_widget.export.notes import collected  # noqa: PLC0415 - on demand

        with collected() as notes:
            name, mime, data = self._file(asked)
        if len(data) > MAX_DOWNLOAD:
            raise MessageError(
                f"the file has {len(data) / 2**20:.0f} MiB, too much for a page: write it in "
                f"Python, e.g. w.to_{asked.format}(path)"
            )
        self._made.pop(asked.client, None)
        self._made[asked.client] = (asked.n, data)
        while len(self._made) > CLIENTS_KEPT:
            del self._made[next(iter(self._made))]
        if notes:
            self._planes.shown.complain(" ".join(notes), asked.client)
        self._send(wire.file_message(asked, name, mime, len(data), -(-len(data) // PART)))

    def _file(self, asked: Save) -> tuple[str, str, bytes]:
        """Name, media type and content."""
        from sam2_widget.export.download import FORMATS, stem_of  # noqa: PLC0415

        annotator, planes = self._planes.of_epoch(asked.epoch), self._planes
        stem = stem_of(annotator.image.name)
        if asked.format == "stack-prompts":
            text = StackResults(planes).prompts.to_json()
            return f"{stem}.prompts.json", "application/json", text.encode()
        file = io.BytesIO()
        if asked.format == "stack-tiff":
            StackResults(planes).to_tiff(file)
            return f"{stem}.labels.tif", "image/tiff", file.getvalue()
        if planes.along:
            stem = f"{stem}-{planes.along}{planes.number(annotator) + 1}"
        if asked.format == "prompts":
            text = annotator.session.prompts.to_json()
            return f"{stem}.prompts.json", "application/json", text.encode()
        ending, mime, write = FORMATS[asked.format]
        write(planes.equipped(planes.number(annotator)).current_result(), file, stem)
        return stem + ending, mime, file.getvalue()

    def _send_part(self, asked: Part) -> None:
        n, data = self._made.get(asked.client, (-1, b""))
        start = asked.part * PART
        found = data[start : start + PART] if n == asked.n else b""
        if n == asked.n and start + PART >= len(data):
            self._made.pop(asked.client, None)
        self._send(wire.part_message(asked, found))

    # --- from the page ----------------------------------------------------------------------------

    def _take_part(self, part: Upload, buffers: Sequence[object]) -> None:
        try:
            coming = self._appended(part, buffers)
        except MessageError as error:
            self._fail(part, str(error))
            return
        if len(coming.data) < part.size:
            self._send(wire.uploaded_message(part, len(coming.data), done=False))
            return
        del self._coming[part.client]
        data = bytes(coming.data)
        self._thread.submit(self._guarded, part, lambda: self._open(part, data))

    def _appended(self, part: Upload, buffers: Sequence[object]) -> _Coming:
        if part.size > MAX_UPLOAD:
            raise MessageError(
                f"{part.name!r} has {part.size / 2**20:.0f} MiB, a page can send "
                f"{MAX_UPLOAD // 2**20}: copy it to the kernel and call w.add_masks(path)"
            )
        data = b"".join(bytes(one) for one in buffers if isinstance(one, (bytes, memoryview)))
        if part.at == 0:
            self._coming[part.client] = _Coming(part.n, part.size)
            while len(self._coming) > CLIENTS_KEPT:
                del self._coming[next(iter(self._coming))]
        coming = self._coming.get(part.client)
        fits = coming is not None and (coming.n, coming.size) == (part.n, part.size)
        if coming is None or not fits or len(coming.data) != part.at or not 0 < len(data) <= PART:
            raise MessageError(f"{part.name!r} did not arrive whole: open it again")
        coming.data += data
        if len(coming.data) > part.size:
            raise MessageError(f"{part.name!r} is longer than it should be: open it again")
        return coming

    def _open(self, part: Upload, data: bytes) -> None:
        from sam2_widget.export.notes import collected  # noqa: PLC0415 - on demand

        annotator = self._planes.of_epoch(part.epoch)
        with collected() as notes:
            added = self._added(annotator, part.name, data)
        count = f"{added} object{'' if added == 1 else 's'}"
        said = " ".join([f"{count} added from {part.name}.", *notes])
        self._planes.shown.complain(said, part.client)
        self._send(wire.uploaded_message(part, part.size, done=True))

    def _added(self, annotator: Annotator, name: str, data: bytes) -> int:
        """Add what is in a file, in one step; returns the number of objects."""
        start = data[:200]
        if STACK_FORMAT.encode() in start:
            prompts = StackPrompts.from_json(_text(data, name))
            StackResults(self._planes).add_prompts(prompts)
            return sum(map(len, prompts.values()))
        session = annotator.session
        if FORMAT.encode() in start:
            found = Prompts.from_json(_text(data, name))
        else:
            from sam2_widget.loading import as_objects  # noqa: PLC0415 - on demand

            file = _Named(data)
            file.name = name
            is_yolo = name.lower().endswith(".txt") and session.classes
            options = {"classes": list(session.classes)} if is_yolo else {}
            found = as_objects(file, session, **options)
        if not found:
            raise AnnotationError(f"there are no objects in {name!r}")
        annotator.edit(lambda: session.replay(found))
        return len(found)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{name!r} is no text in UTF-8") from error
