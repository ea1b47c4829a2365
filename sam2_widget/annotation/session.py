"""One image being annotated: its objects and their history. No Jupyter, no model, no pixels.

The state is a frozen value, every edit makes a new one, and undo goes back to an older one. The
masks of a state are computed by `sam2_widget.annotation.predictions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sam2_widget.annotation.object_numbers import ObjectNumbers
from sam2_widget.errors import LabelError, PromptError
from sam2_widget.masks.settings import DEFAULTS, Settings, changed
from sam2_widget.prompts.categories import Categories, ClassNumbers
from sam2_widget.prompts.collections import (
    MaskPrompt,
    ObjectPrompts,
    Prompt,
    Prompts,
    add_prompt,
    check_prompts,
)
from sam2_widget.prompts.colors import ColorBy, default_palette, is_name
from sam2_widget.prompts.label_text import MAX_LABEL_LENGTH, label_fault

MAX_CLASSES = 1000

TRACKED_IDS = 2**32
"""Ids of objects on planes where they have no prompts: this plus their number."""


def tracked_id(number: int) -> int:
    """Id of an object on planes where it has no prompts."""
    return TRACKED_IDS + number


def number_of(object_id: int) -> int | None:
    """Number of an object with such an id; None for any other id."""
    return object_id - TRACKED_IDS if object_id > TRACKED_IDS else None


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """An object as the user described it.

    Attributes
    ----------
    id : int
        Assigned once and kept through undo and redo; also selects the colour.
    prompts : tuple of Prompt
        In the order in which they were given; empty only where the object is absent.
    label : str or None
    number, color, crowd
        See `ObjectPrompts`.
    """

    id: int
    prompts: tuple[Prompt, ...]
    label: str | None = None
    number: int | None = None
    color: str | None = None
    crowd: bool = False

    @classmethod
    def described(cls, object_id: int, by: ObjectPrompts) -> AnnotatedObject:
        """Make an object from its description in a file or a script."""
        return cls(object_id, by.prompts, by.label, by.number, by.color, by.crowd)

    @property
    def description(self) -> ObjectPrompts:
        """Its description, the inverse of `described`."""
        return ObjectPrompts(self.prompts, self.label, self.number, self.color, self.crowd)


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
    candidate : AnnotatedObject or None
        An object that was tracked to this plane and is being worked on, with its tracked mask as
        prompt: the next prompt makes it one of `objects`. Only without an `active_id`.
    group : int or None
        Number of the edit, if it changed several planes of a stack in one step.
    absent : tuple of AnnotatedObject
        Objects of the stack, without prompts, that the user has marked as absent from this plane.
    """

    objects: tuple[AnnotatedObject, ...] = ()
    active_id: int | None = None
    settings: Settings = DEFAULTS
    candidate: AnnotatedObject | None = None
    group: int | None = None
    absent: tuple[AnnotatedObject, ...] = ()

    @property
    def active(self) -> AnnotatedObject | None:
        """The object being worked on."""
        if self.active_id is None:
            return self.candidate
        # Search from the end: it is mostly the newest.
        return next((o for o in reversed(self.objects) if o.id == self.active_id), None)

    def index(self, object_id: int) -> int:
        """Position of an object in `objects`; LookupError if it is not there."""
        for index, annotated in enumerate(self.objects):
            if annotated.id == object_id:
                return index
        raise LookupError(f"no object has the id {object_id}")

    def with_object(self, changed: AnnotatedObject) -> Annotation:
        """Replace the object that has the id of `changed`, or append it; make it active."""
        ids = [o.id for o in self.objects]
        at = ids.index(changed.id) if changed.id in ids else len(ids)
        objects = (*self.objects[:at], changed, *self.objects[at + 1 :])
        absent = tuple(o for o in self.absent if o.number != changed.number)
        return replace(self, objects=objects, active_id=changed.id, candidate=None, absent=absent)

    def without(self, object_id: int) -> Annotation:
        """Remove an object."""
        objects = tuple(o for o in self.objects if o.id != object_id)
        active_id = None if self.active_id == object_id else self.active_id
        return replace(self, objects=objects, active_id=active_id)


