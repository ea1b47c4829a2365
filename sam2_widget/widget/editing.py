"""The part of the widget's Python interface for editing, equivalent to the mouse and keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.predictions import Prediction
from sam2_widget.annotation.regrouping import merging, splitting
from sam2_widget.annotation.session import tracked_id
from sam2_widget.errors import PromptError
from sam2_widget.prompts.collections import Prompt
from sam2_widget.prompts.types import Box, Choice, MaskPrompt, Point, Scribble, Stroke


class Editing:
    """The edits of a widget, as methods."""

    _annotator: Annotator
    _notify_committed: Callable[[Annotator, int], None]

    def add_point(self, x: float, y: float, label: int = 1) -> None:
        """Click at (x, y) in image pixels: `label` 1 for the object, 0 for what is not part of it.

        Raises
        ------
        PromptError
            If the point is outside the image, not finite, or the label neither 0 nor 1.
        """
        self._add(Point(x, y, label))

    def add_box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a box between two opposite corners in image pixels; it replaces an earlier one.

        Raises
        ------
        PromptError
            If the box reaches outside the image, is not finite or has no area.
        """
        self._add(Box(x0, y0, x1, y1))

    def add_scribble(self, points: object, label: int = 1) -> None:
        """Draw a freehand line over the object, or over what is not part of it.

        Parameters
        ----------
        points : sequence of (x, y), or (N, 2) ndarray
            2 to 256 vertices in image pixels.
        label : {1, 0}
            See `add_point`.

        Raises
        ------
        PromptError
            If the line is malformed or leaves the image.
        """
        self._add(Scribble(points, label))  # type: ignore[arg-type]  # checked there

    def add_stroke(self, points: object, radius: float, label: int = 1) -> None:
        """Edit the mask by hand: set the pixels along a line, or erase them.

        The stroke needs no model run and stays on top of later predictions, until a click of the
        opposite label on the stroke removes it.

        Parameters
        ----------
        points : sequence of (x, y), or (N, 2) ndarray
            1 to 2048 vertices in image pixels.
        radius : float
            In image pixels, above 0.
        label : {1, 0}
            1: brush. 0: eraser.

        Raises
        ------
        PromptError
            If the stroke is malformed or does not touch the image.
        """
        self._add(Stroke(points, radius, label))  # type: ignore[arg-type]  # checked there

    def choose(self, i: int) -> None:
        """Choose the `i`-th of `candidates`, where the newest prompts are ambiguous.

        Raises
        ------
        PromptError
            If the active object has no such candidate.
        """
        choice, count = Choice(i), len(self._active_prediction().candidates)
        if choice.index >= count:
            raise PromptError(
                f"there is no candidate {i}, there are {count}: candidates are offered after a "
                "single click"
            )
        self._add(choice)

    def _active_prediction(self) -> Prediction:
        """The prediction of the active object; waits for it."""
        active = self._annotator.session.annotation.active
        if active is None:
            raise PromptError("no object is being worked on: add a point first")
        result = self._annotator.current_result()
        return next(o.prediction for o in result.objects if o.id == active.id)

    def add_mask(self, mask: object, label: str | None = None) -> None:
        """Add a finished object that is an existing mask; select it to correct it by clicks.

        A click changes only the connected region that it points at.

        Parameters
        ----------
        mask : (H, W) bool ndarray, or MaskPrompt
            Of the size of the image; pixels other than 0 are inside.
        label : str, optional

        Raises
        ------
        PromptError
            If the mask is not of that shape.
        LabelError
            If `label` is not one of the widget's labels.
        """
        prompt = mask if isinstance(mask, MaskPrompt) else MaskPrompt.from_mask(mask)
        annotator = self._annotator
        session = annotator.session
        prompt.check_inside(session.width, session.height)
        _ = prompt.pixels  # decoded here and now, not under the lock
        annotator.edit(lambda: session.start_from(prompt, label))

    def _add(self, prompt: Prompt) -> None:
        self._annotator.edit(lambda: self._annotator.session.add(prompt))

    def commit(self, label: str | None = None) -> None:
        """Finish the active object, so that the next prompt starts a new one.

        Raises
        ------
        PromptError
            If no object is active.
        LabelError
            If `label` is not one of the widget's labels.
        """
        annotator = self._annotator
        session = annotator.session

        def commit() -> int | None:
            active = session.annotation.active_id
            session.commit(label)
            return active

        finished = annotator.edit(commit)
        if finished is not None:
            self._notify_committed(annotator, finished)

    def select(self, i: int | None = None, *, number: int | None = None) -> None:
        """Make ``objects[i]`` active, so that it can be edited, or none.

        Parameters
        ----------
        i : int or None
        number : int, optional
            The id of an object of a stack, as in `tracks`, instead of `i`: it may be on other
            planes only, and the next prompt makes a keyframe of it on this one.

        Raises
        ------
        PromptError
            If there is no such object, or it is locked.
        """
        annotator = self._annotator

        def selected() -> int | None:
            if isinstance(number, int):
                return tracked_id(number)
            return None if i is None else annotator.id_of(i)

        try:
            annotator.edit(lambda: annotator.session.select(selected()))
        except LookupError as error:
            raise PromptError(f"no object has the id {number!r}: see w.tracks") from error

    def delete(self, i: int, *, everywhere: bool = False) -> None:
        """Remove ``objects[i]``; PromptError if there is none, or it is locked.

        Parameters
        ----------
        i : int
        everywhere : bool
            Remove it from all planes of a stack, in one step. Without this it is removed from the
            plane shown: a keyframe with its prompts, or the mask that was tracked there.
        """
        delete = partial(self._annotator.session.delete, everywhere=everywhere)
        self._on_object(i, delete)

    def rename(self, i: int, label: str | None) -> None:
        """Change the label of ``objects[i]``, or remove it; LabelError if it is not allowed."""
        self._on_object(i, lambda found: self._annotator.session.rename(found, label))

    def move(self, i: int, to: int) -> None:
        """Move ``objects[i]`` to place `to` of the list: later objects lie on top."""
        self._on_object(i, lambda found: self._annotator.session.move(found, to))

    def show(self, i: int) -> None:
        """Show ``objects[i]`` in the widget again."""
        self._on_object(i, lambda found: self._annotator.session.show(found, visible=True))

    def hide(self, i: int) -> None:
        """Hide ``objects[i]`` in the widget; its mask remains part of the results."""
        self._on_object(i, lambda found: self._annotator.session.show(found, visible=False))

    def is_shown(self, i: int) -> bool:
        """Whether ``objects[i]`` is shown in the widget."""
        return self._annotator.id_of(i) not in self._annotator.session.hidden

    def lock(self, i: int) -> None:
        """Lock ``objects[i]``: it cannot be selected, renamed or deleted."""
        self._on_object(i, lambda found: self._annotator.session.lock(found, locked=True))

    def unlock(self, i: int) -> None:
        """Unlock ``objects[i]``."""
        self._on_object(i, lambda found: self._annotator.session.lock(found, locked=False))

    def is_locked(self, i: int) -> bool:
        """Whether ``objects[i]`` is locked."""
        return self._annotator.id_of(i) in self._annotator.session.locked

    def _on_object(self, i: int, change: Callable[[int], None]) -> None:
        self._annotator.edit(lambda: change(self._annotator.id_of(i)))

    def merge(self, objects: Sequence[int]) -> None:
        """Merge several objects into one, in one step: its mask is the union of theirs.

        Its prompt is that mask, a `MaskPrompt`, as for an imported object: select it to correct it
        by clicks. Waits for the masks.

        Parameters
        ----------
        objects : sequence of int
            Two or more indices of `objects`.

        Raises
        ------
        PromptError
            If there are no such objects, less than two, or one of them is locked.

        Examples
        --------
        >>> w.merge([0, 2])  # doctest: +SKIP
        """
        annotator = self._annotator
        ids = [annotator.id_of(i) for i in objects]
        predictions = self._predictions()
        change = merging(annotator, ids, [predictions.get(one) for one in ids])
        annotator.edit(lambda: change(annotator.session))

    def split(self, i: int) -> int:
        """Split ``objects[i]`` into its connected parts, in one step.

        Their prompts are their masks, as with `merge`, and they have the label of the object.
        Pixels that touch at a corner are connected. Waits for the mask.

        Returns
        -------
        int
            Number of parts; the largest is ``objects[i]``.

        Raises
        ------
        PromptError
            If there is no such object, its mask is in one piece, or it is locked.
        """
        annotator = self._annotator
        found = annotator.id_of(i)
        change = splitting(annotator, found, self._predictions().get(found))
        before = len(annotator.session.annotation.objects)
        annotator.edit(lambda: change(annotator.session))
        return len(annotator.session.annotation.objects) - before + 1

    def _predictions(self) -> dict[int, Prediction]:
        """The predictions of all objects, by id; waits for them."""
        return {one.id: one.prediction for one in self._annotator.current_result().objects}

    def undo(self) -> bool:
        """Undo the last step, a prompt or a whole object; False if there is none."""
        return self._annotator.edit(self._annotator.session.undo)

    def redo(self) -> bool:
        """Redo the last undone step; False if there is none."""
        return self._annotator.edit(self._annotator.session.redo)

    def clear(self) -> None:
        """Remove all objects that are not locked; `undo` restores them."""
        self._annotator.edit(self._annotator.session.clear)
