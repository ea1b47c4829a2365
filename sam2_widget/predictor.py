"""The interface between annotation and models.

Any implementation of `Predictor` can be used by the widget: SAM 2 itself
(`sam2_widget.models.sam2.predictor`), a fake for tests (`sam2_widget.testing`), or a model on
another machine. Code that uses the interface does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array


@runtime_checkable
class Embedding(Protocol):
    """What `Predictor.embed` returns: opaque, immutable, possibly on another device."""

    @property
    def nbytes(self) -> int:
        """Memory that the embedding holds, in bytes."""


@runtime_checkable
class MovableEmbedding(Embedding, Protocol):
    """An embedding that can be moved to another device."""

    @property
    def device(self) -> str:
        """The device that holds it, e.g. ``"cpu"`` or ``"cuda:0"``."""

    def to(self, device: str) -> Embedding:
        """A copy on another device; the predictor accepts both."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptArrays:
    """Prompts as arrays, the input of a model.

    Attributes
    ----------
    points : (N, 2) float32 ndarray
        (x, y) in image pixels. N may be 0.
    labels : (N,) int32 ndarray
        1 for the object, 0 for background.
    box : (4,) float32 ndarray or None
        x0, y0, x1, y1 in image pixels.
    logits : (h, w) float32 ndarray or None
        Low-resolution logits of the previous prediction.
    """

    points: Float32Array
    labels: npt.NDArray[np.int32]
    box: Float32Array | None = None
    logits: Float32Array | None = None

    @property
    def only_box(self) -> bool:
        """Whether there is a box and no other prompt."""
        return self.box is not None and not len(self.points)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The model's masks for one set of prompts.

    Attributes
    ----------
    logits : (K, h, w) float32 ndarray
        Low-resolution logits over the whole image; above 0 is inside.
    scores : (K,) float32 ndarray
        The model's own estimate of each mask's IoU, about 0..1.
    """

    logits: Float32Array
    scores: Float32Array

    @property
    def best(self) -> int:
        """Index of the best-scored candidate."""
        return int(np.argmax(self.scores))


class Predictor(Protocol):
    """A promptable segmentation model, shared by all that use it.

    Implementations are thread-safe and hold no state between calls.
    """

    @property
    def name(self) -> str:
        """Name of the model, as an argument of `load_model`."""

    @property
    def device(self) -> str:
        """The device that it runs on, e.g. ``"cpu"`` or ``"cuda:0"``."""

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it returns and accepts."""

    def embed(self, image: UInt8Array) -> Embedding:
        """Encode an RGB image of shape (H, W, 3); slow, once per image."""

    def predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        """Decode; fast. One candidate, or three if `multimask` (for an ambiguous prompt)."""


@runtime_checkable
class PointsPredictor(Predictor, Protocol):
    """A predictor that decodes many points of one image in one run, each as a separate prompt.

    Attributes
    ----------
    refines_points : bool
        Whether `predict` gives a finer mask for a point than `predict_points`, which is then used
        to select the points to refine. If not, both give the same except for rounding.
    proposal_thresholds : (float, float), optional
        Default thresholds of proposals for score and stability; without it those of sam2's own
        generator.
    proposal_edges : float, optional
        Proposals with a smaller share of their outline, 0..1, along edges of the picture are left
        out; without it none.
    """

    refines_points: bool

    def predict_points(self, embedding: Embedding, points: Float32Array) -> list[Candidates]:
        """Three candidates for each of `points`, (N, 2), (x, y) in image pixels."""


