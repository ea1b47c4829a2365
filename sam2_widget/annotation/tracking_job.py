"""The job that tracks objects through the planes, frame by frame, while the user works on.

It runs on a thread of its own and calls the model once for each frame, in the same queue as clicks:
a click waits for one frame at most. After each frame it checks whether keyframes have changed, so
that masks are tracked from the newest ones. It can be stopped at any frame and resumed there later.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol
from weakref import proxy

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget.annotation.found_masks import FoundMask
from sam2_widget.annotation.frame_reader import FrameReader
from sam2_widget.annotation.jobs import Job
from sam2_widget.annotation.predictions import maker_of
from sam2_widget.annotation.propagation import FrameMask, Propagation, UnfinishedRuns
from sam2_widget.annotation.stretches import Stretch, context_of
from sam2_widget.annotation.tracks import TrackKeyframe, Tracks
from sam2_widget.models import recovery, worker
from sam2_widget.models.recovery import Plan
from sam2_widget.predictor import Frame, Keyframe, TrackingPredictor

RATE_WINDOW = 3.0
"""Seconds over which the speed is measured."""


class TrackingJob(Job):
    """A job that tracks objects: what ``w.track`` returns.

    When it was cancelled or has failed, another call of ``w.track`` resumes there.

    Attributes
    ----------
    numbers : tuple of int
        The objects that are tracked, by their numbers.
    completed, total : int
        Steps of the model, one for each object on each frame; between two keyframes each frame
        takes two.
    plane : int or None
        The plane that was tracked last.
    """

    def __init__(self, lock: threading.RLock) -> None:
        super().__init__(lock)
        self.numbers: tuple[int, ...] = ()
        self.plane: int | None = None
        self._retracked: frozenset[int] = frozenset()
        """Numbers of the objects of which only outdated masks are tracked again."""
        self._nearest_to: int | None = None
        self._times: deque[tuple[float, int]] = deque()

    def __repr__(self) -> str:
        count = len(self.numbers)
        objects = f"{count} object{'' if count == 1 else 's'}"
        return f"TrackingJob({objects}, {self.completed} of {self.total} frames, {self._state})"

    @property
    def _state(self) -> str:
        fps, left = self.fps, self.seconds_left
        if fps is None or left is None:
            return super()._state
        return f"{fps:.1f} frames/s, {left:.0f} s left"

    @property
    def fps(self) -> float | None:
        """Frames per second over the last seconds; None while there are too few, and at the end."""
        times = list(self._times)
        if self._is_done or len(times) < 2:  # noqa: PLR2004 - a rate needs two
            return None
        return (len(times) - 1) / max(times[-1][0] - times[0][0], 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """Estimated time left, from the speed of the last seconds; None if that is unknown."""
        times = list(self._times)
        if self._is_done or len(times) < 2 or times[-1][1] == times[0][1]:  # noqa: PLR2004
            return None
        each = (times[-1][0] - times[0][0]) / (times[-1][1] - times[0][1])
        return each * (self.total - self.completed)

    def _advance(self, completed: int, total: int, plane: int) -> None:
        if completed != self.completed or not self._times:
            now = time.monotonic()
            self._times.append((now, completed))
            while self._times[0][0] < now - RATE_WINDOW:
                self._times.popleft()
        self.completed, self.total, self.plane = completed, total, plane
        self._ended.notify_all()


class TrackedStack(Protocol):
    """The part of a stack of planes that a tracker uses."""

    @property
    def tracks(self) -> Tracks:
        """The objects over all planes; with the lock held."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a plane in pixels."""

    def read(self, index: int) -> UInt8Array:
        """The pixels of a plane."""

    def tracking_model(self) -> TrackingPredictor:
        """The model of the stack; waits for it.

        Raises
        ------
        ModelError
            If there is none, or it cannot track.
        """

    def keyframe(self, index: int, keyframe: TrackKeyframe) -> Keyframe:
        """The mask of an object on a plane where it has prompts; waits for it."""

    def tracked(self, plane: int | None) -> None:
        """Called when a mask was found on a plane or, with None, when the job has ended."""

    def report(self, message: str) -> None:
        """Show a message to the user."""


@dataclass(eq=False)
class _Pass:
    """The tracking between two changes of keyframes."""

    propagation: Propagation
    predictor: TrackingPredictor
    version: int
    before: int
    """Steps done by earlier passes."""


