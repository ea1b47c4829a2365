"""Bulk edits of the objects of a set, each undone as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import msgspec

from sam2_widget.datasets.annotations import ImageAnnotations, State, StoredObject, relabelled
from sam2_widget.datasets.classes import new_names
from sam2_widget.datasets.store import AnnotationStore, DeferredChange
from sam2_widget.errors import SegmentationError, SettingError

ObjectsChange: TypeAlias = Callable[[ImageAnnotations], "dict[str, Any]"]
"""Returns the fields of an image's annotations that change."""

ObjectEdit: TypeAlias = Callable[[StoredObject], "StoredObject | None"]
"""Returns the object as it will be; None if it is to be deleted."""


class EditableObjects(Protocol):
    """The interface of a set that bulk edits use."""

    store: AnnotationStore

    def edit_objects(self, name: str, change: ObjectsChange) -> None:
        """Change the objects of an image, also those shown in a widget."""

    def edit_later(self, names: Iterable[str], change: DeferredChange) -> Sequence[str]:
        """Change the objects of many images, each when it is read or written next.

        Returns
        -------
        sequence of str
            The images that were left out, because they are open in a widget.
        """


@dataclass(frozen=True, slots=True)
class ImageEdit:
    """What a bulk edit changed in one image.

    Attributes
    ----------
    before, after : ImageAnnotations
    ids : tuple of int
        Ids of the objects that were changed or deleted.
    """

    before: ImageAnnotations
    after: ImageAnnotations
    ids: tuple[int, ...]


