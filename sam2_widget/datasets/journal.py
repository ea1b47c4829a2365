"""A journal: a text file to which records are appended, one per line, each with a checksum.

A line is ``{"check": "5d41402a", "record": {…}}``; `check` is the CRC-32 of the record's bytes in
this line. The first record names format and version. A record is valid once its line is complete: a
writer that is killed leaves at most a part of a line, which the next writer removes.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from sam2_widget._utils.atomic_files import sync_folder, whole_file
from sam2_widget._utils.regular_files import read_regular
from sam2_widget.errors import AnnotationError, ExportError, SegmentationError

FORMAT = "sam2-widget-journal"
VERSION = 1

MAX_BYTES = 512 * 2**20
"""Largest size of a journal; a larger file was not written by this package."""

T = TypeVar("T")


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first record of a journal.

    Parameters
    ----------
    format : str
    version : int
    image : str
        Name of the image that the other records describe; "" if they describe the whole set.
    """

    format: str
    version: int
    image: str = ""


class _Line(msgspec.Struct):
    check: str
    record: msgspec.Raw


# Cached, because creating a decoder takes longer than decoding a short line.
_LINE = msgspec.json.Decoder(_Line)
_HEADER = msgspec.json.Decoder(Header)


def _checksum(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def encode(record: object) -> bytes:
    """The line of a record, with its line ending."""
    data = msgspec.json.encode(record)
    return b'{"check":"%s","record":%s}\n' % (_checksum(data).encode(), data)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """The content of a journal.

    Attributes
    ----------
    header : Header or None
        None if the file is empty, or damaged in its first line.
    records : list
        All valid ones, in order.
    size : int
        Bytes up to the end of the last valid record.
    damage : str
        What is wrong with the line after it; "" if there is no damage, or only an unfinished line.
    """

    header: Header | None
    records: list[T]
    size: int
    damage: str = ""


def parse(data: bytes, type_: type[T], name: str) -> Parsed[T]:
    """Read a journal up to its last valid record.

    Raises
    ------
    AnnotationError
        If it was written by a newer version of this package.
    """
    header: Header | None = None
    records: list[T] = []
    size = 0
    while (end := data.find(b"\n", size)) >= 0:
        try:
            raw = _record(data[size:end])
            if header is None:
                header = _header(raw, name)
            else:
                records.append(msgspec.json.decode(raw, type=type_))
        except _NewerError as error:
            raise AnnotationError(str(error)) from error
        except (msgspec.MsgspecError, SegmentationError, ValueError, RecursionError) as error:
            return Parsed(header, records, size, f"line {len(records) + 1 + bool(header)}: {error}")
        size = end + 1
    return Parsed(header, records, size)


def _record(line: bytes) -> msgspec.Raw:
    parsed = _LINE.decode(line)
    if _checksum(bytes(parsed.record)) != parsed.check:
        raise ValueError("its checksum does not match")
    return parsed.record


class _NewerError(Exception):
    pass


def _header(raw: msgspec.Raw, name: str) -> Header:
    header = _HEADER.decode(raw)
    if header.format != FORMAT:
        raise ValueError(f"the format is {header.format!r}, not {FORMAT!r}")
    if header.version > VERSION:
        raise _NewerError(
            f"{name!r} was written by a newer sam2-widget: it has version {header.version}, this "
            f"one reads up to {VERSION}. Update with `pip install -U sam2-widget`"
        )
    return header


class Journal(Generic[T]):
    """A journal on disk. Not thread-safe.

    Parameters
    ----------
    path : Path
    type_ : type
        Type of its records, a `msgspec.Struct`.
    image : str
        See `Header`.
    """

    def __init__(self, path: Path, type_: type[T], image: str = "") -> None:
        self.path = path
        self._type = type_
        self._header = Header(FORMAT, VERSION, image)
        self._size = 0
        self._count = 0
        self._has_rest = False
        """Whether there may be a part of a record at the end."""

    @property
    def count(self) -> int:
        """Number of records."""
        return self._count

    def is_longer_than(self, records: Iterable[T]) -> bool:
        """Whether it is more than twice as large as a journal of these records."""
        return self._size > 2 * sum(len(encode(record)) for record in records)

    def read(self) -> Parsed[T]:
        """Read it; an empty `Parsed` if there is no such file.

        Raises
        ------
        AnnotationError
            If it cannot be read, or was written by a newer version.
        """
        try:
            data = read_regular(self.path, MAX_BYTES)
        except FileNotFoundError:
            return Parsed(None, [], 0)
        except OSError as error:
            raise AnnotationError(
                f"cannot read {str(self.path)!r}: {error.strerror or error}"
            ) from error
        parsed = parse(data, self._type, str(self.path))
        self._size, self._count = parsed.size, len(parsed.records)
        self._has_rest = len(data) > parsed.size
        return parsed

    def keep_copy(self) -> Path:
        """Copy a damaged journal to the same folder, before the next record is written."""
        number = 1
        while (copy := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        with whole_file(copy, overwrite=False) as file:
            file.write(read_regular(self.path, MAX_BYTES))
        return copy

    def append(self, records: Iterable[T]) -> None:
        """Append records; they are on disk when this returns.

        Raises
        ------
        OSError
            If they cannot be written; none of them is valid then.
        ExportError
            If another process has written to the file.
        """
        lines = [encode(record) for record in records]
        data = b"".join(lines if self._size else [encode(self._header), *lines])
        is_new = not self.path.exists()
        if is_new and self._size:
            raise FileNotFoundError(f"the journal {str(self.path)!r} is gone")
        # Unbuffered, so that data whose write failed is not written later, when the file is closed.
        with self.path.open("ab", buffering=0) as file:
            self._check_end(file)
            self._has_rest = True
            try:
                _write_all(file, data)
                os.fsync(file.fileno())
            except BaseException:
                with suppress(OSError):
                    file.truncate(self._size)
                raise
        if is_new:
            sync_folder(self.path.parent)
        self._size += len(data)
        self._count += len(lines)
        self._has_rest = False

    def _check_end(self, file: FileIO) -> None:
        """Remove the rest of an interrupted write; ExportError if another process has written."""
        size = os.fstat(file.fileno()).st_size
        if size == self._size:
            return
        if not self._has_rest:
            raise ExportError(
                f"{str(self.path)!r} was changed by another program: open the set again to see "
                "what is there now"
            )
        file.truncate(self._size)

    def rewrite(self, records: Iterable[T]) -> None:
        """Replace all records atomically.

        Raises
        ------
        OSError
            If they cannot be written; the file is unchanged then.
        """
        lines = [encode(self._header), *(encode(record) for record in records)]
        data = b"".join(lines)
        with whole_file(self.path, overwrite=True) as file:
            file.write(data)
        self._size, self._count, self._has_rest = len(data), len(lines) - 1, False


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
