"""The model behind one annotator: `Loading`, `Ready`, `Failed` or `Closed`.

Loading takes seconds to minutes. Meanwhile another model may be selected, or the widget closed.
Each load is therefore an `Attempt`, and only the newest may change the state.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from sam2_widget._utils.tracebacks import as_text, log_failure
from sam2_widget._utils.weakrefs import weak_callback
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.annotation.status import Phase, Status
from sam2_widget.errors import (
    ClosedError,
    ClusterError,
    MissingLibraryError,
    ModelError,
    OutOfMemoryError,
)
from sam2_widget.images.arrays import ImageSource
from sam2_widget.models import advice, checkpoints, recovery, worker
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.models.out_of_memory import is_out_of_memory
from sam2_widget.models.recovery import Plan
from sam2_widget.models.worker import Worker
from sam2_widget.predictor import Predictor, RemotePredictor

T = TypeVar("T")

logger = logging.getLogger(__name__)


AGAIN = "Click again to try once more."

PROGRESS_EVERY = 0.1
"""Seconds between two reports of a download."""


class SupersededError(Exception):
    """Ends work that has become obsolete: another model was selected, or the widget closed."""


class Attempt:
    """Identifies one load: only the newest may change the state."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that can predict.

    Attributes
    ----------
    predictions : PredictionCache
        For the annotator's image.
    plan : Plan
        How it was loaded, and the alternatives when memory runs out.
    worker : Worker
        The thread that it runs on.
    note : str
        A note on it for the user, or empty.
    attempt : Attempt
        The newest attempt that ended with this model in use.
    """

    predictions: PredictionCache
    plan: Plan
    worker: Worker
    note: str
    attempt: Attempt


@dataclass(frozen=True, slots=True, eq=False)
class Loading:
    """A model is being loaded; `current` predicts until then."""

    attempt: Attempt
    model: ModelLike
    current: LoadedModel | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A model is loaded, and no other is being loaded."""

    current: LoadedModel

    @property
    def attempt(self) -> Attempt:
        """The newest."""
        return self.current.attempt


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """No model is loaded, and none is being loaded."""

    attempt: Attempt
    model: ModelLike
    error: ModelError
    current: None = None


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """The widget was closed; cached predictions can still be read."""

    current: LoadedModel | None
    attempt: None = None


State: TypeAlias = Loading | Ready | Failed | Closed


