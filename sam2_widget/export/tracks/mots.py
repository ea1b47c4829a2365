"""MOTS text: a line for each object on each frame, with its mask as run lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.files import Source, Target, name_of, read_bytes, writing
from sam2_widget.errors import AnnotationError
from sam2_widget.export import rle
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.tracks.frames import (
    FramesLike,
    LabeledFrames,
    flattened,
    gathered,
    in_order,
    with_ids,
)
from sam2_widget.export.values import (
    LabeledMask,
    ResultLike,
    categories_of,
    crop_of,
    label_of,
    read_number,
)
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories, ClassesLike, as_categories

FIELDS: Final = 6

IGNORED: Final = 10
"""Class of regions that are ignored in evaluation."""


def write_mots(
    frames: FramesLike,
    target: Target,
    *,
    classes: ClassesLike | None = None,
    overwrite: bool = False,
) -> None:
    """Write MOTS text, line by line: frame, id, class, height, width, run lengths.

    Masks must not overlap in this format: the upper object keeps the pixels, and a `LossWarning`
    states how many. Scores, and objects that have no pixels, are left out; classes are numbers.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames.
    target : path or file object
    classes : as for `write_coco`
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If frames are not in order, or of different sizes.
    """
    known = NO_CATEGORIES if classes is None else as_categories(classes)
    with writing(target, overwrite=overwrite) as file:
        for number, result, label_map in flattened(in_order(frames)):
            known = categories_of(result, known if known.names else None)
            for line in _lines(number, result, label_map, known):
                file.write(line.encode())


def _lines(
    number: int, result: ResultLike, label_map: npt.NDArray[np.int32], known: Categories
) -> Iterator[str]:
    ids = known.numbers(first=1)
    height, width = result.size
    seen = [(track, found, crop_of(label_map == track)) for track, found in with_ids(result)]
    seen = [one for one in seen if one[2].area]
    encoded = rle.encode_all((crop for _, _, crop in seen), result.size)
    for (track, found, _), mask in zip(seen, encoded, strict=True):
        yield f"{number} {track} {ids[label_of(found)]} {height} {width} {mask['counts']}\n"


def read_mots(
    source: Source, *, classes: ClassesLike | None = None, size: tuple[int, int] | None = None
) -> LabeledFrames:
    """Read MOTS text; regions to be ignored (class 10) are left out unless `classes` name them.

    Parameters
    ----------
    source : path or file object
    classes : as for `write_coco`, optional
        Names of the class numbers; without them, labels are the numbers.
    size : (int, int), optional
        (height, width) that frames must have.

    Raises
    ------
    AnnotationError
        If it is not MOTS text, or damaged.
    """
    name = name_of(source)
    known = NO_CATEGORIES if classes is None else as_categories(classes)
    names = {number: label for label, number in known.numbers(first=1).items()}
    found: dict[int, list[LabeledMask]] = defaultdict(list)
    text = read_bytes(source).decode("ascii", "replace")
    for place, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            size = _read_line(line.split(), found, names, size, f"line {place} of {name}")
    return gathered(found, size or (0, 0), categories=known)


def _read_line(
    parts: list[str],
    found: dict[int, list[LabeledMask]],
    names: dict[int, str],
    size: tuple[int, int] | None,
    where: str,
) -> tuple[int, int]:
    numbers = [read_number(part, minimum=0) for part in parts[: FIELDS - 1]]
    if len(parts) != FIELDS or None in numbers:
        raise AnnotationError(
            f"{where} must be 'frame id class height width run-lengths', got "
            f"{' '.join(parts)!r:.80}"
        )
    frame, track, kind, height, width = (int(number or 0) for number in numbers)
    size = checked_size((height, width), size, where)
    if kind != IGNORED or kind in names:
        crop = rle.decode({"size": list(size), "counts": parts[-1]}, size, Budget(where))
        label = names.get(kind, str(kind))
        found[frame].append(LabeledMask(crop, size, label, number=track))
    return size
