"""One replica of a model on a cluster: a predictor, and the embeddings that it has made.

It answers messages (`sam2_widget.models.remote`); who brings them is none of its business.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from cachetools import LRUCache

import sam2_widget
from sam2_widget import errors
from sam2_widget.models import remote
from sam2_widget.models.batches import Ask, BatchPredictor
from sam2_widget.models.checkpoints import fetch, load_checkpoint
from sam2_widget.predictor import Candidates, Embedding
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

DEFAULT_CAPACITY = 2 * 2**30
"""Bytes of embeddings that a replica keeps: about 250 images of SAM 2."""

TOO_MANY_FAILURES = 3
"""So many unexpected errors in a row mean a broken process, as after a fault of the GPU."""

Reply: TypeAlias = tuple[int, msgspec.Struct]
"""HTTP status and message."""


class Replica:
    """A predictor and its embeddings.

    Parameters
    ----------
    model, device : str
        As in `load_model`.
    capacity : int
        Most bytes of embeddings to keep; the least recently used go first.
    batch : int
        How many questions are decoded in one run, see `in_batches`.
    """

    def __init__(
        self, model: str, *, device: str | None, capacity: int = DEFAULT_CAPACITY, batch: int = 1
    ) -> None:
        found = fetch(model, device=device)
        predictor = load_checkpoint(found, device=device)
        if not isinstance(predictor, BatchPredictor):
            raise TypeError(f"a model must answer several at once, got {predictor!r}")
        self._predictor = predictor
        self._note = found.note
        self._batch = batch
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._failures = 0
        # Entered and left on the event loop's thread only.
        self._kept: LRUCache[str, Embedding] = LRUCache(capacity, getsizeof=lambda e: e.nbytes)

    def info(self, replicas: int) -> Reply:
        """Tell what runs here, one of so many."""
        model = self._predictor
        return 200, remote.Info(
            model.name,
            model.device,
            model.logits_size,
            sam2_widget.__version__,
            replicas,
            self._note,
        )

    def held(self, key: str) -> Reply:
        """Tell whether the embedding of an image is here."""
        found = self._kept.get(key)
        if found is None:
            return remote.NOT_HELD, self._failure(f"{self._name} does not hold the image {key}")
        return 200, remote.Held(found.nbytes, self._name)

    def embed(self, message: remote.ImageMessage) -> Embedding:
        """Encode the image of a message; slow."""
        if message.rgb is None:
            raise errors.MessageError("there is no image in the message")
        return self._predictor.embed(remote.unpack_image(message.rgb))

    def keep(self, key: str, embedding: Embedding) -> Reply:
        """Keep an embedding, and drop others if need be."""
        if embedding.nbytes > self._kept.maxsize:
            return remote.FAILED, self._failure(
                f"an embedding of {embedding.nbytes} bytes is larger than the replica's cache of "
                f"{self._kept.maxsize}: raise cache_bytes of the deployment"
            )
        self._kept[key] = embedding
        return self.held(key)

    def drop_all(self) -> None:
        """Free the memory of all embeddings."""
        self._kept.clear()

    def ask(self, message: remote.PromptsMessage) -> Ask | Reply:
        """A question to the predictor, or the reply if the embedding is not here."""
        found = self._kept.get(message.key)
        if found is None:
            return self.held(message.key)
        return Ask(found, remote.unpack_prompts(message), message.multimask)

    def predict(self, asks: Sequence[Ask]) -> list[Candidates]:
        """Decode."""
        return self._predictor.predict_many(asks, size=self._batch)

    def answered(self) -> None:
        """Take note that the model works."""
        self._failures = 0

    def failed(self, error: Exception) -> Reply:
        """Take note of an error, and tell it."""
        if isinstance(error, errors.SegmentationError):
            return remote.FAILED, self._failure(str(error), type(error).__name__)
        self._failures += 1
        log_failure(logger, "the model failed", error)
        return remote.FAILED, self._failure(f"the model failed on {self._name}: {error!r}")

    def check_health(self) -> None:
        """Raise RuntimeError if this process should be replaced."""
        if self._failures >= TOO_MANY_FAILURES:
            raise RuntimeError(f"{self._failures} failures in a row")

    @staticmethod
    def _failure(message: str, kind: str = "ModelError") -> remote.Failure:
        return remote.Failure(kind, message)
