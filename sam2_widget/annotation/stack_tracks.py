"""Objects of a stack over all its planes: tracking, selecting and editing them as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Protocol
from weakref import proxy

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.found_masks import FoundMask
from sam2_widget.annotation.keyframes import keyframe_of
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.annotation.session import AnnotatedObject, tracked_id
from sam2_widget.annotation.stretches import Direction, context_of
from sam2_widget.annotation.tracking_job import Tracker, TrackingJob
from sam2_widget.annotation.tracks import DIRECTIONS, TrackedObject, TrackKeyframe, Tracks
from sam2_widget.errors import ClosedError, ModelError, PromptError
from sam2_widget.images.arrays import ImageSource
from sam2_widget.models.packages import why_untracked
from sam2_widget.predictor import Keyframe, Predictor, TrackingPredictor
from sam2_widget.prompts.types import MaskPrompt

NOT_A_STACK = (
    "there is only one plane, so nothing can be tracked: open a stack, a video or a list of images"
)

REPORT_EVERY = 0.1
"""Seconds between two reports of the masks that a job has found on planes that are not shown."""

CAN_TRACK = "use a model that can, e.g. 'bundled', 'tiny', 'small', 'base-plus' or 'large'"


class Stack(Protocol):
    """The part of a widget's planes that is used here; see `Planes`."""

    lock: threading.RLock
    index: int

    def __len__(self) -> int:
        """How many planes there are."""

    @property
    def shown(self) -> Annotator:
        """The annotator of the plane shown."""

    def __getitem__(self, index: int) -> Annotator:
        """The annotator of a plane."""

    def existing(self, index: int) -> Annotator | None:
        """The annotator of a plane, or None if it has none yet."""

    def annotators(self) -> dict[int, Annotator]:
        """All annotators that exist, by plane."""

    def with_model(self, index: int) -> Annotator:
        """The annotator of a plane, with its model loaded or loading."""

    def image(self, index: int) -> ImageSource:
        """The image of a plane."""

    def found_objects(self) -> None:
        """Publish that objects were found."""

    def report(self, message: str) -> None:
        """Show a message on all pages."""


