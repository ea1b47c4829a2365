"""COCO's compressed run-length encoding of masks, as pycocotools reads and writes it.

The reader is our own because pycocotools does not validate its input, which is parsed in C and may
be untrusted. So is the writer for crops: it encodes all masks of an image at once, in time
proportional to their boxes, while pycocotools encodes arrays of the image's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import IntArray
from sam2_widget._utils.limits import MAX_PIXELS
from sam2_widget.masks.batches import batches
from sam2_widget.masks.logits import MaskCrop

_OFFSET, _MORE, _SIGN, _BITS = 48, 0x20, 0x10, 5
"""A character encodes five bits of a number, and one bit that is set if more characters follow. The
highest of the five bits of the last character is the sign."""

_LONGEST = 40
"""Largest number of bits of a run: enough for `MAX_PIXELS`, and a limit for damaged files."""

_NEEDS_MORE = 2 ** (_BITS * np.arange(1, _LONGEST // _BITS + 1) - 1)
"""The smallest numbers that need two characters, three characters, and so on."""

_AT_ONCE = 2**24
"""Pixels that are encoded at a time, which limits the memory."""


def encode(mask: npt.NDArray[np.bool_]) -> str:
    """Encode a mask, (H, W) bool."""
    # For a whole mask pycocotools writes the same text several times faster.
    from pycocotools.mask import encode as encode_columns  # noqa: PLC0415 - on demand

    columns = np.asfortranarray(mask.view(np.uint8))
    text = encode_columns(columns)["counts"]
    return text.decode("ascii") if isinstance(text, bytes) else text


def encode_crops(crops: Iterable[MaskCrop], size: tuple[int, int]) -> list[str]:
    """Encode masks of an image of `size`, (height, width), each given by its crop."""
    runs = (_runs(some, size[0]) for some in batches(crops, _AT_ONCE))
    return [text for some in runs for text in _texts(_counts(some, size))]


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Runs of set pixels down the columns of the image, of several masks.

    Attributes
    ----------
    starts, ends : (R,) int64 ndarray
        Index of the first pixel and of the one past the last, in column-major order.
    of : (R,) int64 ndarray
        Index of the mask that a run belongs to, ascending.
    masks : int
        Number of masks; some may have no run.
    """

    starts: IntArray
    ends: IntArray
    of: IntArray
    masks: int


def _runs(crops: Sequence[MaskCrop], height: int) -> _Runs:
    # An empty row below each column separates it from the next.
    rows = np.array([crop.pixels.shape[0] + 1 for crop in crops], np.int64)
    columns = np.array([crop.pixels.shape[1] for crop in crops], np.int64)
    ends = np.cumsum(rows * columns)
    offsets = ends - rows * columns
    flat = np.zeros(int(ends[-1]) + 1, np.bool_)
    for crop, start, end in zip(crops, (offsets + 1).tolist(), (ends + 1).tolist(), strict=True):
        flat[start:end].reshape(-1, crop.pixels.shape[0] + 1)[:, :-1] = crop.pixels.T
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    first, last = edges[0::2], edges[1::2]
    of = np.searchsorted(ends, first, side="right")
    column, row = np.divmod(first - offsets[of], rows[of])
    x, y = (np.array([getattr(crop, name) for crop in crops], np.int64) for name in "xy")
    starts = (x[of] + column) * height + y[of] + row
    return _joined(_Runs(starts, starts + (last - first), of, len(crops)))


def _joined(runs: _Runs) -> _Runs:
    """Join runs that end at the bottom of a column with those at the top of the next."""
    touch = (runs.ends[:-1] == runs.starts[1:]) & (runs.of[:-1] == runs.of[1:])
    if not touch.any():
        return runs
    begins, stops = np.append(True, ~touch), np.append(~touch, True)
    return _Runs(runs.starts[begins], runs.ends[stops], runs.of[begins], runs.masks)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Alternating run lengths of background and mask, of several masks, and where each begins."""

    counts: IntArray
    first: IntArray


def _counts(runs: _Runs, size: tuple[int, int]) -> _Counts:
    total = size[0] * size[1]
    per_mask = np.bincount(runs.of, minlength=runs.masks)
    first_run = np.cumsum(per_mask) - per_mask
    first = first_run * 2 + np.arange(runs.masks)
    counts = np.zeros(2 * len(runs.of) + runs.masks, np.int64)
    place = 2 * np.arange(len(runs.of)) + runs.of
    is_first = np.diff(runs.of, prepend=-1) != 0
    before = np.where(is_first, 0, np.roll(runs.ends, 1))
    counts[place] = runs.starts - before
    counts[place + 1] = runs.ends - runs.starts
    end = np.zeros(runs.masks, np.int64)
    end[runs.of] = runs.ends  # of several runs the last assignment remains
    last = first + 2 * per_mask
    counts[last] = total - end
    # A last run of background without pixels is not written.
    drop = last[(end == total) & (per_mask > 0)]
    shift = np.searchsorted(drop, first)
    return _Counts(np.delete(counts, drop), first - shift)


def _texts(runs: _Counts) -> list[str]:
    place = np.arange(len(runs.counts)) - np.repeat(
        runs.first, np.diff(np.append(runs.first, len(runs.counts)))
    )
    values = runs.counts.copy()
    later = np.flatnonzero(place > 2)  # noqa: PLR2004 - see read_runs
    values[later] -= runs.counts[later - 2]
    size = np.searchsorted(_NEEDS_MORE, np.where(values < 0, ~values, values), side="right") + 1
    ends = np.cumsum(size)
    nth = np.arange(int(ends[-1])) - np.repeat(ends - size, size)
    bits = (np.repeat(values, size) >> (_BITS * nth)) & (_MORE - 1)
    codes = bits + _OFFSET + np.where(nth < np.repeat(size, size) - 1, _MORE, 0)
    text = codes.astype(np.uint8).tobytes().decode("ascii")
    starts = (ends - size)[runs.first].tolist()
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def run_lengths(crop: MaskCrop, size: tuple[int, int]) -> IntArray:
    """Lengths of runs of background, mask, background, … down the columns of an image."""
    return _counts(_runs([crop], size[0]), size).counts


def decode(counts: str, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The mask, (H, W) bool; ValueError if `counts` encodes none of `size`, (height, width)."""
    crop = decode_crop(counts, size)
    mask = np.zeros(size, bool)
    crop.paste(mask, value=True)
    return mask


