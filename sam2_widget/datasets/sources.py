"""Lists the images of a set and their names. Only folders and tables are read, not images.

A name is the path relative to the common folder of all images, with ``/`` between its parts: it
does not change when that folder is moved, and determines the path of the image's journal.
"""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from sam2_widget._utils.text import presentable, shown
from sam2_widget.errors import AnnotationError, ImageError
from sam2_widget.export.coco_read import CocoSet
from sam2_widget.images.sequences import SUFFIXES, counting_key

SetSource: TypeAlias = "str | os.PathLike[str] | Sequence[Any] | Mapping[str, Any] | Any"
"""A folder, a glob, a CSV or COCO file, a list of paths or arrays, a mapping from name to image, or
a DataFrame."""

COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path")
"""Names of a column with paths, in order of preference."""

HIDDEN_FOLDER = ".sam2-widget"
"""Where annotations are stored, in the folder of the images."""

MAX_REPORTED = 5
"""Most entries that are listed in a message."""


@dataclass(frozen=True, slots=True, eq=False)
class SetImage:
    """An image of a set.

    Attributes
    ----------
    name : str
        Unique in the set.
    image : path, array, …
        An argument for `load_image`.
    row : mapping
        The other columns of the table that lists it.
    """

    name: str
    image: Any
    row: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def path(self) -> Path | None:
        """Its file; None if it is in memory."""
        return self.image if isinstance(self.image, Path) else None


@dataclass(frozen=True, slots=True, eq=False)
class ImageList:
    """The images of a set.

    Attributes
    ----------
    images : tuple of SetImage
    root : Path or None
        Their common folder; None if they are in memory.
    notes : tuple of str
        Entries that were left out, and why.
    coco : CocoSet or None
        Annotations to start from.
    places : mapping of str to int
        Index of each image in `coco`, by name.
    """

    images: tuple[SetImage, ...]
    root: Path | None = None
    notes: tuple[str, ...] = ()
    coco: CocoSet | None = None
    places: Mapping[str, int] = field(default_factory=dict)


def list_images(source: SetSource) -> ImageList:
    """List the images of `source`.

    Raises
    ------
    ImageError
        If there are none, or `source` is not a source of images.
    """
    if isinstance(source, (str, os.PathLike)):
        found = _of_path(os.fsdecode(os.fspath(source)))
    elif isinstance(source, Mapping):
        found = ImageList(tuple(SetImage(_text(key), one) for key, one in source.items()))
    elif hasattr(source, "columns") and hasattr(source, "to_dict"):
        found = _of_rows(source.to_dict("records"), "the DataFrame", Path())
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        found = _of_list(list(source))
    else:
        raise ImageError(
            "a set of images must be a folder, a glob, a list of paths or arrays, a CSV or COCO "
            f"file or a DataFrame, got {shown(source)}"
        )
    if not found.images:
        raise ImageError(f"there are no images in {shown(source)}")
    return found


def _text(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ImageError(f"the name of an image must be text, got {name!r}")
    return name


def _of_path(text: str) -> ImageList:
    path = Path(text).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        suffix = path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            return _of_table(path)
        if suffix == ".json":
            return _of_coco(path)
        if suffix in SUFFIXES:
            return _of_paths([path])
        raise ImageError(f"{text!r} is neither a folder, a CSV file, a COCO file nor an image")
    if glob.has_magic(text):
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - it may be absolute
        files = [Path(one) for one in matches if Path(one).suffix.lower() in SUFFIXES]
        if not files:
            raise ImageError(f"no images match {text!r} (in {Path.cwd()})")
        return _of_paths(sorted(files, key=_path_key))
    raise ImageError(f"there is no folder or file {text!r} (in {Path.cwd()})")


def _of_folder(folder: Path) -> ImageList:
    names = sorted(_walk(folder, ""), key=lambda name: [counting_key(p) for p in name.split("/")])
    if not names:
        raise ImageError(
            f"there are no images in the folder {str(folder)!r}: their names must end with one of "
            f"{', '.join(SUFFIXES)}"
        )
    return ImageList(tuple(SetImage(name, folder / name) for name in names), folder)


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    """Names of the image files below a folder; links to folders are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122 - 10,000 times
                yield prefix + entry.name


def _path_key(path: Path) -> list[Any]:
    return [counting_key(part) for part in path.parts]


def _of_list(images: list[Any]) -> ImageList:
    if all(isinstance(one, (str, os.PathLike)) for one in images):
        return _of_paths([Path(os.fsdecode(os.fspath(one))).expanduser() for one in images])
    digits = len(str(len(images)))
    taken = [SetImage(f"image {n:0{digits}}", one) for n, one in enumerate(images, start=1)]
    return ImageList(tuple(taken))


def _of_paths(paths: Sequence[Path], rows: Sequence[Mapping[str, Any]] | None = None) -> ImageList:
    """Images by their paths, each once, named by the path relative to their common folder."""
    if not paths:
        return ImageList(())
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - 10,000 times
    try:
        common = os.path.commonpath([os.path.dirname(one) for one in absolute])  # noqa: PTH120
    except ValueError:  # on several drives of Windows
        common = ""
    found: dict[str, SetImage] = {}
    twice: list[str] = []
    for number, path in enumerate(absolute):
        name = os.path.relpath(path, common) if common else path
        name = name.replace(os.sep, "/")
        if name in found:
            twice.append(name)
            continue
        row = MappingProxyType(dict(rows[number])) if rows else MappingProxyType({})
        found[name] = SetImage(name, Path(path), row)
    return ImageList(tuple(found.values()), Path(common) if common else None, _listed(twice))


def _listed(twice: Sequence[str]) -> tuple[str, ...]:
    if not twice:
        return ()
    some = ", ".join(presentable(name) for name in twice[:MAX_REPORTED])
    more = ", …" if len(twice) > MAX_REPORTED else ""
    return (f"{len(twice)} images are listed more than once, and taken once: {some}{more}",)


def _of_table(path: Path) -> ImageList:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            start = file.read(4096)
            file.seek(0)
            first = start.partition("\n")[0]
            delimiter = max("\t;,", key=first.count)
            rows = list(csv.DictReader(file, delimiter=delimiter))
    except (OSError, UnicodeError, csv.Error) as error:
        raise AnnotationError(f"cannot read {str(path)!r}: {error}") from error
    return _of_rows(rows, repr(str(path)), path.parent)


def _of_rows(rows: Sequence[Mapping[Any, Any]], what: str, folder: Path) -> ImageList:
    columns = {str(key).strip().lower(): key for key in (rows[0] if rows else {})}
    column = next((columns[name] for name in COLUMNS if name in columns), None)
    if column is None:
        raise ImageError(
            f"{what} has no column with paths: it must be called one of {', '.join(COLUMNS)}, got "
            f"{shown(list(columns))}"
        )
    named = [row for row in rows if isinstance(row[column], (str, os.PathLike)) and row[column]]
    paths = [folder / Path(os.fspath(row[column])).expanduser() for row in named]
    others = [{str(k): v for k, v in row.items() if k != column} for row in named]
    return _of_paths(paths, others)


def _of_coco(path: Path) -> ImageList:
    coco = CocoSet(path)
    paths = [path.parent / name for name in coco.file_names]
    listed = _of_paths(paths)
    by_path = {os.path.abspath(one): place for place, one in enumerate(paths)}  # noqa: PTH100
    places = {one.name: by_path[str(one.image)] for one in listed.images}
    return ImageList(listed.images, listed.root, listed.notes, coco, places)
