"""Tracked masks in files, one per frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam2_widget._utils.files import check_free
from sam2_widget.export.folders import make_folder
from sam2_widget.export.registry import FORMATS
from sam2_widget.results.tracking import TrackedFrame

LEAST_DIGITS = 5
"""Digits of the frame number in file names."""


def write_frames(
    results: Iterable[TrackedFrame],
    planes: range,
    folder: str | os.PathLike[str],
    *,
    format: str = "png",  # noqa: A002 - as `to_file`
    overwrite: bool = False,
    **options: Any,
) -> Iterator[Path]:
    """Write a file for each result as soon as it is computed, ``00012.png`` for frame 12.

    Parameters
    ----------
    results : iterable of TrackedFrame
    planes : range
        The frames that will have results.
    folder : path
    format : str
        See `Segmentation.to_file`; by default a label map.
    overwrite : bool
    **options
        For the writer of the format.

    Returns
    -------
    iterator of Path
        The file written for each result. Files are written while the paths are iterated over.

    Raises
    ------
    ExistsError
        If one of the files exists and `overwrite` is false; raised before any is written.
    ExportError
        If one cannot be written; earlier ones have been written by then.
    """
    chosen, folder = FORMATS[format], Path(folder)
    digits = max(LEAST_DIGITS, len(str(planes.stop)))
    suffix = chosen.suffixes[0] if chosen.suffixes else ""
    targets = {i: folder / f"{i:0{digits}d}{suffix}" for i in planes}
    if not chosen.shares_folder:
        for target in targets.values():
            check_free(target, overwrite=overwrite)
    make_folder(folder)

    def written() -> Iterator[Path]:
        for result in results:
            target = folder if chosen.shares_folder else targets[result.frame]
            named = replace(result, file_name=f"{targets[result.frame].stem}.jpg")
            named.to_file(target, format=format, overwrite=overwrite, **options)
            yield target

    return written()
