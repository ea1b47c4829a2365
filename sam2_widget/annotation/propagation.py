"""Runs a tracking model along the stretches of objects, one frame after another.

Memory stays bounded for sources of any length. Besides the last frame it holds, for each object,
the model's memory of the keyframes and of its last frames and, where two runs are to be joined,
their low-resolution logits, quantised and deflated. It can be stopped after each frame and resumed
later, with the same masks as without the stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cachetools import LRUCache

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.annotation.keyframes import keyframe_of_mask
from sam2_widget.annotation.stretches import Stretch, agreement, forward_share
from sam2_widget.errors import TrackLostError
from sam2_widget.masks.logits import LogitMask
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.predictor import (
    Frame,
    Keyframe,
    Track,
    TrackedMask,
    TrackingPredictor,
    TrackMemory,
)

MAX_MEMORY_BYTES = 256 * 2**20
"""Bytes of the model's memories of keyframes cached for later use; others are computed again."""


FRAMES_ON_A_SIDE = 16
"""Frames tracked in one direction before the other direction continues (see `nearest_to`)."""


@dataclass(frozen=True, slots=True)
class FrameMask:
    """The mask of one object on one frame, found by tracking.

    Attributes
    ----------
    number : int
        Number of the object.
    index : int
        The frame.
    mask : LogitMask
        Empty where the object is absent.
    score : float
        The model's estimate of the mask's IoU, within 0..1.
    presence : float
        Logit of whether the object is on this frame: it is absent at 0 or below.
    signature : str
        Signature of the stretch.
    final : bool
        False for a mask of one of two runs that are not joined yet: it may be replaced.
    """

    number: int
    index: int
    mask: LogitMask
    score: float
    presence: float
    signature: str
    final: bool = True

    @property
    def present(self) -> bool:
        """Whether the object is on this frame."""
        return self.presence > 0


@dataclass(eq=False)
class _Run:
    """A run of the model along a stretch, in one direction."""

    stretch: Stretch
    reverse: bool
    left_to_do: range
    keyframes: tuple[TrackMemory, ...] = ()
    memory: TrackMemory | None = None
    last: FrameMask | None = None
    found: dict[int, FrameMask] = field(default_factory=dict)
    """Masks by frame, if another run is to be joined with this one."""
    undelivered: deque[FrameMask] = field(default_factory=deque)
    """Masks of the whole stretch that are not consumed yet; only used in its first run."""

    @property
    def next(self) -> int:
        return self.left_to_do[0]

    @property
    def is_done(self) -> bool:
        return not self.left_to_do

    @property
    def ends(self) -> tuple[tuple[int, int], ...]:
        """(number, frame) of its keyframes; it starts from the first one."""
        both = (self.stretch.left, self.stretch.right)
        ordered = both[::-1] if self.reverse else both
        return tuple((self.stretch.number, index) for index in ordered if index is not None)

    @property
    def span(self) -> tuple[int, int]:
        """First and last frame that are left to do."""
        return min(self.left_to_do), max(self.left_to_do)


Runs: TypeAlias = tuple[_Run, ...]

UnfinishedRuns: TypeAlias = dict[str, Runs]
"""Runs by the signature of their stretch, with which a later `Propagation` can resume."""


def _runs_of(stretch: Stretch) -> Runs:
    left, right, frames = stretch.left, stretch.right, stretch.frames
    runs = []
    if right is not None:
        first = frames.start if left is None else left + 1
        runs.append(_Run(stretch, reverse=True, left_to_do=range(right - 1, first - 1, -1)))
    if left is not None:
        stop = frames.stop if right is None else right
        runs.append(_Run(stretch, reverse=False, left_to_do=range(left + 1, stop)))
    return tuple(runs)


