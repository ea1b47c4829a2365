"""The planes of a widget: each has an annotator, and one is shown.

A plain image is a single plane. The images of a collection are planes of different sizes, which
have no objects in common. A plane gets its annotator on demand, with objects and a history of its
own; prompts stay in memory, pixels are evicted. Each plane counts its epochs in a separate range,
so that the epoch of a request identifies the plane that the user saw.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sam2_widget import config
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.notices import ALL_PAGES, Notices
from sam2_widget.annotation.object_numbers import ObjectNumbers
from sam2_widget.annotation.pictures import PictureCache, ShownPlane, shown_plane
from sam2_widget.annotation.predictions import (
    Prediction,
    cache_without_model,
    predict_without_model,
)
from sam2_widget.annotation.prefetching import PAUSE, Prefetcher
from sam2_widget.annotation.session import AnnotatedObject, Annotation, Labelling, Looks, Session
from sam2_widget.annotation.snapshots import Pairs, merged
from sam2_widget.annotation.stack_tracks import PlaneLink, StackTracks
from sam2_widget.annotation.timings import Timings
from sam2_widget.annotation.tracks import RunState, TrackedObject
from sam2_widget.errors import ImageError, MessageError, PromptError, SegmentationError
from sam2_widget.images.arrays import ImageSource, LoadedImage
from sam2_widget.images.collection import ImageCollection
from sam2_widget.images.plane_cache import CachedPlane, PlaneCache
from sam2_widget.images.stacks import ImageStack
from sam2_widget.models import worker
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.prompts.categories import Categories, ClassNumbers
from sam2_widget.prompts.collections import Prompts, check_prompts
from sam2_widget.results.segmentation import Segmentation, make_segmentation

logger = logging.getLogger(__name__)

EPOCHS = 2**32
"""Number of epochs of a plane."""

KEPT_ANNOTATORS = 5
"""Images of a collection whose history and predictions are kept: those shown last."""


class Planes:
    """Annotators of all planes, and the one that is shown.

    Parameters
    ----------
    image : LoadedImage, ImageStack or ImageCollection
    classes : mapping of str to str
        See `Session`.
    device : str or None
        See `load_model`.
    changed, settled : callable
        See `Annotator`.
    plane_changed : callable
        Called with the lock held when another plane is shown.
    numbers : ClassNumbers, optional
        Numbers of the classes.

    Attributes
    ----------
    lock : threading.RLock
    timings : Timings
    notices : Notices
        Shared by all annotators.
    stack : ImageStack or None
        The stack; None for a plain image.
    collection : ImageCollection or None
        The images of different sizes.
    axis : str
        Letter of the axis; "" for a plain image.
    edited : callable
        Called with an annotator after each of its edits.
    prefetched : callable
        Called on a thread with the picture of a plane that was prepared to be shown next.
    index : int
        Number of the plane shown.
    tracking : StackTracks or None
        The objects over all planes; None for a plain image.
    pending_plane : int or None
        The plane that will be shown as soon as it is read.
    picture : ShownPlane
    """

    def __init__(
        self,
        image: LoadedImage | ImageStack | ImageCollection,
        classes: Mapping[str, str],
        *,
        device: str | None,
        changed: Callable[[], None],
        settled: Callable[[], None],
        plane_changed: Callable[[], None],
        numbers: ClassNumbers | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.timings = Timings()
        self.notices = Notices()
        self.stack = image if isinstance(image, ImageStack) else None
        self.collection = image if isinstance(image, ImageCollection) else None
        self.axis = self.stack.along if self.stack else ""
        self.edited: Callable[[Annotator], object] = _ignore
        self.prefetched: Callable[[ShownPlane], object] = _ignore
        self.index = self.collection.first if self.collection else 0
        self.pending_plane: int | None = None
        self._pictures: PictureCache | None = None
        if self.collection is not None:
            self._pictures = PictureCache(self.collection, lambda: config.current().host_memory)
        self._images, self._count = _images_of(image, self._pictures)
        self._labelling = Labelling(classes, numbers)
        self._object_numbers = ObjectNumbers() if self.axis else None
        self._looks = Looks() if self.axis else None
        self._device = device
        self._changed = changed
        self._settled = settled
        self._plane_changed = plane_changed
        self._annotators: dict[int, Annotator] = {}
        self._epochs: dict[int, int] = {}
        """Next epochs of planes whose annotators were dropped."""
        self._sizes: dict[int, tuple[int, int]] = {}
        self._model: ModelLike = "auto"
        self._model_of_plane: dict[int, int] = {}
        """By plane, the value of `_load_count` of its model."""
        self._load_count = 0
        self._ahead = 1
        self._closed = False
        pause = PAUSE if self.collection else 0.0
        self._prefetcher = Prefetcher(
            self._images,
            weak_callback(self._picture),
            prepared=weak_callback(self._prefetched),
            pause=pause,
        )
        # One for each widget, so that a slow disk does not delay other widgets.
        self._reader = TransientThreadExecutor("sam2-widget-planes")
        self._pending_client = ALL_PAGES
        self._read_is_queued = False
        self.picture = self._picture(self.index)
        self._size = self.size_of(self.index)
        self.tracking = StackTracks(self, self._size) if self.axis else None
        self._notify_about_image()

    # --- access -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._count

    @property
    def shown(self) -> Annotator:
        """The annotator of the plane shown."""
        return self[self.index]

    def __getitem__(self, index: int) -> Annotator:
        with self.lock:
            found = self._annotators.get(index)
            if found is None:
                found = self._annotators[index] = self._made(index)
                if index != self.index:
                    found.session.take_over_settings(self.shown.session)
            return found

    def existing(self, index: int) -> Annotator | None:
        """The annotator of a plane, without creating one; None if it has none."""
        with self.lock:
            return self._annotators.get(index)

    def annotators(self) -> dict[int, Annotator]:
        """The existing annotators, by number of their plane."""
        with self.lock:
            return dict(self._annotators)

    def image(self, index: int) -> ImageSource:
        """The image of a plane, whose pixels are read on demand."""
        return self._images(index)

    def size_of(self, index: int) -> tuple[int, int]:
        """(height, width) of a plane in pixels; reads an image that was not shown yet."""
        if self.collection is None and index != self.index:
            return self._size
        if index not in self._sizes:
            height, width = self._images(index).rgb.shape[:2]
            self._sizes[index] = (height, width)
        return self._sizes[index]

    def _made(self, index: int) -> Annotator:
        height, width = self.size_of(index)
        session = Session(
            width,
            height,
            labelling=self._labelling,
            object_numbers=self._object_numbers,
            looks=self._looks,
        )
        hooks: dict[str, Any] = {}
        if (tracking := self.tracking) is not None:
            session.stack = PlaneLink(tracking, index)
            hooks["tracked"] = partial(tracking.on_plane, index)
            hooks["wait_for_tracking"] = partial(tracking.tracker.wait_for, index)
        if self.collection is not None:
            session.start_with(self.collection.prompts(index, (height, width)))
        return Annotator(
            self._images(index),
            session,
            device=self._device,
            changed=self._changed,
            settled=self._settled,
            lock=self.lock,
            epoch=self._epochs.get(index, index * EPOCHS),
            timings=self.timings,
            notices=self.notices,
            edited=weak_callback(self._edited),
            **hooks,
        )

    def _edited(self, annotator: Annotator) -> None:
        others = self.tracking.edited(self.number(annotator), annotator) if self.tracking else ()
        for one in (annotator, *others):
            self.edited(one)

    def visible_objects(self, index: int) -> list[tuple[AnnotatedObject, Prediction | None, str]]:
        """Objects of a plane that are shown, with their predictions and colours; no model runs."""
        with self.lock:
            annotator = self._annotators.get(index)
            if annotator is not None:
                every: Pairs = annotator.snapshot().all_objects
            else:
                every = merged((), self.tracking.on_plane(index) if self.tracking else ())
            session = (annotator or self.shown).session
            return [(o, p, session.color(o)) for o, p in every if not session.is_hidden(o)]

    def found_objects(self) -> None:
        """Publish masks that tracking has found."""
        self._changed()
        if self.shown.snapshot().is_complete:
            self._settled()

    def report(self, message: str) -> None:
        """Show a notice on all pages."""
        self.shown.notify(message)

    def of_epoch(self, epoch: int) -> Annotator:
        """The annotator of the plane that a page saw; MessageError if there is none."""
        return self[self.number_of_epoch(epoch)]

    def number_of_epoch(self, epoch: int) -> int:
        """Number of the plane that a page saw; MessageError if there is none."""
        index = epoch // EPOCHS
        if index >= self._count:
            raise MessageError(f"there is no plane {index}: there are {self._count}")
        return index

    def number(self, annotator: Annotator) -> int:
        """Number of an annotator's plane."""
        return annotator.epoch // EPOCHS

    def annotations(self) -> dict[int, Annotation]:
        """The annotations of all planes with an annotator, by number."""
        with self.lock:
            return {i: a.session.annotation for i, a in self._annotators.items()}

    def check_prompts(self, prompts: Mapping[int, Prompts]) -> None:
        """Raise `PromptError` unless the planes exist and all prompts lie in the image."""
        for index, one in prompts.items():
            if index >= self._count:
                raise PromptError(f"there is no plane {index}: there are {self._count}")
            height, width = self.size_of(index)
            for described in one:
                check_prompts(described.prompts, width, height)

    @property
    def used_labels(self) -> tuple[str, ...]:
        """The labels that objects have on any plane, each once; those of the plane shown first."""
        with self.lock:
            sessions = [self.shown.session, *(a.session for a in self._annotators.values())]
        return tuple(dict.fromkeys(label for s in sessions for label in s.used_labels))

    @property
    def annotated(self) -> list[int]:
        """Numbers of the planes with objects."""
        with self.lock:
            found = [i for i, a in self._annotators.items() if a.session.annotation.objects]
        return sorted(found)

    @property
    def described(self) -> list[int]:
        """Numbers of the planes with objects, or from which one was marked as absent."""
        planes = self.annotations().items()
        return sorted(index for index, one in planes if one.objects or one.absent)

    @property
    def categories(self) -> Categories:
        """The classes of all planes, and their numbers in every format."""
        with self.lock:
            sessions = [self._annotators[i].session for i in sorted(self._annotators)]
            labels = (label for session in sessions for label in session.object_labels)
            return self._labelling.numbers.categories(labels)

    def result(self, index: int) -> Segmentation:
        """The segmentation of a plane's newest edits, with the classes of all; waits for it."""
        return replace(self.with_model(index).current_result(), categories=self.categories)

    def without_image(self, index: int, categories: Categories | None = None) -> Segmentation:
        """The same without the image, which need not be read if the masks need no model.

        `categories` are those of all planes; passed by callers that read many planes.
        """
        if self.has_no_prompts(index):
            return self.tracked_result(index, categories=categories)
        annotator = self[index]
        objects = annotator.session.annotation.objects
        if index == self.index or any(predict_without_model(o.prompts) is None for o in objects):
            return self.result(index)
        with self.lock:
            tracked = self.tracking.on_plane(index) if self.tracking else ()
            annotation = annotator.session.annotation
        pairs = merged(((o, predict_without_model(o.prompts)) for o in annotation.objects), tracked)
        return self._segmentation(annotator.session, annotation, pairs, categories=categories)

    def has_no_prompts(self, index: int) -> bool:
        """Whether a plane that is not shown has no objects but those that were tracked to it."""
        annotator = self.existing(index)
        is_empty = annotator is None or not annotator.session.annotation.objects
        return is_empty and index != self.index

    def tracked_result(
        self, index: int, *, with_image: bool = False, categories: Categories | None = None
    ) -> Segmentation:
        """The objects that were tracked to a plane without prompts; needs no model."""
        if self.tracking is None:
            tracked: tuple[TrackedObject, ...] = ()
        else:
            self.tracking.tracker.wait_for(index)
            with self.lock:
                tracked = self.tracking.on_plane(index)
        session = (self.existing(index) or self.shown).session
        annotation = Annotation(settings=session.annotation.settings)
        image = self._images(index) if with_image and tracked else None
        return self._segmentation(session, annotation, merged((), tracked), image, categories)

    def _segmentation(
        self,
        session: Session,
        annotation: Annotation,
        pairs: Pairs,
        image: ImageSource | None = None,
        categories: Categories | None = None,
    ) -> Segmentation:
        makers = [p.maker for _, p in pairs if p is not None and p.maker is not None]
        made = make_segmentation(
            session,
            cache_without_model(self._size, *makers[:1]),
            annotation=replace(annotation, objects=tuple(o for o, _ in pairs)),
            predictions=[prediction for _, prediction in pairs],
            image=image,
        )
        name = (image or self.picture.image).name or made.file_name
        known = self.categories if categories is None else categories
        return replace(made, categories=known, file_name=name)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a plane in pixels."""
        return self._size

    def with_objects(self) -> list[int]:
        """Numbers of the planes with objects, also those where objects were tracked or absent."""
        found = set(self.annotated)
        with self.lock:
            found.update(self.tracking.tracks.planes_known() if self.tracking else ())
        return sorted(found)

    def track_states(self, index: int) -> dict[int, tuple[RunState, str | None]]:
        """States of the objects that were tracked on a plane, and their labels."""
        if self.tracking is None:
            return {}
        with self.lock:
            return self.tracking.tracks.states(index)

    def wait_for_tracking(self) -> None:
        """Wait for a running tracking job."""
        job = self.tracking.tracker.job if self.tracking else None
        if job is not None and not worker.on_model_thread():
            with suppress(SegmentationError):  # masks found until it failed are there
                job.wait()

    # --- the model --------------------------------------------------------------------------------

    def load(self, model: ModelLike) -> None:
        """Load a model, for the plane shown at once, for the others when they are needed."""
        with self.lock:
            self._model = model
            self._load_count += 1
            if self.tracking is not None:
                self.tracking.tracks.version += 1
            self.shown.model.load(model)
            self._model_of_plane[self.index] = self._load_count

    def with_model(self, index: int) -> Annotator:
        """The annotator of a plane; its model is loaded or being loaded."""
        annotator = self[index]
        with self.lock:
            if self._closed or self._model_of_plane.get(index) == self._load_count:
                return annotator
            model, note = self._loaded_model()
            annotator.model.load(model, note=note)
            self._model_of_plane[index] = self._load_count
        return annotator

    def _loaded_model(self) -> tuple[ModelLike, str]:
        """The predictor if another plane has loaded it, else the model as the user gave it."""
        for index, count in self._model_of_plane.items():
            current = self._annotators[index].model
            is_newest = count == self._load_count and not current.is_loading
            if is_newest and current.predictions is not None:
                return current.predictions.predictor, current.note
        return self._model, ""

    def close(self) -> None:
        """Stop loading, tracking and waiting, and close the image."""
        self._prefetcher.stop()
        with self.lock:
            self._closed = True
            annotators = list(self._annotators.values())
        if self.tracking is not None:
            self.tracking.close()
        for annotator in annotators:
            annotator.model.close()
        if self.stack is not None:
            self.stack.close()

    def close_without_widget(self) -> None:
        """Close after the widget has been freed: nobody can read its predictions any more."""
        self.close()

    def detach_model(self) -> None:
        """After `close`: keep the predictions, and free the model."""
        self._model = "auto"
        for annotator in list(self._annotators.values()):
            annotator.model.detach_model()

    # --- showing another plane --------------------------------------------------------------------

    def checked(self, index: object) -> int:
        """Number of a plane, from the end if it is negative; ImageError if there is none."""
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        number = int(index) if whole else self._count  # type: ignore[call-overload]
        if not -self._count <= number < self._count:
            raise ImageError(
                f"there is no plane {index!r}: it must be a whole number within "
                f"0..{self._count - 1}"
            )
        return number % self._count

    def show_plane(self, index: int) -> None:
        """Show a plane, when it is read; ImageError if it cannot be."""
        with self.lock:
            self.pending_plane = None
        picture = self._picture(index)
        self._prepare(index)
        with self.lock:
            self._show(picture)
        self._after_plane_change()

    def show_plane_later(self, index: int, client: str = ALL_PAGES) -> None:
        """Show a plane as soon as it is read, unless another one is requested meanwhile.

        `client` is the page that gets a notice if it cannot be read.
        """
        with self.lock:
            self.pending_plane, self._pending_client = index, client
            is_queued, self._read_is_queued = self._read_is_queued, True
        if not is_queued:
            # Not on this thread: clicks must not wait for a slow disk.
            self._reader.submit(copy_context().run, self._show_pending)

    def _show_pending(self) -> None:
        with self.lock:
            self._read_is_queued = False
            index, client = self.pending_plane, self._pending_client
        if index is None or self._closed:
            return
        try:
            picture = None if index == self.index else self._picture(index)
            self._prepare(index)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, f"plane {index} cannot be shown", error)
            self._give_up(index, error, client)
            return
        with self.lock:
            if index != self.pending_plane:
                return
            self.pending_plane = None
            if picture is not None:
                self._show(picture)
        self._after_plane_change()

    def _give_up(self, index: int, error: Exception, client: str) -> None:
        with self.lock:
            self.pending_plane = None if self.pending_plane == index else self.pending_plane
            self.notices.add(f"{self.axis} {index + 1} cannot be shown: {error}", client)
        self._changed()

    def _picture(self, index: int) -> ShownPlane:
        if self._pictures is None:
            return shown_plane(index, self._images(index))
        found = self._pictures.picture(index)
        height, width = found.image.rgb.shape[:2]
        self._sizes[index] = (height, width)
        return found

    def _prepare(self, index: int) -> None:
        if self.tracking is not None:
            self.tracking.prepare(index)
        if self.collection is not None and self.existing(index) is None:
            self.collection.prepare(index)

    def _show(self, picture: ShownPlane) -> None:
        if picture.index == self.index:
            return
        before, after = self.shown, self[picture.index]
        after.session.take_over_settings(before.session)
        self._ahead = 1 if picture.index > self.index else -1
        self.index, self.picture = picture.index, picture
        if self.tracking is not None:
            self.tracking.follow_to(picture.index, before, after)
        before.drop_result()
        if self.collection is not None:
            self._forget_distant()
        self._notify_about_image()
        self._plane_changed()

    def _forget_distant(self) -> None:
        """Drop data of images shown long ago that can be computed again."""
        self._annotators[self.index] = self._annotators.pop(self.index)
        for index in list(self._annotators)[:-KEPT_ANNOTATORS]:
            annotator = self._annotators[index]
            if annotator.snapshot().is_complete or annotator.model.has_failed:
                del self._annotators[index]
                self._model_of_plane.pop(index, None)
                # Requests of pages without the new epoch must not count as newer ones.
                self._epochs[index] = annotator.epoch + 1
                annotator.model.close()

    def _notify_about_image(self) -> None:
        """Show the notes on how the image was converted."""
        note = " ".join(self.picture.image.record.get("notes", ()))
        self.shown.image_note = note
        if note:
            self.notices.add(note)

    def _after_plane_change(self) -> None:
        self.with_model(self.index).after_edit()

    # --- prefetching ------------------------------------------------------------------------------

    def prefetch(self) -> None:
        """Read and encode the planes that will probably be shown next, when the model is idle."""
        with self.lock:
            cache = self.shown.model.predictions
            if cache is None or self._closed:
                return
            task = (self.index, self._ahead, self._load_count)
            self._prefetcher.start(task, cache.predictor, self._planes_ahead)

    def _prefetched(self, index: int) -> None:
        if self._pictures is not None:
            self.prefetched(self._pictures.picture(index))

    def _planes_ahead(self) -> Iterator[int]:
        """Numbers of the planes that will probably be shown next."""
        pictures, collection = self._pictures, self.collection
        if pictures is None or collection is None:
            following = self.index + self._ahead
            if 0 <= following < self._count:
                yield following
            return
        prepared = [self.index]
        for index in collection.ahead(self.index, self._ahead):
            pictures.prefer(prepared)
            yield index
            prepared.append(index)
            if len(prepared) > pictures.most_ahead(self.picture.nbytes):
                return

    def is_prepared(self, index: int) -> bool:
        """Whether a plane of a collection can be shown without reading and encoding it."""
        cache = self.shown.model.predictions
        if self._pictures is None or index not in self._pictures or cache is None:
            return False
        return embeddings.has(cache.predictor, self._images(index).rgb)


def _ignore(_: object) -> None:
    pass


def _images_of(
    image: LoadedImage | ImageStack | ImageCollection, pictures: PictureCache | None
) -> tuple[Callable[[int], ImageSource], int]:
    """A function that returns a plane, and the number of planes."""
    if isinstance(image, LoadedImage):
        return lambda _: image, 1
    cache = pictures or PlaneCache(image)
    return lambda index: CachedPlane(cache, index), len(image)
