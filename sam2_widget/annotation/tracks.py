"""Objects over all planes of a stack: their keyframes, and what was found on the planes between.

An object has the same number on every plane. A plane where it has prompts is a keyframe. Its masks
elsewhere are computed from the keyframes (`sam2_widget.annotation.propagation`) and are not
prompts. They are cached under a signature of what they depend on, so that undo restores earlier
ones, and a changed keyframe makes only the masks stale that depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget.annotation.found_masks import FoundMask, FoundMasks, Signature
from sam2_widget.annotation.predictions import Prediction
from sam2_widget.annotation.session import AnnotatedObject, tracked_id
from sam2_widget.annotation.stretches import (
    Direction,
    KeyframeMark,
    Stretch,
    absences,
    stretches,
)
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.regions import cleaned
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.masks.strokes import Mask

RunState: TypeAlias = Literal["tracked", "doubtful", "absent", "stale"]
"""State of an object on planes where it has no prompts.

``"tracked"``: a mask. ``"doubtful"``: a mask that should be looked at. ``"absent"``: the object is
not there. ``"stale"``: found before a keyframe was changed that it depends on.
"""

Run: TypeAlias = tuple[int, int, RunState]
"""First plane, one past the last, and their state."""

DIRECTIONS: tuple[Direction, ...] = ("both", "forward", "backward")
STATES: tuple[RunState | None, ...] = (None, "tracked", "doubtful", "absent", "stale")
TRACKED, DOUBTFUL, ABSENT, STALE = range(1, len(STATES))

LOW_SCORE = 0.5
"""A mask of a lower score is doubtful: the model's own estimate of its IoU is below one half."""

AREA_JUMP = 2.0
"""Two masks on neighbouring planes are doubtful if the ratio of their areas exceeds this."""

