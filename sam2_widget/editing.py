"""What the mouse can do, Python can do."""

from __future__ import annotations

from collections.abc import Callable

from sam2_widget.annotator import Annotator
from sam2_widget.answers import Answer
from sam2_widget.errors import PromptError
from sam2_widget.kinds import Box, Choice, MaskPrompt, Point, Scribble, Stroke
from sam2_widget.prompts import Prompt


class Editing:
    """The edits of a widget, as methods."""

    _annotator: Annotator
    _tell_committed: Callable[[Annotator, int], None]

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

        The model is not asked; what it says later stays under the stroke, until a click of the
        opposite label on the stroke gives that place back to it.

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
        """Take the `i`-th of `candidates`, where the newest prompts are ambiguous.

        Raises
        ------
        PromptError
            If the object being worked on has no such candidate.
        """
        choice, count = Choice(i), len(self._active_answer().candidates)
        if choice.index >= count:
            raise PromptError(
                f"there is no candidate {i}, there are {count}: candidates are offered after a "
                "single click"
            )
        self._add(choice)

    def _active_answer(self) -> Answer:
        """The answer to the object being worked on; waits for it."""
        active = self._annotator.session.annotation.active
        if active is None:
            raise PromptError("no object is being worked on: add a point first")
        result = self._annotator.current_result()
        return next(o.answer for o in result.objects if o.id == active.id)

    def add_mask(self, mask: object, label: str | None = None) -> None:
        """Add a finished object that is an existing mask; select it to correct it by clicks.

        A click changes only the connected part that it points at: all else stays as it was.

        Parameters
        ----------
        mask : (H, W) bool ndarray, or MaskPrompt
            Of the size of the image; what is not 0 is inside.
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
        """Finish the object being worked on, so that the next prompt starts a new one.

        Raises
        ------
        PromptError
            If no object is being worked on.
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
            self._tell_committed(annotator, finished)

    def select(self, i: int | None) -> None:
        """Work on ``objects[i]`` again, or on none; PromptError if there is no such, or locked."""
        annotator = self._annotator
        annotator.edit(lambda: annotator.session.select(None if i is None else annotator.id_of(i)))

    def delete(self, i: int) -> None:
        """Remove ``objects[i]``; PromptError if there is none, or it is locked."""
        self._on_object(i, self._annotator.session.delete)

    def rename(self, i: int, label: str | None) -> None:
        """Give ``objects[i]`` another label, or none; LabelError if it may not have it."""
        self._on_object(i, lambda found: self._annotator.session.rename(found, label))

    def move(self, i: int, to: int) -> None:
        """Move ``objects[i]`` to place `to` of the list: later objects lie on top."""
        self._on_object(i, lambda found: self._annotator.session.move(found, to))

    def show(self, i: int) -> None:
        """Show ``objects[i]`` in the widget again."""
        self._on_object(i, lambda found: self._annotator.session.show(found, visible=True))

    def hide(self, i: int) -> None:
        """Do not show ``objects[i]`` in the widget; its mask is there all the same."""
        self._on_object(i, lambda found: self._annotator.session.show(found, visible=False))

    def is_shown(self, i: int) -> bool:
        """Whether ``objects[i]`` is shown in the widget."""
        return self._annotator.id_of(i) not in self._annotator.session.hidden

    def lock(self, i: int) -> None:
        """Keep ``objects[i]`` from being selected, renamed and deleted."""
        self._on_object(i, lambda found: self._annotator.session.lock(found, locked=True))

    def unlock(self, i: int) -> None:
        """Let ``objects[i]`` be edited again."""
        self._on_object(i, lambda found: self._annotator.session.lock(found, locked=False))

    def is_locked(self, i: int) -> bool:
        """Whether ``objects[i]`` is kept from being selected, renamed and deleted."""
        return self._annotator.id_of(i) in self._annotator.session.locked

    def _on_object(self, i: int, change: Callable[[int], None]) -> None:
        self._annotator.edit(lambda: change(self._annotator.id_of(i)))

    def undo(self) -> bool:
        """Take the last step back, a prompt or a whole object; False if there is none."""
        return self._annotator.edit(self._annotator.session.undo)

    def redo(self) -> bool:
        """Bring back the last step taken back; False if there is none."""
        return self._annotator.edit(self._annotator.session.redo)

    def clear(self) -> None:
        """Remove all objects that are not locked; `undo` brings them back."""
        self._annotator.edit(self._annotator.session.clear)
