"""Cache of masks that were found by tracking, a few KiB each, by what they were computed from.

A mask depends on the keyframes on both sides of its plane, the direction and the model; its
`Signature` covers these. Masks of an earlier signature are kept while they fit in memory, so that
undo and redo need no model run.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.annotation.propagation import FrameMask
from sam2_widget.annotation.provenance import Maker
from sam2_widget.masks.logits import LogitMask

Signature: TypeAlias = str
"""Equal for masks that are computed from the same keyframes, direction and model."""

MAX_EARLIER_BYTES = 256 * 2**20
"""Memory in bytes for masks of earlier signatures, kept for undo and redo."""

OVERHEAD = 300
"""Bytes that a mask takes besides its data."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundMask:
    """The mask of one object on one plane, found by tracking.

    Attributes
    ----------
    mask : LogitMask
    score : float
        The model's estimate of the mask's IoU, within 0..1.
    present : bool
        Whether the object is on this plane.
    area : float
        Fraction of the image that the mask covers.
    x, y : float
        Its centre in units of the root of the image's area, so that distances can be compared with
        the root of `area`; NaN for an empty mask.
    maker : Maker
        The model.
    final : bool
        False for a mask that is replaced when the run from the other side reaches its plane.
    """

    mask: LogitMask
    score: float
    present: bool
    area: float
    x: float
    y: float
    maker: Maker
    final: bool = True

    @classmethod
    def of(cls, found: FrameMask, maker: Maker, size: tuple[int, int]) -> FoundMask:
        """Make one from a mask in an image of `size`, (height, width)."""
        area, x, y = _extent(found.mask.logits > 0)
        aspect = np.sqrt(size[1] / size[0])
        place = (float(x * aspect), float(y / aspect))
        is_there = found.present and area > 0
        return cls(found.mask, found.score, is_there, area, *place, maker, found.final)

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return len(self.mask.data) + OVERHEAD


def _extent(inside: BoolArray) -> tuple[float, float, float]:
    """Area and centre of mass of a mask, as fractions of its array's size."""
    import cv2  # noqa: PLC0415 - it costs 0.1 s

    moments = cv2.moments(inside.view(np.uint8), binaryImage=True)
    cells = moments["m00"]
    if not cells:
        return 0.0, np.nan, np.nan
    height, width = inside.shape
    x, y = moments["m10"] / cells + 0.5, moments["m01"] / cells + 0.5
    return cells / inside.size, x / width, y / height


@dataclass
class _Masks:
    by_plane: dict[int, FoundMask] = field(default_factory=dict)
    nbytes: int = 0


class FoundMasks:
    """Masks by signature and plane. Not thread-safe: callers hold a lock.

    Parameters
    ----------
    max_earlier_bytes : int
        Memory for masks whose signatures are not in use.
    """

    def __init__(self, max_earlier_bytes: int = MAX_EARLIER_BYTES) -> None:
        self._masks: dict[Signature, _Masks] = {}
        self._in_use: set[Signature] = set()
        self._earlier: OrderedDict[Signature, None] = OrderedDict()
        """Signatures that are not in use; the one unused for longest comes first."""
        self._max_earlier_bytes = max_earlier_bytes

    def get(self, signature: Signature, plane: int) -> FoundMask | None:
        """The mask if it is in the cache, else None."""
        found = self._masks.get(signature)
        return found.by_plane.get(plane) if found else None

    def planes(self, signature: Signature) -> dict[int, FoundMask]:
        """All masks of a signature, by plane; not to be changed."""
        found = self._masks.get(signature)
        return found.by_plane if found else {}

    def put(self, signature: Signature, plane: int, found: FoundMask) -> bool:
        """Store a mask; False if there is a final one already, which stays."""
        masks = self._masks.setdefault(signature, _Masks())
        before = masks.by_plane.get(plane)
        if before is not None and before.final:
            return False
        masks.by_plane[plane] = found
        masks.nbytes += found.nbytes - (before.nbytes if before else 0)
        if signature not in self._in_use:
            self._earlier.setdefault(signature)
        return True

    def use(self, signatures: set[Signature], before: set[Signature]) -> None:
        """Mark `signatures` as in use, instead of `before`."""
        self._in_use = self._in_use - before | signatures
        for one in signatures:
            self._earlier.pop(one, None)
        for one in before - signatures:
            self._earlier[one] = None
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        kept = sum(self._masks[one].nbytes for one in self._earlier if one in self._masks)
        while self._earlier and kept > self._max_earlier_bytes:
            oldest, _ = self._earlier.popitem(last=False)
            dropped = self._masks.pop(oldest, None)
            kept -= dropped.nbytes if dropped else 0
