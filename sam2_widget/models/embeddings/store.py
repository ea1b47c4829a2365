"""Embeddings on disk: a safetensors file each, in a folder that kernels may share.

Files are written atomically. A file that is damaged or contains something else is treated as
missing and replaced. Errors are logged and never interrupt an annotation.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from sam2_widget._utils.atomic_files import whole_file
from sam2_widget._utils.regular_files import open_regular, read_regular

logger = logging.getLogger(__name__)

FORMAT = "sam2-widget-embedding"
VERSION = "1"
SUFFIX = ".safetensors"
_NAME = re.compile(rf"[0-9a-f]{{40}}{re.escape(SUFFIX)}")
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")
MAX_HEADER = 2**20
"""Largest size of a header in bytes: those of embeddings have a few hundred."""

MAX_FILE = 2**28
"""Largest size of an embedding in bytes: those of the largest model have some 33 MB."""

ABANDONED = 3600.0
"""Seconds after which an unfinished file counts as abandoned by a killed kernel."""

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


class BadFileError(Exception):
    """A file does not contain the expected embedding."""


class EmbeddingStore:
    """Embeddings in a folder.

    Parameters
    ----------
    folder : Path
        Created at the first write, with access for this user only; may be read-only.
    capacity : int
        Limit of all files together in bytes; the least recently used are deleted first.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self.folder = folder
        self._capacity = capacity

    def read(self, model: str, image: str) -> dict[str, npt.NDArray[Any]] | None:
        """The arrays that were written for that model and image; None if there are none."""
        path = self._path(model, image)
        try:
            data = read_regular(path, MAX_FILE)
            found = decode(data, model, image)
        except FileNotFoundError:
            return None
        except (OSError, BadFileError) as error:
            logger.warning("the stored embedding %s is ignored: %s", path, error)
            return None
        with suppress(OSError):  # a read-only folder
            os.utime(path)
        return found

    def write(self, model: str, image: str, arrays: Arrays) -> None:
        """Write `arrays` for that model and image, if the capacity suffices."""
        data = encode(arrays, model, image)
        if len(data) > self._capacity:
            return
        path = self._path(model, image)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(path, overwrite=True) as file:
                file.write(data)
            self._make_room()
        except OSError as error:
            logger.warning("the embedding cannot be stored in %s: %s", path, error)

    @property
    def nbytes(self) -> int:
        """Bytes of the embeddings in the folder."""
        return sum(size for _, size, _ in self._files())

    def clear(self) -> None:
        """Delete the embeddings of all models, kernels and users, but no other files.

        In a shared folder other users must encode again. Files without permission to delete stay.
        """
        for _, _, path in self._files():
            with suppress(OSError):
                _delete(path)

    def _path(self, model: str, image: str) -> Path:
        name = hashlib.blake2b(f"{VERSION}/{model}/{image}".encode(), digest_size=20).hexdigest()
        return self.folder / f"{name}{SUFFIX}"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of each embedding, the oldest first."""
        found = []
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    with suppress(OSError):  # deleted by another kernel meanwhile
                        stat = entry.stat()
                        found.append((stat.st_mtime, stat.st_size, Path(entry.path)))
        return sorted(found)

    def _make_room(self) -> None:
        files = self._files()
        excess = sum(size for _, size, _ in files) - self._capacity
        for _, size, path in files:
            if excess <= 0:
                break
            excess -= size if _delete(path) else 0
        for path in self.folder.glob(".*.tmp"):
            with suppress(OSError):
                if (
                    _UNFINISHED.fullmatch(path.name)
                    and time.time() - path.stat().st_mtime > ABANDONED
                ):
                    path.unlink()


def encode(arrays: Arrays, model: str, image: str) -> bytes:
    """Arrays as a safetensors file, with the keys of image and model in its metadata."""
    from safetensors.numpy import save  # noqa: PLC0415 - on demand

    metadata = {"format": FORMAT, "version": VERSION, "model": model, "image": image}
    # safetensors writes the memory of arrays without regard to their strides.
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return save(whole, {**metadata, "crc32": _checksum(whole)})


def decode(data: bytes, model: str, image: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file.

    Raises
    ------
    BadFileError
        If it is no embedding of that image by that model, or damaged.
    """
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        arrays = load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = msgspec.json.decode(data[8 : 8 + length], type=_Header).metadata
    except Exception as error:  # its exceptions have no common base class of use
        raise BadFileError(f"it is no safetensors file: {error}") from error
    expected = {"format": FORMAT, "version": VERSION, "model": model, "image": image}
    for name, value in expected.items():
        if metadata.get(name) != value:
            raise BadFileError(f"its {name} is {metadata.get(name)!r}, not {value!r}")
    if metadata.get("crc32") != _checksum(arrays):
        raise BadFileError("its checksum does not fit")
    return arrays


def _delete(path: Path) -> bool:
    """Delete an embedding, also a damaged one; False if the file is of another kind."""
    with suppress(FileNotFoundError):  # another kernel has deleted it meanwhile
        if not _may_be_ours(path):
            return False
        path.unlink()
    return True


def _may_be_ours(path: Path) -> bool:
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, MAX_HEADER))
    try:
        return msgspec.json.decode(header, type=_Header).metadata.get("format") == FORMAT
    except (msgspec.MsgspecError, UnicodeError):
        return True


class _Header(msgspec.Struct, rename={"metadata": "__metadata__"}):
    metadata: dict[str, str] = {}


def _checksum(arrays: Arrays) -> str:
    """Checksum of names, types, shapes and values."""
    found = 0
    for name, array in sorted(arrays.items()):
        found = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), found)
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        found = zlib.crc32(values.data, found)
    return f"{found:08x}"
