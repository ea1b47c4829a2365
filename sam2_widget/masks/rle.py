"""COCO's compressed run-length encoding of masks, as pycocotools reads and writes it.

Written here because pycocotools trusts what it reads, in C, and masks come from anywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_PIXELS = 150_000_000
"""As for images."""

_OFFSET, _MORE, _SIGN, _BITS = 48, 0x20, 0x10, 5
"""Each character holds five bits of a number, whether more follow, and its sign."""

_LONGEST = 40
"""Bits of a run: enough for `MAX_PIXELS`, and no bait for endless numbers."""


def encode(mask: npt.NDArray[np.bool_]) -> str:
    """Encode a mask, (H, W) bool."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat[0]:
        runs.insert(0, 0)
    return write_runs(runs)


def write_runs(runs: list[int]) -> str:
    """Runs of background and mask in turn, down the columns, as text."""
    return "".join(
        _written(run - runs[place - 2] if place > 2 else run)  # noqa: PLR2004 - see read_runs
        for place, run in enumerate(runs)
    )


def _written(value: int) -> str:
    text = ""
    while True:
        bits, value = value & (_MORE - 1), value >> _BITS
        ends = value == (-1 if bits & _SIGN else 0)
        text += chr((bits if ends else bits | _MORE) + _OFFSET)
        if ends:
            return text


def decode(counts: str, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The mask, (H, W) bool; ValueError if `counts` encodes none of `size`, (height, width)."""
    runs = checked_runs(counts, size)
    inside = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(size[1], size[0]).T)


def checked_runs(counts: str, size: tuple[int, int]) -> list[int]:
    """What `read_runs` returns; ValueError if that is no mask of `size`, (height, width)."""
    if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):  # noqa: PLR2004
        raise ValueError(f"its size must be (height, width), got {size!r}")
    height, width = size
    if height * width > MAX_PIXELS:
        raise ValueError(f"its size is {height} x {width} pixels, the limit is {MAX_PIXELS}")
    runs = read_runs(counts)
    if sum(runs) != height * width:
        raise ValueError(f"its runs cover {sum(runs)} pixels, not {height} x {width}")
    return runs


def read_runs(counts: str) -> list[int]:
    """Lengths of the runs down the columns, of background and mask in turn."""
    if not isinstance(counts, str) or not counts.isascii():
        raise ValueError(f"its counts must be ASCII text, got {type(counts).__name__}")
    codes = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - _OFFSET
    if codes.size and (codes.min() < 0 or codes.max() >= 2 * _MORE or codes[-1] & _MORE):
        raise ValueError("its counts are damaged")
    found: list[int] = []
    value = shift = 0
    for code in codes.tolist():
        value |= (code & (_MORE - 1)) << shift
        shift += _BITS
        if shift > _LONGEST:
            raise ValueError("its counts are damaged: a run is too long")
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        # From the fourth on, a run is told as the difference to the one two before it.
        found.append(value + (found[-2] if len(found) > 2 else 0))  # noqa: PLR2004
        value = shift = 0
        if found[-1] < 0:
            raise ValueError("its counts are damaged: a run is negative")
    return found
