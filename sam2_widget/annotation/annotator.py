"""One image, its objects, and the model that predicts their masks; independent of Jupyter.

An edit changes the session at once; its prediction is computed on the model's thread; both are
published. Edits are made on the main thread or on ipykernel's subshell thread, so `lock` guards the
shared state. Other threads read a `Snapshot`, which is made under the lock. The lock is held only
for short operations, and a thread that holds it never waits for another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.interrupts import defer_sigint
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.comparison import Examples
from sam2_widget.annotation.model_state import CurrentModel, SupersededError, as_model_error
from sam2_widget.annotation.notices import ALL_PAGES, Notices
from sam2_widget.annotation.predictions import Prediction, PredictionCache
from sam2_widget.annotation.proposal_job import Proposer
from sam2_widget.annotation.session import AnnotatedObject, Annotation, Session
from sam2_widget.annotation.snapshots import Snapshot, Snapshots, merged
from sam2_widget.annotation.status import Status
from sam2_widget.annotation.timings import Click, Timings
from sam2_widget.annotation.tracks import TrackedObject
from sam2_widget.errors import PromptError, SegmentationError
from sam2_widget.images.arrays import ImageSource, LoadedImage
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.collections import Prompts
from sam2_widget.proposals.prompts import object_prompts
from sam2_widget.proposals.proposal import Proposal
from sam2_widget.results.segmentation import Segmentation, make_segmentation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Result:
    """A segmentation, and the state that it was made from."""

    cache: PredictionCache
    annotation: Annotation
    colors: tuple[object, ...]
    tracked: tuple[TrackedObject, ...]
    made: Segmentation

    def is_of(
        self,
        cache: PredictionCache,
        annotation: Annotation,
        colors: tuple[object, ...],
        tracked: tuple[TrackedObject, ...],
    ) -> bool:
        """Whether it was made from this state."""
        return (
            self.cache is cache
            and self.annotation.objects is annotation.objects
            and self.annotation.settings == annotation.settings
            and self.colors == colors
            and self.tracked == tracked
        )


EMPTY = "The mask is empty: click on the object, or undo."
WHOLE = "The mask covers the whole image: mark what is not part of the object, or undo."


class Annotator:
    """Objects of one image and their predictions.

    Parameters
    ----------
    image : ImageSource
    session : Session
    device : str or None
        See `load_model`.
    changed : callable
        Called without arguments, on any thread, when there may be something to publish.
    settled : callable
        Called likewise when no prediction is pending any more.
    lock : threading.RLock, optional
        A lock that several annotators share.
    epoch : int
        The first epoch.
    timings : Timings, optional
    notices : Notices, optional
        Shared by several annotators.
    edited : callable, optional
        Called with the annotator after each edit, on the thread of the edit.
    tracked : callable, optional
        Returns the objects that were tracked to this plane; called with the lock held.
    wait_for_tracking : callable, optional
        Waits until tracking on this plane is finished.

    Attributes
    ----------
    lock : threading.RLock
    model : CurrentModel
    epoch : int
        Increased when the active object is changed by something other than a page's prompts.
    timings : Timings
    notices : Notices
    image_note : str
        A note for the user on how the image is shown, or empty.
    proposer : Proposer
    """

    def __init__(
        self,
        image: ImageSource,
        session: Session,
        *,
        device: str | None,
        changed: Callable[[], None],
        settled: Callable[[], None],
        lock: threading.RLock | None = None,
        epoch: int = 0,
        timings: Timings | None = None,
        notices: Notices | None = None,
        edited: Callable[[Annotator], object] | None = None,
        tracked: Callable[[], tuple[TrackedObject, ...]] = tuple,
        wait_for_tracking: Callable[[], object] = tuple,
    ) -> None:
        self.image = image
        self.session = session
        self.lock = lock or threading.RLock()
        self.epoch = epoch
        self.timings = timings or Timings()
        self.notices = notices or Notices()
        self.image_note = ""
        self._changed = changed
        self._settled = settled
        self._edited = edited
        self._tracked = tracked
        self._wait_for_tracking = wait_for_tracking
        self._snapshots = Snapshots()
        self._failed: AnnotatedObject | None = None
        self._fetcher = TransientThreadExecutor("sam2-widget-fetch")
        self._result: _Result | None = None
        self.proposer = Proposer(self)
        size = (session.height, session.width)
        self.model = CurrentModel(
            image, size, device=device, changed=weak_callback(self._model_changed)
        )

    @property
    def rgb(self) -> UInt8Array:
        """The image that both the page and the model get, (H, W, 3) uint8."""
        return self.image.rgb

    # --- edits ------------------------------------------------------------------------------------

    def edit(self, change: Callable[[], T]) -> T:
        """Change the session from Python."""
        with defer_sigint():
            with self.lock:
                result = change()
                self.epoch += 1
            self.after_edit()
        return result

    def configure(self, change: Callable[[], object]) -> None:
        """Change colours, labels or visibility from Python, which edits no object."""
        with defer_sigint():
            with self.lock:
                change()
            self.after_edit()

    def drop_result(self) -> None:
        """Free the last result, which can be recomputed, when another plane is shown."""
        with self.lock:
            self._result = None

    def after_edit(self, *, prediction_follows: bool = False) -> None:
        """Publish the change, and start the predictions that it needs.

        With `prediction_follows` both are published together if the model is ready: the page shows
        the edit already, and one message suffices.
        """
        with self.lock:
            self._failed = None
        if self._edited is not None:
            self._edited(self)
        self.model.retry_after_out_of_memory()
        pending = self.snapshot().pending
        follows_soon = prediction_follows and pending and self.model.status.phase == "ready"
        if not follows_soon:
            self._changed()
        if pending:
            self._predict_later()
        else:
            self.model.report_recovery()
            self._settled()
            self.proposer.compare_later()

    def id_of(self, i: int) -> int:
        """Id of ``objects[i]``; PromptError if there is none."""
        objects = self.snapshot().all_objects
        try:
            return objects[i][0].id
        except (IndexError, TypeError, AttributeError) as error:
            raise PromptError(f"there is no object {i!r}: there are {len(objects)}") from error

    # --- state ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The current objects and predictions."""
        with self.lock:
            tracked, predictions = self._tracked(), self.model.predictions
            return self._snapshots.take(self.session.annotation, predictions, tracked)

    @property
    def status(self) -> Status:
        """What the widget is doing."""
        status = self.model.status
        if status.phase == "ready" and not self.snapshot().is_complete:
            return Status("predicting", "Predicting", None, status.model, status.device)
        job = self.proposer.job
        if status.phase == "ready" and job is not None and not job.done:
            points = f": {job.completed} of {job.total} points" if job.total else ""
            doing = f"Looking for objects{points}"
            return Status("predicting", doing, job.progress, status.model, status.device)
        if status.phase == "ready" and self.image_note:
            return replace(status, message=f"{status.message.rstrip('.')}. {self.image_note}")
        return status

    def notify(self, notice: str, client: str = ALL_PAGES) -> None:
        """Show a notice that is not about an edit on a page, or on all pages."""
        with self.lock:
            self.notices.add(notice, client)
        self._changed()

    def found_proposals(self) -> None:
        """Show the progress of the search for proposals on all pages."""
        self._changed()

    @property
    def active_failed(self) -> bool:
        """Whether the prediction of the active object has failed."""
        with self.lock:
            active = self.session.annotation.active
            return active is not None and (active is self._failed or self.model.has_failed)

    # --- predictions, on the model's thread -------------------------------------------------------

    def _predict_later(self) -> None:
        cache = self.model.predictions
        if cache is None:
            return
        if cache.is_embedding_loaded:
            self.model.worker.submit(self._predict_next)
        else:
            # The models' thread must not wait for a disk.
            self._fetcher.submit(copy_context().run, self._fetch_and_predict, cache)

    def _fetch_and_predict(self, cache: PredictionCache) -> None:
        cache.fetch_embedding()
        if cache is self.model.predictions:
            self.model.worker.submit(self._predict_next)

    def _predict_next(self) -> None:
        """Predict one object and publish it; each object is a job, so that widgets alternate.

        Each job predicts the newest edit, so it may find that an earlier job has done so. Results
        of a model that has been replaced are dropped.
        """
        click, snapshot = self.timings.pending, self.snapshot()
        if self.model.is_closed:
            return
        if not self.model.worker.here:
            self._predict_later()
            return
        if snapshot.pending and not self._predict(snapshot, click):
            return
        if not self.model.worker.here:
            return
        self.model.report_recovery()
        self._changed()
        # Releases the GIL for the thread that sends the prediction, which would otherwise wait for
        # Python's switch interval of 5 ms. See docs/how-it-works.md.
        time.sleep(0)
        if self.snapshot().is_complete:
            self._settled()
            self.proposer.compare_later()
        else:
            self._predict_later()

    def _predict(self, snapshot: Snapshot, click: Click | None) -> bool:
        """Predict the first pending object; False if that failed, or another model will do it."""
        annotated, settings = snapshot.pending[0], snapshot.annotation.settings
        try:
            self.model.run(lambda cache: self._predict_with(cache, annotated, settings, click))
        except SupersededError:
            return False
        except Exception as error:  # noqa: BLE001 - any failure must reach the user
            if self.model.worker.here:
                with self.lock:
                    self._failed = annotated
                self.model.report_failure(error)
                self._changed()
            return False
        return True

    def _predict_with(
        self,
        cache: PredictionCache,
        annotated: AnnotatedObject,
        settings: Settings,
        click: Click | None,
    ) -> None:
        """Predict an object, and record what it cost that click."""
        before = cache.seconds
        if click is not None:
            click.start(model=cache.speculative_seconds(annotated.prompts, click.received))
        cache(annotated.prompts, settings)
        if click is not None and self.model.worker.here:
            click.decoder += cache.seconds - before

    def examples(self) -> Examples:
        """The objects with the label of the next object whose masks are known."""
        with self.lock:
            snapshot, label = self.snapshot(), self.session.label
        found = (found for one, found in snapshot.all_objects if one.label == label)
        return Examples(label, tuple(one for one in found if one and not one.mask.empty))

    def masks(self) -> list[MaskCrop]:
        """The masks of the newest edits; waits for them."""
        return [found.crop for found in self.current_result().objects]

    def accept(self, proposals: Sequence[Proposal]) -> None:
        """Make objects of proposals, with the label of the next object: one step."""
        self.edit(partial(self.accepting(proposals), self.session))

    def accepting(self, proposals: Sequence[Proposal]) -> Callable[[Session], None]:
        """The change of the session that makes objects of proposals, without the model."""
        size, job = (self.session.height, self.session.width), self.proposer.job
        cache = self.model.predictions
        if job is not None and cache is not None:
            # Before the predictions that follow the edit, on the same thread.
            self.model.worker.submit(partial(job.put_into, cache, proposals))

        def add(session: Session) -> None:
            objects = object_prompts(proposals, size, session.label)
            session.replay(Prompts(objects, session.annotation.settings))
            if job is not None and proposals:
                made = session.annotation.objects[-len(proposals) :]
                job.note_accepted((one.number for one in proposals), (one.id for one in made))

        return add

    def current_result(self) -> Segmentation:
        """The segmentation of the newest edits; waits for it."""
        while True:
            cache = self.model.wait()
            self._wait_for_tracking()
            with self.lock:
                annotation, colors, tracked, last = (
                    self.session.annotation,
                    self.session.colors,
                    self._tracked(),
                    self._result,
                )
            if last and last.is_of(cache, annotation, colors, tracked):
                return last.made
            try:
                made_with, made = self._made(cache, annotation, tracked)
            except SupersededError:
                continue
            except Exception as error:
                if cache is not self.model.predictions:
                    continue  # the model has been replaced meanwhile
                if isinstance(error, SegmentationError):
                    raise
                raise as_model_error(error) from error
            with self.lock:
                if made_with is self.model.predictions:
                    self._result = _Result(made_with, annotation, colors, tracked, made)
                    return made

    def _made(
        self,
        cache: PredictionCache,
        annotation: Annotation,
        tracked: tuple[TrackedObject, ...],
    ) -> tuple[PredictionCache, Segmentation]:
        """The result, and the cache with its predictions, which are computed if not cached."""
        # The image is read here: the models' thread must not wait for a disk.
        image = LoadedImage(self.image.rgb, self.image.values, self.image.name, self.image.record)
        cached = [(o, cache.cached(o.prompts, annotation.settings)) for o in annotation.objects]
        every = merged(cached, tracked)
        make = partial(
            make_segmentation,
            self.session,
            annotation=replace(annotation, objects=tuple(o for o, _ in every)),
            image=image,
            predictions=[prediction for _, prediction in every],
        )
        if all(prediction is not None for _, prediction in every):
            return cache, make(cache)
        cache.fetch_embedding()
        return self.model.worker.run(partial(self.model.run, make))

    def _model_changed(self) -> None:
        """Called when the model has a new status, or another one has been loaded."""
        with self.lock:
            if self._result and self._result.cache is not self.model.predictions:
                self._result = None  # which would keep the model before
            # After an error no job is submitted: the next edit retries the prediction.
            if self.model.status.phase == "error" and self.model.predictions is not None:
                self._failed = next(iter(self.snapshot().pending), None)
        self._changed()
        if self.model.status.phase == "ready":
            self._predict_later()


def notice_about(prediction: Prediction | None) -> str:
    """A note for the user on a mask that was just predicted, or empty."""
    if prediction is None:
        return ""
    return EMPTY if prediction.mask.empty else WHOLE if prediction.mask.whole else ""
