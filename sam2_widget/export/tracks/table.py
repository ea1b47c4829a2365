"""CSV of tracks: a row for each object on each frame, with its mask as run lengths."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sam2_widget._utils.files import Source, Target, decoded, name_of, read_bytes, writing
from sam2_widget.errors import AnnotationError
from sam2_widget.export import rle
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.tables import centroid
from sam2_widget.export.tracks.frames import (
    FramesLike,
    LabeledFrames,
    gathered,
    in_order,
    with_ids,
)
from sam2_widget.export.values import LabeledMask, ResultLike, read_number, read_score

COLUMNS: Final = (
    *("frame", "id", "label", "score", "area", "x0", "y0", "x1", "y1"),
    *("centroid_x", "centroid_y", "height", "width", "rle"),
)

NEEDED: Final = ("frame", "id", "height", "width", "rle")


def write_tracks_csv(frames: FramesLike, target: Target, *, overwrite: bool = False) -> None:
    """Write a table of tracks as CSV, row by row.

    The columns are frame and id; label and score, empty if there is none; area in pixels; box x0,
    y0, x1, y1 in pixels, upper ends exclusive; centroid; height and width of the frame; and the
    mask as COCO's run lengths.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames.
    target : path or file object
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If frames are not in order, or of different sizes.
    """
    with writing(target, overwrite=overwrite) as file:
        file.write(_csv([COLUMNS]))
        for number, result in in_order(frames):
            file.write(_csv(_rows(number, result)))


def _csv(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _rows(number: int, result: ResultLike) -> Iterator[tuple[object, ...]]:
    encoded = rle.encode_all((found.crop for found in result.objects), result.size)
    for (track, found), mask in zip(with_ids(result), encoded, strict=True):
        score = "" if found.score is None else repr(float(found.score))
        place = centroid(found.crop)
        about = (number, track, found.label or "", score, found.crop.area, *found.crop.bbox)
        yield (*about, *place, *result.size, mask["counts"])


def read_tracks_csv(source: Source, *, size: tuple[int, int] | None = None) -> LabeledFrames:
    """Read a table of tracks that has at least frame, id, height, width and rle.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that frames must have.

    Raises
    ------
    AnnotationError
        If it is not such a table, or damaged.
    """
    name = name_of(source)
    text = decoded(lambda: read_bytes(source).decode("utf-8-sig"), name)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in NEEDED if column not in (rows.fieldnames or ())]
    if missing:
        raise AnnotationError(f"{name} must have the columns {', '.join(NEEDED)}: {missing} lack")
    found: dict[int, list[LabeledMask]] = defaultdict(list)
    for place, row in enumerate(decoded(lambda: list(rows), name), start=2):
        size = _read_row(row, found, size, f"line {place} of {name}")
    return gathered(found, size or (0, 0))


def _read_row(
    row: Mapping[str, str],
    found: dict[int, list[LabeledMask]],
    size: tuple[int, int] | None,
    where: str,
) -> tuple[int, int]:
    numbers = [read_number(row.get(column), minimum=0) for column in NEEDED[:-1]]
    if None in numbers or not numbers[1]:
        raise AnnotationError(f"{where} must have whole numbers as {', '.join(NEEDED[:-1])}")
    frame, track, height, width = (int(number or 0) for number in numbers)
    size = checked_size((height, width), size, where)
    crop = rle.decode({"size": list(size), "counts": row.get("rle") or ""}, size, Budget(where))
    score = decoded(lambda: float(row["score"]) if row.get("score") else None, where)
    label = row.get("label") or None
    found[frame].append(LabeledMask(crop, size, label, read_score(score), number=track))
    return size