class CurrentModel:
    """Loads a model in the background, encodes the image, and runs predictions.

    Parameters
    ----------
    image : ImageSource
    size : (int, int)
        Its (height, width) in pixels.
    device : str or None
        See `load_model`.
    changed : callable
        Called without arguments, on any thread and without a lock, when `status` or `predictions`
        has changed.

    Attributes
    ----------
    state : Loading, Ready, Failed or Closed
        Replaced as a whole, under the lock; may be read at any time.
    """

    def __init__(
        self,
        image: ImageSource,
        size: tuple[int, int],
        *,
        device: str | None,
        changed: Callable[[], None],
    ) -> None:
        self._image = image
        self._size = size
        self._device = device
        self._changed = changed
        # Guards the state and the status; signalled when an attempt has ended.
        self._ended = threading.Condition()
        self.state: State = Loading(Attempt(), "auto")
        self._status = Status("loading", "Loading the model")
        self._running: _StepReporter | None = None
        """Reporter of the prediction that runs now."""
        self._remote: RemotePredictor | None = None
        self._process = os.getpid()

    @property
    def status(self) -> Status:
        """What the model is doing."""
        status, waiting = self._status, self._remote.waiting if self._remote else ""
        if not waiting or status.phase not in ("encoding", "ready"):
            return status
        phase: Phase = "predicting" if status.phase == "ready" else "encoding"
        return replace(status, phase=phase, message=waiting)

    @property
    def predictions(self) -> PredictionCache | None:
        """The cache of the current model; None before the first one is loaded."""
        current = self.state.current
        return current.predictions if current else None

    @property
    def worker(self) -> Worker:
        """The thread that predictions run on."""
        current = self.state.current
        return current.worker if current else worker.local

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return isinstance(self.state, Closed)

    @property
    def has_failed(self) -> bool:
        """Whether no model is loaded and none is being loaded."""
        return isinstance(self.state, Failed)

    @property
    def is_loading(self) -> bool:
        """Whether a model is being loaded."""
        return isinstance(self.state, Loading)

    @property
    def note(self) -> str:
        """A note on the model for the user, or empty."""
        current = self.state.current
        return current.note if current else ""

    def load(self, model: ModelLike, *, note: str = "") -> None:
        """Start to load a model; the current one predicts until it is replaced.

        `note` is the note for the user on a model that is loaded already.
        """
        attempt = Attempt()
        with self._ended:
            if isinstance(self.state, Closed):
                raise ClosedError("the widget is closed: make another one")
            self.state = Loading(attempt, model, self.state.current)
        self.show(attempt, "loading", "Loading the model")
        # Not on a model's thread: a download must not delay other widgets.
        threading.Thread(target=self._load, args=(model, note, attempt), daemon=True).start()

    def retry_after_out_of_memory(self) -> None:
        """Load the model again if memory was too small before."""
        state = self.state
        if isinstance(state, Failed) and isinstance(state.error, OutOfMemoryError):
            self.load(state.model)

    def wait(self) -> PredictionCache:
        """Wait until no model is being loaded, and return the predictions of the newest.

        Raises
        ------
        ModelError
            If no model could be loaded.
        ClosedError
            If the widget was closed before one was.
        """
        if os.getpid() != self._process:
            raise ModelError(worker.AFTER_FORK)
        with self._ended:
            if worker.on_model_thread() and self.is_loading:
                raise ModelError("a model's thread cannot wait for a model: use another thread")
            self._ended.wait_for(lambda: not self.is_loading)
            state = self.state
        if state.current is not None:
            return state.current.predictions
        if isinstance(state, Failed):
            # A copy, because an exception's traceback grows whenever it is raised.
            raise copy.copy(state.error) from state.error.__cause__
        raise ClosedError("the widget was closed before its model was loaded")

    def report_failure(self, error: Exception) -> None:
        """Show that a prediction failed, which the next click retries.

        Failures of a model that is being replaced are not shown.
        """
        shown = as_model_error(error)
        hint = shown.hint if isinstance(shown, ClusterError) else f"{AGAIN} {shown.hint}"
        current = self.state.current
        self.show(current.attempt if current else None, "error", str(shown), hint=hint)

    def report_recovery(self) -> None:
        """Show that predictions work again."""
        state = self.state
        if isinstance(state, Ready) and self.status.phase == "error":
            self._show_ready(state.attempt, state.current.predictions.predictor)

    def close(self) -> None:
        """Stop loading, and wake waiting threads."""
        with self._ended:
            self.state = Closed(self.state.current)
            model, device = self._status.model, self._status.device
            self._status = Status("closed", "Closed", None, model, device, "Run the cell again.")
            self._ended.notify_all()

    def detach_model(self) -> None:
        """After `close`: keep the predictions, and free the model."""
        current = self.state.current
        if current is not None:
            current.worker.submit(current.predictions.detach)

    # --- loading ----------------------------------------------------------------------------------

    def _load(self, model: ModelLike, note: str, attempt: Attempt) -> None:
        try:
            plan, found_note = self._plan_for(model, attempt)
            self._check_newest(attempt)
            report = _StepReporter(self, attempt)

            def load(changed: Plan) -> None:
                shown = (found_note or note) if changed is plan else report.message
                self._load_by(changed, shown, attempt)

            recovery.attempt(plan, load, report=report)
        except SupersededError:
            return
        except Exception as error:  # noqa: BLE001 - any failure must reach the user
            # Stored until a model is loaded, so without the objects of its traceback.
            self._give_up(as_text(as_model_error(error)), attempt)

    def _watch(self, predictor: Predictor) -> None:
        self._remote = predictor if isinstance(predictor, RemotePredictor) else None
        if self._remote:
            self._remote.watch(self._remote_changed)

    def _remote_changed(self) -> None:
        if not self.is_closed:
            self._changed()

    def _plan_for(self, model: ModelLike, attempt: Attempt) -> tuple[Plan, str]:
        """How to load `model`, and a note on it for the user."""
        if not isinstance(model, (str, os.PathLike)):
            return recovery.plan_of(model), ""
        name, progress = os.fspath(model), self._download_progress(attempt)
        found = checkpoints.fetch(name, device=self._device, progress=progress)
        self.show(attempt, "loading", f"Loading the model {_title(found.name)}")
        return Plan(found, self._device, was_auto=name == "auto"), found.note

    def _load_by(self, plan: Plan, note: str, attempt: Attempt) -> None:
        predictions = self._predictions_by(plan, attempt)
        # On the new model's own thread: that of the previous model may be waiting for a cluster.
        # A prediction that it still returns has no effect.
        predictions.fetch_embedding()
        own = worker.of(predictions.predictor)
        shown = note or _notes_on(predictions.predictor)
        loaded = LoadedModel(predictions, plan, own, shown, attempt)
        own.run(lambda: self._make_ready(loaded))

    def _predictions_by(
        self, plan: Plan, attempt: Attempt, previous: PredictionCache | None = None
    ) -> PredictionCache:
        predictor = plan.load()
        self._check_newest(attempt)
        self._watch(predictor)
        # Weak callbacks, because the cache is referred to by this object.
        image = self._image
        show_encoding, encoded = weak_callback(self._show_encoding), weak_callback(self._encoded)
        source = embeddings.source(
            predictor,
            lambda: image.rgb,
            before=lambda: show_encoding(attempt, predictor),
            after=lambda: encoded(attempt, predictor),
        )
        return PredictionCache(predictor, source, self._size, previous=previous)

    def _make_ready(self, loaded: LoadedModel) -> None:
        self._check_newest(loaded.attempt)
        failure = self._try_to_encode(loaded.predictions)
        with self._ended:
            self._check_newest(loaded.attempt)
            self.state = Ready(loaded)
            self._ended.notify_all()
        if failure is None:
            self._show_ready(loaded.attempt, loaded.predictions.predictor)
        else:
            self.report_failure(failure)

    def _try_to_encode(self, predictions: PredictionCache) -> Exception | None:
        """Encode the image before the first click; returns the error if that failed.

        The model is used even so, and the next click retries. The error is raised if the previous
        model can be used instead, or if memory has run out: the caller handles both.
        """
        try:
            predictions.encode_image()
        except Exception as error:
            if self.state.current is not None or is_out_of_memory(error):
                raise
            return as_text(error)
        return None

    def _give_up(self, error: ModelError, attempt: Attempt) -> None:
        with self._ended:
            state = self.state
            if not isinstance(state, Loading) or state.attempt is not attempt:
                return
            current = state.current
            if current is None:
                self.state = Failed(attempt, state.model, error)
            else:
                name = _title(current.predictions.predictor.name)
                note = f"Still using the model {name}: {error}"
                self.state = Ready(replace(current, attempt=attempt, note=note))
            self._ended.notify_all()
        if current is not None:
            self._watch(current.predictions.predictor)
            self._show_ready(attempt, current.predictions.predictor)
        else:
            self.show(attempt, "error", str(error), hint=error.hint)

    def _check_newest(self, attempt: Attempt) -> None:
        if attempt is not self.state.attempt:
            raise SupersededError

    # --- predicting -------------------------------------------------------------------------------

    def run(self, job: Callable[[PredictionCache], T]) -> tuple[PredictionCache, T]:
        """Run a job that needs predictions, on the model's thread; returns the cache used, too.

        If memory runs out, another model may be used, see `recovery`: earlier predictions stay.

        Raises
        ------
        ModelError
            If the model fails, or has been replaced by one on another thread.
        SupersededError
            If another model is selected during the recovery: that one will predict.
        """
        current = self.state.current
        if current is not None and self.is_closed:
            return current.predictions, job(current.predictions)
        if current is None or not current.worker.here:
            raise ModelError("no model is loaded yet, or it has been replaced")
        self._show_reload(current)
        report = _StepReporter(self, current.attempt)

        def attempt_with(plan: Plan) -> tuple[PredictionCache, T]:
            if plan is current.plan:
                return current.predictions, job(current.predictions)
            other = self._predictions_by(plan, current.attempt, previous=current.predictions)
            result = job(other)
            self._take_over(replace(current, predictions=other, plan=plan, note=report.message))
            return other, result

        with self._showing_failure(report):
            found = recovery.attempt(current.plan, attempt_with, report=report)
        if self._shows_progress(report) and self.worker.here:
            self._show_ready(current.attempt, found[0].predictor)
        return found

    def _show_reload(self, current: LoadedModel) -> None:
        predictor = current.predictions.predictor
        if getattr(predictor, "offloaded", False):
            message = f"Bringing the model back to {predictor.device}"
            self.show(current.attempt, "loading", message)

    @contextmanager
    def _showing_failure(self, report: _StepReporter) -> Iterator[None]:
        """Show a failure if the status shows the progress of the prediction."""
        self._running = report
        try:
            yield
        except SupersededError:
            raise
        except Exception as error:
            if self._shows_progress(report) and self.worker.here:
                self.report_failure(error)
            raise
        finally:
            if self._running is report:
                self._running = None

    def _shows_progress(self, report: _StepReporter) -> bool:
        """Whether the status is about the running prediction, so that its end must change it."""
        return bool(report.message) or self.status.phase in ("loading", "encoding")

    def _encoded(self, attempt: Attempt, predictor: Predictor) -> None:
        # While a prediction runs it may still fail.
        if self._running is None:
            self._show_ready(attempt, predictor)

    def _take_over(self, other: LoadedModel) -> None:
        with self._ended:
            self._check_newest(other.attempt)
            if self.worker.here:  # else a model on a cluster has been put in its place
                self.state = Ready(other)

    # --- status -----------------------------------------------------------------------------------

    def _download_progress(self, attempt: Attempt) -> checkpoints.Progress:
        last = 0.0

        def report(what: str, fraction: float | None) -> None:
            nonlocal last
            self._check_newest(attempt)
            if time.monotonic() - last >= PROGRESS_EVERY or fraction == 1:
                last = time.monotonic()
                percent = "" if fraction is None else f": {fraction:.0%}"
                self.show(attempt, "downloading", f"Downloading {what}{percent}", fraction)

        return report

    def _show_encoding(self, attempt: Attempt, predictor: Predictor) -> None:
        self.show(attempt, "encoding", "Encoding the image", predictor=predictor)

    def _show_ready(self, attempt: Attempt, predictor: Predictor) -> None:
        self.show(attempt, "ready", self.note or "Ready", predictor=predictor)

    def show(
        self,
        attempt: Attempt | None,
        phase: Phase,
        message: str,
        progress: float | None = None,
        *,
        predictor: Predictor | None = None,
        hint: str = "",
    ) -> None:
        """Set the status, unless `attempt` is no longer the newest."""
        with self._ended:
            if attempt is not self.state.attempt or self.is_closed:
                return
            model = predictor.name if predictor else self._status.model
            device = predictor.device if predictor else self._status.device
            self._status = Status(phase, message, progress, model, device, hint)
        self._changed()