class ReviewEdit:
    """A bulk edit of objects: relabelled, deleted or accepted.

    Attributes
    ----------
    title : str
        What was done.
    skipped : dict of str to str
        Images in which nothing was changed, and why.
    """

    def __init__(self, objects: EditableObjects, title: str) -> None:
        self.title = title
        self.skipped: dict[str, str] = {}
        self._objects = objects
        self._images: dict[str, ImageEdit] = {}
        self._deferred: Sequence[str] = ()
        self._is_undone = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many objects were changed."""
        return sum(len(one.ids) for one in self._edits.values())

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images with changed objects."""
        return tuple(self._edits)

    @property
    def is_undone(self) -> bool:
        """Whether it was undone."""
        return self._is_undone

    @property
    def before(self) -> tuple[tuple[str, StoredObject], ...]:
        """The objects as they were, each with the name of its image."""
        return tuple(self._objects_of(lambda edit: edit.before))

    @property
    def after(self) -> tuple[tuple[str, StoredObject], ...]:
        """The objects as they were after the edit; deleted ones are not among them."""
        return tuple(self._objects_of(lambda edit: edit.after))

    def _objects_of(
        self, side: Callable[[ImageEdit], ImageAnnotations]
    ) -> Iterator[tuple[str, StoredObject]]:
        for name, edit in self._edits.items():
            ids = set(edit.ids)
            yield from ((name, one) for one in side(edit).objects if one.id in ids)

    # --- doing it ---------------------------------------------------------------------------------

    def apply(self, selected: Mapping[str, Iterable[int]], edit: ObjectEdit) -> None:
        """Change objects, given by the name of their image and their ids.

        Images that are not open in a widget are changed when they are read or written next: the
        edit of 100,000 objects need not be waited for.
        """

        def change(name: str, known: ImageAnnotations) -> dict[str, Any]:
            return self._change(name, frozenset(selected[name]), edit, known)

        self._deferred = tuple(selected)
        for name in self._objects.edit_later(selected, change):
            if not self._edit_image(name, partial(change, name)):
                self._images.pop(name, None)

    @property
    def _edits(self) -> dict[str, ImageEdit]:
        """What was changed, by name of the image."""
        for name in self._deferred:
            self._objects.store.by_old_names(name)  # which carries out what was deferred
        self._deferred = ()
        return self._images

    def _edit_image(self, name: str, change: ObjectsChange) -> bool:
        """Change an image; False if it must stay as it is, which is added to `skipped`."""
        try:
            self._objects.edit_objects(name, change)
        except SegmentationError as error:
            self.skipped[name] = str(error)
            return False
        return True

    def _change(
        self, name: str, wanted: frozenset[int], edit: ObjectEdit, known: ImageAnnotations
    ) -> dict[str, Any]:
        changed: list[int] = []
        objects: list[StoredObject] = []
        for one in known.objects:
            new = edit(one) if one.id in wanted else one
            if new is not one:
                changed.append(one.id)
            if new is not None:
                objects.append(new)
        if not changed:
            return {}
        fields = {"objects": tuple(objects), "state": _state(known.state, objects)}
        after = msgspec.structs.replace(known, **fields)
        self._images[name] = ImageEdit(known, after, tuple(changed))
        return fields

    # --- undoing it -------------------------------------------------------------------------------

    def undo(self) -> int:
        """Restore the objects as they were before the edit.

        Objects that were changed since are left as they are.

        Returns
        -------
        int
            How many objects were restored.

        Raises
        ------
        SettingError
            If the edit was undone before.
        """
        with self._lock:
            if self._is_undone:
                raise SettingError(f"{self.title} was undone before")
            self._is_undone = True
        restored = 0

        def restore(edit: ImageEdit, known: ImageAnnotations) -> dict[str, Any]:
            nonlocal restored
            fields, number = self._restored(edit, known)
            restored += number
            return fields

        for name, edit in self._edits.items():
            self._edit_image(name, partial(restore, edit))
        return restored

    def _restored(self, edit: ImageEdit, known: ImageAnnotations) -> tuple[dict[str, Any], int]:
        before, after = (self._with_new_names(one) for one in (edit.before, edit.after))
        ids = set(edit.ids)
        left = {one.id: one for one in after.objects if one.id in ids}
        there = {one.id: one for one in known.objects}
        free = max((*there, *ids)) + 1
        restored: dict[int, StoredObject] = {}
        for one in before.objects:
            if one.id not in ids:
                continue
            if one.id not in left and one.id in there:
                # Another object has got the id of the deleted one.
                restored[one.id] = msgspec.structs.replace(one, id=free)
                free += 1
            elif _is_same(there.get(one.id), left.get(one.id)):
                restored[one.id] = one
        if not restored:
            return {}, 0
        fields: dict[str, Any] = {"objects": _put_back(known.objects, before.objects, restored)}
        if known.state == edit.after.state:
            fields["state"] = edit.before.state
        return fields, len(restored)

    def _with_new_names(self, annotations: ImageAnnotations) -> ImageAnnotations:
        renames = self._objects.store.set.renames
        names = new_names(renames, annotations.renames)
        return relabelled(annotations, names, len(renames)) if names else annotations

    def __repr__(self) -> str:
        objects = "1 object" if len(self) == 1 else f"{len(self)} objects"
        images = "1 image" if len(self._edits) == 1 else f"{len(self._edits)} images"
        skipped = f", {len(self.skipped)} images skipped" if self.skipped else ""
        undone = ", undone" if self._is_undone else ""
        return f"ReviewEdit({self.title!r}: {objects} in {images}{skipped}{undone})"


def _state(state: State, objects: Sequence[StoredObject]) -> State:
    """State of an image after a bulk edit that left it these objects."""
    if state == "untouched":
        return "in progress"
    return "empty" if state == "done" and not objects else state


def _is_same(one: StoredObject | None, other: StoredObject | None) -> bool:
    """Whether an object is as a bulk edit left it; undo and redo in the widget change `time`."""
    if one is None or other is None:
        return one is other
    return _content(one) == _content(other)


def _content(one: StoredObject) -> tuple[object, ...]:
    return one.object, one.note, one.attributes, one.accepted


def _put_back(
    objects: Sequence[StoredObject],
    before: Sequence[StoredObject],
    restored: Mapping[int, StoredObject],
) -> tuple[StoredObject, ...]:
    """Objects with the restored ones; deleted ones lie above the object that they lay above."""
    # An object that was given a new id is not in its place: its id is another object's.
    found = [
        new if (new := restored.get(one.id)) is not None and new.id == one.id else one
        for one in objects
    ]
    below = 0
    for one in before:
        new = restored.get(one.id)
        places = [place for place, kept in enumerate(found) if kept.id == (new or one).id]
        if places:
            below = places[0] + 1
        elif new is not None:
            found.insert(below, new)
            below += 1
    return tuple(found)
