"""The model behind one widget: on its way, at work, failed, or replaced by another.

Loading takes seconds to minutes and can be overtaken: by another model, or by the end of the
widget. Each attempt therefore carries a token, and only the newest may say or change anything.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sam2_widget.answers import Answers
from sam2_widget.errors import ClosedError, ModelError
from sam2_widget.images.arrays import ImageSource
from sam2_widget.models import checkpoints, worker
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.predictor import Predictor
from sam2_widget.status import Phase, Status

logger = logging.getLogger(__name__)


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
    """

    def __init__(
        self,
        image: ImageSource,
        size: tuple[int, int],
        *,
        device: str | None,
        changed: Callable[[], None],
    ) -> None:
        self.status = Status("loading", "Loading the model")
        self.answers: Answers | None = None
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
            self._loading = True
            self._failure = None
        self._show(token, "loading", "Loading the model")
        # Not on the model thread: a download must not keep other widgets from their model.
        threading.Thread(target=self._load, args=(model, note, token), daemon=True).start()

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
                raise ModelError("the model thread cannot wait for a model: use another thread")
            self._state.wait_for(lambda: self._closed or not self._loading)
            if self.answers is not None:
                return self.answers
            if self._failure is not None:
                raise self._failure
            raise ClosedError("the widget was closed before its model was loaded")

    def failed(self, error: Exception) -> ModelError:
        """Tell that an answer failed; returns the error to raise."""
        shown = as_model_error(error)
        self._show(self._token, "error", str(shown), hint=shown.hint)
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
            self.status = Status("closed", "Closed", None, model, device, "Run the cell again.")
            self._state.notify_all()

    def _load(self, model: ModelLike, note: str, token: object) -> None:
        try:
            predictor, told = self._predictor(model, token)
            source = embeddings.source(
                predictor,
                lambda: self._image.rgb,
                before=lambda: self._show_encoding(token, predictor),
                after=lambda: self._show_ready(token, predictor),
            )
            self._check(token)
            answers = Answers(predictor, source, self._size)
            worker.run(lambda: self._swap(answers, told or note, token))
        except _SupersededError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            self._give_up(as_model_error(error), token)

    def _predictor(self, model: ModelLike, token: object) -> tuple[Predictor, str]:
        """The model, and what the user must know about it."""
        if not isinstance(model, (str, os.PathLike)):
            return model, ""
        name, reporter = os.fspath(model), self._reporter(token)
        found = checkpoints.fetch(name, device=self._device, progress=reporter)
        self._check(token)
        self._show(token, "loading", f"Loading the model {_title(found.name)}")
        return checkpoints.load_checkpoint(found, device=self._device), found.note

    def _swap(self, answers: Answers, note: str, token: object) -> None:
        """On the model thread, so that no answer is under way while the model changes."""
        self._check(token)
        # The first click finds the image encoded.
        answers.prepare()
        with self._state:
            self._check(token)
            self.answers = answers
            self._note = note
            self._loading = False
            self._state.notify_all()
        self._show_ready(token, answers.predictor)

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
            self.status = Status(phase, message, progress, model, device, hint)
        self._changed()


def _title(model: str) -> str:
    """Name of a model for reading: a path only by its last part."""
    return Path(model).name if Path(model).is_file() else model


def as_model_error(error: Exception) -> ModelError:
    """`error` itself if it is one of ours, else one that says what happened."""
    if isinstance(error, ModelError):
        return error
    logger.error("the model failed", exc_info=error)
    wrapped = ModelError(f"the model failed: {error!r}; try model='bundled'")
    wrapped.__cause__ = error
    return wrapped