class Propagation(Iterator[FrameMask]):
    """Tracks objects along stretches: an iterator of masks, each as soon as it is known.

    The model goes through the frames from the first to the last. Before it enters frames that are
    also tracked from a later keyframe, it runs backward over them from that keyframe. On each frame
    all objects whose runs have reached it are tracked together. Where two runs are to be joined,
    the masks of the first are yielded as not `final`.

    Iterate from one thread at a time, and not from a model's thread, because it reads frames. If a
    call raises, the next one tries the same frame again.

    Parameters
    ----------
    stretches : iterable of Stretch
        Of one object or several.
    predictor : TrackingPredictor
    count : int
        Number of frames of the source.
    read : callable
        Returns the RGB image of a frame, (H, W, 3) uint8.
    keyframe : callable
        Returns the mask of an object, given by its number, on a frame where it has prompts.
    nearest_to : int, optional
        Masks near this frame are found first: of a few frames after it, a few before it, and so on.
        It does not change the masks.
    unfinished : dict, optional
        Holds runs that are not finished, with their masks that are not consumed yet: pass the same
        dict to resume them later. Runs of other stretches are removed from it.

    Attributes
    ----------
    done, total : int
        Frames that were tracked, and frames in total, counted for each object and direction.
    """

    def __init__(
        self,
        stretches: Iterable[Stretch],
        predictor: TrackingPredictor,
        *,
        count: int,
        read: Callable[[int], UInt8Array],
        keyframe: Callable[[int, Frame], Keyframe],
        nearest_to: int | None = None,
        unfinished: UnfinishedRuns | None = None,
    ) -> None:
        self._predictor = predictor
        self._nearest_to = nearest_to
        self._count = count
        self._read = read
        self._keyframe = keyframe
        self._unfinished = {} if unfinished is None else unfinished
        self._last_frame: Frame | None = None
        self._memories = _new_cache()
        self._ready: deque[FrameMask] = deque()
        self._take_over(stretches)
        runs = [run for some in self._unfinished.values() for run in some]
        self._forward = [run for run in runs if not run.reverse and not run.is_done]
        self._groups = _overlapping([run for run in runs if run.reverse and not run.is_done])
        self.done = 0
        self.total = sum(len(run.left_to_do) for run in runs)

    def _take_over(self, stretches: Iterable[Stretch]) -> None:
        begun = dict(self._unfinished)
        self._unfinished.clear()
        for stretch in stretches:
            runs = begun.get(stretch.signature)
            if runs is None or runs[0].stretch != stretch:
                runs = _runs_of(stretch)
            self._unfinished[stretch.signature] = runs
            self._ready.extend(runs[0].undelivered)

    @property
    def settled(self) -> int:
        """The first frame that may still get a mask; all masks before it are final."""
        first = [min(run.stretch.frames.start for run in group) for group in self._groups]
        first += [_first_open(run) for run in self._forward]
        first += [one.index for one in self._ready]
        return min(first, default=self._count)

    def replace_predictor(self, predictor: TrackingPredictor) -> None:
        """Continue with another model, if the previous one ran out of memory.

        It starts from the last masks that the previous model found.
        """
        self._predictor = predictor
        self._last_frame = None
        self._restart_all()

    def _restart_all(self) -> None:
        """Restart all runs from their last masks, because the model's memories are gone."""
        self._memories = _new_cache()
        for runs in self._unfinished.values():
            for run in runs:
                run.keyframes, run.memory = (), None

    def __next__(self) -> FrameMask:
        while not self._ready:
            step = self._next_step()
            if step is None:
                self._last_frame = None
                raise StopIteration
            try:
                self._follow(*step)
            except TrackLostError:
                self._restart_all()
                self._follow(*step)
        return self._taken(self._ready.popleft())

    def _taken(self, mask: FrameMask) -> FrameMask:
        runs = self._unfinished[mask.signature]
        runs[0].undelivered.popleft()
        if not runs[0].undelivered and all(run.is_done for run in runs):
            del self._unfinished[mask.signature]
        return mask

    def _offer(self, mask: FrameMask) -> None:
        """Queue a mask to be yielded next, by this propagation or by one that resumes it."""
        self._unfinished[mask.signature][0].undelivered.append(mask)
        self._ready.append(mask)

    def _next_step(self) -> tuple[int, list[_Run]] | None:
        """The next frame, and the runs that have reached it."""
        if self._nearest_to is not None:
            return self._nearest_step(self._nearest_to)
        ahead = min((run.next for run in self._forward), default=None)
        for group in self._groups:
            first = min(run.stretch.frames.start for run in group)
            if ahead is None or first <= ahead:
                index = max(run.next for run in group)
                return index, [run for run in group if run.next == index]
        if ahead is None:
            return None
        return ahead, [run for run in self._forward if run.next == ahead]

    def _nearest_step(self, frame: int) -> tuple[int, list[_Run]] | None:
        """As `_next_step`, by the distance of frames from `frame`."""
        runs = [*self._forward, *(run for group in self._groups for run in group)]
        if not runs:
            return None

        def distance(run: _Run) -> tuple[int, bool, int]:
            # Several frames in one direction, because seeking back and forth in a video is slow.
            away = abs(run.next - frame)
            return away // FRAMES_ON_A_SIDE, run.reverse, away

        first = min(runs, key=distance)
        at = (first.next, first.reverse)
        return first.next, [run for run in runs if (run.next, run.reverse) == at]

    def _follow(self, index: int, runs: Sequence[_Run]) -> None:
        self._remember(runs)
        tracks = [Track(run.keyframes, run.memory, run.reverse) for run in runs]
        found = self._predictor.follow(self._frame(index), tracks)
        # State is changed only from here on, so that a call that fails can be repeated.
        for run, (mask, memory) in zip(runs, found, strict=True):
            run.memory, run.left_to_do = memory, run.left_to_do[1:]
            run.last = _frame_mask(run.stretch, index, mask)
            self._deliver(run, run.last)
        self.done += len(runs)
        self._forward = [run for run in self._forward if not run.is_done]
        groups = ([run for run in group if not run.is_done] for group in self._groups)
        self._groups = [group for group in groups if group]

    def _deliver(self, run: _Run, mask: FrameMask) -> None:
        """Queue a mask to be yielded, and finish its stretch if this was the last run."""
        stretch = run.stretch
        if stretch.is_joined:
            run.found[mask.index] = mask
        if mask.index in stretch.frames:
            self._offer(_provisional(mask) if stretch.is_joined else mask)
        if run.is_done:
            run.keyframes, run.memory = (), None
        runs = self._unfinished[stretch.signature]
        if stretch.is_joined and all(one.is_done for one in runs):
            for joined in _joined(stretch, *runs):
                self._offer(joined)
            for one in runs:
                one.found.clear()

    def _remember(self, runs: Sequence[_Run]) -> None:
        """Compute the model's memories of the keyframes of runs that start or resume."""
        starting = [run for run in runs if not run.keyframes]
        restarted = [run for run in starting if run.last is not None and run.last.present]
        for run in restarted:
            self._restart(run)
        fresh = [run for run in starting if not run.keyframes]
        wanted = dict.fromkeys(end for run in fresh for end in run.ends)
        known = {end: memory for end in wanted if (memory := self._memories.get(end)) is not None}
        for index in sorted({index for _, index in wanted.keys() - known.keys()}):
            numbers = [number for number, at in wanted if at == index and (number, at) not in known]
            known |= self._remembered(index, numbers)
        for run in fresh:
            run.keyframes = tuple(known[end] for end in run.ends)

    def _remembered(self, index: int, numbers: list[int]) -> dict[tuple[int, int], TrackMemory]:
        """The model's memories of objects on one of their keyframes."""
        frame = self._frame(index)
        keyframes = [self._keyframe(number, frame) for number in numbers]
        memories = self._predictor.remember(frame, keyframes)
        found = {(number, index): one for number, one in zip(numbers, memories, strict=True)}
        self._memories.update(found)
        return found

    def _restart(self, run: _Run) -> None:
        """Restart a run from its last mask, which another model found."""
        assert run.last is not None  # noqa: S101 - for the type checker
        frame = self._frame(run.last.index)
        keyframe = keyframe_of_mask(run.last.mask, frame.size, self._predictor.logits_size)
        run.keyframes = tuple(self._predictor.remember(frame, [keyframe]))

    def _frame(self, index: int) -> Frame:
        if self._last_frame is None or self._last_frame.index != index:
            rgb = self._read(index)
            embed = embeddings.source(self._predictor, rgb)
            self._last_frame = Frame(index, self._count, rgb, embed)
        return self._last_frame