class StackTracks:
    """The objects of a stack over all planes.

    Parameters
    ----------
    stack : Stack
    size : (int, int)
        (height, width) of a plane in pixels.

    Attributes
    ----------
    tracks : Tracks
        Guarded by the stack's lock.
    tracker : Tracker
    marks : (int, int) or None
        The planes on which objects are tracked by default: first, and one past the last.
    retrack : bool
        Whether masks that an edit makes stale are tracked again at once; see `set_retrack`.
    """

    def __init__(self, stack: Stack, size: tuple[int, int]) -> None:
        self.tracks = Tracks(len(stack), size)
        self.size = size
        self.marks: tuple[int, int] | None = None
        self.retrack = False
        # A weak reference, because the stack owns this object: a cycle would need the collector.
        self._stack: Stack = proxy(stack)
        self._lock = stack.lock
        self.tracker = Tracker(self, stack.lock)
        self._groups = count(1)
        self._touched: list[Annotator] = []
        self._candidate: tuple[AnnotatedObject, FoundMask | None] | None = None
        self._followed: int | None = None
        """Number of the object that was being worked on when another plane was shown."""
        self._context: tuple[Predictor | None, str] = (None, "")
        self._reported = 0.0

    # --- objects and keyframes --------------------------------------------------------------------

    def on_plane(self, plane: int) -> tuple[TrackedObject, ...]:
        """The objects that were tracked to a plane; with the lock held."""
        annotator = self._stack.existing(plane)
        if annotator is not None:
            self.note_objects(plane, annotator)
        self._note_model()
        found = self.tracks.on_plane(plane)
        if annotator is not None:
            self._drop_outdated_candidate(annotator, found)
        return found

    def note_objects(self, plane: int, annotator: Annotator) -> None:
        """Take over the keyframes of a plane; with the lock held."""
        annotation = annotator.session.annotation
        self.tracks.set_objects(plane, annotation.objects, annotation.settings, annotation.absent)

    def note_all(self) -> None:
        """Take over the keyframes of all planes."""
        with self._lock:
            for plane, annotator in self._stack.annotators().items():
                self.note_objects(plane, annotator)

    def _note_model(self) -> None:
        cache = self._stack.shown.model.predictions
        if cache is not None and cache.predictor is not self._context[0]:
            self._context = (cache.predictor, context_of(cache.predictor, len(self._stack)))
            self.tracks.set_context(self._context[1])

    @property
    def unavailable(self) -> str:
        """Why tracking is not possible, one sentence; "" if it is, or if that is not known yet."""
        cache = self._stack.shown.model.predictions
        return "" if cache is None else cannot_track(cache.predictor)

    # --- the job ----------------------------------------------------------------------------------

    def start(
        self,
        numbers: Iterable[int] | None,
        planes: tuple[int, int] | None,
        direction: Direction,
    ) -> TrackingJob:
        """Track objects on planes: all objects where `numbers` is None.

        Raises
        ------
        PromptError
            If there is no such object, or there are no such planes.
        ModelError
            If the model cannot track.
        """
        if reason := self.unavailable:
            raise ModelError(reason)
        start, stop = self._checked(planes)
        if direction not in DIRECTIONS:
            raise PromptError(f"direction must be one of {list(DIRECTIONS)}, got {direction!r}")
        with self._lock:
            wanted = self._known(numbers)
            if not self.tracker.accepts_requests:
                # What a job that was cancelled has left is tracked only if it is wanted again.
                self.tracks.forget_unfound(wanted)
            self.tracks.request(wanted, start, stop, direction)
            job = self.tracker.start(wanted)
        self._stack.found_objects()
        return job

    def set_retrack(self, *, retrack: bool) -> None:
        """Set whether stale masks are tracked again at once, including those that are stale now."""
        self.retrack = retrack
        if retrack:
            with self._lock:
                stale = {one.number for one in self.tracks.outdated()}
                self._retrack(self._stack.index, stale)
            self._stack.found_objects()

    def _retrack(self, plane: int, numbers: Iterable[int]) -> None:
        """Track stale masks of objects again, those next to `plane` first; with the lock held."""
        stale = {one.number for one in self.tracks.outdated(numbers)}
        if self.retrack and stale and not self.unavailable:
            self.tracker.retrack(stale, plane)

    def untrack(self, numbers: Iterable[int], planes: tuple[int, int] | None) -> None:
        """Remove objects from planes where they were tracked; their keyframes stay."""
        start, stop = self._checked(planes, (0, len(self._stack)))
        with self._lock:
            self.tracks.forget(numbers, start, stop)
        self._stack.found_objects()

    def mark(self, planes: tuple[int, int] | None) -> None:
        """Set or remove the default planes to track; PromptError if there are no such planes."""
        self.marks = None if planes is None else self._checked(planes)

    def _checked(
        self, planes: tuple[int, int] | None, default: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        everything = (0, len(self._stack))
        start, stop = planes or default or self.marks or everything
        if not 0 <= start < stop <= len(self._stack):
            raise PromptError(
                f"planes must be a range within 0..{len(self._stack)}, got {start}..{stop}"
            )
        return start, stop

    def _known(self, numbers: Iterable[int] | None) -> list[int]:
        self.note_objects(self._stack.index, self._stack.shown)
        known = self.tracks.numbers
        wanted = known if numbers is None else sorted(set(numbers))
        missing = [number for number in wanted if number not in known]
        if missing or not wanted:
            there = f"the numbers of objects are {known}" if known else "there are no objects"
            what = f"no object has the number {missing[0]}" if missing else "nothing can be tracked"
            raise PromptError(f"{what}: {there}; click one first, or see w.planes.prompts")
        return wanted

    def close(self) -> None:
        """Stop the job."""
        self.tracker.close()

    # --- called by the job, on its thread ---------------------------------------------------------

    def read(self, index: int) -> UInt8Array:
        """The pixels of a plane."""
        return self._stack.image(index).rgb

    def tracking_model(self) -> TrackingPredictor:
        """The model of the stack; waits for it."""
        model = self._stack.with_model(self._stack.index).model
        predictor = model.wait().predictor
        if model.is_closed:
            raise ClosedError("the widget is closed: make another one")
        if not isinstance(predictor, TrackingPredictor):
            raise ModelError(cannot_track(predictor))
        return predictor

    def keyframe(self, index: int, keyframe: TrackKeyframe) -> Keyframe:
        """The mask of an object on a plane where it has prompts; waits for it."""
        model = self._stack.with_model(index).model
        model.wait().fetch_embedding()
        prompts, settings = keyframe.annotated.prompts, keyframe.settings

        def make(cache: PredictionCache) -> Keyframe:
            return keyframe_of(cache, prompts, settings)

        return model.worker.run(partial(model.run, make))[1]

    def tracked(self, plane: int | None) -> None:
        """Publish found masks: at once for the plane shown, else a few times a second."""
        now = time.monotonic()
        is_shown = plane is None or plane == self._stack.index
        if not is_shown and now - self._reported < REPORT_EVERY:
            return
        self._reported = now
        if is_shown:
            self.refresh_candidate()
        self._stack.found_objects()

    def report(self, message: str) -> None:
        """Show a message to the user."""
        self._stack.report(message)

    # --- the object being worked on ---------------------------------------------------------------

    def candidate(self, plane: int, number: int) -> AnnotatedObject:
        """An object that was tracked to a plane, its mask as prompt; LookupError if it was not."""
        found = next((o for o in self.on_plane(plane) if o.annotated.number == number), None)
        if found is None:
            raise LookupError(f"object {number} was not tracked to plane {plane}")
        if self._candidate is None or self._candidate[1] is not found.found:
            self._candidate = (with_mask(found, self.size), found.found)
        return self._candidate[0]

    def resumed(self, plane: int, number: int) -> AnnotatedObject:
        """An object to be edited on a plane where it was not found; LookupError if unknown."""
        self.note_objects(plane, self._stack[plane])
        if number not in self.tracks.numbers:
            raise LookupError(f"no object has the number {number}")
        described = self.tracks[number].described
        self._candidate = (replace(described, id=tracked_id(number), prompts=()), None)
        return self._candidate[0]

    def _drop_outdated_candidate(
        self, annotator: Annotator, found: tuple[TrackedObject, ...]
    ) -> None:
        """Stop editing an object whose mask has changed; `refresh_candidate` resumes it."""
        candidate = annotator.session.annotation.candidate
        if candidate is None:
            return
        now = next((one.found for one in found if one.annotated.id == candidate.id), None)
        built = self._candidate
        if built is None or built[0] is not candidate or built[1] is not now:
            annotator.session.propose(None)
            if annotator is self._stack.shown:
                self._followed = candidate.number

    def prepare(self, plane: int) -> None:
        """Compute what `follow_to` needs of a plane; without the lock, because it may be slow."""
        with self._lock:
            active = self._stack.shown.session.annotation.active
            found = self.tracks.on_plane(plane)
        number = active.number if active else None
        for one in found:
            if one.annotated.number == number:
                self._candidate = (with_mask(one, self.size), one.found)

    def follow_to(self, plane: int, before: Annotator, shown: Annotator) -> None:
        """Keep editing the same object when another plane is shown; with the lock held."""
        active = before.session.annotation.active
        self._followed = active.number if active else None
        if self._followed is not None:
            self._continue_editing(plane, shown, self._followed)

    def _continue_editing(self, plane: int, annotator: Annotator, number: int) -> None:
        session = annotator.session
        own = [o.id for o in session.annotation.objects if o.number == number]
        with suppress(PromptError, LookupError):  # it is locked, or not there
            if own:
                session.select(own[0])
            else:
                session.propose(self.candidate(plane, number))
            annotator.epoch += 1

    def refresh_candidate(self) -> None:
        """Make the object that the user was editing the candidate here, if it has been found."""
        with self._lock:
            shown, number = self._stack.shown, self._followed
            self.on_plane(self._stack.index)
            number = self._followed
            if number is not None and shown.session.annotation.active is None:
                self._continue_editing(self._stack.index, shown, number)

    # --- edits of all planes ----------------------------------------------------------------------

    def change(
        self,
        plane: int,
        number: int,
        change: Callable[[AnnotatedObject], AnnotatedObject | None],
    ) -> None:
        """Change an object on all planes in one step; with the lock held."""
        self.note_objects(plane, self._stack.annotators()[plane])
        keyframes = set(self.tracks[number].keyframes) if number in self.tracks else set()
        group = next(self._groups) if keyframes != {plane} else None
        for index in sorted(keyframes | {plane}):
            annotator = self._stack.annotators()[index]
            annotator.session.change_number(number, group, change)
            self._touch(index, annotator, is_own=index == plane)

    def set_absent(self, shown: int, plane: int, numbers: Iterable[int], *, absent: bool) -> None:
        """Mark objects as absent from a plane, or remove that mark; with the lock held.

        It can be undone from the plane `shown` as well as from `plane`.
        """
        wanted = self._known(numbers)
        group = next(self._groups) if shown != plane else None
        session = self._stack[plane].session
        (session.mark_absent if absent else session.unmark_absent)(wanted, group)
        if group is not None:
            self._stack[shown].session.join_group(group)
        self._touch(plane, self._stack[plane], is_own=group is None)

    def described(self, plane: int, number: int) -> AnnotatedObject:
        """An object that has prompts on another plane than this; see `StackLink`."""
        if number not in self.tracks.numbers:
            raise LookupError(f"no object has the number {number}")
        keyframes = self.tracks[number].keyframes.items()
        if not any(one.annotated.prompts for at, one in keyframes if at != plane):
            raise PromptError(f"object {number} has prompts on this plane only: delete it instead")
        return self.tracks[number].described

    def follow_group(self, plane: int, group: int, *, undone: bool) -> None:
        """Undo or redo an edit of several planes on all other planes; with the lock held."""
        for index, annotator in self._stack.annotators().items():
            if index != plane and annotator.session.follow(group, undone=undone):
                self._touch(index, annotator, is_own=False)

    def _touch(self, plane: int, annotator: Annotator, *, is_own: bool) -> None:
        self.note_objects(plane, annotator)
        if not is_own:
            annotator.epoch += 1
            self._touched.append(annotator)

    def edited(self, plane: int, annotator: Annotator) -> list[Annotator]:
        """Apply an edit to the stack; returns the annotators of other planes that it changed."""
        with self._lock:
            self.note_objects(plane, annotator)
            touched, self._touched = self._touched, []
            self._retrack(plane, self.tracks.take_corrected())
        self.refresh_candidate()
        return touched


class PlaneLink:
    """Links the session of one plane to its stack: see `StackLink`."""

    def __init__(self, tracks: StackTracks, plane: int) -> None:
        self._tracks = tracks
        self._plane = plane

    def candidate(self, number: int) -> AnnotatedObject:
        """An object to be edited on this plane: its tracked mask as prompt, if it was tracked."""
        try:
            return self._tracks.candidate(self._plane, number)
        except LookupError:
            return self._tracks.resumed(self._plane, number)

    def described(self, number: int) -> AnnotatedObject:
        """An object that has prompts on another plane."""
        return self._tracks.described(self._plane, number)

    def change(
        self, number: int, change: Callable[[AnnotatedObject], AnnotatedObject | None]
    ) -> None:
        """Change an object on all planes in one step."""
        self._tracks.change(self._plane, number, change)

    def untrack(self, number: int) -> None:
        """Remove an object from this plane."""
        self._tracks.tracks.forget([number], self._plane, self._plane + 1)

    def follow(self, group: int, *, undone: bool) -> None:
        """Undo or redo an edit of several planes on the other planes."""
        self._tracks.follow_group(self._plane, group, undone=undone)


def with_mask(tracked: TrackedObject, size: tuple[int, int]) -> AnnotatedObject:
    """An object with its tracked mask as its prompt."""
    crop = tracked.prediction.mask.crop(*size)
    (mask,) = MaskPrompt.from_crops([crop], size, [tracked.found.score])
    described = tracked.annotated
    return AnnotatedObject(
        described.id,
        (mask,),
        described.label,
        described.number,
        described.color,
        described.crowd,
    )


def cannot_track(predictor: Predictor) -> str:
    """Why a model cannot track; "" if it can."""
    if isinstance(predictor, TrackingPredictor):
        return ""
    return why_untracked(predictor) or f"the model {predictor.name} cannot track: {CAN_TRACK}"
