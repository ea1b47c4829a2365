"""Which frames get their masks from which keyframes: the rule of tracking, without a model.

An object extends over the whole stack. The planes on which it has prompts are its keyframes; they
divide the other planes into stretches. A frame before the first keyframe or after the last is
tracked from the nearest one. Between two keyframes the model runs forward from the left one and
backward from the right one, and the two runs are joined where they agree most. So a correction,
which is one more keyframe, changes only the masks up to its neighbouring keyframes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from sam2_widget._utils.arrays import BoolArray
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.predictor import Predictor
from sam2_widget.prompts.types import Box, MaskPrompt, Point, Prompt, Scribble, Stroke

Direction: TypeAlias = Literal["both", "forward", "backward"]
"""``"forward"``: masks come from earlier keyframes only; ``"backward"``: from later ones only."""


@dataclass(frozen=True, slots=True)
class KeyframeMark:
    """The part of a keyframe that the masks of its stretches depend on.

    Attributes
    ----------
    key : str
        Equal for equal prompts and settings.
    absent : bool
        Whether the prompts select nothing: the object is not on this frame, and no mask is found
        from it.
    """

    key: str
    absent: bool = False

    @classmethod
    def of(cls, prompts: tuple[Prompt, ...], settings: Settings = DEFAULTS) -> KeyframeMark:
        """The mark of a keyframe with these prompts."""
        content = msgspec.json.encode((prompts, settings.cleaning))
        return cls(_digest(content), absent=not _selects(prompts))


def _selects(prompts: tuple[Prompt, ...]) -> bool:
    """Whether prompts select an object."""
    return any(
        isinstance(one, (Box, MaskPrompt))
        or (isinstance(one, (Point, Scribble, Stroke)) and one.label == 1)
        for one in prompts
    )


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames of one object whose masks come from the same keyframes.

    Attributes
    ----------
    number : int
        Number of the object, the same on all planes.
    left, right : int or None
        Frame of the keyframe before, from which the run forward starts, and of the keyframe after,
        from which the run backward starts. One of them may be None.
    frames : range
        Frames whose masks are requested, ascending; without the keyframes.
    signature : str
        Hash of the prompts of both keyframes and of the context given to `stretches`; stretches
        with equal signatures have equal masks. It does not depend on `frames`, nor do the masks.
    """

    number: int
    left: int | None
    right: int | None
    frames: range
    signature: str

    @property
    def is_joined(self) -> bool:
        """Whether it lies between two keyframes, so that two runs are joined."""
        return self.left is not None and self.right is not None


def stretches(
    number: int,
    keyframes: Mapping[int, KeyframeMark],
    wanted: range,
    *,
    direction: Direction = "both",
    context: str = "",
) -> tuple[Stretch, ...]:
    """The stretches of an object that are to be tracked.

    Parameters
    ----------
    number : int
        Number of the object.
    keyframes : mapping of int to KeyframeMark
        By frame.
    wanted : range
        The frames that need masks, with a step of 1. Keyframes outside of it are used as well.
    direction : {"both", "forward", "backward"}
    context : str
        Identifies the model and the source, on which the masks depend too; see `context_of`.

    Returns
    -------
    tuple of Stretch
        Ordered by their frames. A frame for which there is no keyframe to track from is in no
        stretch: the object has no mask there.
    """
    found = []
    for frames, *ends in _between(keyframes, wanted, direction):
        left, right = (None if at is None or keyframes[at].absent else at for at in ends)
        if not (left is None and right is None):
            keys = [(index, keyframes[index].key) for index in (left, right) if index is not None]
            signature = _digest(repr((number, left is None, keys, context)).encode())
            found.append(Stretch(number, left, right, frames, signature))
    return tuple(found)


def absences(
    keyframes: Mapping[int, KeyframeMark], wanted: range, *, direction: Direction = "both"
) -> tuple[range, ...]:
    """The frames that an object is absent from because their neighbouring keyframes select nothing.

    Parameters as for `stretches`.
    """
    return tuple(
        frames
        for frames, *ends in _between(keyframes, wanted, direction)
        if any(at is not None for at in ends)
        and all(at is None or keyframes[at].absent for at in ends)
    )


def _between(
    keyframes: Mapping[int, KeyframeMark], wanted: range, direction: Direction
) -> Iterator[tuple[range, int | None, int | None]]:
    """The requested frames between keyframes, with the keyframe on each side that is used."""
    for before, after in pairwise((None, *sorted(keyframes), None)):
        first = wanted.start if before is None else max(before + 1, wanted.start)
        stop = wanted.stop if after is None else min(after, wanted.stop)
        left = None if direction == "backward" else before
        right = None if direction == "forward" else after
        if first < stop:
            yield range(first, stop), left, right


def context_of(predictor: Predictor, count: int, source: str = "") -> str:
    """Identifies the model and the frames, on which all masks of a source depend.

    Parameters
    ----------
    predictor : Predictor
    count : int
        Number of frames.
    source : str
        Identifies the source, where there are several.
    """
    model = getattr(predictor, "identity", predictor.name)
    return repr((model, count, source))


def agreement(one: LogitMask, other: LogitMask) -> float:
    """Intersection over union of two masks of one frame; 1 if both are empty."""
    height, width = max(one.height, other.height), max(one.width, other.width)
    first, second = (_cells(mask, height, width) for mask in (one, other))
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


def _cells(mask: LogitMask, height: int, width: int) -> BoolArray:
    """The cells inside a mask, in a grid that may be finer than its own."""
    cells = np.zeros((height, width), bool)
    if (mask.height, mask.width) == (height, width):
        return mask.logits > 0
    mask.crop(height, width).paste(cells, value=True)
    return cells


def forward_share(agreements: Sequence[float], present: Sequence[tuple[bool, bool]]) -> int:
    """How many of the frames between two keyframes take their masks from the run forward.

    Parameters
    ----------
    agreements : sequence of float
        `agreement` of both runs on each of the frames, ascending; at least one.
    present : sequence of (bool, bool)
        Whether the run forward, and the run backward, has found the object on each of the frames.

    Returns
    -------
    int
        The runs are joined after the frame on which they agree most. Ties are resolved by the
        number of frames on which the joined masks show the object (one run may have lost it where
        the other has not), then by the distance from the middle, then by the earlier frame.
    """
    middle = (len(agreements) - 1) / 2
    frames = [_frames_with_object(present, share) for share in range(1, len(agreements) + 1)]
    best = max(
        range(len(agreements)), key=lambda i: (agreements[i], frames[i], -abs(i - middle), -i)
    )
    return best + 1


def _frames_with_object(present: Sequence[tuple[bool, bool]], share: int) -> int:
    """Number of frames that show the object if the first `share` come from the run forward."""
    return sum(one for one, _ in present[:share]) + sum(other for _, other in present[share:])
