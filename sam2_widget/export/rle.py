"""COCO's run-length encoding (RLE) of crops; the work is proportional to the crop, not the image.

pycocotools can read the result. It is not used to read untrusted files: if run lengths do not add
up to the size of the image, it returns uninitialised memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError
from sam2_widget.export.sizes import Budget
from sam2_widget.export.values import crop_of
from sam2_widget.masks import rle
from sam2_widget.masks.logits import MaskCrop


def encode(crop: MaskCrop, size: tuple[int, int]) -> dict[str, Any]:
    """Encode a mask as COCO's compressed RLE, ``{"size": [H, W], "counts": str}``."""
    return encode_all([crop], size)[0]


def encode_all(crops: Iterable[MaskCrop], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Encode masks as COCO's compressed RLE, in batches, which is fast for thousands of masks."""
    return [{"size": list(size), "counts": text} for text in rle.encode_crops(crops, size)]


def decode(encoded: Any, size: tuple[int, int], budget: Budget | None = None) -> MaskCrop:
    """Decode an RLE, compressed or not.

    Raises
    ------
    AnnotationError
        If it is not an RLE, its size is not `size`, its run lengths do not add up to the image, or
        it exceeds `budget`.
    """
    try:
        stated, counts = tuple(encoded["size"]), encoded["counts"]
    except (TypeError, KeyError) as error:
        raise AnnotationError(
            f"an RLE must have 'size' and 'counts', got {shown(encoded)}: {error!r}"
        ) from None
    if stated != size:
        raise AnnotationError(
            f"an RLE must have the size (height, width) of the image, {size}, got {shown(stated)}"
        )
    lengths = _lengths(counts, rle.most_runs(size[0] * size[1]))
    total = int(lengths.sum())
    if (lengths < 0).any() or total != size[0] * size[1]:
        raise AnnotationError(
            f"the run lengths of an RLE add up to {total} pixels, the image has "
            f"{size[0] * size[1]}: the file is broken"
        )
    edges = np.cumsum(lengths)
    starts, ends = edges[0:-1:2], edges[1::2]
    inside = ends > starts
    starts, ends = starts[inside], ends[inside]
    return from_runs(starts, ends, size[0], budget)


def from_runs(
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    height: int,
    budget: Budget | None = None,
) -> MaskCrop:
    """Decode runs along the columns; only the pixels of their bounding box are allocated.

    Parameters
    ----------
    starts, ends : (N,) int64 ndarray, ascending
        Start and exclusive end of each run, as ``x * height + y``; no run is empty.
    height : int
        Height of the image in pixels.
    budget : Budget, optional
        Is charged with the bounding box before it is allocated.
    """
    if not starts.size:
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    left, right = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    top, bottom = _rows(starts, ends, height)
    rows = bottom - top
    if budget is not None:
        budget.charge_box((right - left) * rows)
    steps = np.zeros((right - left) * rows + 1, np.int8)
    # Runs that continue into the next column need a box of full height.
    for places, step, last in ((starts, 1, 0), (ends, -1, 1)):
        column, row = np.divmod(places - last, height)
        np.add.at(steps, (column - left) * rows + row + last - top, step)
    columns = np.cumsum(steps[:-1], dtype=np.int8).reshape(right - left, rows)
    return crop_of(columns.T, left, top)


def _rows(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], height: int
) -> tuple[int, int]:
    """First and exclusive last row of the runs; all rows if a run spans several columns."""
    first, last = np.divmod(starts, height), np.divmod(ends - 1, height)
    if (first[0] != last[0]).any():
        return 0, height
    return int(first[1].min()), int(last[1].max()) + 1


def _lengths(counts: object, most: int) -> npt.NDArray[np.int64]:
    if isinstance(counts, (str, bytes)):
        text = counts if isinstance(counts, str) else counts.decode("latin-1")
        try:
            return rle.read_runs(text, most)
        except ValueError as error:
            raise AnnotationError(f"an RLE cannot be read: {error}") from error
    if not isinstance(counts, list) or not all(type(n) is int and 0 <= n < 2**40 for n in counts):
        raise AnnotationError(
            f"the counts of an RLE must be a string or a list of integers, got {shown(counts)}"
        )
    if len(counts) > most:
        raise AnnotationError(f"an RLE has more than {most} runs: simplify the mask")
    return np.array(counts, np.int64)
