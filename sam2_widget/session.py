"""One image being annotated: its objects and their history. No Jupyter, no model, no pixels.

The state is a frozen value, every edit makes a new one, and undo goes back to an older one. What a
state looks like as masks is the business of `sam2_widget.answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sam2_widget.colors import MAX_LABEL_LENGTH, default_palette, is_name
from sam2_widget.errors import LabelError, PromptError
from sam2_widget.prompts import (
    MaskPrompt,
    ObjectPrompts,
    Prompt,
    Prompts,
    add_prompt,
    check_prompts,
)
from sam2_widget.settings import DEFAULTS, Settings, changed
from sam2_widget.text import is_sendable

MAX_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """An object as the user described it.

    Attributes
    ----------
    id : int
        Given once and kept through undo and redo; also chooses the colour.
    prompts : tuple of Prompt
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
    settings : Settings
    """

    objects: tuple[AnnotatedObject, ...] = ()
    active_id: int | None = None
    settings: Settings = DEFAULTS

    @property
    def active(self) -> AnnotatedObject | None:
        """The object being worked on."""
        if self.active_id is None:
            return None
        # Mostly the newest.
        return next((o for o in reversed(self.objects) if o.id == self.active_id), None)

    def index(self, object_id: int) -> int:
        """Position of an object in `objects`; LookupError if it is not there."""
        for index, annotated in enumerate(self.objects):
            if annotated.id == object_id:
                return index
        raise LookupError(f"no object has the id {object_id}")

    def with_object(self, changed: AnnotatedObject) -> Annotation:
        """Put `changed` in the place of the object with its id, or at the end; make it active."""
        ids = [o.id for o in self.objects]
        at = ids.index(changed.id) if changed.id in ids else len(ids)
        objects = (*self.objects[:at], changed, *self.objects[at + 1 :])
        return replace(self, objects=objects, active_id=changed.id)

    def without(self, object_id: int) -> Annotation:
        """Remove an object."""
        objects = tuple(o for o in self.objects if o.id != object_id)
        active_id = None if self.active_id == object_id else self.active_id
        return replace(self, objects=objects, active_id=active_id)


class Session:
    """The annotation of one image, with its history. Not thread-safe: its owner holds a lock.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels.
    classes : mapping of str to str
        The labels that objects may have, from `colors.checked_classes`, and their colours; empty if
        any text may be a label.

    Attributes
    ----------
    classes : dict of str to str
    palette : tuple of str, or None
        Colours of objects without a class, ``"#rrggbb"``; None for the default.
    hidden, locked : frozenset of int
        Ids of objects that are not shown, and of those that cannot be edited. No steps of the
        history: they say how one looks at objects, not what these are.
    """

    def __init__(self, width: int, height: int, classes: Mapping[str, str] | None = None) -> None:
        self.width = width
        self.height = height
        self.classes = dict(classes or {})
        self.palette: tuple[str, ...] | None = None
        self.hidden: frozenset[int] = frozenset()
        self.locked: frozenset[int] = frozenset()
        self.label: str | None = next(iter(self.classes), None)
        self._annotation = Annotation()
        self._past: list[Annotation] = []
        self._future: list[Annotation] = []
        self._next_id = 0

    def take_over(self, other: Session) -> None:
        """Take over what the user has set up in another session: labels, colours, settings.

        Settings are those of an annotation: one that has begun keeps its own.
        """
        self.classes, self.palette, self.label = other.classes, other.palette, other.label
        if not self._annotation.objects and not self._past and not self._future:
            self._annotation = replace(self._annotation, settings=other.annotation.settings)

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
        objects = tuple(ObjectPrompts(o.prompts, o.label) for o in self._annotation.objects)
        return Prompts(objects, self._annotation.settings)

    @property
    def looks(self) -> tuple[object, ...]:
        """All that decides, beside the objects themselves, what these look like."""
        return self.classes, self.palette, self.hidden, self.locked

    @property
    def next_color(self) -> str:
        """Colour of the object that the next prompt would start, ``"#rrggbb"``."""
        return self.color(AnnotatedObject(self._next_id, (), self.label))

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def color(self, annotated: AnnotatedObject) -> str:
        """Colour of an object, ``"#rrggbb"``: that of its class, else one of the palette's."""
        if annotated.label in self.classes:
            return self.classes[annotated.label]
        return self._nth_color(annotated.id)

    def _nth_color(self, number: int) -> str:
        palette = self.palette or default_palette()
        return palette[number % len(palette)]

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
        start = active or AnnotatedObject(self._new_id(), (), self.label)
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

    def select(self, object_id: int | None) -> None:
        """Make an object active, so that it can be refined, or none. Not a step of the history."""
        if object_id is not None:
            self._unlocked(object_id)
        self._annotation = replace(self._annotation, active_id=object_id)

    def delete(self, object_id: int) -> None:
        """Remove an object."""
        self._unlocked(object_id)
        self._record(self._annotation.without(object_id))

    def move(self, object_id: int, index: int) -> None:
        """Move an object to another place of the list: later objects lie on top."""
        moved = self._annotation.objects[self._annotation.index(object_id)]
        objects = [o for o in self._annotation.objects if o.id != object_id]
        objects.insert(max(index, 0), moved)
        self._record(replace(self._annotation, objects=tuple(objects)))

    def start_from(self, mask: MaskPrompt, label: str | None) -> None:
        """Add an object that is a mask, finished; PromptError if it has not the image's size."""
        mask.check_inside(self.width, self.height)
        new = AnnotatedObject(self._new_id(), (mask,), self.checked_label(label))
        self._record(replace(self._annotation.with_object(new), active_id=None))

    def replay(self, prompts: Prompts) -> None:
        """Add the objects of `prompts`, finished, and take over their settings: one step.

        Raises
        ------
        PromptError
            If one of them is outside the image. Nothing is changed then.
        """
        for described in prompts:
            check_prompts(described.prompts, self.width, self.height)
        new = (AnnotatedObject(self._new_id(), o.prompts, o.label) for o in prompts)
        objects = (*self._annotation.objects, *new)
        self._record(Annotation(objects, None, prompts.settings))

    def show(self, object_id: int, *, visible: bool) -> None:
        """Show or hide an object."""
        self._annotation.index(object_id)
        self.hidden = self.hidden - {object_id} if visible else self.hidden | {object_id}

    def lock(self, object_id: int, *, locked: bool) -> None:
        """Keep an object from being edited, or let it be edited again."""
        self._annotation.index(object_id)
        self.locked = self.locked | {object_id} if locked else self.locked - {object_id}
        self._leave_locked()

    def _leave_locked(self) -> None:
        if self._annotation.active_id in self.locked:
            self._annotation = replace(self._annotation, active_id=None)

    def _unlocked(self, object_id: int) -> int:
        """Position of an object; PromptError if it is locked."""
        index = self._annotation.index(object_id)
        if object_id in self.locked:
            raise PromptError(f"Object {index + 1} is locked: unlock it first.")
        return index

    def set_setting(self, name: str, value: object) -> None:
        """Change one of `Settings`; SettingError if it does not exist or cannot be so."""
        settings = changed(self._annotation.settings, name, value)
        self._record(replace(self._annotation, settings=settings))

    def rename(self, object_id: int, label: str | None) -> None:
        """Give an object another label, or none.

        Raises
        ------
        LabelError
            If `label` is not one of the labels given.
        """
        index = self._unlocked(object_id)
        objects = list(self._annotation.objects)
        objects[index] = replace(objects[index], label=self.checked_label(label))
        self._record(replace(self._annotation, objects=tuple(objects)))

    def clear(self) -> None:
        """Remove all objects but the locked ones; `undo` brings them back."""
        kept = tuple(o for o in self._annotation.objects if o.id in self.locked)
        self._record(replace(self._annotation, objects=kept, active_id=None))

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
        self._leave_locked()
        return True

    def use_label(self, label: str | None) -> None:
        """Set the label that the next object gets."""
        self.label = self.checked_label(label)

    def set_classes(self, classes: Mapping[str, str]) -> None:
        """Replace the labels that objects may have; those that objects have already stay."""
        self.classes = dict(classes)
        if self.label not in self.classes:
            self.label = next(iter(self.classes), None)

    def add_class(self, name: str, color: str | None = None) -> None:
        """Add a label that objects may have, and use it; LabelError if it is no usable text."""
        if not is_name(name):
            raise LabelError(
                f"a class needs a name of 1 to {MAX_LABEL_LENGTH} characters, got {name!r}"
            )
        if len(self.classes) >= MAX_CLASSES and name not in self.classes:
            raise LabelError(f"there can be {MAX_CLASSES} classes: remove some first")
        known = self.classes.get(name, self._nth_color(len(self.classes)))
        self.classes = {**self.classes, name: color or known}
        self.label = name

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
        if not is_sendable(label):
            raise LabelError(f"a label must be text, got half a character in {label!r}: retype it")
        if self.classes and label not in self.classes:
            raise LabelError(f"label must be one of {list(self.classes)}, got {label!r}")
        return label
