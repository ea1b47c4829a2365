"""Recognize files of tracks among files of masks, some of which have the same suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Final

from sam2_widget._utils.files import NamedFile, name_of, peek_bytes, start_of
from sam2_widget.errors import AnnotationError
from sam2_widget.export.archives import open_archive
from sam2_widget.export.folders import open_folder
from sam2_widget.export.recognition import top_keys
from sam2_widget.export.tracks.mots import FIELDS
from sam2_widget.export.tracks.volumes import ARRAY


def tracks_format(source: Path | NamedFile) -> str | None:
    """The format of the tracks in a file, folder or ZIP file; None if it holds none.

    Label volumes in TIFF are not recognized here: see `sam2_widget.export.volumes`.
    """
    suffix = PurePath(source.name).suffix.lower()
    if isinstance(source, Path) and source.is_dir():
        suffix = ".zip"
    if suffix not in RECOGNIZERS:
        return None
    name, is_so = RECOGNIZERS[suffix]
    try:
        return name if is_so(source) else None
    except AnnotationError:  # raised again by the reader of masks
        return None


def _is_of_videos(source: Path | NamedFile) -> bool:
    keys, is_array = top_keys(peek_bytes(source), name_of(source))
    return "videos" in keys and not is_array


def _is_mots(source: Path | NamedFile) -> bool:
    fields = start_of(source).split(b"\n", 1)[0].split()
    # A YOLO box with its confidence has as many fields, but they are fractions of the image's size.
    return len(fields) == FIELDS and all(one.isdigit() for one in fields[:-1])


def _is_table(source: Path | NamedFile) -> bool:
    del source  # CSV is used for no other masks
    return True


def _has_volume(source: Path | NamedFile) -> bool:
    try:
        names = open_archive(peek_bytes(source)).namelist()
    except Exception as error:
        raise AnnotationError(f"{name_of(source)} is no NPZ: {error}") from error
    return f"{ARRAY}.npy" in names and "masks.npy" not in names


def _has_numbered_pngs(source: Path | NamedFile) -> bool:
    pngs = [one for one in open_folder(source).names() if one.lower().endswith(".png")]
    return bool(pngs) and all(PurePath(one).stem.isdecimal() for one in pngs)


RECOGNIZERS: Final[dict[str, tuple[str, Callable[[Path | NamedFile], bool]]]] = {
    ".json": ("youtube-vis", _is_of_videos),
    ".txt": ("mots", _is_mots),
    ".csv": ("csv", _is_table),
    ".npz": ("npz", _has_volume),
    ".zip": ("pngs", _has_numbered_pngs),
}
"""By suffix: the format of tracks, and the function that tests whether a file has it."""
