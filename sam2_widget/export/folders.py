"""Formats with several files: in a folder or in a ZIP file."""

from __future__ import annotations

import io
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeGuard

from sam2_widget._utils.files import (
    MAX_BYTES,
    Source,
    Target,
    check_free,
    decoded,
    name_of,
    peek_bytes,
    read_bytes,
    write_bytes,
)
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.archives import open_archive

Files = Mapping[str, Callable[[], bytes]]
"""Paths of files relative to their folder, with ``/``, and functions that return their content."""


def write_files(target: Target, files: Files, *, overwrite: bool = False) -> None:
    """Write files into a folder, which is created if it does not exist, or into a ZIP file.

    Parameters
    ----------
    target : path or file object
        A ZIP file if it is a file object or its name ends with ``.zip``; else a folder.
    files : mapping of str to callable
        The functions are called one after the other: with a folder, only one content is in memory
        at a time.
    overwrite : bool
        Whether existing files of these names may be replaced. Other files are never changed.

    Raises
    ------
    ExistsError
        If one of the files exists and `overwrite` is False; no file is written then.
    ExportError
        If they cannot be written.
    """
    if _is_folder(target):
        _write_folder(Path(target), files, overwrite=overwrite)
        return
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            # PNG data is already compressed.
            method = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(name, content(), method)
    write_bytes(target, file.getvalue(), overwrite=overwrite)


def _is_folder(target: Target) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(target, (str, os.PathLike)) and not is_zip(target)


def _write_folder(folder: Path, files: Files, *, overwrite: bool) -> None:
    for name in files:  # all of them before the first is written
        check_free(folder / name, overwrite=overwrite)
    make_folder(folder)
    for name, content in files.items():
        make_folder((folder / name).parent)
        write_bytes(folder / name, content(), overwrite=overwrite)


def make_folder(folder: Path) -> None:
    """Create a folder unless it exists.

    Raises
    ------
    ExportError
        If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"cannot create the folder {str(folder)!r}: {error.strerror}: choose another place"
        ) from error


class Folder(ABC):
    """A folder for reading; files are named relative to it, with ``/``."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Sorted names of the files in the folder, or in its subfolder `folder`."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Content of a file; AnnotationError if it cannot be read."""

    def has_folder(self, folder: str) -> bool:
        """Whether there are files in the subfolder `folder`."""
        return bool(self.names(folder))


def is_zip(file: Source | Target) -> bool:
    """Whether the name of a path or file object ends with ``.zip``."""
    name = file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", "")
    return PurePath(str(name)).suffix.lower() == ".zip"


def is_folder_or_zip(source: Source) -> bool:
    """Whether a source is a folder, or its name ends with ``.zip``."""
    return is_zip(source) or (isinstance(source, (str, os.PathLike)) and Path(source).is_dir())


def open_folder(source: Source) -> Folder:
    """Open a folder or a ZIP file for reading; AnnotationError if it is neither."""
    if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
        return _Directory(Path(source))
    data, name = peek_bytes(source), name_of(source)
    return _Archive(decoded(lambda: open_archive(data), name))


def find_for_image(names: Sequence[str], image_name: str | None) -> str | None:
    """The file of an image: the one with its name apart from the suffix, or the only one.

    Returns
    -------
    str or None
        None if several files are there, but none has the name of the image.
    """
    stem = PurePath(image_name or "").stem
    by_stem = {PurePath(name).stem: name for name in names}
    if stem in by_stem:
        return by_stem[stem]
    return next(iter(by_stem.values())) if len(by_stem) == 1 else None


class _Directory(Folder):
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, folder: str = "") -> list[str]:
        directory = self._path / folder
        if not directory.is_dir():
            return []
        files = (path for path in directory.iterdir() if not path.is_dir())
        return sorted(path.relative_to(self._path).as_posix() for path in files)

    def read(self, name: str) -> bytes:
        return read_bytes(self._path / name)


class _Archive(Folder):
    """A ZIP file, read within a limit: a few bytes may decompress to gigabytes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._bytes_left = MAX_BYTES

    @cached_property
    def _names(self) -> list[str]:
        return sorted(name for name in self._archive.namelist() if not name.endswith("/"))

    def names(self, folder: str = "") -> list[str]:
        if not folder:
            return self._names  # in all subfolders
        return [name for name in self._names if str(PurePosixPath(name).parent) == folder]

    def read(self, name: str) -> bytes:
        unpack = partial(_read_member, self._archive, name, self._bytes_left)
        data = decoded(unpack, f"{name} of the ZIP file")
        self._bytes_left -= len(data)
        return data


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise AnnotationError(
            f"the ZIP file decompresses to more than {MAX_BYTES // 2**20} MiB: split it"
        )
    return data