def _new_cache() -> LRUCache[tuple[int, int], TrackMemory]:
    return LRUCache(MAX_MEMORY_BYTES, getsizeof=lambda one: min(one.nbytes, MAX_MEMORY_BYTES))


def _overlapping(runs: Sequence[_Run]) -> list[list[_Run]]:
    """Runs in groups that have no frames in common, ordered by their frames."""
    groups: list[list[_Run]] = []
    end = -1
    for run in sorted(runs, key=lambda one: one.span):
        first, last = run.span
        if first > end:
            groups.append([])
        groups[-1].append(run)
        end = max(end, last)
    return groups


def _first_open(run: _Run) -> int:
    """The first frame that may still get a mask from a run forward."""
    first = run.stretch.frames.start
    return first if run.stretch.is_joined else max(first, run.next)


def _frame_mask(stretch: Stretch, index: int, mask: TrackedMask) -> FrameMask:
    found = LogitMask.from_logits(mask.logits)
    score = min(max(float(mask.score), 0.0), 1.0)
    return FrameMask(stretch.number, index, found, score, float(mask.presence), stretch.signature)


def _provisional(mask: FrameMask) -> FrameMask:
    return FrameMask(
        mask.number, mask.index, mask.mask, mask.score, mask.presence, mask.signature, final=False
    )


def _joined(stretch: Stretch, backward: _Run, forward: _Run) -> Iterator[FrameMask]:
    """The masks of a stretch between two keyframes, of the requested frames."""
    indices = sorted(forward.found)
    pairs = [(forward.found[index], backward.found[index]) for index in indices]
    share = forward_share(
        [agreement(one.mask, other.mask) for one, other in pairs],
        [(one.present, other.present) for one, other in pairs],
    )
    for place, pair in enumerate(pairs):
        found = pair[0] if place < share else pair[1]
        if found.index in stretch.frames:
            yield found
