"""Connects a set of images to a widget: reads its images and stores the edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

from sam2_widget.annotation.session import AnnotatedObject, Session
from sam2_widget.datasets.annotations import (
    ImageAnnotations,
    StoredObject,
    changed_objects,
    now,
)
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.review_edits import ObjectsChange
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.collection import ImageCollection
from sam2_widget.prompts.collections import Prompts


class ShownImages(ImageCollection):
    """The images of a set.

    Parameters
    ----------
    images : ImageSet
    first : int
        Number of the image that is shown first.
    """

    def __init__(self, images: ImageSet, first: int) -> None:
        self._images = images
        self._open: dict[int, _OpenImage] = {}
        self.first = first

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> LoadedImage:
        """Read an image; ImageError if it cannot be read."""
        return self._images.load(self._images.image_at(index))

    def prepare(self, index: int) -> None:
        """Have the objects of an image that was read at hand, so that `prompts` is fast."""
        self._images.annotations(self._name(index))

    def prompts(self, index: int, size: tuple[int, int]) -> Prompts:
        """The stored objects of an image, unless they do not fit its size, as it is opened."""
        name = self._name(index)
        prompts = self._images.fitting_prompts(name, size)
        objects = self._images.annotations(name).objects
        self._open[index] = _OpenImage(objects if prompts.objects else (), objects)
        return prompts

    def ahead(self, index: int, step: int) -> Iterator[int]:
        """First where "done" goes and the neighbour in that direction, then further ones.

        For users who are going back, the neighbour comes first: there may be room for one only.
        """
        unfinished = self._unfinished(index)
        neighbours = iter(range(index + step, len(self) if step > 0 else -1, step))
        first = [next(unfinished, None), next(neighbours, None)][::step]
        first.append(index - step)
        further = chain.from_iterable(zip_longest(unfinished, neighbours))
        known = {index}
        for one in chain(first, further):
            if one is None or one in known or not 0 <= one < len(self):
                continue
            known.add(one)
            if not self._images.is_unreadable(self._name(one)):
                yield one

    def _unfinished(self, index: int) -> Iterator[int]:
        """Images that are not finished, those after `index` first."""
        for start, end in ((index, len(self)), (-1, index)):
            found = self._images.first_unfinished(start)
            while found is not None and found < end:
                yield found
                found = self._images.first_unfinished(found)

    def _name(self, index: int) -> str:
        return self._images.image_at(index).name

    def stored_id(self, index: int, object_id: int) -> int | None:
        """The id under which an object of a session is stored; None if it is not stored yet."""
        found = self._open.get(index)
        return None if found is None else found.ids.get(object_id)

    def edited(self, index: int, session: Session) -> bool:
        """Store the objects of an image; returns whether they have changed."""
        changed = False

        def fields(known: ImageAnnotations) -> dict[str, Any]:
            nonlocal changed
            objects = self._open[index].stored(known, session.annotation.objects)
            settings = session.annotation.settings
            changed = (objects, settings) != (known.objects, known.settings)
            return changed_objects(known, objects, settings) if changed else {}

        self._images.update(self._name(index), fields)
        return changed

    def change_stored(self, index: int, change: ObjectsChange) -> None:
        """Change the objects of an image that is not open."""
        self._images.update(self._name(index), change)

    def change_objects(self, index: int, session: Session, change: ObjectsChange) -> None:
        """Change the stored objects of an open image and those of its session: one step.

        Raises
        ------
        PromptError
            If a changed object is locked, or outside the image. Nothing is changed then.
        """

        def fields(known: ImageAnnotations) -> dict[str, Any]:
            found = change(known)
            if found.keys() & {"objects", "settings"}:
                objects = found.get("objects", known.objects)
                settings = found.get("settings", known.settings)
                session.replace_objects(self._open[index].annotated(objects, session), settings)
            return found

        self.edited(index, session)
        self._images.update(self._name(index), fields)


class _OpenImage:
    """Maps the objects of a session to stored objects.

    Parameters
    ----------
    shown : sequence of StoredObject
        The objects that the session started with, in order.
    every : sequence of StoredObject
        All stored objects; those that are not shown are not changed.

    Attributes
    ----------
    ids : mapping of int to int
        The stored id of each object of the session that has one.
    """

    def __init__(self, shown: Sequence[StoredObject], every: Iterable[StoredObject]) -> None:
        self.ids = {number: one.id for number, one in enumerate(shown)}
        self._last = {one.id: one for one in every}
        self._not_shown = self._last.keys() - set(self.ids.values())
        self._annotated: dict[int, AnnotatedObject] = {}

    def stored(
        self, known: ImageAnnotations, objects: Sequence[AnnotatedObject]
    ) -> tuple[StoredObject, ...]:
        """The objects of a session in the form to be stored, with notes and attributes."""
        self._last.update((one.id, one) for one in known.objects)
        kept = (one for one in known.objects if one.id in self._not_shown)
        return (*kept, *map(self._stored, objects))

    def _stored(self, annotated: AnnotatedObject) -> StoredObject:
        key = self.ids.setdefault(annotated.id, max(self._last, default=0) + 1)
        before = self._last.get(key)
        # Most objects have not changed: reusing them keeps an edit of 500 objects cheap.
        if before is not None and self._annotated.get(key) is annotated:
            return before
        described = annotated.description
        if before is None:
            stored = StoredObject(key, described, time=now())
        elif before.object == described:
            stored = before
        else:
            stored = before.changed_to(described)
        self._annotated[key], self._last[key] = annotated, stored
        return stored

    def annotated(self, stored: Sequence[StoredObject], session: Session) -> list[AnnotatedObject]:
        """The objects of a session for stored objects, the inverse of `stored`."""
        self._last.update((one.id, one) for one in stored)
        numbers = {key: number for number, key in self.ids.items()}
        there = {one.id: one for one in session.annotation.objects}
        found = []
        for one in stored:
            if one.id in self._not_shown:
                continue
            if (number := numbers.get(one.id)) is None:
                number = session.new_id()
                self.ids[number] = one.id
            made = there.get(number)
            if made is None or made.description != one.object:
                made = AnnotatedObject.described(number, one.object)
            self._annotated[one.id] = made
            found.append(made)
        return found
