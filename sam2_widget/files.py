"""Files: written whole or not at all, never over another unasked, read with limits."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias, TypeVar, cast

import msgspec

from sam2_widget.errors import AnnotationError, ExistsError, ExportError

Target: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]
"""Where to write: a path, or a file object opened for writing."""

Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]
"""What to read: a path, or a file object opened for reading."""

MAX_BYTES = 512 * 2**20
"""Largest file that is read. What is larger is not the annotation of one image."""

T = TypeVar("T")


@contextmanager
def writing(target: Target, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open `target` for writing bytes; a path is replaced only when all has been written.

    Raises
    ------
    ExistsError
        If there is such a file already and `overwrite` is false.
    ExportError
        If it cannot be written; a file that was there before is as it was.
    """
    if not isinstance(target, (str, os.PathLike)):
        yield from _to_file_object(target)
        return
    path = Path(target)
    check_free(path, overwrite=overwrite)
    # Through a link, to where it points; beside the target, so that the rename is atomic.
    real = path.resolve()
    temporary = real.with_name(f".{uuid.uuid4().hex}.tmp")
    with _told(path):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            check_free(path, overwrite=overwrite)
            _keep_mode(real, temporary)
            temporary.replace(real)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise errors of the system as ours."""
    try:
        yield
    except ExportError:
        raise
    except OSError as error:
        raise ExportError(
            f"cannot write {str(path)!r}: {error.strerror or error}; nothing was changed, "
            "choose another place or make room"
        ) from error


def _to_file_object(target: IO[Any]) -> Iterator[BinaryIO]:
    if isinstance(target, io.TextIOBase):
        buffer = io.BytesIO()
        yield buffer
        try:
            target.write(buffer.getvalue().decode())
        except UnicodeDecodeError as error:
            raise ExportError(
                "this format is binary, got a file opened for text: open it with mode 'wb'"
            ) from error
    elif hasattr(target, "write"):
        yield cast("BinaryIO", target)
    else:
        raise ExportError(
            f"cannot write to {target!r}: give a path, or a file opened with mode 'wb'"
        )


def _keep_mode(old: Path, new: Path) -> None:
    with suppress(OSError):
        new.chmod(old.stat().st_mode & 0o7777)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise `ExistsError` if there is such a file and it is not to be replaced."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if the name is too long
        raise ExportError(f"cannot write {str(path)!r}: it is a folder, give the name of a file")
    if not overwrite and os.path.lexists(path):
        raise ExistsError(
            f"there is already a file {str(path)!r}: pass overwrite=True to replace it, "
            "or choose another name"
        )


def write_bytes(target: Target, data: bytes, *, overwrite: bool = False) -> None:
    """Write `data` as a whole; see `writing`."""
    with writing(target, overwrite=overwrite) as file:
        file.write(data)


def write_json(target: Target, value: object, *, overwrite: bool = False) -> None:
    """Write `value` as JSON, readable by people, too."""
    data = msgspec.json.encode(value)
    small = len(data) < 2**20
    write_bytes(target, msgspec.json.format(data, indent=1) if small else data, overwrite=overwrite)


def read_bytes(source: Source) -> bytes:
    """All that is in a file, at most `MAX_BYTES`.

    Raises
    ------
    AnnotationError
        If it cannot be read or is larger.
    """
    try:
        if isinstance(source, (str, os.PathLike)):
            with Path(source).open("rb") as file:
                data: bytes | str = file.read(MAX_BYTES + 1)
        else:
            data = source.read(MAX_BYTES + 1)
    except (OSError, UnicodeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(f"cannot read {name_of(source)}: {reason}") from error
    if len(data) > MAX_BYTES:
        raise AnnotationError(
            f"{name_of(source)} is larger than {MAX_BYTES // 2**20} MiB: "
            "that cannot be the annotation of one image"
        )
    return data.encode() if isinstance(data, str) else data


def name_of(source: object) -> str:
    """How to call a source in a message."""
    if isinstance(source, (str, os.PathLike)):
        return repr(os.fspath(source))
    name = getattr(source, "name", None)
    return repr(name) if isinstance(name, str) else "the file"


def decoded(decode: Callable[[], T], what: str) -> T:
    """Run a decoder of somebody else's bytes; whatever it raises becomes `AnnotationError`."""
    try:
        return decode()
    except AnnotationError:
        raise
    except RecursionError as error:
        raise AnnotationError(f"{what} is nested too deeply") from error
    except MemoryError as error:
        raise AnnotationError(f"{what} needs more memory than there is") from error
    except Exception as error:
        raise AnnotationError(f"{what} cannot be read: {error}") from error


def read_json(source: Source, type_: type[T]) -> T:
    """Read JSON of a given form; see `read_bytes`."""
    data = read_bytes(source).removeprefix(b"\xef\xbb\xbf")  # Windows editors write a mark first
    return decoded(lambda: msgspec.json.decode(data, type=type_), name_of(source))
