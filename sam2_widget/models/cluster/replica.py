"""One replica of a model on a cluster: a predictor and a cache of its embeddings.

It answers the messages of `sam2_widget.models.cluster.protocol`, independent of the transport.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import msgspec
from cachetools import LRUCache

import sam2_widget
from sam2_widget import errors
from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.text import presentable
from sam2_widget._utils.tracebacks import log_failure
from sam2_widget.models.batches import BatchPredictor, DecodeRequest
from sam2_widget.models.checkpoints import check_image_size, fetch, load_checkpoint
from sam2_widget.models.cluster import protocol as remote
from sam2_widget.models.cluster import track_protocol as tracking
from sam2_widget.models.cluster import tracks
from sam2_widget.models.embeddings.cache import image_key
from sam2_widget.predictor import (
    Candidates,
    Embedding,
    Frame,
    Keyframe,
    Track,
    TrackedMask,
    TrackingPredictor,
    TrackMemory,
)

logger = logging.getLogger(__name__)

DEFAULT_CAPACITY = 2 * 2**30
"""Bytes of embeddings that a replica keeps: about 250 images of SAM 2."""

TOO_MANY_FAILURES = 3
"""Number of consecutive errors that mean a broken process, as after a fault of the GPU."""

T = TypeVar("T")

Reply: TypeAlias = tuple[int, msgspec.Struct]
"""HTTP status and message."""


class ModelFaultError(Exception):
    """The model failed for another reason than the request, which `reply` describes.

    Parameters
    ----------
    reply : Reply
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class Replica:
    """A predictor and its embeddings.

    Parameters
    ----------
    model, device : str
        As in `load_model`.
    capacity : int
        Limit of the embeddings in bytes; the least recently used are evicted first.
    batch : int
        Number of requests that are decoded in one run, see `in_batches`.
    image_size : int, optional
        As in `load_model`.
    track_capacity : int
        Limit of the memories of tracked objects in bytes.

    Attributes
    ----------
    held_tracks : HeldTracks
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None,
        capacity: int = DEFAULT_CAPACITY,
        batch: int = 1,
        image_size: int | None = None,
        track_capacity: int = tracks.DEFAULT_CAPACITY,
    ) -> None:
        check_image_size(image_size, model)
        found = replace(fetch(model, device=device), image_size=image_size)
        predictor = load_checkpoint(found, device=device)
        if not isinstance(predictor, BatchPredictor):
            raise TypeError(f"a model must answer several at once, got {predictor!r}")
        self._predictor = predictor
        self._note = found.note or getattr(predictor, "note", "")
        self._batch = batch
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._failures = 0
        # Used on the event loop's thread only.
        self._kept: LRUCache[str, Embedding] = LRUCache(capacity, getsizeof=lambda e: e.nbytes)
        self.held_tracks = tracks.HeldTracks(track_capacity)

    def info(self, replicas: int) -> Reply:
        """Describe this replica, which is one of `replicas`."""
        model = self._predictor
        return 200, remote.Info(
            model.name,
            model.device,
            model.logits_size,
            sam2_widget.__version__,
            replicas,
            self._note,
            isinstance(model, TrackingPredictor),
        )

    def held(self, key: str) -> Reply:
        """Reply whether this replica has the embedding of an image."""
        found = self._kept.get(key)
        if found is None:
            return remote.NOT_HELD, self._failure(f"{self._name} does not hold the image {key}")
        return 200, remote.Held(found.nbytes, self._name)

    def embed(self, message: remote.ImageMessage) -> Embedding:
        """Encode the image of a message; slow.

        Raises
        ------
        MessageError
            If there is none, or its key is wrong: other requests refer to it by this key.
        ModelFaultError
            If the model fails.
        """
        rgb = self.image(message)
        return self._watched(lambda: self._predictor.embed(rgb))

    @staticmethod
    def image(message: remote.ImageMessage) -> UInt8Array:
        """The image of a message; raises `MessageError` as `embed`."""
        if message.rgb is None:
            raise errors.MessageError("there is no image in the message")
        rgb = remote.unpack_image(message.rgb)
        if image_key(rgb) != message.key:
            raise errors.MessageError("the image is not the one that its key names: send its own")
        return rgb

    def keep(self, key: str, embedding: Embedding) -> Reply:
        """Store an embedding, and evict others if necessary."""
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

    def decode_request(self, message: remote.PromptsMessage) -> DecodeRequest | Reply:
        """A request to the predictor, or the reply if the embedding is missing."""
        found = self._kept.get(message.key)
        if found is None:
            return self.held(message.key)
        prompts, size = remote.unpack_prompts(message), self._predictor.logits_size
        if prompts.logits is not None and prompts.logits.shape != size:
            raise errors.MessageError(f"logits must be {size}, got {prompts.logits.shape}")
        return DecodeRequest(found, prompts, message.multimask)

    def predict(self, requests: Sequence[DecodeRequest]) -> list[Candidates]:
        """Decode; `ModelFaultError` if the model fails."""
        return self._watched(lambda: self._predictor.predict_many(requests, size=self._batch))

    # --- tracks -----------------------------------------------------------------------------------

    def has_frame(self, key: str) -> Reply:
        """Return whether the pixels of a frame are here, and its embedding."""
        found = self.held(key)
        if found[0] == 200 and not self.held_tracks.has_pixels(key):  # noqa: PLR2004 - HTTP's OK
            return remote.NOT_HELD, self._failure(f"{self._name} does not hold the frame {key}")
        return found

    def frame(self, name: tracking.FrameName) -> Frame | Reply:
        """A frame, or the reply if it is not here."""
        found = self.held_tracks.frame(name, self._kept.get(name.key))
        return found or (remote.NOT_HELD, self._failure(f"the frame {name.key} is not here"))

    def keyframe(self, message: tracking.RememberMessage) -> Keyframe:
        """The keyframe of a message; MessageError if it is none."""
        return tracking.unpack_keyframe(message, self._predictor.logits_size)

    def remember(self, frame: Frame, keyframe: Keyframe) -> TrackMemory:
        """What the model remembers of an object; slow, raises as `embed`."""
        model = self._tracking_model()
        if keyframe.mask.shape != frame.size:
            raise errors.MessageError(f"the mask must be {frame.size}, got {keyframe.mask.shape}")
        return self._watched(lambda: model.remember(frame, [keyframe])[0])

    def follow(
        self, frame: Frame, some: Sequence[Track]
    ) -> Sequence[tuple[TrackedMask, TrackMemory]]:
        """Objects on the next frame; slow, raises as `embed`."""
        model = self._tracking_model()
        return self._watched(lambda: model.follow(frame, some))

    def _tracking_model(self) -> TrackingPredictor:
        if isinstance(self._predictor, TrackingPredictor):
            return self._predictor
        raise errors.ModelError(f"the model {self._predictor.name} cannot track")

    def memory_lost(self) -> Reply:
        """Reply that what a track goes on with is not here."""
        return remote.MEMORY_LOST, self._failure(f"{self._name} does not hold that track")

    def _watched(self, job: Callable[[], T]) -> T:
        """Run a job of the model; a failure counts once, even if several requests share the job."""
        try:
            return job()
        except errors.SegmentationError:
            raise
        except Exception as error:
            raise ModelFaultError(self.failed(error)) from error

    def answered(self) -> None:
        """Reset the count of errors."""
        self._failures = 0

    def refused(self, error: Exception) -> Reply:
        """Reply with an error of the request, which does not count as a failure of the model."""
        if not isinstance(error, errors.SegmentationError):
            log_failure(logger, "a request failed", error)
            return remote.FAILED, self._failure(f"the request failed: {error!r}")
        return remote.FAILED, self._failure(str(error), type(error).__name__)

    def failed(self, error: Exception) -> Reply:
        """Count an error of the model, and reply with it."""
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
        return remote.Failure(kind, presentable(message))
