"""The stored annotations of one image: prompts of its objects, state, notes and attributes.

Values are immutable: an edit makes a new one, and the result of `difference` is appended to a
journal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.prompts.collections import ObjectPrompts, Prompts

State: TypeAlias = Literal["untouched", "in progress", "done", "empty", "review", "skipped"]
"""State of the work on an image. ``"empty"``: done, without objects. ``"review"``: to be checked
again."""

FINISHED: tuple[State, ...] = ("done", "empty", "skipped")
"""States of images that need no more work."""

Value: TypeAlias = str | int | float | bool | None
"""Value of an attribute."""


class Measure(msgspec.Struct, frozen=True):
    """What was measured of an object's mask when it was last predicted.

    Parameters
    ----------
    score : float
        The model's estimate of the mask's IoU, 0..1.
    area : int
        In pixels.
    box : (int, int, int, int)
        (x0, y0, x1, y1) in image pixels, the upper ends exclusive; all 0 for an empty mask.
    """

    score: float
    area: int
    box: tuple[int, int, int, int]


class StoredObject(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An object of an image.

    Parameters
    ----------
    id : int
        Unique in its image, and kept from session to session.
    object : ObjectPrompts
        Prompts, label, number, colour.
    note : str
    attributes : mapping of str to Value
    time : float
        When its prompts or label were last changed, in seconds since 1970; 0 if it is not known.
    accepted : bool
        Whether it was accepted in a review as it is now.
    measure : Measure or None
        None if its mask was not measured since its prompts were changed.
    """

    id: int
    object: ObjectPrompts
    note: str = ""
    attributes: dict[str, Value] = {}
    time: float = 0.0
    accepted: bool = False
    measure: Measure | None = None

    def changed_to(self, described: ObjectPrompts, time: float | None = None) -> StoredObject:
        """The object with other prompts or another label: it must be accepted again."""
        measure = self.measure if described.prompts == self.object.prompts else None
        changed_at = now() if time is None else time
        return msgspec.structs.replace(
            self, object=described, time=changed_at, accepted=False, measure=measure
        )


def now() -> float:
    """The time to be stored, in seconds since 1970."""
    return round(time.time(), 3)