@runtime_checkable
class StorablePredictor(Predictor, Protocol):
    """A predictor whose embeddings can outlive the kernel.

    An embedding from `unpack` gives exactly the same masks as the packed one.
    """

    identity: str
    """Equal for predictors, in any kernel, that compute the same embedding of an image."""

    def pack(self, embedding: Embedding) -> Mapping[str, npt.NDArray[Any]]:
        """Convert an embedding to arrays."""

    def unpack(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Embedding:
        """Convert arrays from `pack` to an embedding; ValueError if they are something else."""


# Without slots, which a cached property cannot have.
@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video, or one slice of a volume, as input of a tracker.

    Attributes
    ----------
    index : int
        Its number in the source, from 0.
    count : int
        Number of frames of the source.
    rgb : (H, W, 3) uint8 ndarray
        Must not be modified.
    embed : callable
        Returns the frame's embedding; called at most once, and only if the model needs it.
    """

    index: int
    count: int
    rgb: UInt8Array
    embed: Callable[[], Embedding]

    @cached_property
    def embedding(self) -> Embedding:
        """The frame's embedding by the tracker's own `embed`, from the cache if possible."""
        return self.embed()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class Decoding:
    """The run of the decoder that a mask comes from, so that a tracker can repeat it.

    Attributes
    ----------
    prompts : PromptArrays
        All points, the box and the logits that were its input.
    multimask : bool
        Whether it returned three candidates.
    choice : int
        Index of the candidate that the user has chosen.
    """

    prompts: PromptArrays
    multimask: bool
    choice: int


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """The mask of one object on a frame where it has prompts.

    Attributes
    ----------
    mask : (H, W) bool ndarray
        In the frame's pixels; empty where the user has marked the object as absent.
    logits : (h, w) float32 ndarray
        The same at `Predictor.logits_size`, above 0 inside.
    decoding : Decoding or None
        The decoder's run, if the mask comes from points, scribbles and a box only; None if it was
        given, drawn, cleaned, or computed by another model.
    """

    mask: BoolArray
    logits: Float32Array
    decoding: Decoding | None = None


@runtime_checkable
class TrackMemory(Protocol):
    """A model's memory of one object: opaque, immutable, of bounded size."""

    @property
    def nbytes(self) -> int:
        """Its size in bytes; data shared by several memories are counted for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One object that is tracked from a keyframe along the frames, one after another.

    Attributes
    ----------
    keyframes : tuple of TrackMemory
        Results of `TrackingPredictor.remember`: first that of the keyframe where the track starts,
        then those of further keyframes, if any, in the order of their frames.
    memory : TrackMemory or None
        Result of the last call of `TrackingPredictor.follow` for this track; None for the frame
        next to the keyframe where it starts.
    reverse : bool
        Whether it runs from later frames to earlier ones.
    """

    keyframes: tuple[TrackMemory, ...]
    memory: TrackMemory | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TrackedMask:
    """A mask that was found without prompts.

    Attributes
    ----------
    logits : (h, w) float32 ndarray
        Low-resolution logits over the whole frame; above 0 is inside. None is above 0 if the object
        is absent.
    score : float
        The model's own estimate of the mask's IoU, about 0..1.
    presence : float
        Logit of whether the object is on this frame: it is absent at 0 or below.
    """

    logits: Float32Array
    score: float
    presence: float


@runtime_checkable
class TrackingPredictor(Predictor, Protocol):
    """A predictor that finds an object on the frames before and after a keyframe.

    It holds no state between calls either: its memories are returned to the caller, who stores
    those that are needed to continue. The same calls give exactly the same masks, and a track's
    masks do not depend on the other tracks of the same call.
    """

    def remember(self, frame: Frame, keyframes: Sequence[Keyframe]) -> Sequence[TrackMemory]:
        """Compute the memories of objects that have prompts on `frame`, one for each."""

    def follow(
        self, frame: Frame, tracks: Sequence[Track]
    ) -> Sequence[tuple[TrackedMask, TrackMemory]]:
        """The masks on `frame`, the next frame of each track, and the tracks' new memories."""


@runtime_checkable
class RemotePredictor(Protocol):
    """The additional methods of a predictor that runs on other machines."""

    @property
    def parallel(self) -> int:
        """Number of images that can be encoded at the same time."""

    def embed_ahead(self, image: UInt8Array) -> bool:
        """Encode an image remotely, without returning the embedding; False if already encoded."""

    @property
    def waiting(self) -> str:
        """What it is waiting for now, one sentence for the user; "" if it is not waiting."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Call a bound method when `waiting` changes, for as long as its object lives.

        A method that is registered again, as by a widget at each load, is still called only once.
        """


@runtime_checkable
class StoredEmbedding(Protocol):
    """Returns an embedding when it is called; `fetch` can read it from disk before."""

    @property
    def is_loaded(self) -> bool:
        """Whether a call returns without reading from disk."""

    def fetch(self) -> None:
        """Read it from disk if it is stored there; on any thread but a model's."""

    def __call__(self) -> Embedding:
        """The embedding; must be called on the model's thread."""
