"""Results of frames: the input of writers, one after the other, and the output of readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export.label_map import shared_pixels, warn_of_shared
from sam2_widget.export.sizes import check_bytes
from sam2_widget.export.values import (
    LabeledMask,
    LabeledMasks,
    ObjectLike,
    ResultLike,
    numbers_of,
    paint,
)
from sam2_widget.images.videos.frame_index import MAX_FRAMES
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories


class FrameResult(ResultLike, Protocol):
    """The objects of one frame, as `track` returns them; their numbers are the ids of tracks."""

    @property
    def frame(self) -> int:
        """Number of the frame, from 0."""


FramesLike: TypeAlias = "Iterable[FrameResult] | Mapping[int, ResultLike]"
"""Results in the order of their frames: what `track` returns, `LabeledFrames`, or a mapping of
frame numbers to results."""


@dataclass(frozen=True, slots=True, eq=False)
class LabeledFrame(LabeledMasks):
    """The objects of one frame that was read.

    Attributes
    ----------
    frame : int
        Number of the frame, from 0.
    """

    frame: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LabeledFrames(Sequence[LabeledFrame]):
    """The frames of a file that have objects, in their order.

    Attributes
    ----------
    frames : tuple of LabeledFrame
    length : int
        Number of frames of the video, if the file states it; at least one more than the last frame
        number.
    size : (int, int)
        (height, width) of a frame in pixels; (0, 0) if the file has no frame and states none.
    """

    frames: tuple[LabeledFrame, ...]
    length: int
    size: tuple[int, int]

    @overload
    def __getitem__(self, index: int) -> LabeledFrame: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LabeledFrame, ...]: ...
    def __getitem__(self, index: int | slice) -> LabeledFrame | tuple[LabeledFrame, ...]:
        return self.frames[index]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of all objects, ascending."""
        return tuple(sorted({number for frame in self for number in frame.numbers}))

    @property
    def label_map(self) -> npt.NDArray[np.int32]:
        """Label volume (length, H, W) int32, 0 where there is no object.

        Raises
        ------
        AnnotationError
            If it would take more than 2 GiB.
        """
        check_bytes(4 * self.length * self.size[0] * self.size[1], "the label volume")
        volume = np.zeros((self.length, *self.size), np.int32)
        for one in self:
            volume[one.frame] = paint(one)
        return volume


def gathered(
    found: Mapping[int, Sequence[LabeledMask]],
    size: tuple[int, int],
    *,
    length: int = 0,
    categories: Categories = NO_CATEGORIES,
) -> LabeledFrames:
    """Make frames from the objects that a reader has found, by frame number.

    Raises
    ------
    AnnotationError
        If a frame number is too large, or an id occurs twice on a frame.
    """
    length = max([length, *(number + 1 for number in found)])
    if length > MAX_FRAMES:
        raise AnnotationError(f"the file is about {length} frames, the limit is {MAX_FRAMES}")
    for number, objects in found.items():
        ids = [one.number for one in objects]
        if len(set(ids)) != len(ids):
            raise AnnotationError(f"frame {number} has the same id twice, got {ids!r:.100}")
    frames = tuple(
        LabeledFrame(tuple(found[number]), size, categories, number) for number in sorted(found)
    )
    return LabeledFrames(frames, length, size)


def in_order(frames: FramesLike) -> Iterator[tuple[int, ResultLike]]:
    """Numbers of frames and their results, one after the other.

    Raises
    ------
    ExportError
        If numbers do not ascend, or sizes differ.
    """
    last, size = -1, None
    for number, result in _pairs(frames):
        if number <= last:
            raise ExportError(f"frames must be in order: frame {number} comes after frame {last}")
        if size is not None and tuple(result.size) != size:
            raise ExportError(f"frame {number} has the size {result.size}, the first has {size}")
        last, size = number, tuple(result.size)
        yield number, result


def _pairs(frames: FramesLike) -> Iterator[tuple[int, ResultLike]]:
    if isinstance(frames, Mapping):
        for number in sorted(frames):
            yield number, frames[number]
        return
    for result in frames:
        yield result.frame, result


def with_ids(result: ResultLike) -> list[tuple[int, ObjectLike]]:
    """The objects of a frame with their ids, from bottom to top."""
    return list(zip(numbers_of(result), result.objects, strict=True))


def flattened(
    frames: Iterable[tuple[int, ResultLike]],
) -> Iterator[tuple[int, ResultLike, npt.NDArray[np.int32]]]:
    """Numbers of frames, their results and label maps.

    At the end, one `LossWarning` states how many pixels belong to several objects.
    """
    shared = 0
    for number, result in frames:
        shared += shared_pixels(result)
        yield number, result, paint(result)
    warn_of_shared(shared)
