"""Reading files within limits, and writing them atomically, with clear errors."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias, TypeVar, cast

import msgspec
import numpy.typing as npt

from sam2_widget._utils.atomic_files import whole_file
from sam2_widget._utils.npy_files import read_npy_file
from sam2_widget._utils.regular_files import open_regular, read_within
from sam2_widget._utils.text import shortened
from sam2_widget.errors import (
    AnnotationError,
    ExistsError,
    ExportError,
    LossWarning,
    MissingLibraryError,
    RepairWarning,
)

Target: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]
"""Where to write: a path, or a file object opened for writing."""

Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]
"""What to read: a path, or a file object opened for reading."""

MAX_BYTES = 512 * 2**20
"""Largest file that is read, in bytes; annotations of one image are smaller."""

T = TypeVar("T")


@contextmanager
def writing(target: Target, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open `target` for writing bytes; a file is replaced only when all has been written.

    Raises
    ------
    ExistsError
        If there is such a file already and `overwrite` is false.
    ExportError
        If it cannot be written; an existing file is unchanged.
    """
    if not isinstance(target, (str, os.PathLike)):
        yield from _to_file_object(target)
        return
    path = Path(target)
    check_free(path, overwrite=overwrite)
    with _system_errors(path), whole_file(path, overwrite=overwrite) as file:
        yield file


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Raise errors of the operating system as `ExportError`."""
    try:
        yield
    except ExportError:
        raise
    except FileExistsError as error:
        raise _exists(path) from error
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


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise `ExistsError` if there is such a file and it is not to be replaced.

    Raises
    ------
    ExistsError
        If there is such a file and `overwrite` is false.
    ExportError
        If it is a folder, device, pipe or socket, which is never replaced.
    """
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if the name is too long
        raise ExportError(f"cannot write {str(path)!r}: it is a folder, give the name of a file")
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise _exists(path)
    with _system_errors(path), suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - as above
            raise ExportError(
                f"cannot write {str(path)!r}: it is a device, pipe or socket, which is never "
                "replaced; open it yourself and pass the file object"
            )


def _exists(path: Path) -> ExistsError:
    return ExistsError(
        f"there is already a file {str(path)!r}: pass overwrite=True to replace it, "
        "or choose another name"
    )


def write_bytes(target: Target, data: bytes, *, overwrite: bool = False) -> None:
    """Write a whole file; see `writing`."""
    with writing(target, overwrite=overwrite) as file:
        file.write(data)


def write_json(target: Target, value: object, *, overwrite: bool = False) -> None:
    """Write `value` as JSON, indented unless it is large."""
    data = msgspec.json.encode(value)
    small = len(data) < 2**20
    write_bytes(target, msgspec.json.format(data, indent=1) if small else data, overwrite=overwrite)


def read_bytes(source: Source) -> bytes:
    """The content of a file of at most `MAX_BYTES`.

    Raises
    ------
    AnnotationError
        If it cannot be read or is larger.
    """
    try:
        if isinstance(source, (str, os.PathLike)):
            with open_regular(source) as file:
                data: bytes | str | None = read_within(file, MAX_BYTES)
        else:
            data = source.read(MAX_BYTES + 1)
    except (OSError, UnicodeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(f"cannot read {name_of(source)}: {reason}") from error
    if data is None or len(data) > MAX_BYTES:
        raise AnnotationError(
            f"{name_of(source)} is larger than {MAX_BYTES // 2**20} MiB: "
            "that cannot be the annotation of one image"
        )
    return data.encode() if isinstance(data, str) else data


class NamedFile(io.BytesIO):
    """A file in memory, with its name."""

    def __init__(self, data: bytes = b"", name: str = "") -> None:
        super().__init__(data)
        self.name = name


def peek_bytes(source: Source) -> bytes:
    """What `read_bytes` returns; a `NamedFile` can be read again."""
    return source.getvalue() if isinstance(source, NamedFile) else read_bytes(source)


START = 512
"""Bytes at the beginning of a file by which formats are recognized."""


def start_of(source: Source) -> bytes:
    """The first bytes of a path or `NamedFile`, whose position stays; b"" if it is unreadable."""
    if isinstance(source, NamedFile):
        return source.getvalue()[:START]
    try:
        with open_regular(Path(os.fspath(cast("str", source)))) as file:
            return file.read(START)
    except OSError:
        return b""  # the reader of the format raises the error


def read_npy_array(source: Source) -> npt.NDArray[Any]:
    """The array in an NPY file; a path is memory-mapped, because it may exceed the memory.

    Raises
    ------
    AnnotationError
        If it cannot be read, is a device or pipe, or holds no array of plain values.
    """
    name = name_of(source)
    if not isinstance(source, (str, os.PathLike)):
        data = read_bytes(source)
        return decoded(lambda: read_npy_file(io.BytesIO(data)), name)
    try:
        with open_regular(source) as file:
            return decoded(lambda: read_npy_file(file), name)
    except OSError as error:
        raise AnnotationError(f"cannot read {name}: {error.strerror}") from error


def name_of(source: object) -> str:
    """Name of a source in messages."""
    if isinstance(source, (str, os.PathLike)):
        return repr(os.fspath(source))
    name = getattr(source, "name", None)
    return repr(name) if isinstance(name, str) else "the file"


def decoded(decode: Callable[[], T], what: str) -> T:
    """Run a decoder of untrusted bytes; any exception becomes `AnnotationError`."""
    try:
        return decode()
    except (AnnotationError, MissingLibraryError, LossWarning, RepairWarning):
        raise
    except RecursionError as error:
        raise AnnotationError(f"{what} is nested too deeply") from error
    except MemoryError as error:
        raise AnnotationError(f"{what} needs more memory than there is") from error
    except Exception as error:
        raise AnnotationError(f"{what} cannot be read: {shortened(str(error))}") from error


def read_json(source: Source, type_: type[T]) -> T:
    """Read JSON of a given type; see `read_bytes`."""
    return parse_json(read_bytes(source), type_, name_of(source))


def parse_json(data: bytes, type_: type[T], name: str) -> T:
    """JSON of a given type; ``NaN`` and ``Infinity``, as Python writes them, are accepted."""
    data = data.removeprefix(b"\xef\xbb\xbf")  # the byte order mark of Windows editors
    if b"NaN" not in data and b"Infinity" not in data:
        return decoded(lambda: msgspec.json.decode(data, type=type_), name)
    return decoded(lambda: msgspec.convert(json.loads(data), type=type_), name)