def decode_crop(counts: str, size: tuple[int, int]) -> MaskCrop:
    """Decode only the columns that a mask covers, in proportional time; see `decode`."""
    return columns_of(checked_runs(counts, size), size[0])


def columns_of(runs: IntArray, height: int) -> MaskCrop:
    """The mask of alternating runs of background and mask, cropped to the columns it covers."""
    edges = np.cumsum(runs)
    starts, ends = edges[0:-1:2], edges[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not starts.size:
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    left, right = int(starts[0]) // height, -(-int(ends[-1]) // height)
    steps = np.zeros((right - left) * height + 1, np.int8)
    # With runs of length 0, one run may end where the next begins.
    np.add.at(steps, starts - left * height, 1)
    np.add.at(steps, ends - left * height, -1)
    columns = np.cumsum(steps[:-1], dtype=np.int8).reshape(right - left, height)
    return MaskCrop(left, 0, columns.T.astype(bool))


def checked_runs(counts: str, size: tuple[int, int]) -> IntArray:
    """Run lengths as from `read_runs`; ValueError unless they fit `size`, (height, width)."""
    if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):  # noqa: PLR2004
        raise ValueError(f"its size must be (height, width), got {size!r}")
    height, width = size
    if height * width > MAX_PIXELS:
        raise ValueError(f"its size is {height} x {width} pixels, the limit is {MAX_PIXELS}")
    runs = read_runs(counts, most_runs(height * width))
    total = int(runs.sum())
    if total != height * width:
        raise ValueError(f"its runs cover {total} pixels, not {height} x {width}")
    return runs


MAX_RUNS = 100_000_000
"""Largest number of runs of one mask; reading one takes some 40 bytes."""


def most_runs(pixels: int) -> int:
    """Largest number of runs of a mask: half of them may have length 0."""
    return min(2 * pixels + 2, MAX_RUNS)


def read_runs(counts: str, most: int = MAX_RUNS) -> IntArray:
    """Alternating run lengths of background and mask down the columns, (R,) int64.

    ValueError if `counts` is damaged or has more than `most` runs.
    """
    if not isinstance(counts, str) or not counts.isascii():
        raise ValueError(f"its counts must be ASCII text, got {type(counts).__name__}")
    # Characters below the offset wrap around and are rejected as too large.
    codes = np.frombuffer(counts.encode(), np.uint8) - np.uint8(_OFFSET)
    if not codes.size:
        return np.zeros(0, np.int64)
    if codes.max() >= 2 * _MORE or codes[-1] & _MORE:
        raise ValueError("its counts are damaged")
    if np.count_nonzero(codes < _MORE) > most:
        raise ValueError(f"it has more than {most} runs: simplify the mask")
    runs = np.concatenate([_read_numbers(part) for part in _parts(codes)])
    # From the fourth run on, the difference to the second run before it is stored.
    runs[1::2], runs[2::2] = np.cumsum(runs[1::2]), np.cumsum(runs[2::2])
    if runs.min() < 0:
        raise ValueError("its counts are damaged: a run is negative")
    return runs


_CHARACTERS_AT_ONCE = 2**20
"""Characters that are decoded at a time, with some 70 bytes of temporary memory each."""


def _parts(codes: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    """Split the characters into parts that end with a complete number."""
    start = 0
    while start < len(codes):
        # The text ends with a complete number, so only a number that is too long has no end here.
        last = codes[start : start + _CHARACTERS_AT_ONCE][-_LONGEST:] & _MORE
        ends = np.flatnonzero(last == 0)
        if not ends.size:
            raise ValueError("its counts are damaged: a run is too long")
        end = min(start + _CHARACTERS_AT_ONCE, len(codes)) - (len(last) - 1 - int(ends[-1]))
        yield codes[start:end]
        start = end


def _read_numbers(codes: npt.NDArray[np.uint8]) -> IntArray:
    """Decode numbers from characters, as described at `_BITS`."""
    codes = codes.astype(np.int64)
    ends = np.flatnonzero(codes & _MORE == 0) + 1
    starts = np.append(0, ends[:-1])
    size = ends - starts
    if size.max() * _BITS > _LONGEST:
        raise ValueError("its counts are damaged: a run is too long")
    nth = np.arange(len(codes)) - np.repeat(starts, size)
    numbers = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * nth), starts)
    numbers -= np.where(codes[ends - 1] & _SIGN, 1 << (_BITS * size), 0)
    if np.abs(numbers).max() > MAX_PIXELS:
        raise ValueError("its counts are damaged: a run is too long")
    return numbers
