"""The part of the widget's Python interface for tracking objects through a stack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import traitlets

from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.stack_tracks import NOT_A_STACK, StackTracks
from sam2_widget.annotation.stretches import Direction
from sam2_widget.annotation.tracking_job import TrackingJob
from sam2_widget.errors import ImageError, PromptError
from sam2_widget.results.segmentation import SegmentedObject
from sam2_widget.results.tracks import TracksTable, tracks_table

ObjectsLike: TypeAlias = "int | SegmentedObject | Iterable[int | SegmentedObject]"
PlanesLike: TypeAlias = "range | tuple[int, int]"


class Tracking(traitlets.HasTraits):
    """The tracking of a widget, as methods."""

    _annotator: Annotator
    _planes: Planes

    def track(
        self,
        objects: ObjectsLike | None = None,
        planes: PlanesLike | None = None,
        direction: Direction = "both",
    ) -> TrackingJob:
        """Find objects on the planes where they have no prompts, in the background.

        An object is tracked from its keyframes, the planes where it has prompts. Clicks are
        processed in between. A click on a plane where an object was tracked makes a keyframe there,
        so that only the planes up to the next keyframes must be tracked again: call this again, or
        set ``w.retrack = True`` to do that automatically.
        Masks that are up to date are not computed again. A running job is extended.

        Parameters
        ----------
        objects : int, SegmentedObject, or several of them, optional
            By their ids, which are the values of the label map: ``w.numbers``, ``w.tracks``; all
            by default.
        planes : range, or (int, int), optional
            On which planes: first, and one past the last; by default between the `marks`, else all.
        direction : {"both", "forward", "backward"}
            To planes after a keyframe, to those before it, or to both.

        Returns
        -------
        TrackingJob
            With ``progress``, ``done``, ``cancel()`` and ``wait(timeout)``.

        Raises
        ------
        ImageError
            If the image is no stack.
        PromptError
            If there are no such objects or planes.
        ModelError
            If the model cannot track.

        Examples
        --------
        >>> w.add_point(320, 200)  # doctest: +SKIP
        >>> w.track().wait()  # doctest: +SKIP
        True
        >>> w.planes.label_map.shape  # doctest: +SKIP
        (80, 480, 640)
        """
        tracking = self._tracking_or_error()
        self._annotator.model.wait()
        numbers = None if objects is None else _numbers(objects)
        return tracking.start(numbers, None if planes is None else _pair(planes), direction)

    def untrack(self, objects: ObjectsLike, planes: PlanesLike | None = None) -> None:
        """Remove tracked masks of objects, on all planes by default; keyframes stay.

        Parameters and errors as for `track`.
        """
        pair = None if planes is None else _pair(planes)
        self._tracking_or_error().untrack(_numbers(objects), pair)

    def set_absent(
        self, objects: ObjectsLike, plane: int | None = None, *, absent: bool = True
    ) -> None:
        """Say that objects are not on a plane: they end there, or have not begun yet.

        An object that is marked is absent from this plane, and is followed neither from it nor
        across it: it is absent from there on until its next keyframe, unless the model finds it
        when going backward from that one. Its prompts on the plane are removed. One step, which
        `undo` takes back; saved with the prompts.

        Parameters
        ----------
        objects : int, SegmentedObject, or several of them
            As for `track`.
        plane : int, optional
            By default the one shown.
        absent : bool
            False takes the mark away.

        Raises
        ------
        ImageError
            If the image is no stack, or has no such plane.
        PromptError
            If there is no such object, it is locked, has prompts on that plane only, or, with
            ``absent=False``, is not marked.

        Examples
        --------
        >>> w.set_absent(1, plane=40)  # the object leaves the picture  # doctest: +SKIP
        """
        tracking, shown = self._tracking_or_error(), self._planes.index
        target = shown if plane is None else self._planes.checked(plane)
        numbers = _numbers(objects)
        self._annotator.edit(lambda: tracking.set_absent(shown, target, numbers, absent=absent))

    @property
    def tracks(self) -> TracksTable:
        """All objects on all planes, a row each; waits for pending predictions and tracking."""
        return tracks_table(self._planes)

    @property
    def marks(self) -> tuple[int, int] | None:
        """Planes between which objects are tracked: first, and one past the last; None for all."""
        return self._planes.tracking.marks if self._planes.tracking else None

    @marks.setter
    def marks(self, planes: PlanesLike | None) -> None:
        self._tracking_or_error().mark(None if planes is None else _pair(planes))
        self._planes.found_objects()

    @traitlets.observe("retrack")
    def _retrack_changed(self, change: traitlets.Bunch) -> None:
        if self._planes.tracking is not None:
            self._planes.tracking.set_retrack(retrack=change["new"])

    def _tracking_or_error(self) -> StackTracks:
        if self._planes.tracking is None:
            raise ImageError(NOT_A_STACK)
        return self._planes.tracking


def _numbers(objects: ObjectsLike) -> list[int]:
    several = [objects] if isinstance(objects, (int, SegmentedObject)) else list(objects)
    found = [one.number if isinstance(one, SegmentedObject) else one for one in several]
    numbers = [one for one in found if isinstance(one, int) and not isinstance(one, bool)]
    if len(numbers) < len(found):
        raise PromptError(f"objects must be ids or objects of w.planes, got {objects!r}")
    return numbers


def _pair(planes: PlanesLike) -> tuple[int, int]:
    if isinstance(planes, range) and planes.step == 1:
        return planes.start, planes.stop
    if isinstance(planes, tuple) and [type(one) for one in planes] == [int, int]:
        return planes
    raise PromptError(
        f"planes must be a range with a step of 1, or a pair (first, one past the last), got "
        f"{planes!r}"
    )