def prompts_of(annotation: Annotation, categories: Categories) -> Prompts:
    """The prompts of all objects, as a value that can be saved and replayed."""
    objects = tuple(o.description for o in (*annotation.objects, *annotation.absent))
    return Prompts(objects, annotation.settings, categories)


def _parted(
    objects: Iterable[AnnotatedObject],
) -> tuple[tuple[AnnotatedObject, ...], tuple[AnnotatedObject, ...]]:
    """Split into objects with prompts, and those marked as absent: a number and no prompts."""
    present: list[AnnotatedObject] = []
    absent: list[AnnotatedObject] = []
    for one in objects:
        (present if one.prompts or one.number is None else absent).append(one)
    return tuple(present), tuple(absent)


def _same_key(one: AnnotatedObject | ObjectPrompts) -> tuple[tuple[Prompt, ...], int | None]:
    """Equal for a saved object and an existing one if they are the same object."""
    return one.prompts, None if one.prompts else one.number


def _as_saved(annotated: AnnotatedObject, saved: ObjectPrompts) -> AnnotatedObject:
    """An existing object, with the saved label, number and colour."""
    number = saved.number if annotated.number is None else annotated.number
    return AnnotatedObject(
        annotated.id, saved.prompts, saved.label, number, saved.color, saved.crowd
    )


def _unfinished_version(
    saved: ObjectPrompts, left: dict[int | None, AnnotatedObject]
) -> AnnotatedObject | None:
    """Remove and return the object in `left` that the saved one was edited from, if any."""
    if saved.number is None or saved.number not in left:
        return None
    first = left[saved.number].prompts
    is_given = len(first) == 1 and isinstance(first[0], MaskPrompt)
    has_come_of = saved.prompts[: len(first)] == first or (not saved.prompts and is_given)
    return left.pop(saved.number) if has_come_of else None


class Looks:
    """Which objects are hidden or locked, for one plane or for a whole stack.

    Attributes
    ----------
    hidden, locked : frozenset of int
        Ids of objects. In a stack their numbers, because an object is the same on all planes.
    """

    def __init__(self) -> None:
        self.hidden: frozenset[int] = frozenset()
        self.locked: frozenset[int] = frozenset()


class StackLink(Protocol):
    """Interface of a stack for the session of one of its planes; called with the lock held."""

    def candidate(self, number: int) -> AnnotatedObject:
        """An object to be edited on this plane: its tracked mask as prompt, if it was tracked.

        Raises
        ------
        LookupError
            If there is no such object.
        """

    def change(
        self, number: int, change: Callable[[AnnotatedObject], AnnotatedObject | None]
    ) -> None:
        """Change an object on all planes in one step, or remove it where `change` returns None."""

    def untrack(self, number: int) -> None:
        """Remove an object from this plane, where it was tracked."""

    def described(self, number: int) -> AnnotatedObject:
        """An object that has prompts on another plane.

        Raises
        ------
        LookupError
            If there is no such object.
        PromptError
            If this plane is the only one on which it has prompts.
        """

    def follow(self, group: int, *, undone: bool) -> None:
        """Undo or redo an edit of several planes on all other planes."""


class Labelling:
    """Labels and colours, shared by all planes of a widget, so that they are the same on each.

    Parameters
    ----------
    classes : mapping of str to str
        See `Session`.
    numbers : ClassNumbers, optional
        Numbers of the classes.

    Attributes
    ----------
    classes, palette, label
        See `Session`. Each is replaced as a whole, never changed.
    any_label : bool
        Whether any text may be a label: no labels were given.
    color_by : {"class", "object"}
        Whether objects of a class have its colour, or each its own.
    numbers : ClassNumbers
    """

    def __init__(self, classes: Mapping[str, str], numbers: ClassNumbers | None = None) -> None:
        self.classes = dict(classes)
        self.numbers = numbers or ClassNumbers(Categories(tuple(self.classes)))
        self.any_label = not self.classes
        self.palette: tuple[str, ...] | None = None
        self.color_by: ColorBy = "class"
        self.label: str | None = next(iter(self.classes), None)


