"""COCO's compressed run-length encoding of masks.

Reading and writing is pycocotools', which everybody's masks come from and go to. It trusts what it
reads, so it is checked here first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MAX_PIXELS = 150_000_000
"""As for images."""

_OFFSET, _MORE, _SIGN, _BITS = 48, 0x20, 0x10, 5
"""Each character holds five bits of a number, whether more follow, and its sign."""

_LONGEST = 40
"""Bits of a run: enough for `MAX_PIXELS`, and no bait for endless numbers."""


def _pycocotools() -> Any:
    # Late, for it costs 0.1 s and most sessions start from no mask.
    from pycocotools import mask  # noqa: PLC0415

    return mask


def encode(mask: npt.NDArray[np.bool_]) -> str:
    """Encode a mask, (H, W) bool."""
    encoded = _pycocotools().encode(np.asfortranarray(mask, np.uint8))
    return str(encoded["counts"].decode("ascii"))


def decode(counts: str, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The mask, (H, W) bool, of an encoding that `check` has passed."""
    decoded = _pycocotools().decode({"size": list(size), "counts": counts.encode("ascii")})
    return np.asarray(decoded, np.bool_)


def check(counts: str, size: tuple[int, int]) -> None:
    """Raise ValueError unless `counts` encodes a mask of `size`, (height, width)."""
    if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):  # noqa: PLR2004
        raise ValueError(f"its size must be (height, width), got {size!r}")
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"its size is {size[0]} x {size[1]} pixels, the limit is {MAX_PIXELS}")
    total = sum(runs(counts))
    if total != size[0] * size[1]:
        raise ValueError(f"its runs cover {total} pixels, not {size[0]} x {size[1]}")


def runs(counts: str) -> list[int]:
    """Lengths of the runs, of background and mask in turn."""
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
