"""Prepares the planes that will probably be shown next, while the user annotates another one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from sam2_widget._utils.executors import TransientThreadExecutor
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.images.arrays import ImageSource
from sam2_widget.models import worker
from sam2_widget.models.embeddings.cache import EmbeddingSource, embeddings
from sam2_widget.predictor import Embedding, Predictor

logger = logging.getLogger(__name__)

MAX_AHEAD = 8
"""Planes that are prepared at most: users look at each for several seconds."""

MOST_PROBABLE = 2
"""Planes whose pictures are sent ahead: the neighbour, and the next that is not finished."""

PAUSE = 0.2
"""Seconds until images of a set are prepared after another one is shown.

Reading a large image takes a processor for a second, and Python's lock for much of it. On few
processors the page would receive and paint the image shown so much later.
"""


class Prefetcher:
    """Prepares planes one after the other; the model encodes them when no click is waiting.

    Parameters
    ----------
    image : callable
        Returns a plane by its number.
    read : callable
        Reads a plane and prepares its picture.
    prepared : callable
        Called on the thread with the number of each of the most probable planes, once prepared.
    pause : float
        Seconds until it begins.
    """

    def __init__(
        self,
        image: Callable[[int], ImageSource],
        read: Callable[[int], object],
        *,
        prepared: Callable[[int], object],
        pause: float = 0.0,
    ) -> None:
        self._image = image
        self._read = read
        self._prepared = prepared
        self._pause = pause
        self._thread = TransientThreadExecutor("sam2-widget-planes-ahead")
        self._task: object = None
        self._is_over = threading.Event()

    def start(self, task: object, predictor: Predictor, ahead: Callable[[], Iterable[int]]) -> None:
        """Prepare the planes of `ahead`, unless this task was started already; ends another one.

        `ahead` returns their numbers, the next one first; it is called on the thread.
        """
        if self._task != task:
            self.stop()
            self._task, self._is_over = task, threading.Event()
            self._thread.submit(self._run, self._is_over, predictor, ahead)

    def stop(self) -> None:
        """Prepare no more planes."""
        self._task = None
        self._is_over.set()

    def _run(
        self,
        is_over: threading.Event,
        predictor: Predictor,
        ahead: Callable[[], Iterable[int]],
    ) -> None:
        if is_over.wait(self._pause):
            return
        most = MAX_AHEAD
        for count, index in enumerate(ahead(), start=1):
            if count > most or is_over.is_set():
                return
            embedding = self._prepare(index, predictor, is_over)
            if embedding is not None:
                if count <= MOST_PROBABLE and not is_over.is_set():
                    self._prepared(index)
                # Room for those of the plane shown and of the last one is left.
                most = min(most, max(1, embeddings.room_for(embedding) - 2))

    def _prepare(
        self, index: int, predictor: Predictor, is_over: threading.Event
    ) -> Embedding | None:
        image = self._image(index)
        source = embeddings.source(predictor, lambda: image.rgb)
        try:
            self._read(index)
            source.prepare()
        except Exception as error:  # noqa: BLE001 - logged
            # The error is shown when the user selects that plane.
            log_failure(logger, f"plane {index} cannot be read", error)
            return None
        return self._encoded(source, predictor, is_over)

    def _encoded(
        self, source: EmbeddingSource, predictor: Predictor, is_over: threading.Event
    ) -> Embedding | None:
        """The embedding, as soon as the model has time for it; None if the task has ended."""
        found: list[Embedding] = []
        has_ended = threading.Event()

        def encode() -> None:
            try:
                if not is_over.is_set():
                    found.append(source())
            except Exception as error:  # noqa: BLE001 - logged
                log_failure(logger, "the next plane could not be encoded", error)
            finally:
                has_ended.set()

        worker.of(predictor).submit_idle(encode)
        has_ended.wait()
        return found[0] if found else None
