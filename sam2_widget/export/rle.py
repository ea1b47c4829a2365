"""COCO's run lengths of crops: the work grows with the object, not with the image.

pycocotools reads what is written here. It does not read what strangers send: for run lengths that
do not add up to the image it returns memory that it never wrote.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError
from sam2_widget.export.values import crop_of
from sam2_widget.masks import rle
from sam2_widget.masks.logits import MaskCrop


def encode(crop: MaskCrop, size: tuple[int, int]) -> dict[str, Any]:
    """A mask as COCO's compressed RLE, ``{"size": [H, W], "counts": str}``.

    The work grows with the object's width, not with the image.
    """
    height, width = size
    counts = rle.write_runs(run_lengths(crop, size).tolist())
    return {"size": [height, width], "counts": counts}


def run_lengths(crop: MaskCrop, size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Lengths of runs of background, mask, background, … down the columns of an image."""
    height, width = size
    rows, columns = crop.pixels.shape
    strip = np.zeros((columns, height), np.int8)
    strip[:, crop.y : crop.y + rows] = crop.pixels.T
    changes = np.flatnonzero(np.diff(strip.ravel(), prepend=0, append=0)) + crop.x * height
    lengths = np.diff(changes, prepend=0, append=height * width)
    return lengths if lengths[-1] else lengths[:-1]


def decode(encoded: Any, size: tuple[int, int]) -> MaskCrop:
    """Pixels of an RLE, compressed or not.

    Raises
    ------
    AnnotationError
        If it is none, is of another size, or its run lengths do not add up.
    """
    try:
        said, counts = tuple(encoded["size"]), encoded["counts"]
    except (TypeError, KeyError) as error:
        raise AnnotationError(f"an RLE must have 'size' and 'counts': {error!r} is wrong") from None
    if said != size:
        raise AnnotationError(f"an RLE is of {said} (height, width), the image of {size}")
    lengths = _lengths(counts)
    total = int(lengths.sum())
    if (lengths < 0).any() or total != size[0] * size[1]:
        raise AnnotationError(
            f"the run lengths of an RLE add up to {total} pixels, the image has "
            f"{size[0] * size[1]}: the file is broken"
        )
    return _pixels(lengths, size[0])


def _pixels(lengths: npt.NDArray[np.int64], height: int) -> MaskCrop:
    """Only the columns that the mask reaches are made."""
    edges = np.cumsum(lengths)
    starts, ends = edges[0:-1:2], edges[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not starts.size:
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    left, right = int(starts[0]) // height, -(-int(ends[-1]) // height)
    steps = np.zeros((right - left) * height + 1, np.int8)
    np.add.at(steps, starts - left * height, 1)
    np.add.at(steps, ends - left * height, -1)
    columns = np.cumsum(steps[:-1], dtype=np.int8).reshape(right - left, height)
    return crop_of(columns.T, left)


def _lengths(counts: object) -> npt.NDArray[np.int64]:
    if isinstance(counts, (str, bytes)):
        text = counts if isinstance(counts, str) else counts.decode("latin-1")
        try:
            return np.array(rle.read_runs(text), np.int64)
        except ValueError as error:
            raise AnnotationError(f"an RLE cannot be read: {error}") from error
    if not isinstance(counts, list) or not all(type(n) is int and 0 <= n < 2**40 for n in counts):
        raise AnnotationError("the counts of an RLE must be text or a list of whole numbers")
    return np.array(counts, np.int64)
