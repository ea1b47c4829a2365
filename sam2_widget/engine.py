"""The model behind one widget: on its way, at work, failed, or replaced by another.

Loading takes seconds to minutes and can be overtaken: by another model, or by the end of the
widget. Each attempt therefore carries a token, and only the newest may say or change anything.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sam2_widget.answers import Answers
from sam2_widget.errors import ClosedError, ClusterError, ModelError, OutOfMemoryError
from sam2_widget.images.arrays import ImageSource
from sam2_widget.models import checkpoints, recovery, worker
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.models.recovery import Plan
from sam2_widget.predictor import Predictor, RemotePredictor
from sam2_widget.status import Phase, Status
from sam2_widget.tracebacks import as_text, log_failure
from sam2_widget.weak import weakly

T = TypeVar("T")

logger = logging.getLogger(__name__)


AGAIN = "Click again to try once more."

PROGRESS_EVERY = 0.1
"""Seconds between two reports of a download."""


class _SupersededError(Exception):
    """Ends a download that nobody waits for any more."""


class Engine:
    """Loads a model in the background, encodes the image, and then has answers.

    Parameters
    ----------
    image : ImageSource
    size : (int, int)
        Its (height, width) in pixels.
    device : str or None
        See `load_model`.
    changed : callable
        Called without arguments, on some thread and without a lock, when `status` or `answers`
        has changed.

    Attributes
    ----------
    answers : Answers or None
        Those of the model there is.
    worker : Worker
        The thread that they are computed on.
    """

    def __init__(
        self,
        image: ImageSource,
        size: tuple[int, int],
        *,
        device: str | None,
        changed: Callable[[], None],
    ) -> None:
        self._status = Status("loading", "Loading the model")
        self.answers: Answers | None = None
        self.worker = worker.local
        self._image = image
        self._size = size
        self._device = device
        self._changed = changed
        # Guards what follows; signalled when an attempt has ended.
        self._state = threading.Condition()
        self._token: object | None = None
        self._loading = False
        self._closed = False
        self._failure: ModelError | None = None
        self._note = ""
        self._said = ""
        self._asking: Answers | None = None
        self._asked: ModelLike = "auto"
        self._plan: Plan | None = None
        self._remote: RemotePredictor | None = None

    @property
    def status(self) -> Status:
        """What the model is doing."""
        status, waiting = self._status, self._remote.waiting if self._remote else ""
        if not waiting or status.phase not in ("encoding", "ready"):
            return status
        phase: Phase = "predicting" if status.phase == "ready" else "encoding"
        return replace(status, phase=phase, message=waiting)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def hopeless(self) -> bool:
        """Whether there is no model and none is on its way."""
        return self.answers is None and not self._loading and self._failure is not None

    @property
    def loading(self) -> bool:
        """Whether a model is on its way."""
        return self._loading

    @property
    def note(self) -> str:
        """What the user must know about the model."""
        return self._note

    def load(self, model: ModelLike, *, note: str = "") -> None:
        """Start to load a model; the one there is goes on answering until it is replaced.

        `note` is what the user must know about a model that is there already.
        """
        with self._state:
            if self._closed:
                raise ClosedError("the widget is closed: make another one")
            token = self._token = object()
            self._asked = model
            self._loading = True
            self._failure = None
        self._show(token, "loading", "Loading the model")
        # Not on a model's thread: a download must not keep other widgets from their model.
        threading.Thread(target=self._load, args=(model, note, token), daemon=True).start()

    def try_again(self) -> None:
        """Load anew what memory did not suffice for."""
        short = self.hopeless and isinstance(self._failure, OutOfMemoryError)
        if short and not self._closed:
            self.load(self._asked)

    def wait(self) -> Answers:
        """The answers of the newest model, as soon as it is there.

        Raises
        ------
        ModelError
            If no model could be loaded.
        ClosedError
            If the widget was closed before one was.
        """
        with self._state:
            if worker.on_model_thread() and self._loading:
                raise ModelError("a model's thread cannot wait for a model: use another thread")
            self._state.wait_for(lambda: self._closed or not self._loading)
            if self.answers is not None:
                return self.answers
            if self._failure is not None:
                # A new one each time: a traceback grows by each place that it is raised at.
                raise copy.copy(self._failure) from self._failure.__cause__
            raise ClosedError("the widget was closed before its model was loaded")

    def failed(self, error: Exception) -> ModelError:
        """Tell that an answer failed, which the next click asks for anew; returns the error."""
        shown = as_model_error(error)
        hint = shown.hint if isinstance(shown, ClusterError) else f"{AGAIN} {shown.hint}"
        self._show(self._token, "error", str(shown), hint=hint)
        return shown

    def recovered(self) -> None:
        """Tell that answers can be had again."""
        if self.answers is not None and self.status.phase == "error" and not self._loading:
            self._show_ready(self._token, self.answers.predictor)

    def close(self) -> None:
        """Let go: nothing is loaded, shown or waited for any more."""
        with self._state:
            self._closed = True
            self._token = None
            model, device = self.status.model, self.status.device
            self._status = Status("closed", "Closed", None, model, device, "Run the cell again.")
            self._state.notify_all()

    def let_go(self) -> None:
        """After `close`: keep what was answered, and nothing of the model."""
        if self.answers is not None:
            self.worker.submit(self.answers.retire)
        self._plan = None

    def _load(self, model: ModelLike, note: str, token: object) -> None:
        try:
            plan, told = self._plan_for(model, token)
            self._check(token)

            def load(changed: Plan) -> None:
                said = (told or note) if changed is plan else self._said
                self._load_by(changed, said, token)

            recovery.attempt(plan, load, tell=self._teller(token))
        except _SupersededError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            # Kept until there is a model, so without what its traceback holds.
            self._give_up(as_text(as_model_error(error)), token)

    def _listen(self, predictor: Predictor) -> None:
        self._remote = predictor if isinstance(predictor, RemotePredictor) else None
        if self._remote:
            self._remote.watch(self._heard)

    def _heard(self) -> None:
        if not self._closed:
            self._changed()

    def _plan_for(self, model: ModelLike, token: object) -> tuple[Plan, str]:
        """What to load, and what the user must know about it."""
        if not isinstance(model, (str, os.PathLike)):
            return recovery.plan_of(model), ""
        name, reporter = os.fspath(model), self._reporter(token)
        found = checkpoints.fetch(name, device=self._device, progress=reporter)
        self._show(token, "loading", f"Loading the model {_title(found.name)}")
        return Plan(found, self._device, was_auto=name == "auto"), found.note

    def _load_by(self, plan: Plan, note: str, token: object) -> None:
        answers = self._answers_by(plan, token)
        # On the thread of the new model: it is never the one before that is waited for, which may
        # itself wait for a cluster. An answer that is still to come from there is of no effect.
        own = worker.of(answers.predictor)
        own.run(lambda: self._swap(answers, plan, note, token))

    def _answers_by(
        self, plan: Plan, token: object | None, before: Answers | None = None
    ) -> Answers:
        predictor = plan.load()
        self._check(token)
        self._listen(predictor)
        # Weakly, for the answers are this engine's.
        image = self._image
        show_encoding, encoded = weakly(self._show_encoding), weakly(self._encoded)
        source = embeddings.source(
            predictor,
            lambda: image.rgb,
            before=lambda: show_encoding(token, predictor),
            after=lambda: encoded(token, predictor),
        )
        return Answers(predictor, source, self._size, before=before)

    def _swap(self, answers: Answers, plan: Plan, note: str, token: object) -> None:
        self._check(token)
        failure = self._prepared(answers)
        with self._state:
            self._check(token)
            self.answers, self._plan = answers, plan
            self.worker = worker.of(answers.predictor)
            self._note = note
            self._loading = False
            self._state.notify_all()
        if failure is None:
            self._show_ready(token, answers.predictor)
        else:
            self.failed(failure)

    def _prepared(self, answers: Answers) -> Exception | None:
        """Have the image encoded, so that the first click finds it so; what failed, if it did.

        The model is there all the same, and the next click tries again. Not so if there is another
        that can go on instead, or if memory is short: then the caller does what helps.
        """
        try:
            answers.prepare()
        except Exception as error:
            if self.answers is not None or recovery.is_out_of_memory(error):
                raise
            return as_text(error)
        return None

    # --- answers ----------------------------------------------------------------------------------

    def ask(self, question: Callable[[Answers], T]) -> tuple[Answers, T]:
        """Put a question to the model, on its thread; returns who has answered, and what.

        If memory runs out another model may take over, see `recovery`: what was answered before
        stays.

        Raises
        ------
        ModelError
            If the model fails, or this is not its thread, for it has been replaced.
        """
        with self._state:
            answers, plan, token = self.answers, self._plan, self._token
            is_here = self.worker.here
        if answers is not None and self.closed:
            return answers, question(answers)
        if answers is None or plan is None or not is_here:
            raise ModelError("there is no model yet, or another one by now")
        if getattr(answers.predictor, "resting", False):
            place = answers.predictor.device
            self._show(token, "loading", f"Bringing the model back to {place}")

        def put(changed: Plan) -> tuple[Answers, T]:
            other = changed is not plan
            by = self._answers_by(changed, token, before=answers) if other else answers
            found = question(by)
            if other:
                self._take_over(by, changed, token)
            return by, found

        self._asking = answers
        try:
            found = recovery.attempt(plan, put, tell=self._teller(token))
        except Exception as error:
            if self._is_announced and self.worker.here:
                self.failed(error)
            raise
        finally:
            if self._asking is answers:
                self._asking = None
        if self._is_announced and self.worker.here:
            self._show_ready(token, found[0].predictor)
        return found

    @property
    def _is_announced(self) -> bool:
        """Whether the status says what an answer waits for, which is no longer so afterwards."""
        return bool(self._said) or self.status.phase in ("loading", "encoding")

    def _encoded(self, token: object | None, predictor: Predictor) -> None:
        # In the middle of an answer it is not known yet whether there will be one.
        if self._asking is None:
            self._show_ready(token, predictor)

    def _take_over(self, answers: Answers, plan: Plan, token: object | None) -> None:
        with self._state:
            self._check(token)
            if self.worker.here:  # else a model on a cluster has been put in its place
                self.answers, self._plan, self._note = answers, plan, self._said

    def _teller(self, token: object | None) -> Callable[[str], None]:
        """Takes what is tried when memory has run out."""
        self._said = ""

        def tell(step: str) -> None:
            self._said = step
            self._show(token, "loading", step)

        return tell

    def _give_up(self, error: ModelError, token: object) -> None:
        with self._state:
            if token is not self._token:
                return
            self._loading = False
            self._failure = error
            still = self.answers
            if still is not None:
                self._note = f"Still using the model {_title(still.predictor.name)}: {error}"
            self._state.notify_all()
        if still is not None:
            self._listen(still.predictor)
            self._show_ready(token, still.predictor)
        else:
            self._show(token, "error", str(error), hint=error.hint)

    def _check(self, token: object) -> None:
        if token is not self._token:
            raise _SupersededError

    def _reporter(self, token: object) -> checkpoints.Progress:
        last = 0.0

        def report(what: str, fraction: float | None) -> None:
            nonlocal last
            self._check(token)
            if time.monotonic() - last >= PROGRESS_EVERY or fraction == 1:
                last = time.monotonic()
                percent = "" if fraction is None else f": {fraction:.0%}"
                self._show(token, "downloading", f"Downloading {what}{percent}", fraction)

        return report

    def _show_encoding(self, token: object, predictor: Predictor) -> None:
        self._show(token, "encoding", "Encoding the image", predictor=predictor)

    def _show_ready(self, token: object | None, predictor: Predictor) -> None:
        self._show(token, "ready", self._note or "Ready", predictor=predictor)

    def _show(
        self,
        token: object | None,
        phase: Phase,
        message: str,
        progress: float | None = None,
        *,
        predictor: Predictor | None = None,
        hint: str = "",
    ) -> None:
        with self._state:
            if token is not self._token or self._closed:
                return
            model = predictor.name if predictor else self.status.model
            device = predictor.device if predictor else self.status.device
            self._status = Status(phase, message, progress, model, device, hint)
        self._changed()


def _title(model: str) -> str:
    """Name of a model for reading: a path only by its last part."""
    return Path(model).name if Path(model).is_file() else model


def as_model_error(error: Exception) -> ModelError:
    """`error` itself if it is one of ours, else one that says what happened."""
    if isinstance(error, ModelError):
        return error
    if recovery.is_out_of_memory(error):
        return OutOfMemoryError(f"there is too little memory: {error}; use a smaller model")
    log_failure(logger, "the model failed", error)
    wrapped = ModelError(f"the model failed: {error!r}; try model='bundled'")
    wrapped.__cause__ = error
    return wrapped
