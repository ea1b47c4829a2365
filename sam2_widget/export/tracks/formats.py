"""All formats for files of tracks: the writer and reader of each, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sam2_widget._utils.files import Source, Target, check_free, name_of
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.tracks.frames import FramesLike, LabeledFrames

FORMATS: Final[dict[str, tuple[str, str, str]]] = {
    "youtube-vis": ("youtube_vis", "write_youtube_vis", "read_youtube_vis"),
    "mots": ("mots", "write_mots", "read_mots"),
    "csv": ("table", "write_tracks_csv", "read_tracks_csv"),
    "tiff": ("volumes", "write_tracks_tiff", "read_tracks_tiff"),
    "npz": ("volumes", "write_tracks_npz", "read_tracks_npz"),
    "pngs": ("frame_pngs", "write_frame_pngs", "read_frame_pngs"),
    "overlay": ("overlay", "write_overlay", ""),
}
"""Module, writer and reader of each format; a format that is only for viewing has no reader."""

SUFFIXES: Final = {
    ".json": "youtube-vis",
    ".txt": "mots",
    ".csv": "csv",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".npz": "npz",
    ".zip": "pngs",
    "": "pngs",
    **dict.fromkeys((".mp4", ".mov", ".mkv", ".webm"), "overlay"),
}
"""Format by the end of a file name; a folder contains PNGs."""


def write_tracks(
    frames: FramesLike,
    target: Target,
    *,
    format: str | None = None,  # noqa: A002
    **options: Any,
) -> None:
    """Write the objects of all frames, with the same ids on all, in a format for videos.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames, e.g. the iterator that `track` returns: each is written at once.
    target : path or file object
        The end of its name decides the format: ``.json`` YouTube-VIS, ``.txt`` MOTS, ``.csv``,
        ``.tif`` and ``.npz`` label volumes, a folder or ``.zip`` a PNG for each frame, ``.mp4`` a
        video with the masks over it, which needs ``source=``.
    format : str, optional
        A name in `FORMATS`: ``"youtube-vis"``, ``"mots"``, ``"csv"``, ``"tiff"``, ``"npz"``,
        ``"pngs"`` or ``"overlay"``.
    **options
        Passed on to the writer, e.g. ``overwrite=True``.

    Raises
    ------
    ExportError
        If the format is not known, or the file cannot be written.
    """
    name = _format(target, format, ExportError)
    if isinstance(target, (str, os.PathLike)) and Path(target).suffix:
        # Checked before the first frame is computed: tracking may take hours.
        check_free(Path(target), overwrite=bool(options.get("overwrite")))
    writer_of(name)(frames, target, **options)


def format_of(target: Target) -> str:
    """The format that belongs to the end of a name; ExportError if there is none."""
    return _format(target, None, ExportError)


def writer_of(name: str) -> Callable[..., None]:
    """The writer of a format in `FORMATS`."""
    module, writer, _ = FORMATS[name]
    function: Callable[..., None] = _function(module, writer)
    return function


def read_tracks(
    source: Source,
    *,
    format: str | None = None,  # noqa: A002
    **options: Any,
) -> LabeledFrames:
    """Read a file that `write_tracks` or another program wrote.

    Parameters
    ----------
    source : path or file object
    format : str, optional
        See `write_tracks`; by default chosen by the end of the name.
    **options
        Passed on to the reader, e.g. ``size=``.

    Raises
    ------
    AnnotationError
        If the format is not known or cannot be read, or the file is damaged.
    """
    name = _format(source, format, AnnotationError)
    module, _, reader = FORMATS[name]
    if not reader:
        raise AnnotationError(
            f"{name_of(source)} is a video to be looked at: masks are not read from it"
        )
    found: LabeledFrames = _function(module, reader)(source, **options)
    return found


def _format(file: Source | Target, name: str | None, error: type[Exception]) -> str:
    if name is None:
        path = file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", "")
        name = SUFFIXES.get(Path(str(path)).suffix.lower(), "")
    if name not in FORMATS:
        raise error(
            f"{name_of(file)} has no known format of tracks: pass format= one of "
            f"{', '.join(FORMATS)}"
        )
    return name


def _function(module: str, name: str) -> Any:
    return getattr(import_module(f"sam2_widget.export.tracks.{module}"), name)