class _StepReporter:
    """Shows the steps that are taken when memory has run out.

    Attributes
    ----------
    message : str
        The newest step; empty if there was none.
    """

    def __init__(self, model: CurrentModel, attempt: Attempt) -> None:
        self._model = weakref.ref(model)
        self._attempt = attempt
        self.message = ""

    def __call__(self, message: str) -> None:
        self.message = message
        model = self._model()
        if model is not None:
            model.show(self._attempt, "loading", message)


def _notes_on(predictor: Predictor) -> str:
    notes = getattr(predictor, "note", ""), advice.advice_on(predictor)
    return " ".join(filter(None, notes))


def _title(model: str) -> str:
    """Name of a model for messages: of a path, the last component."""
    return Path(model).name if Path(model).is_file() else model


def as_model_error(error: Exception) -> ModelError:
    """`error` itself if it is a `ModelError`, else a `ModelError` that describes it."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, MissingLibraryError):
        missing = ModelError(str(error))
        missing.hint = "Install it, or pick another model: w.model = 'tiny'."
        return missing
    if is_out_of_memory(error):
        return OutOfMemoryError(f"there is too little memory: {error}; use a smaller model")
    log_failure(logger, "the model failed", error)
    another = "try another, such as model='bundled' or model='tiny'"
    wrapped = ModelError(f"the model failed: {error!r}; {another}")
    wrapped.__cause__ = error
    return wrapped
