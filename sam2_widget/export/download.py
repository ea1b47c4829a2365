"""Write results to files in memory, which the widget offers for download."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from sam2_widget._utils.files import NamedFile
from sam2_widget.export.methods import Exports
from sam2_widget.export.registry import DOWNLOADS, FORMATS, accepts, load

if TYPE_CHECKING:
    from sam2_widget.export.volumes import StackLike


class Download(NamedTuple):
    """A file to download: name, media type and content."""

    name: str
    media_type: str
    data: bytes


def download(result: Exports | StackLike, format_: str, stem: str) -> Download:
    """Write a result in a format of the menu of files.

    Parameters
    ----------
    result : PlaneResult or StackResults
        The results of all planes for formats whose scope is "stack".
    format_ : str
        A key of `DOWNLOADS`.
    stem : str
        Name of the image without its suffix; the file name starts with it.
    """
    item, writer = DOWNLOADS[format_], load(FORMATS[format_].writer)
    file = NamedFile(name=stem + item.ending)
    if isinstance(result, Exports):
        options: dict[str, Any] = {"name": stem} if accepts(writer, "name") else {}
        result.to_file(file, format=format_, **options)
    else:
        writer(result, file)
    return Download(file.name, item.media_type, file.getvalue())


def stem_of(name: str) -> str:
    """Name of an image without its suffix, with characters that every file system accepts."""
    stem = PurePath(name.replace("\\", "/")).stem
    kept = "".join("_" if c in '<>:"/|?*' or not c.isprintable() else c for c in stem)
    return kept.strip(" .")[:100] or "image"