class ImageAnnotations(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Everything that is stored about an image.

    Parameters
    ----------
    objects : tuple of StoredObject
        From bottom to top.
    settings : Settings
        The settings that masks depend on.
    state : State
    note : str
    attributes : mapping of str to Value
    seconds : float
        Time spent on the image.
    content : str
        Hash of the image that was annotated; "" if it has not been opened yet.
    size : (int, int) or None
        Its (height, width) in pixels.
    renames : int
        Number of renames of classes that were applied to the labels.
    """

    objects: tuple[StoredObject, ...] = ()
    settings: Settings = DEFAULTS
    state: State = "untouched"
    note: str = ""
    attributes: dict[str, Value] = {}
    seconds: float = 0.0
    content: str = ""
    size: tuple[int, int] | None = None
    renames: int = 0

    @property
    def prompts(self) -> Prompts:
        """The prompts of all objects, replayable with `sam2_widget.segment`."""
        return Prompts(tuple(one.object for one in self.objects), self.settings)

    @property
    def is_finished(self) -> bool:
        """Whether the image needs no more work."""
        return self.state in FINISHED


NOTHING = ImageAnnotations()


def changed_objects(
    known: ImageAnnotations, objects: Sequence[StoredObject], settings: Settings
) -> dict[str, Any]:
    """The fields of annotations that get other objects and settings by an edit."""
    if settings != known.settings:
        # They change the masks.
        objects = [msgspec.structs.replace(one, measure=None) for one in objects]
    state = "in progress" if known.state == "untouched" and objects else known.state
    return {"objects": tuple(objects), "settings": settings, "state": state}


def with_prompts(known: ImageAnnotations, prompts: Prompts) -> dict[str, Any]:
    """The fields of annotations whose objects are replaced by those of prompts.

    An object that is the same as before keeps its id, note and attributes.
    """
    there: dict[ObjectPrompts, list[StoredObject]] = {}
    for one in known.objects:
        there.setdefault(one.object, []).append(one)
    ids = count(max((one.id for one in known.objects), default=0) + 1)
    time = now()
    objects = [
        same.pop(0) if (same := there.get(one)) else StoredObject(next(ids), one, time=time)
        for one in prompts
    ]
    return changed_objects(known, objects, prompts.settings)


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """The difference between two `ImageAnnotations`; unset fields have not changed.

    Parameters
    ----------
    time : float
        When it was written, in seconds since 1970.
    objects : tuple of StoredObject
        New and changed objects.
    removed : tuple of int
        Ids of removed objects.
    order : tuple of int
        Ids of all objects, from bottom to top, if their order has changed.
    settings, state, note, attributes, seconds, content, size, renames
        See `ImageAnnotations`.
    """

    time: float = 0.0
    objects: tuple[StoredObject, ...] = ()
    removed: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    settings: Settings | UnsetType = UNSET
    state: State | UnsetType = UNSET
    note: str | UnsetType = UNSET
    attributes: dict[str, Value] | UnsetType = UNSET
    seconds: float | UnsetType = UNSET
    content: str | UnsetType = UNSET
    size: tuple[int, int] | UnsetType | None = UNSET
    renames: int | UnsetType = UNSET


_FIELDS = tuple(name for name in ImageAnnotations.__struct_fields__ if name != "objects")


def difference(old: ImageAnnotations, new: ImageAnnotations, *, time: float = 0.0) -> Change:
    """The change with which `with_change` turns `old` into `new`."""
    before = {one.id: one for one in old.objects}
    after = {one.id for one in new.objects}
    changed = tuple(
        one for one in new.objects if one is not before.get(one.id) and one != before.get(one.id)
    )
    removed = tuple(key for key in before if key not in after)
    fields: dict[str, Any] = {
        name: getattr(new, name) for name in _FIELDS if getattr(old, name) != getattr(new, name)
    }
    # `or ()`: msgspec leaves out only this empty tuple, and Python 3.10 has others.
    change = Change(time, changed or (), removed or (), **fields)
    wanted = tuple(one.id for one in new.objects)
    if tuple(one.id for one in with_change(old, change).objects) == wanted:
        return change
    return msgspec.structs.replace(change, order=wanted)


def with_change(old: ImageAnnotations, change: Change) -> ImageAnnotations:
    """`old` with a change applied."""
    if old is NOTHING and not change.removed and not change.order:
        return msgspec.structs.replace(old, objects=change.objects, **_set_fields(change))
    objects = {one.id: one for one in old.objects}
    for one in change.objects:
        objects[one.id] = one
    for key in change.removed:
        objects.pop(key, None)
    ordered = [objects.pop(key) for key in change.order if key in objects]
    kept = (*ordered, *objects.values())
    return msgspec.structs.replace(old, objects=kept, **_set_fields(change))


def _set_fields(change: Change) -> dict[str, Any]:
    return {name: value for name in _FIELDS if (value := getattr(change, name)) is not UNSET}


def is_nothing(change: Change) -> bool:
    """Whether a change is empty."""
    return msgspec.structs.replace(change, time=0.0) == Change()


def relabelled(
    annotations: ImageAnnotations, names: Mapping[str, str], renames: int
) -> ImageAnnotations:
    """Annotations with changed labels: `names` maps each old label to the new one."""
    objects = tuple(_relabelled(one, names) for one in annotations.objects)
    return msgspec.structs.replace(annotations, objects=objects, renames=renames)


def _relabelled(one: StoredObject, names: Mapping[str, str]) -> StoredObject:
    label = one.object.label
    if label is None or label not in names:
        return one
    renamed = msgspec.structs.replace(one.object, label=names[label])
    return msgspec.structs.replace(one, object=renamed)