PLACE_JUMP = 1.0
"""Likewise if the distance of their centres, over the root of the larger area, exceeds this."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedObject:
    """An object on a plane where it has no prompts.

    Attributes
    ----------
    annotated : AnnotatedObject
        Without prompts; its id is `tracked_id` of its number.
    prediction : Prediction
    found : FoundMask
    stale : bool
        Whether a keyframe was changed since.
    """

    annotated: AnnotatedObject
    prediction: Prediction
    found: FoundMask
    stale: bool

    @property
    def pair(self) -> tuple[AnnotatedObject, Prediction]:
        """The object and its prediction."""
        return self.annotated, self.prediction


@dataclass(frozen=True)
class TrackKeyframe:
    """An object on a plane where it has prompts.

    Attributes
    ----------
    annotated : AnnotatedObject
    settings : Settings
        Settings of the plane.
    """

    annotated: AnnotatedObject
    settings: Settings

    @cached_property
    def mark(self) -> KeyframeMark:
        """The part of the keyframe that the masks of its stretches depend on."""
        return KeyframeMark.of(self.annotated.prompts, self.settings)


class Track:
    """One object over all planes.

    Parameters
    ----------
    number : int
    count : int
        How many planes there are.

    Attributes
    ----------
    keyframes : dict of int to TrackKeyframe
        By plane.
    stretches : list of Stretch
        Of the planes on which masks are requested.
    """

    def __init__(self, number: int, count: int) -> None:
        self.number = number
        self.keyframes: dict[int, TrackKeyframe] = {}
        self.stretches: list[Stretch] = []
        self._count = count
        self._directions: UInt8Array = np.zeros(0, np.uint8)
        """By plane, 0 or 1 + the index in `DIRECTIONS`; empty if no mask is requested."""
        self._found: list[FoundMask | None] = []
        self._measures: Float32Array = np.zeros((0, 4), np.float32)
        """By plane, score, area and centre."""
        self._states: UInt8Array = np.zeros(0, np.uint8)
        self._is_final: BoolArray = np.zeros(0, bool)
        self._unclassified: tuple[int, int] | None = None
        """Planes whose states have been set since the last `_classify`, as a range."""
        self._runs: list[Run] | None = None
        self._shown: tuple[object, TrackedObject] | None = None

    # --- queries ----------------------------------------------------------------------------------

    @property
    def is_requested(self) -> bool:
        """Whether it is tracked on any plane."""
        return bool(len(self._directions))

    @property
    def described(self) -> AnnotatedObject:
        """The object on its first keyframe, from which label, colour and the like are taken."""
        present = (plane for plane, one in self.keyframes.items() if one.annotated.prompts)
        first = min(present, default=None)
        return self.keyframes[min(self.keyframes) if first is None else first].annotated

    def found(self, plane: int) -> FoundMask | None:
        """The mask on a plane, which may be stale; None on keyframes, and where none was found."""
        return self._found[plane] if self._found and self._states[plane] else None

    def state(self, plane: int) -> RunState | None:
        """State of the object on a plane."""
        if plane in self.keyframes and not self.keyframes[plane].annotated.prompts:
            return "absent"
        if not len(self._states):
            return None
        self._classify()
        return STATES[int(self._states[plane])]

    def object_on(
        self, plane: int, cleaning: tuple[int, int], size: tuple[int, int]
    ) -> TrackedObject | None:
        """The object on a plane where it has no prompts; None where it is absent or not found.

        The same (identical) value as long as nothing has changed. See `cleaned` for the parameters.
        """
        found = self.found(plane)
        if found is None or not found.present:
            return None
        stale = bool(self._states[plane] == STALE)
        key = (plane, found, self.described, stale, cleaning)
        if self._shown is None or self._shown[0] != key:
            mask = cleaned(found.mask, cleaning, size)
            self._shown = (key, _tracked(self.number, self.described, found, mask, stale=stale))
        return self._shown[1]

    @property
    def keyframe_ranges(self) -> list[tuple[int, int]]:
        """Planes with prompts, as (first, one past the last)."""
        return self._as_ranges([at for at, one in self.keyframes.items() if one.annotated.prompts])

    @property
    def absent_ranges(self) -> list[tuple[int, int]]:
        """Planes that the user has marked the object as absent from, as (first, past the last)."""
        marked = [at for at, one in self.keyframes.items() if not one.annotated.prompts]
        return self._as_ranges(marked)

    def _as_ranges(self, planes: list[int]) -> list[tuple[int, int]]:
        has = np.zeros(self._count, np.uint8)
        has[planes] = 1
        return [(start, stop) for start, stop, _ in _ranges(has)]

    @property
    def runs(self) -> list[Run]:
        """Planes on which the object has a state, in ascending order."""
        if self._runs is None:
            self._classify()
            named = [(start, stop, STATES[value]) for start, stop, value in _ranges(self._states)]
            self._runs = [(start, stop, state) for start, stop, state in named if state]
        return self._runs

    def unfinished(self) -> list[Stretch]:
        """Stretches with planes whose mask is missing, outdated or preliminary."""
        todo = self._planes_requested & self._is_unsettled
        return [one for one in self.stretches if todo[one.frames.start : one.frames.stop].any()]

    def outdated(self) -> list[Stretch]:
        """Stretches with planes whose mask is outdated or preliminary, up to the last of these."""
        has_mask = self._states != 0
        todo = has_mask & ((self._states == STALE) | ~self._is_final)
        found = []
        for one in self.stretches:
            places = np.flatnonzero(todo[one.frames.start : one.frames.stop])
            if len(places):
                first = int(places[0]) if one.left is None else 0
                last = int(places[-1]) if one.right is None else len(one.frames) - 1
                found.append(replace(one, frames=one.frames[first : last + 1]))
        return found

    def is_pending(self, plane: int) -> bool:
        """Whether its mask on a plane is requested and not final yet."""
        wanted = any(plane in one.frames for one in self.stretches)
        return wanted and bool(self._is_unsettled[plane])

    @property
    def _is_unsettled(self) -> BoolArray:
        """By plane, whether the mask is missing, outdated or preliminary."""
        unsettled: BoolArray = (self._states == 0) | (self._states == STALE) | ~self._is_final
        return unsettled

    @property
    def _planes_requested(self) -> BoolArray:
        """By plane, whether a mask is requested there."""
        requested = self._directions > 0
        requested[[plane for plane in self.keyframes if plane < len(requested)]] = False
        return requested

    # --- changes ----------------------------------------------------------------------------------

    def request(self, start: int, stop: int, direction: Direction) -> None:
        """Request masks on the planes from `start` up to, but not including, `stop`."""
        if not len(self._directions):
            self._directions = np.zeros(self._count, np.uint8)
            self._found = [None] * self._count
            self._measures = np.full((self._count, 4), np.nan, np.float32)
            self._states = np.zeros(self._count, np.uint8)
            self._is_final = np.zeros(self._count, bool)
        self._directions[start:stop] = 1 + DIRECTIONS.index(direction)

    def forget(self, start: int, stop: int) -> None:
        """Withdraw the request for masks on the planes from `start` up to `stop`."""
        self._directions[start:stop] = 0

    def forget_unfound(self) -> None:
        """Want no masks on planes where none has been found yet."""
        if self.is_requested:
            self._directions[self._states == 0] = 0

    def update(self, context: str, kept: FoundMasks) -> set[Signature]:
        """Update the state on all planes from the cached masks; returns the signatures in use.

        `context` identifies the model that is used now.
        """
        self._runs = None
        if not self.is_requested:
            return set()
        self.stretches = self._new_stretches(context)
        has_mask = ~np.isnan(self._measures[:, 0])
        known = self._planes_requested & (self._states > 0) & has_mask & bool(self.keyframes)
        self._states = np.where(known, STALE, 0).astype(np.uint8)
        self._unclassified = (0, self._count)
        self._put_absences()
        for stretch in self.stretches:
            for plane, found in kept.planes(stretch.signature).items():
                if plane in stretch.frames:
                    self.put(plane, found)
        for plane in np.flatnonzero((self._states == 0) & (self._directions == 0)).tolist():
            self._found[plane] = None
        return {stretch.signature for stretch in self.stretches}

    def put(self, plane: int, found: FoundMask) -> None:
        """Store a mask that was found for a plane of one of the stretches."""
        if self._found[plane] is not found:
            self._found[plane] = found
            self._measures[plane] = (found.score, found.area, found.x, found.y)
            self._is_final[plane] = found.final
        self._states[plane] = TRACKED
        low, high = self._unclassified or (plane, plane)
        self._unclassified = (min(low, plane), max(high, plane + 1))
        self._runs = None

    def _put_absences(self) -> None:
        """Mark the planes as absent whose neighbouring keyframes select nothing."""
        for wanted, direction in self._requested_ranges:
            for planes in absences(self._marks, wanted, direction=direction):
                part = slice(planes.start, planes.stop)
                self._found[part] = [None] * len(planes)
                self._measures[part] = np.nan
                self._is_final[part] = True
                self._states[part] = ABSENT

    def _new_stretches(self, context: str) -> list[Stretch]:
        marks = self._marks
        return [
            stretch
            for wanted, direction in self._requested_ranges
            for stretch in stretches(
                self.number, marks, wanted, direction=direction, context=context
            )
        ]

    @property
    def _marks(self) -> dict[int, KeyframeMark]:
        return {plane: one.mark for plane, one in self.keyframes.items()}

    @property
    def _requested_ranges(self) -> list[tuple[range, Direction]]:
        """Planes on which masks are requested, and the direction in which they are tracked."""
        runs = _ranges(self._directions)
        return [(range(start, stop), DIRECTIONS[value - 1]) for start, stop, value in runs]

    # --- doubt ------------------------------------------------------------------------------------

    def _classify(self) -> None:
        """Set the state of found masks to tracked, doubtful or absent."""
        if self._unclassified is None:
            return
        # Each mask is compared with its neighbours, and they with theirs.
        low, high = self._unclassified
        part = slice(max(low - 2, 0), high + 2)
        states, measures = self._states[part].copy(), self._measures[part]
        fresh = (states != 0) & (states != STALE)
        score, area = measures[:, 0], measures[:, 1]
        present = fresh & (area > 0)
        jump = _jumps(area, measures[:, 2:], present)
        states[fresh] = TRACKED
        states[fresh & ~present] = ABSENT
        states[present & ((score < LOW_SCORE) | jump)] = DOUBTFUL
        first = max(low - 1, 0)
        self._states[first : high + 1] = states[first - part.start :][: high + 1 - first]
        self._unclassified = None


def _jumps(area: Float32Array, centres: Float32Array, present: BoolArray) -> BoolArray:
    """Whether each mask differs much in area or position from one on a neighbouring plane."""
    both = present[1:] & present[:-1]
    one, other = area[1:], area[:-1]
    larger, smaller = np.fmax(one, other), np.fmin(one, other)
    distance = np.hypot(*(centres[1:] - centres[:-1]).T)
    jump = both & ((larger > AREA_JUMP * smaller) | (distance > PLACE_JUMP * np.sqrt(larger)))
    found = np.zeros(len(area), bool)
    found[1:] |= jump
    found[:-1] |= jump
    return found


def _ranges(values: UInt8Array) -> list[tuple[int, int, int]]:
    """Runs of equal values that are not 0: first index, one past the last, and the value."""
    if not len(values):
        return []
    starts = np.flatnonzero(np.diff(values, prepend=values[0])).tolist()
    edges = [0, *starts, len(values)]
    pairs = [(a, b, int(values[a])) for a, b in pairwise(edges) if a < b]
    return [pair for pair in pairs if pair[2]]


def _tracked(
    number: int, described: AnnotatedObject, found: FoundMask, mask: LogitMask, *, stale: bool
) -> TrackedObject:
    annotated = AnnotatedObject(
        tracked_id(number), (), described.label, number, described.color, described.crowd
    )
    prediction = Prediction(Mask(mask), found.score, maker=found.maker)
    return TrackedObject(annotated, prediction, found, stale)


@dataclass(frozen=True, slots=True)
class _OnPlane:
    """The objects that have prompts on a plane or are marked as absent from it."""

    objects: Sequence[AnnotatedObject]
    settings: Settings
    absent: Sequence[AnnotatedObject] = ()

    @property
    def every(self) -> tuple[AnnotatedObject, ...]:
        return (*self.objects, *self.absent)

    @property
    def describes_any(self) -> bool:
        """Whether there is an object."""
        return bool(self.objects or self.absent)

    def is_of(self, other: _OnPlane) -> bool:
        """Whether nothing has changed. Compares by identity, because it runs at every click."""
        same = self.objects is other.objects and self.absent is other.absent
        return same and self.settings == other.settings


class Tracks:
    """All objects of a stack over all its planes. Not thread-safe: callers hold a lock.

    Parameters
    ----------
    count : int
        How many planes there are.
    size : (int, int)
        (height, width) of a plane in pixels.
    kept : FoundMasks, optional

    Attributes
    ----------
    count, size
        See the parameters.
    context : str
        Identifies the model that is used.
    version : int
        Incremented when the planes that have to be tracked may have changed.
    """

    def __init__(self, count: int, size: tuple[int, int], kept: FoundMasks | None = None) -> None:
        self.count = count
        self.size = size
        self.version = 0
        self._kept = kept or FoundMasks()
        self._tracks: dict[int, Track] = {}
        self._on_plane: dict[int, _OnPlane] = {}
        self._in_use: dict[int, set[Signature]] = {}
        self._changed: set[int] = set()
        self._newest: tuple[int, tuple[TrackedObject, ...]] | None = None
        """A plane and its objects, as long as nothing has changed."""
        self._requested: set[int] = set()
        """Numbers of the objects that are tracked anywhere."""
        self._corrected: set[int] = set()
        self.context = ""

    def __getitem__(self, number: int) -> Track:
        return self._tracks[number]

    def __contains__(self, number: object) -> bool:
        return number in self._tracks

    @property
    def numbers(self) -> list[int]:
        """Numbers of all objects that have a keyframe, ascending."""
        return sorted(n for n, track in self._tracks.items() if track.keyframes)

    def set_context(self, context: str) -> None:
        """Switch to another model, identified by `context`: all masks found so far become stale."""
        if context != self.context:
            self.context = context
            self._update(self._requested)

    def take_corrected(self) -> set[int]:
        """Numbers of the objects whose keyframes have changed since the last call."""
        corrected, self._corrected = self._corrected, set()
        return corrected

    def take_changed(self) -> set[int]:
        """Numbers of the objects that have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def set_objects(
        self,
        plane: int,
        objects: Sequence[AnnotatedObject],
        settings: Settings,
        absent: Sequence[AnnotatedObject] = (),
    ) -> None:
        """Set the objects that have prompts on a plane, and those marked as absent from it."""
        now = _OnPlane(objects, settings, absent)
        before = self._on_plane.get(plane, _OnPlane((), settings))
        if now.is_of(before):
            return
        self._on_plane[plane] = now
        # By identity: there may be hundreds of objects.
        old, new = ({o.number: o for o in some.every} for some in (before, now))
        same = settings == before.settings
        numbers = (n for n in old.keys() | new.keys() if not same or old.get(n) is not new.get(n))
        changed = [number for number in numbers if number is not None]
        for number in changed:
            keyframes = self._track(number).keyframes
            if number in new:
                keyframes[plane] = TrackKeyframe(new[number], settings)
            else:
                keyframes.pop(plane, None)
        self._corrected.update(changed)
        self._update(changed)

    def _track(self, number: int) -> Track:
        if number not in self._tracks:
            self._tracks[number] = Track(number, self.count)
        return self._tracks[number]

    def _update(self, numbers: Iterable[int]) -> None:
        self.version += 1
        self._newest = None
        for number in list(numbers):
            before = self._in_use.get(number, set())
            after = self._in_use[number] = self._tracks[number].update(self.context, self._kept)
            if before != after:
                self._kept.use(after, before)
            self._changed.add(number)

    def forget_unfound(self, numbers: Iterable[int]) -> None:
        """Want no masks of objects where none has been found yet."""
        requested = [n for n in numbers if n in self._requested]
        for number in requested:
            self._tracks[number].forget_unfound()
        self._update(requested)

    def request(self, numbers: Iterable[int], start: int, stop: int, direction: Direction) -> None:
        """Request masks of objects on the planes from `start` up to, but not including, `stop`."""
        wanted = list(numbers)
        self._requested.update(wanted)
        for number in wanted:
            self._tracks[number].request(start, stop, direction)
        self._update(wanted)

    def forget(self, numbers: Iterable[int], start: int, stop: int) -> None:
        """Withdraw the request for masks of objects on the planes from `start` up to `stop`."""
        requested = [n for n in numbers if n in self._requested]
        for number in requested:
            self._tracks[number].forget(start, stop)
        self._update(requested)

    def put(self, number: int, signature: Signature, plane: int, found: FoundMask) -> None:
        """Store a mask that was found, even if its keyframes have changed in the meantime."""
        if not self._kept.put(signature, plane, found):
            return
        track = self._tracks[number]
        if any(one.signature == signature and plane in one.frames for one in track.stretches):
            track.put(plane, found)
            self._changed.add(number)
            self._newest = None

    def on_plane(self, plane: int) -> tuple[TrackedObject, ...]:
        """The objects that were found on a plane, by ascending number."""
        if self._newest is None or self._newest[0] != plane:
            cleaning, requested = self._settings(plane).cleaning, sorted(self._requested)
            found = (self._tracks[n].object_on(plane, cleaning, self.size) for n in requested)
            self._newest = (plane, tuple(one for one in found if one is not None))
        return self._newest[1]

    def _settings(self, plane: int) -> Settings:
        """Settings of a plane with prompts, else those of the first such plane, as in `track`."""
        here = self._on_plane.get(plane)
        if here is not None and here.describes_any:
            return here.settings
        first = min((at for at, one in self._on_plane.items() if one.describes_any), default=None)
        return DEFAULTS if first is None else self._on_plane[first].settings

    def planes_known(self) -> list[int]:
        """Planes where objects were found, or found to be absent."""
        has = np.zeros(self.count, bool)
        has[[at for at, one in self._on_plane.items() if one.absent]] = True
        for number in self._requested:
            for start, stop, _ in self._tracks[number].runs:
                has[start:stop] = True
        return [int(plane) for plane in np.flatnonzero(has)]

    def states(self, plane: int) -> dict[int, tuple[RunState, str | None]]:
        """State and label of the objects on a plane where they have no prompts, by number."""
        here = self._on_plane.get(plane)
        absent = {one.number for one in here.absent if one.number} if here else set()
        known = (self._tracks[number] for number in sorted(self._requested | absent))
        found = ((one, one.state(plane)) for one in known if one.keyframes)
        return {one.number: (state, one.described.label) for one, state in found if state}

    def is_pending(self, numbers: Iterable[int], plane: int) -> bool:
        """Whether the mask of one of these objects on a plane is requested and not final yet."""
        return any(self._tracks[n].is_pending(plane) for n in numbers if n in self._requested)

    def outdated(self, numbers: Iterable[int] | None = None) -> list[Stretch]:
        """Stretches that have to be tracked again, of these objects or of all."""
        requested = self._requested if numbers is None else self._requested.intersection(numbers)
        return _hulls(
            one for number in sorted(requested) for one in self._tracks[number].outdated()
        )

    def unfinished(self, numbers: Iterable[int]) -> list[Stretch]:
        """Stretches of these objects that have to be tracked."""
        requested = sorted(self._requested.intersection(numbers))
        return _hulls(one for number in requested for one in self._tracks[number].unfinished())


def _hulls(stretches_: Iterable[Stretch]) -> list[Stretch]:
    """Stretches, with those of the same signature merged into one that covers all their frames."""
    found: dict[Signature, Stretch] = {}
    for one in stretches_:
        before = found.get(one.signature, one).frames
        hull = range(min(before.start, one.frames.start), max(before.stop, one.frames.stop))
        found[one.signature] = replace(one, frames=hull)
    return list(found.values())
