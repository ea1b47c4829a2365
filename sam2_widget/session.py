"""One image being annotated: its objects and their history. No Jupyter, no model, no pixels.

The state is a frozen value, every edit makes a new one, and undo goes back to an older one. What a
state looks like as masks is the business of `sam2_widget.answers`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

from sam2_widget.errors import LabelError, PromptError
from sam2_widget.prompts import (
    ObjectPrompts,
    Prompt,
    Prompts,
    add_prompt,
    check_prompts,
)

MAX_LABEL_LENGTH = 200
"""Characters."""


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """An object as the user described it.

    Attributes
    ----------
    id : int
        Given once and kept through undo and redo; also chooses the colour.
    prompts : tuple of Point and Box
        In the order in which they were given; never empty.
    label : str or None
    """

    id: int
    prompts: tuple[Prompt, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """All objects of an image, and which of them is being worked on.

    Attributes
    ----------
    objects : tuple of AnnotatedObject
        From bottom to top.
    active_id : int or None
        The object that the next prompt belongs to; None if the next prompt starts a new one.
    """

    objects: tuple[AnnotatedObject, ...] = ()
    active_id: int | None = None

    @property
    def active(self) -> AnnotatedObject | None:
        """The object being worked on."""
        return next((o for o in self.objects if o.id == self.active_id), None)

    def index(self, object_id: int) -> int:
        """Position of an object in `objects`; LookupError if it is not there."""
        for index, annotated in enumerate(self.objects):
            if annotated.id == object_id:
                return index
        raise LookupError(f"no object has the id {object_id}")

    def with_object(self, changed: AnnotatedObject) -> Annotation:
        """Put `changed` in the place of the object with its id, or at the end; make it active."""
        objects = tuple(changed if o.id == changed.id else o for o in self.objects)
        if changed not in objects:
            objects = (*objects, changed)
        return Annotation(objects, changed.id)

    def without(self, object_id: int) -> Annotation:
        """Remove an object."""
        objects = tuple(o for o in self.objects if o.id != object_id)
        return Annotation(objects, None if self.active_id == object_id else self.active_id)


class Session:
    """The annotation of one image, with its history. Not thread-safe: its owner holds a lock.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels.
    labels : sequence of str
        The labels that objects may have; empty if any text may be a label.
    """

    def __init__(self, width: int, height: int, labels: tuple[str, ...] = ()) -> None:
        self.width = width
        self.height = height
        self.labels = labels
        self.label: str | None = labels[0] if labels else None
        self._annotation = Annotation()
        self._past: list[Annotation] = []
        self._future: list[Annotation] = []
        self._ids = count()

    @property
    def annotation(self) -> Annotation:
        """What there is now."""
        return self._annotation

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether `redo` has something to bring back."""
        return bool(self._future)

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects, replayable with `sam2_widget.segment`."""
        return Prompts(tuple(ObjectPrompts(o.prompts, o.label) for o in self._annotation.objects))

    def _record(self, changed: Annotation) -> None:
        if changed != self._annotation:
            self._past.append(self._annotation)
            self._future.clear()
            self._annotation = changed

    def add(self, prompt: Prompt) -> None:
        """Give the active object one more prompt, or start an object with it."""
        active = self._annotation.active
        self.set_prompts(add_prompt(active.prompts if active else (), prompt))

    def set_prompts(self, prompts: tuple[Prompt, ...]) -> None:
        """Replace all prompts of the active object.

        Several new prompts at the end become as many steps of the history, because a slow kernel
        sees only the newest list of a user who clicks fast.

        Raises
        ------
        PromptError
            If one of `prompts` is outside the image. Nothing is changed then.
        """
        check_prompts(prompts, self.width, self.height)
        ObjectPrompts(prompts)
        active = self._annotation.active
        before = active.prompts if active else ()
        if prompts == before:
            return
        if not prompts and active:
            self._record(self._annotation.without(active.id))
            return
        start = active or AnnotatedObject(next(self._ids), (), self.label)
        known = len(before) if prompts[: len(before)] == before else len(prompts) - 1
        for end in range(known + 1, len(prompts) + 1):
            self._record(self._annotation.with_object(replace(start, prompts=prompts[:end])))

    def commit(self, label: str | None = None) -> None:
        """Finish the active object: the next prompt starts a new one.

        Raises
        ------
        PromptError
            If there is no active object.
        LabelError
            If `label` is not one of the labels given.
        """
        active = self._annotation.active
        if active is None:
            raise PromptError(
                "there is nothing to commit: add a point or a box first, or select an object"
            )
        if label is not None:
            active = replace(active, label=self.checked_label(label))
        self._record(replace(self._annotation.with_object(active), active_id=None))

    def select(self, object_id: int) -> None:
        """Make an object active, so that it can be refined. Not a step of the history."""
        self._annotation.index(object_id)
        self._annotation = replace(self._annotation, active_id=object_id)

    def delete(self, object_id: int) -> None:
        """Remove an object."""
        self._annotation.index(object_id)
        self._record(self._annotation.without(object_id))

    def rename(self, object_id: int, label: str | None) -> None:
        """Give an object another label, or none.

        Raises
        ------
        LabelError
            If `label` is not one of the labels given.
        """
        index = self._annotation.index(object_id)
        objects = list(self._annotation.objects)
        objects[index] = replace(objects[index], label=self.checked_label(label))
        self._record(replace(self._annotation, objects=tuple(objects)))

    def clear(self) -> None:
        """Remove all objects; `undo` brings them back."""
        self._record(Annotation())

    def undo(self) -> bool:
        """Take back the last step; False if there is none."""
        return self._travel(self._past, self._future)

    def redo(self) -> bool:
        """Bring back the last step taken back; False if there is none."""
        return self._travel(self._future, self._past)

    def _travel(self, source: list[Annotation], target: list[Annotation]) -> bool:
        if not source:
            return False
        target.append(self._annotation)
        self._annotation = source.pop()
        return True

    def use_label(self, label: str | None) -> None:
        """Set the label that the next object gets."""
        self.label = self.checked_label(label)

    def checked_label(self, label: object) -> str | None:
        """Return `label` if an object may have it, else raise `LabelError`."""
        if label is None:
            return None
        if not isinstance(label, str):
            raise LabelError(f"a label must be text or None, got {label!r}")
        if len(label) > MAX_LABEL_LENGTH:
            raise LabelError(
                f"a label can have {MAX_LABEL_LENGTH} characters, got {len(label)}: shorten it"
            )
        if self.labels and label not in self.labels:
            raise LabelError(f"label must be one of {list(self.labels)}, got {label!r}")
        return label
