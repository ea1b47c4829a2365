"""`SegmentSet`: many images in one widget, kept on disk."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any
from weakref import proxy

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.text import presentable
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.many_proposals import ManyProposals
from sam2_widget.comm.request_queue import RequestQueue
from sam2_widget.comm.requests import RequestId
from sam2_widget.comm.set_action_queue import ActionQueue
from sam2_widget.comm.set_messages import SetKernelMessage
from sam2_widget.comm.set_receiving import CLIENTS_KEPT
from sam2_widget.comm.set_requests import (
    ON_IMAGE,
    ItemsRequest,
    SetAction,
    ThumbnailsRequest,
    action_of_key,
)
from sam2_widget.comm.set_thumbnails import ThumbnailServer
from sam2_widget.datasets.annotated_image import AnnotatedImage
from sam2_widget.datasets.annotations import ImageAnnotations, State
from sam2_widget.datasets.finding import checked_query
from sam2_widget.datasets.matches import Matches
from sam2_widget.datasets.review import Review
from sam2_widget.datasets.review_edits import ObjectsChange
from sam2_widget.datasets.shown_images import ShownImages
from sam2_widget.datasets.sources import SetImage, SetSource
from sam2_widget.datasets.stopwatch import Stopwatch
from sam2_widget.datasets.store import DeferredChange
from sam2_widget.datasets.thumbnails import Thumbnails
from sam2_widget.errors import MessageError, SegmentationError
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.results.segmentation import Segmentation, SegmentedObject
from sam2_widget.widget.observers import Event
from sam2_widget.widget.set_actions import PageActions
from sam2_widget.widget.set_navigation import SetNavigation
from sam2_widget.widget.set_page import SetPage
from sam2_widget.widget.set_page_state import (
    OtherState,
    PlaceState,
    items_answer,
    new_page_state,
    other_state,
    place_state,
)
from sam2_widget.widget.set_reviewing import SetReviewing
from sam2_widget.widget.set_widget import SetWidget

logger = logging.getLogger(__name__)


class SegmentSet(SetNavigation):
    """A set of images to annotate one after the other, in one widget.

    Every change is on disk within a second, and the set is opened again where it was left: at the
    first image that is not finished.

    Parameters
    ----------
    source, model, annotations, classes, attributes, object_attributes, boxes, take_over
        See `ImageSet`.
    **options
        ``device``, ``axes``, ``channels`` and ``contrast_limits`` as of `SegmentWidget`.

    Attributes
    ----------
    widget : SegmentWidget
        The widget of the image shown: ``s.widget.masks``, ``s.widget.add_point(x, y)``, ….

    Raises
    ------
    ImageError
        If there are no images, or none that can be read.
    LockedError
        If another kernel has the annotations open: ``take_over=True`` takes them over.
    ExportError
        If the folder of the annotations cannot be written to.
    AnnotationError
        If a COCO file or annotations cannot be read.

    Examples
    --------
    >>> from sam2_widget import SegmentSet
    >>> s = SegmentSet("photos", classes=["cat", "dog"])  # doctest: +SKIP
    >>> s  # shows the first image that is not finished   # doctest: +SKIP
    >>> s.save("coco.json")  # doctest: +SKIP
    """

    _page: SetPage | None = None
    """Made when it is displayed; images are shown before, even while `__init__` runs."""

    def __init__(self, source: SetSource, **options: Any) -> None:
        super().__init__(source, **options)
        try:
            first = self._first_readable()
            self._shown_images = ShownImages(self, first)
            self._stopwatch = Stopwatch()
            self._last = first
            self.widget = SetWidget(
                self._shown_images,
                edited=weak_callback(self._image_edited),
                shown_changed=weak_callback(self._shown_image_changed),
                selected=weak_callback(self._update_page),
                advance=weak_callback(self._advance),
                classes_changed=weak_callback(self.take_classes),
                model=self._model,
                device=self._device,
                labels=self._labels(),
                autosave=False,
            )
        except BaseException:
            self.close()
            raise
        self._show_classes()
        self._navigation = TransientThreadExecutor("sam2-widget-navigation")
        self._measuring = TransientThreadExecutor("sam2-widget-measuring")
        self._shown: Event[AnnotatedImage] = self.widget.new_event("on_next")
        self._actions = ActionQueue(self._navigation, weak_callback(self._carry_out))
        self._carried_out: OrderedDict[str, int] = OrderedDict()
        """By client, its newest action that was carried out."""
        self._carried_out_lock = threading.Lock()
        self._being_carried_out = threading.local()
        self._page_updates = TransientThreadExecutor("sam2-widget-set-page")
        self._page_is_old = False
        self._page_lock = threading.Lock()
        self._matches = Matches(range(len(self)))
        self._list_is_old = False
        self._items: RequestQueue[ItemsRequest] = RequestQueue(
            "sam2-widget-set-items", weak_callback(self._send_items), per_page=8, in_all=64
        )
        self._thumbnails: ThumbnailServer | None = None
        self.reviewing = SetReviewing(proxy(self), weak_callback(self._send_answer))

    # --- events -----------------------------------------------------------------------------------

    def on_commit(self, function: Callable[[SegmentedObject], object]) -> Callable[[], None]:
        """Have `function` called with each object that is finished; see `SegmentWidget`."""
        return self.widget.on_commit(function)

    def on_next(self, function: Callable[[AnnotatedImage], object]) -> Callable[[], None]:
        """Have `function` called with each image that is shown; otherwise as `on_commit`."""
        return self._shown.subscribe(function)

    def _image_edited(self, number: int) -> None:
        name = self.image_at(number).name
        self.store.change(name, seconds=self.store[name].seconds + self._stopwatch.lap())
        self._update_page()

    def _shown_image_changed(self) -> None:
        left, self._last = self._last, self.shown
        self._measuring.submit(self._measure_open, left)
        name, seconds = self.image_at(left).name, self._stopwatch.lap()
        if self.store[name].state != "untouched":
            self.store.change(name, seconds=self.store[name].seconds + seconds)
        image = self.image
        self._shown.fire(lambda: image)
        if (rid := getattr(self._being_carried_out, "rid", None)) is not None:
            # Together with its effect: until then a page ignores that Done is pressed again.
            self._record(rid)
        if (page := self._page) is not None:
            # Before the widget does: a note that is typed then is for the image that is seen.
            page.update(self._place_state())
        self._update_page()

    def update(self, name: str, change: ObjectsChange) -> ImageAnnotations:
        """Store changed fields of an image, and show them on the page above the widget."""
        before = self.store.by_old_names(name).state
        found = super().update(name, change)
        if found.state != before or self._lists_labels():
            self._list_is_old = True
        self._update_page()
        return found

    def load(self, image: SetImage) -> LoadedImage:
        """Read an image; ImageError, which is added to `problems`, if it cannot be read."""
        before = self.problems.get(image.name)
        try:
            return super().load(image)
        finally:
            if self.problems.get(image.name) != before:
                self._list_is_old = True
                self._update_page()

    def _lists_labels(self) -> bool:
        """Whether a change of objects may change what the search finds."""
        return "_matches" in self.__dict__ and self._matches.query.label is not None

    def _store_changed(self) -> None:
        if self.store.is_closed and self.error:
            self.close()
        elif self.error:
            self.widget.notify(self.error)
        self._update_page()

    # --- review -----------------------------------------------------------------------------------

    def review(self, **chosen: Any) -> Review:
        """The objects of all images, to be checked and edited together; see `ImageSet.review`."""
        for number in self.widget.open_images:
            self._measure_open(number)
        return super().review(**chosen)

    def edit_objects(self, name: str, change: ObjectsChange) -> None:
        """Change the objects of an image: if it is open, as one step of its history."""
        self.widget.edit_objects(self.number(name), change)

    def edit_later(self, names: Iterable[str], change: DeferredChange) -> Sequence[str]:
        """Change objects of many images that are not open; returns those that are."""
        wanted = list(names)
        with self.widget.keeping_open_images() as numbers:
            open_images = {self.names[number] for number in numbers}
            super().edit_later([one for one in wanted if one not in open_images], change)
        # States may have changed, too.
        self._list_is_old = True
        self._update_page()
        return [one for one in wanted if one in open_images]

    def result_of(self, name: str) -> Segmentation:
        """The masks of an image: those that are predicted already if it is open."""
        found = self.widget.finished_result(self.number(name))
        return super().result_of(name) if found is None else found

    def keep_measures(self, name: str, result: Segmentation) -> int:
        """Store the scores and areas of a result of an image, and tell the page."""
        found = super().keep_measures(name, result)
        self._update_page()
        return found

    def measure_later(self) -> None:
        """Measure the objects that were not measured yet, on a thread of its own."""
        for number in self._index.images(unmeasured=True):
            self._measuring.submit(self._measure_image, self.names[number])

    def _measure_image(self, name: str) -> None:
        if not self.store.is_closed:
            error = self._measure(name)
            if isinstance(error, SegmentationError):
                logger.warning("the objects of %r were not measured: %s", name, error)

    def open_object(self, number: int, object_id: int) -> None:
        """Show an image and select one of its objects, by its stored id.

        Raises
        ------
        ImageError
            If the image cannot be read.
        PromptError
            If there is no such object any more, or it is locked.
        """
        self.go(number)
        self.widget.select_stored(object_id)

    def _measure_open(self, number: int) -> None:
        """Store scores and areas of an image whose masks are predicted already."""
        name = self.image_at(number).name
        try:
            objects = self.store[name].objects
            if any(one.measure is None for one in objects):
                found = self.widget.finished_result(number)
                if found is not None:
                    self.keep_measures(name, found)
        except Exception as error:  # noqa: BLE001 - logged: it is tried again
            log_failure(logger, f"the masks of {name!r} were not measured", error)

    def report_proposals(self, job: ManyProposals[str]) -> None:
        """Show on all pages what a search for proposals has found."""
        count, images = sum(job.found.values()), sum(map(bool, job.found.values()))
        found = f"{count} objects were proposed in {images} images: review and accept them."
        self.widget.notify(f"{found} {presentable(job.error)}".strip())

    # --- classes ----------------------------------------------------------------------------------

    def _labels(self) -> dict[str, Any] | None:
        """The classes of the set as a widget takes them."""
        classes = self.store.set.classes
        if any(one.id is not None for one in classes):
            return {one.name: (one.id, one.color) for one in classes}
        return {one.name: one.color for one in classes} or None

    def add_class(self, name: str, color: str | None = None) -> None:
        """Add a class; one that is there gets the colour, if it is given.

        Raises
        ------
        LabelError
            If the name cannot be a label.
        """
        super().add_class(name, color)
        self._show_classes()

    def recolor_class(self, name: str, color: str) -> None:
        """Give a class another colour, everywhere; LabelError if there is no such class."""
        super().recolor_class(name, color)
        self._show_classes()

    def rename_class(self, old: str, new: str) -> None:
        """Rename a class in all images at once; if there is a class `new`, they become one.

        Raises
        ------
        LabelError
            If there is no class `old`, or `new` cannot be a label.
        """
        store = partial(super().rename_class, old, new)
        self.widget.rename_class(old, new, store)
        self._show_classes()

    def _show_classes(self) -> None:
        """Have the widget use the classes of the set."""
        if "widget" in self.__dict__:
            self.widget.show_classes(self.classes, self.categories, any_label=self.any_label)

    # --- the page ---------------------------------------------------------------------------------

    @property
    def bar(self) -> Any:
        """What is shown above the widget, an ipywidget, for layouts of your own."""
        if self._page is None:
            self._page = SetPage(
                new_page_state(self._place_state(), self._other_state()),
                perform=weak_callback(self._perform),
                items=self._items.add,
                thumbnails=weak_callback(self._answer_thumbnails),
                review=self.reviewing.request,
                crops=self.reviewing.request_crops,
            )
        return self._page

    @property
    def matches(self) -> Matches:
        """The images through which the page goes: those that match its search."""
        return self._matches

    def search(self, text: str = "", state: State | None = None, label: str | None = None) -> None:
        """Have the page show and go through the images that `find` finds; without conditions all.

        Raises
        ------
        SettingError
            If a value is not valid.
        """
        query = checked_query(text, state, label)
        with self._page_lock:
            self._matches = self._matches.searched(query, self.find_numbers)
        self._update_page()

    def _perform(self, action: SetAction) -> None:
        """Carry out an action of a page on another thread: a large image takes a while."""
        try:
            self._actions.add(action)
        except MessageError:
            self._record(action.rid)
            raise

    def _advance(self, number: int, to: str) -> None:
        """Carry out a key that was pressed on the image."""
        self._actions.add(action_of_key(number, to))

    def _carry_out(self, action: SetAction) -> None:
        self._being_carried_out.rid = action.rid
        try:
            action.apply(PageActions(self))
        except SegmentationError as error:
            self._refuse(action.rid.client, str(error))
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, "an action of a set's page failed", error)
            self._refuse(action.rid.client, f"Something went wrong in the kernel: {error!r}")
        self._being_carried_out.rid = None
        self._record(action.rid)
        self._update_page()

    def _record(self, rid: RequestId) -> None:
        """Remember that an action was carried out, or refused."""
        with self._carried_out_lock:
            self._carried_out[rid.client] = max(rid.n, self._carried_out.get(rid.client, 0))
            self._carried_out.move_to_end(rid.client)
            if len(self._carried_out) > CLIENTS_KEPT:
                self._carried_out.popitem(last=False)

    def _refuse(self, client: str, text: str) -> None:
        if client == ON_IMAGE:
            self.widget.notify(text)
        elif (page := self._page) is not None:
            page.notify(client, presentable(text))

    def _send_items(self, request: ItemsRequest) -> None:
        if (page := self._page) is not None:
            page.send_answer(items_answer(self, self._matches, request), [])

    def _answer_thumbnails(self, request: ThumbnailsRequest) -> None:
        if self._thumbnails is None:
            self._thumbnails = ThumbnailServer(
                Thumbnails(self).read, len(self), weak_callback(self._send_answer)
            )
        self._thumbnails.request(request)

    def _send_answer(self, content: SetKernelMessage, buffers: list[bytes]) -> None:
        if (page := self._page) is not None:
            page.send_answer(content, buffers)

    def _update_page(self) -> None:
        """Bring the page up to date soon: no click waits for that."""
        if self.__dict__.get("_page") is not None and not self._page_is_old:
            self._page_is_old = True
            self._page_updates.submit(self._send_update)

    def _send_update(self) -> None:
        self._page_is_old = False
        if (page := self._page) is None:
            return
        if self._list_is_old:
            self._list_is_old = False
            with self._page_lock:
                self._matches = self._matches.refreshed(self.find_numbers, self.shown)
        # With the lock, so that it is not sent after that of an image shown later.
        with self.widget.images_lock:
            page.update(self._place_state())
        page.update(self._other_state())

    def _place_state(self) -> PlaceState:
        with self._carried_out_lock:
            # Before the image shown is read: their effect must be there.
            actions = dict(self._carried_out)
        return place_state(
            self,
            self._matches,
            shown=self.shown,
            active_object=self.widget.active_object,
            actions=actions,
        )

    def _other_state(self) -> OtherState:
        return other_state(self, self._matches, self.reviewing.state())

    def _ipython_display_(self) -> None:
        """Show the page, and the widget below it."""
        from IPython.display import display  # noqa: PLC0415 - only where there is IPython

        show: Any = display
        show(self.bar)
        self.widget._ipython_display_()

    def _display_(self) -> Any:
        """What marimo shows: the page, and the widget below it."""
        return import_module("marimo").vstack([self.bar, self.widget])

    def __repr__(self) -> str:
        return f"SegmentSet({self.progress}, {self.name!r} is shown)"

    def close(self) -> None:
        """Write what is not written yet, let others open the annotations, and close the widget."""
        super().close()
        if "_items" in self.__dict__:
            self._items.close()
        if self.__dict__.get("_thumbnails") is not None:
            self._thumbnails.close()  # type: ignore[union-attr]
        if "reviewing" in self.__dict__:
            self.reviewing.close()
        if self.__dict__.get("_page") is not None:
            self._page.close()  # type: ignore[union-attr]
            self._page = None
        if "widget" in self.__dict__:
            self.widget.close()