class Session:
    """The annotation of one image, with its history. Not thread-safe: callers hold a lock.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels.
    classes : mapping of str to str
        The labels that objects may have, from `colors.checked_classes`, and their colours; empty if
        any text may be a label.
    labelling : Labelling, optional
        Shared with other sessions, instead of `classes`.
    object_numbers : ObjectNumbers, optional
        Numbers of the objects of a stack; without it, objects that are drawn get no number.
    looks : Looks, optional
        Shared by the planes of the stack.

    Attributes
    ----------
    labelling : Labelling
    stack : StackLink or None
        The stack that the plane belongs to.
    """

    def __init__(
        self,
        width: int,
        height: int,
        classes: Mapping[str, str] | None = None,
        *,
        labelling: Labelling | None = None,
        object_numbers: ObjectNumbers | None = None,
        looks: Looks | None = None,
    ) -> None:
        self.width = width
        self.height = height
        self.labelling = labelling or Labelling(classes or {})
        self.object_numbers = object_numbers
        self._used: tuple[object, tuple[str, ...]] = (None, ())
        self._looks = looks or Looks()
        self.stack: StackLink | None = None
        self._annotation = Annotation()
        self._past: list[Annotation] = []
        self._future: list[Annotation] = []
        self._next_id = 0

    @property
    def classes(self) -> dict[str, str]:
        """Labels that objects may have, and their colours; empty if any text may be one."""
        return self.labelling.classes

    @classes.setter
    def classes(self, classes: dict[str, str]) -> None:
        self.labelling.classes = classes

    @property
    def any_label(self) -> bool:
        """Whether any text may be a label: no labels were given."""
        return self.labelling.any_label

    @any_label.setter
    def any_label(self, any_label: bool) -> None:
        self.labelling.any_label = any_label

    @property
    def numbers(self) -> ClassNumbers:
        """Numbers of the classes."""
        return self.labelling.numbers

    @property
    def palette(self) -> tuple[str, ...] | None:
        """Colours of objects without a class, ``"#rrggbb"``; None for the default."""
        return self.labelling.palette

    @palette.setter
    def palette(self, palette: tuple[str, ...] | None) -> None:
        self.labelling.palette = palette

    @property
    def color_by(self) -> ColorBy:
        """Whether objects of a class have its colour, or each its own."""
        return self.labelling.color_by

    @color_by.setter
    def color_by(self, color_by: ColorBy) -> None:
        self.labelling.color_by = color_by

    @property
    def label(self) -> str | None:
        """Label of the next object."""
        return self.labelling.label

    @label.setter
    def label(self, label: str | None) -> None:
        self.labelling.label = label

    def take_over_settings(self, other: Session) -> None:
        """Take over the settings of another session, unless there is an annotation with its own."""
        if not self._annotation.objects and not self._past and not self._future:
            self._annotation = replace(self._annotation, settings=other.annotation.settings)

    @property
    def annotation(self) -> Annotation:
        """The current state."""
        return self._annotation

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return bool(self._future)

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects, replayable with `sam2_widget.segment`."""
        return prompts_of(self._annotation, self.numbers.known)

    @property
    def colors(self) -> tuple[object, ...]:
        """Everything that the colours of objects depend on, besides the objects themselves."""
        return self.classes, self.palette, self.color_by

    @property
    def looks(self) -> tuple[object, ...]:
        """Everything that the display of objects depends on, besides the objects themselves."""
        looks = self._looks
        return self.classes, self.palette, self.color_by, looks.hidden, looks.locked

    @property
    def hidden(self) -> frozenset[int]:
        """Ids of objects that are not shown. Not part of the history, because it is only a view.

        In a stack an object is hidden, or locked, on all planes.
        """
        return self._ids(self._looks.hidden)

    @property
    def locked(self) -> frozenset[int]:
        """Ids of objects that cannot be edited."""
        return self._ids(self._looks.locked)

    def _ids(self, keys: frozenset[int]) -> frozenset[int]:
        if self.object_numbers is None or not keys:
            return keys
        here = (o.id for o in self._annotation.objects if o.number in keys)
        return frozenset([*here, *map(tracked_id, keys)])

    def is_hidden(self, annotated: AnnotatedObject) -> bool:
        """Whether an object is not shown."""
        return self._key(annotated) in self._looks.hidden

    def is_locked(self, annotated: AnnotatedObject) -> bool:
        """Whether an object cannot be edited."""
        return self._key(annotated) in self._looks.locked

    def _key(self, annotated: AnnotatedObject) -> int:
        """The number or id under which an object is hidden or locked."""
        if self.object_numbers is None or annotated.number is None:
            return annotated.id
        return annotated.number

    @property
    def used_labels(self) -> tuple[str, ...]:
        """The non-empty labels that objects have, each once, in the order of the objects."""
        return tuple(filter(None, self.object_labels))

    @property
    def object_labels(self) -> tuple[str, ...]:
        """The labels that objects have, each once, in the order of the objects."""
        objects = self._annotation.objects
        if self._used[0] is not objects:
            labels = (o.label for o in objects if o.label is not None)
            self._used = (objects, tuple(dict.fromkeys(labels)))
        return self._used[1]

    @property
    def next_color(self) -> str:
        """Colour of the object that the next prompt would start, ``"#rrggbb"``."""
        number = self.object_numbers.following if self.object_numbers else None
        return self.color(AnnotatedObject(self._next_id, (), self.label, number))

    def new_id(self) -> int:
        """An id that no object of this session has had."""
        self._next_id += 1
        return self._next_id - 1

    def _new_number(self) -> int | None:
        return self.object_numbers.new() if self.object_numbers else None

    def _numbered(self, objects: Sequence[AnnotatedObject]) -> list[AnnotatedObject]:
        """Objects from a file or a script, with the numbers that they get in this session."""
        given = self.object_numbers
        if given is None:
            return list(objects)
        kept = given.kept_all((o.number for o in objects), self.object_numbers_here)
        free = set(kept.values())
        numbered = []
        for one in objects:
            number = None if one.number is None else kept[one.number]
            # Of several with one number, the first keeps it.
            numbered.append(replace(one, number=number if number in free else given.new()))
            free.discard(number)
        return numbered

    @property
    def object_numbers_here(self) -> set[int]:
        """Numbers of the objects on this plane of a stack, and of those marked as absent."""
        every = (*self._annotation.objects, *self._annotation.absent)
        return {o.number for o in every if o.number is not None}

    def color(self, annotated: AnnotatedObject) -> str:
        """Colour of an object, ``"#rrggbb"``: that of its class, its own, or the palette's.

        That of its class only where `color_by` is ``"class"``.
        """
        if self.color_by == "class" and annotated.label in self.classes:
            return self.classes[annotated.label]
        # In a stack by its number, so that it has the same colour on all planes.
        place = self._key(annotated) - (self.object_numbers is not None)
        return annotated.color or self._nth_color(place)

    def _nth_color(self, number: int) -> str:
        palette = self.palette or default_palette()
        return palette[number % len(palette)]

    def _record(self, changed: Annotation, group: int | None = None) -> None:
        changed = replace(changed, group=group)
        if replace(self._annotation, group=group) != changed or group is not None:
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
            if active is self._annotation.candidate:
                self.propose(None)
            else:
                self._record(self._annotation.without(active.id))
            return
        start = active or AnnotatedObject(self.new_id(), (), self.label, number=self._new_number())
        if active is not None and active is self._annotation.candidate:
            start = replace(active, id=self.new_id())
        self.numbers.use(start.label)
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
        if active is self._annotation.candidate:
            if label is not None:
                self.rename(active.id, label)
            self.select(None)
            return
        if label is not None:
            active = replace(active, label=self.checked_label(label))
            self.numbers.use(active.label)
        self._record(replace(self._annotation.with_object(active), active_id=None))

    def select(self, object_id: int | None) -> None:
        """Make an object active, so that it can be refined, or none. Not a step of the history."""
        number = None if object_id is None else number_of(object_id)
        if number is not None and self.stack is not None:
            own = [o.id for o in self._annotation.objects if o.number == number]
            if not own:
                self.propose(self.stack.candidate(number))
                return
            object_id = own[0]
        if object_id is not None:
            self._unlocked(object_id)
        self._annotation = replace(self._annotation, active_id=object_id, candidate=None)

    def propose(self, candidate: AnnotatedObject | None) -> None:
        """Work on an object that was tracked to this plane, or on it no longer.

        Not a step of the history: only its first prompt is one.

        Raises
        ------
        PromptError
            If it is locked.
        """
        if candidate is None:
            self._annotation = replace(self._annotation, candidate=None)
            return
        self._check_unlocked(candidate)
        self._annotation = replace(self._annotation, active_id=None, candidate=candidate)

    def delete(self, object_id: int, *, everywhere: bool = False) -> None:
        """Remove an object from the plane, or from all planes of the stack."""
        found = self._object(object_id)
        self._check_unlocked(found)
        if self.stack is not None and found.number is not None:
            if everywhere:
                self.stack.change(found.number, lambda _: None)
                return
            if object_id == tracked_id(found.number):
                self.propose(None)
                self.stack.untrack(found.number)
                return
        self._record(self._annotation.without(object_id))

    def mark_absent(self, numbers: Iterable[int], group: int | None = None) -> None:
        """Mark objects as absent from this plane, and remove their prompts there: one step.

        `group`: see `change_number`.

        Raises
        ------
        PromptError
            If this is no plane of a stack, an object is locked, or has prompts on no other plane.
        LookupError
            If there is no such object.
        """
        if self.stack is None:
            raise PromptError("only objects of a stack can be absent from a plane")
        before, marked = self._annotation, {o.number for o in self._annotation.absent}
        found = [self.stack.described(number) for number in sorted(set(numbers) - marked)]
        for one in found:
            self._check_unlocked(one)
        new = [replace(one, id=self.new_id(), prompts=()) for one in found]
        gone = {one.number for one in new}
        changed = replace(
            before,
            objects=tuple(o for o in before.objects if o.number not in gone),
            absent=(*before.absent, *new),
        )
        if before.active is not None and before.active.number in gone:
            changed = replace(changed, active_id=None, candidate=None)
        self._record(changed, group)

    def unmark_absent(self, numbers: Iterable[int], group: int | None = None) -> None:
        """Remove the marks that objects are absent from this plane: one step.

        `group`: see `change_number`.

        Raises
        ------
        PromptError
            If an object is locked, or is not marked as absent.
        """
        marked, wanted = {o.number: o for o in self._annotation.absent}, set(numbers)
        if missing := sorted(wanted - marked.keys()):
            raise PromptError(f"object {missing[0]} is not marked as absent from this plane")
        for number in wanted:
            self._check_unlocked(marked[number])
        kept = tuple(o for o in self._annotation.absent if o.number not in wanted)
        self._record(replace(self._annotation, absent=kept), group)

    def change_number(
        self,
        number: int,
        group: int | None,
        change: Callable[[AnnotatedObject], AnnotatedObject | None],
    ) -> None:
        """Change the objects with a number, or remove them.

        With a `group` this is part of an edit of several planes. It is then a step of the history
        even if this plane has no such object, so that the edit can be undone from this plane.
        """
        every = (*self._annotation.objects, *self._annotation.absent)
        changed = ((change(o) if o.number == number else o) for o in every)
        kept, absent = _parted(o for o in changed if o is not None)
        active_id = self._annotation.active_id
        active_id = active_id if active_id in {o.id for o in kept} else None
        self._record(
            replace(self._annotation, objects=kept, active_id=active_id, absent=absent), group
        )

    def join_group(self, group: int) -> None:
        """Add a step for an edit of other planes, so that it can be undone from this plane, too."""
        self._record(self._annotation, group)

    def move(self, object_id: int, index: int) -> None:
        """Move an object to another position in the list: later objects lie on top."""
        moved = self._annotation.objects[self._annotation.index(object_id)]
        objects = [o for o in self._annotation.objects if o.id != object_id]
        objects.insert(max(index, 0), moved)
        self._record(replace(self._annotation, objects=tuple(objects)))

    def start_from(self, mask: MaskPrompt, label: str | None) -> None:
        """Add a finished object from a mask; PromptError if the mask has another size."""
        mask.check_inside(self.width, self.height)
        label = self.checked_label(label)
        new = AnnotatedObject(self.new_id(), (mask,), label, self._new_number())
        self.numbers.use(new.label)
        self._record(replace(self._annotation.with_object(new), active_id=None))

    def merge(self, object_ids: Sequence[int], mask: MaskPrompt) -> None:
        """Replace several objects by one with that mask, at the position of the topmost: one step.

        It gets the id and number of the first of them in the list, and the first label among them.

        Raises
        ------
        PromptError
            If one of them is locked. Nothing is changed then.
        """
        places = sorted(self._unlocked(one) for one in set(object_ids))
        merged = [self._annotation.objects[place] for place in places]
        label = next((one.label for one in merged if one.label is not None), None)
        new = replace(merged[0], prompts=(mask,), label=label)
        self._replace(merged, places[-1], [new])

    def split(self, object_id: int, masks: Sequence[MaskPrompt]) -> None:
        """Replace an object by one for each of `masks`, with its label: one step.

        The first keeps the id and number. Raises as `merge` does.
        """
        place = self._unlocked(object_id)
        old = self._annotation.objects[place]
        first = replace(old, prompts=(masks[0],))
        others = [
            replace(old, id=self.new_id(), prompts=(mask,), number=None) for mask in masks[1:]
        ]
        self._replace([old], place, [first, *others])

    def _replace(
        self, old: Sequence[AnnotatedObject], place: int, new: Sequence[AnnotatedObject]
    ) -> None:
        """Insert finished objects at ``objects[place]``, and remove `old`."""
        gone = {one.id for one in old}
        objects = self._annotation.objects
        below = (one for one in objects[: place + 1] if one.id not in gone)
        above = (one for one in objects[place + 1 :] if one.id not in gone)
        self._record(replace(self._annotation, objects=(*below, *new, *above), active_id=None))

    def replace_objects(self, objects: Sequence[AnnotatedObject], settings: Settings) -> None:
        """Replace all objects and the settings: one step.

        An object that is being worked on stays active.

        Raises
        ------
        PromptError
            If a changed or removed object is locked, or a new one is outside the image. Nothing is
            changed then.
        """
        before = self._annotation
        wanted = {one.id: one for one in objects}
        for one in before.objects:
            if wanted.get(one.id) != one:
                self._check_unlocked(one)
        there = {one.id: one for one in before.objects}
        for one in objects:
            if there.get(one.id) != one:
                check_prompts(one.prompts, self.width, self.height)
        active_id = before.active_id if before.active_id in wanted else None
        for one in objects:
            self.numbers.use(one.label)
        self._record(
            replace(before, objects=tuple(objects), active_id=active_id, settings=settings)
        )

    def replay(self, prompts: Prompts) -> None:
        """Add the objects of `prompts`, finished, and take over their settings: one step.

        Raises
        ------
        PromptError
            If one of them is outside the image. Nothing is changed then.
        """
        for described in prompts:
            check_prompts(described.prompts, self.width, self.height)
        new = self._numbered([AnnotatedObject.described(self.new_id(), o) for o in prompts])
        objects, absent = _parted((*self._annotation.objects, *new, *self._annotation.absent))
        self.numbers.learn(prompts.categories)
        for one in new:
            self.numbers.use(one.label)
        self._record(Annotation(objects, None, prompts.settings, absent=absent))

    def start_with(self, prompts: Prompts) -> None:
        """Start with the objects of `prompts`, finished. This cannot be undone."""
        past = list(self._past)
        self.replay(prompts)
        self._past = past

    def restore(self, prompts: Prompts) -> None:
        """Restore saved objects, below all objects that were started since: one step.

        An existing object with the same prompts stays, and gets its saved label and number. An
        existing object with the same number and only the first of the saved prompts, e.g. from a
        file of masks, gets all saved prompts.

        Raises
        ------
        PromptError
            If one of them is outside the image. Nothing is changed then.
        """
        for described in prompts:
            check_prompts(described.prompts, self.width, self.height)
        there = (*self._annotation.objects, *self._annotation.absent)
        here: dict[object, list[AnnotatedObject]] = {}
        for annotated in there:
            here.setdefault(_same_key(annotated), []).append(annotated)
        keys = [_same_key(saved) for saved in prompts]
        found = [
            (saved, here[key].pop(0) if here.get(key) else None)
            for saved, key in zip(prompts, keys, strict=True)
        ]
        left = {one.number: one for some in here.values() for one in some}
        found = [(saved, same or _unfinished_version(saved, left)) for saved, same in found]
        missing = [saved for saved, same in found if same is None]
        new = iter(self._numbered([AnnotatedObject.described(self.new_id(), o) for o in missing]))
        restored = [_as_saved(same, saved) if same else next(new) for saved, same in found]
        self.numbers.learn(prompts.categories)
        for one in restored:
            self.numbers.use(one.label)
        kept = {one.id for one in restored}
        begun = (one for one in there if one.id not in kept)
        objects, absent = _parted((*restored, *begun))
        self._record(Annotation(objects, None, prompts.settings, absent=absent))

    def show(self, object_id: int, *, visible: bool) -> None:
        """Show or hide an object."""
        key = self._key(self._object(object_id))
        hidden = self._looks.hidden
        self._looks.hidden = hidden - {key} if visible else hidden | {key}

    def lock(self, object_id: int, *, locked: bool) -> None:
        """Lock an object against edits, or unlock it."""
        key, before = self._key(self._object(object_id)), self._looks.locked
        self._looks.locked = before | {key} if locked else before - {key}
        self._leave_locked()

    def _object(self, object_id: int) -> AnnotatedObject:
        """An object by its id, also one that was tracked to this plane."""
        number = number_of(object_id)
        if number is not None and self.object_numbers is not None:
            return AnnotatedObject(object_id, (), number=number)
        return self._annotation.objects[self._annotation.index(object_id)]

    def _leave_locked(self) -> None:
        active = self._annotation.active
        if active is not None and self.is_locked(active):
            self._annotation = replace(self._annotation, active_id=None, candidate=None)

    def _unlocked(self, object_id: int) -> int:
        """Position of an object; PromptError if it is locked."""
        index = self._annotation.index(object_id)
        self._check_unlocked(self._annotation.objects[index])
        return index

    def _check_unlocked(self, annotated: AnnotatedObject) -> None:
        if not self.is_locked(annotated):
            return
        ids = [o.id for o in self._annotation.objects]
        place = ids.index(annotated.id) + 1 if annotated.id in ids else annotated.number
        raise PromptError(f"Object {place} is locked: unlock it first.")

    def set_setting(self, name: str, value: object) -> None:
        """Change one of `Settings`; SettingError if it does not exist or the value is not valid."""
        settings = changed(self._annotation.settings, name, value)
        self._record(replace(self._annotation, settings=settings))

    def rename(self, object_id: int, label: str | None) -> None:
        """Give an object another label, or none.

        Raises
        ------
        LabelError
            If `label` is not one of the labels given.
        """
        renamed, checked = self._object(object_id), self.checked_label(label)
        self._check_unlocked(renamed)
        if self.stack is not None and renamed.number is not None:
            self.stack.change(renamed.number, lambda one: replace(one, label=checked))
            self.numbers.use(label)
            return
        index = self._unlocked(object_id)
        objects = list(self._annotation.objects)
        objects[index] = replace(objects[index], label=checked)
        self.numbers.use(label)
        self._record(replace(self._annotation, objects=tuple(objects)))

    def clear(self) -> None:
        """Remove all objects except locked ones; `undo` restores them."""
        before = self._annotation
        kept, absent = (
            tuple(o for o in some if self.is_locked(o)) for some in (before.objects, before.absent)
        )
        self._record(replace(before, objects=kept, active_id=None, candidate=None, absent=absent))

    def undo(self) -> bool:
        """Undo the last step; False if there is none."""
        group = self._annotation.group
        return self._step_history(self._past, self._future) and self._link(group, undone=True)

    def redo(self) -> bool:
        """Redo the last undone step; False if there is none."""
        done = self._step_history(self._future, self._past)
        return done and self._link(self._annotation.group, undone=False)

    def _link(self, group: int | None, *, undone: bool) -> bool:
        if group is not None and self.stack is not None:
            self.stack.follow(group, undone=undone)
        return True

    def follow(self, group: int, *, undone: bool) -> bool:
        """Undo or redo an edit of several planes here, unless other steps were made since."""
        if undone:
            is_next = self._annotation.group == group
            return is_next and self._step_history(self._past, self._future)
        is_next = bool(self._future) and self._future[-1].group == group
        return is_next and self._step_history(self._future, self._past)

    def _step_history(self, source: list[Annotation], target: list[Annotation]) -> bool:
        if not source:
            return False
        target.append(self._annotation)
        self._annotation = source.pop()
        self._leave_locked()
        return True

    def relabel(self, names: Mapping[str, str]) -> None:
        """Give objects the new name of their class, in the whole history, without adding a step."""

        def renamed(one: AnnotatedObject) -> AnnotatedObject:
            label = one.label
            return replace(one, label=names[label]) if label is not None and label in names else one

        def relabelled(annotation: Annotation) -> Annotation:
            objects = tuple(map(renamed, annotation.objects))
            return replace(annotation, objects=objects)

        self._past = list(map(relabelled, self._past))
        self._future = list(map(relabelled, self._future))
        self._annotation = relabelled(self._annotation)

    def use_label(self, label: str | None) -> None:
        """Set the label that the next object gets."""
        self.label = self.checked_label(label)

    def set_classes(self, classes: Mapping[str, str], categories: Categories | None = None) -> None:
        """Replace the labels that objects may have; existing objects keep theirs.

        `categories` are the same labels with their numbers, if the user has given numbers.
        """
        self.classes = dict(classes)
        self.numbers.declared = categories or Categories(tuple(self.classes))
        self.any_label = not self.classes
        if self.label not in self.classes:
            self.label = next(iter(self.classes), None)

    def add_class(self, name: str, color: str | None = None, *, use: bool = True) -> None:
        """Add a label that objects may have, with a colour of its own.

        Parameters
        ----------
        name : str
        color : str, optional
            ``"#rrggbb"``; by default the one it has, else the next of the palette.
        use : bool
            Give it to the next objects.

        Raises
        ------
        LabelError
            If `name` is not a valid label, or there are too many classes.
        """
        if not is_name(name):
            raise LabelError(
                f"a class needs a name of 1 to {MAX_LABEL_LENGTH} characters, got {name!r}"
            )
        if len(self.classes) >= MAX_CLASSES and name not in self.classes:
            raise LabelError(f"there can be {MAX_CLASSES} classes: remove some first")
        known = self.classes.get(name, self._nth_color(len(self.classes)))
        # Labels keep the numbers that they have had so far.
        self.numbers.declared = self.numbers.categories(self.used_labels).with_names([name])
        self.classes = {**self.classes, name: color or known}
        if use:
            self.label = name

    def checked_label(self, label: object) -> str | None:
        """Return `label` if an object may have it, else raise `LabelError`."""
        if fault := label_fault(label):
            raise LabelError(fault)
        if not isinstance(label, str):
            return None
        if not (self.any_label or label in self.classes or label in self.used_labels):
            raise LabelError(f"label must be one of {list(self.classes)}, got {label!r}")
        return label