class Tracker:
    """Runs one job at a time for a stack.

    Parameters
    ----------
    stack : TrackedStack
    lock : threading.RLock
        Lock of the stack.

    Attributes
    ----------
    job : TrackingJob or None
        The running job, or the last one.
    """

    def __init__(self, stack: TrackedStack, lock: threading.RLock) -> None:
        self.job: TrackingJob | None = None
        # A weak reference, because the stack owns this object.
        self._stack: TrackedStack = proxy(stack)
        self._lock = lock
        self._thread = TransientThreadExecutor("sam2-widget-tracking")
        self._unfinished: UnfinishedRuns = {}

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self.job is not None and not self.job.done

    @property
    def accepts_requests(self) -> bool:
        """Whether a job is running and was not cancelled, so that requests are added to it."""
        return self.job is not None and not self.job.done and not self.job.cancelled

    def start(self, numbers: Iterable[int]) -> TrackingJob:
        """Track objects where masks are requested; a running job continues with them, too."""
        with self._lock:
            job, wanted = self._running_job(), set(numbers)
            job.numbers = tuple(sorted({*job.numbers, *wanted}))
            job._retracked -= wanted  # noqa: SLF001 - of this module
        return job

    def retrack(self, numbers: Iterable[int], nearest_to: int) -> TrackingJob:
        """Track outdated masks of objects again, first those next to the plane `nearest_to`."""
        with self._lock:
            job = self._running_job()
            added = set(numbers) - set(job.numbers)
            job.numbers = tuple(sorted({*job.numbers, *added}))
            job._retracked |= added  # noqa: SLF001 - of this module
            job._nearest_to = nearest_to  # noqa: SLF001
        return job

    def _running_job(self) -> TrackingJob:
        """The running job, or a new one; its objects are updated."""
        self._stack.tracks.version += 1
        if self.job is None or not self.accepts_requests:
            self.job = TrackingJob(self._lock)
            self._thread.submit(copy_context().run, self._work, self.job)
        return self.job

    def cancel(self) -> None:
        """Stop the running job."""
        if self.job is not None:
            self.job.cancel()

    def close(self) -> None:
        """Stop, and free the model's memory of objects that are not finished."""
        self.cancel()
        self._unfinished = {}

    def wait_for(self, plane: int) -> None:
        """Wait until the running job has found its objects on a plane, or ends."""
        job = self.job
        if job is None or job.done or worker.on_model_thread():
            return
        with job._ended:  # noqa: SLF001 - of this module
            job._ended.wait_for(lambda: job.done or not self._is_pending(job, plane))  # noqa: SLF001

    def _is_pending(self, job: TrackingJob, plane: int) -> bool:
        return self._stack.tracks.is_pending(job.numbers, plane)

    # --- on the job's thread ----------------------------------------------------------------------

    def _work(self, job: TrackingJob) -> None:
        job._run(lambda: self._track(job))  # noqa: SLF001 - of this package
        with suppress(ReferenceError):
            self._stack.tracked(None)

    def _track(self, job: TrackingJob) -> None:
        """Run passes until nothing is left to track; keyframes may change in between."""
        while not job.done:
            predictor = self._stack.tracking_model()
            with self._lock:
                tracks = self._stack.tracks
                tracks.set_context(context_of(predictor, tracks.count))
                stretches, version = _stretches(tracks, job), tracks.version
                keyframes, nearest_to = _keyframes(tracks, stretches), job._nearest_to  # noqa: SLF001
            reader = FrameReader(self._stack.read, tracks.count)
            propagation = self._propagation(predictor, stretches, keyframes, reader, nearest_to)
            try:
                self._run(job, _Pass(propagation, predictor, version, job.completed))
            finally:
                reader.close()
            with self._lock:
                if job.cancelled or tracks.version == version:
                    job._end()  # noqa: SLF001 - of this module

    def _propagation(
        self,
        predictor: TrackingPredictor,
        stretches: Iterable[Stretch],
        keyframes: Mapping[tuple[int, int], TrackKeyframe],
        reader: FrameReader,
        nearest_to: int | None,
    ) -> Propagation:
        def keyframe(number: int, frame: Frame) -> Keyframe:
            return self._stack.keyframe(frame.index, keyframes[number, frame.index])

        return Propagation(
            stretches,
            predictor,
            count=self._stack.tracks.count,
            read=reader,
            keyframe=keyframe,
            nearest_to=nearest_to,
            unfinished=self._unfinished,
        )

    def _run(self, job: TrackingJob, current: _Pass) -> None:
        """Track until the pass is complete, keyframes have changed, or the job is cancelled."""
        tracks = self._stack.tracks
        while not job.cancelled and tracks.version == current.version:
            if (found := self._step(current)) is None:
                return
            self._take(job, current, found)
            self._stack.tracked(found.index)

    def _take(self, job: TrackingJob, current: _Pass, found: FrameMask) -> None:
        kept = FoundMask.of(found, maker_of(current.predictor), self._stack.size)
        with self._lock:
            self._stack.tracks.put(found.number, found.signature, found.index, kept)
            steps = current.propagation
            job._advance(  # noqa: SLF001
                current.before + steps.done, current.before + steps.total, found.index
            )

    def _step(self, current: _Pass) -> FrameMask | None:
        """The next mask; if memory runs out, with a replacement model from `recovery`."""
        plan = recovery.plan_of(current.predictor)

        def attempt_with(changed: Plan) -> FrameMask | None:
            if changed is not plan:
                self._replace(current, changed)
            return next(current.propagation, None)

        return recovery.attempt(plan, attempt_with, report=self._stack.report)

    def _replace(self, current: _Pass, plan: Plan) -> None:
        """Continue with another model, one that fits in memory."""
        other = plan.load()
        if not isinstance(other, TrackingPredictor):
            # The next kind of recovery is tried.
            raise MemoryError(f"the model {other.name} cannot track")  # noqa: TRY004
        current.predictor = other
        current.propagation.replace_predictor(other)


def _stretches(tracks: Tracks, job: TrackingJob) -> list[Stretch]:
    """The stretches that a job has to track."""
    retracked = job._retracked  # noqa: SLF001 - of this module
    wanted = [number for number in job.numbers if number not in retracked]
    return [*tracks.unfinished(wanted), *tracks.outdated(retracked)]


def _keyframes(
    tracks: Tracks, stretches: Iterable[Stretch]
) -> dict[tuple[int, int], TrackKeyframe]:
    """The current keyframes of stretches, by number and plane."""
    ends = [(one.number, end) for one in stretches for end in (one.left, one.right)]
    return {(number, end): tracks[number].keyframes[end] for number, end in ends if end is not None}
