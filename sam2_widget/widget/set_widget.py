"""The widget of a set of images: one for all of them, and what is edited is stored by the set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sam2_widget._utils.interrupts import defer_sigint
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.datasets.review_edits import ObjectsChange
from sam2_widget.datasets.shown_images import ShownImages
from sam2_widget.errors import ImageError, PromptError
from sam2_widget.prompts.categories import Categories
from sam2_widget.results.segmentation import Segmentation
from sam2_widget.results.stacks import StackResults
from sam2_widget.widget.observers import Event
from sam2_widget.widget.segment_widget import SegmentWidget

T = TypeVar("T")


class SetWidget(SegmentWidget):
    """A `SegmentWidget` whose planes are the images of a set.

    Parameters
    ----------
    images : ShownImages
    edited : callable
        Called with the number of an image when its objects have changed.
    shown_changed : callable
        Called with the lock held when another image is shown.
    selected : callable
        Called with the lock held when another object is worked on, or none.
    advance : callable
        Called with the number of an image, and where a key that was pressed on it goes.
    classes_changed : callable
        Called with the lock held, with all classes and their colours.
    **options
        See `SegmentWidget`.
    """

    def __init__(
        self,
        images: ShownImages,
        *,
        edited: Callable[[int], None],
        shown_changed: Callable[[], None],
        selected: Callable[[], None],
        advance: Callable[[int, str], None],
        classes_changed: Callable[[dict[str, str]], None],
        **options: Any,
    ) -> None:
        self._images = images
        self._edited_image = edited
        self._shown_changed = shown_changed
        self._selected = selected
        self._advance_from = advance
        self._classes_changed = classes_changed
        self._last_active: int | None = None
        super().__init__(images, **options)
        self._classes = self._annotator.session.classes

    @property
    def images_lock(self) -> threading.RLock:
        """Guards the sessions of all images, and which image is shown."""
        return self._planes.lock

    def notify(self, text: str) -> None:
        """Show a sentence on all pages."""
        self._notify(text)

    def new_event(self, name: str) -> Event[T]:
        """Functions of the user's, which are called on the thread of this widget's."""
        return Event(name, self._call, weak_callback(self._notify))

    def finish_object(self) -> None:
        """Finish the object that is being worked on, if there is one."""
        if self._annotator.session.annotation.active is not None:
            self.commit()

    def show_classes(
        self, classes: dict[str, str], categories: Categories, *, any_label: bool
    ) -> None:
        """Have these classes, and the label of the next object as it is, if it is one of them."""
        session = self._annotator.session

        def change() -> None:
            label = session.label
            session.set_classes(classes, categories)
            session.any_label = any_label
            if any_label or label in classes:
                session.label = label

        self._annotator.configure(change)

    def rename_class(self, old: str, new: str, store: Callable[[], object]) -> None:
        """Give objects of all images that are open another class, in their whole history.

        `store` does the same with what is stored; called with the lock held, so that no edit with
        the old name comes between.
        """

        def change() -> None:
            store()
            for annotator in self._planes.annotators().values():
                annotator.session.relabel({old: new})
            session = self._annotator.session
            session.label = new if session.label == old else session.label

        self._annotator.configure(change)

    @property
    def planes(self) -> StackResults:
        """The images of a set have no results in common: see `SegmentSet`."""
        raise ImageError("the images of a set are no stack: read s[name], s.objects and s.save(…)")

    def _edited(self, annotator: Annotator) -> None:
        number = self._planes.number(annotator)
        with self._planes.lock:  # a bulk edit must not come between reading and storing
            changed = self._images.edited(number, annotator.session)
        if changed:
            self._edited_image(number)

    @property
    def open_images(self) -> list[int]:
        """Numbers of the images that are open."""
        return list(self._planes.annotators())

    @contextmanager
    def keeping_open_images(self) -> Iterator[frozenset[int]]:
        """Numbers of the images that are open: none is opened or closed within the block."""
        with self._planes.lock:
            yield frozenset(self._planes.annotators())

    def edit_objects(self, index: int, change: ObjectsChange) -> None:
        """Change the objects of an image: if it is open, as one step of its history.

        Raises
        ------
        PromptError
            If an object is locked, or outside the image.
        """
        with defer_sigint():
            # An image is opened and closed with the lock held.
            with self._planes.lock:
                annotator = self._planes.existing(index)
                if annotator is None:
                    self._images.change_stored(index, change)
                    return
                before = annotator.session.annotation
                self._images.change_objects(index, annotator.session, change)
                if annotator.session.annotation is not before:
                    annotator.epoch += 1
            annotator.after_edit()

    def finished_result(self, index: int) -> Segmentation | None:
        """The result of an image that is open, if all its masks are predicted already."""
        annotator = self._planes.existing(index)
        if annotator is None or not annotator.snapshot().is_complete:
            return None
        if annotator.model.predictions is None:
            return None
        found = annotator.current_result()
        if annotator is not self._annotator:
            annotator.drop_result()
        return found

    def _advance(self, number: int, to: str) -> None:
        self._advance_from(number, to)

    @property
    def active_object(self) -> int | None:
        """The stored id of the object that is being worked on; None if there is none."""
        with self._planes.lock:
            active = self._annotator.session.annotation.active_id
            number = self._planes.number(self._annotator)
        return None if active is None else self._images.stored_id(number, active)

    def select_stored(self, object_id: int) -> None:
        """Select an object of the image shown, by its stored id; PromptError if it is gone."""
        annotator = self._annotator
        number = self._planes.number(annotator)

        def select() -> None:
            shown = [one.id for one in annotator.session.annotation.objects]
            found = [one for one in shown if self._images.stored_id(number, one) == object_id]
            if not found:
                raise PromptError("that object is no longer there")
            annotator.session.select(found[0])

        annotator.edit(select)

    def _on_plane_change(self) -> None:
        self._name = self._planes.picture.image.name
        super()._on_plane_change()
        self._shown_changed()

    def _publish(self) -> None:
        with self._planes.lock:
            classes = self._annotator.session.classes
            before, self._classes = getattr(self, "_classes", classes), classes
            if classes is not before:
                self._classes_changed(classes)
            active = self._annotator.session.annotation.active_id
            if active != self._last_active:
                self._last_active = active
                self._selected()
        super()._publish()
