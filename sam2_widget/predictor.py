"""The seam between annotation and model.

Whatever implements `Predictor` can stand behind the widget: the real SAM 2
(`sam2_widget.models.sam2_predictor`), a fake for tests (`sam2_widget.testing`), or a model on
another machine. Nothing on this side of the seam knows torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sam2_widget.masks.logits import Float32Array

UInt8Array = npt.NDArray[np.uint8]


@runtime_checkable
class Embedding(Protocol):
    """What `Predictor.embed` returns: opaque, immutable, possibly on another device."""

    @property
    def nbytes(self) -> int:
        """Memory that the embedding holds, in bytes."""


@runtime_checkable
class MovableEmbedding(Embedding, Protocol):
    """An embedding that can be kept elsewhere than where it was made."""

    @property
    def device(self) -> str:
        """Whose memory it is in, e.g. ``"cpu"`` or ``"cuda:0"``."""

    def to(self, device: str) -> Embedding:
        """The same, a new object, in the memory of another device; the predictor takes both."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptArrays:
    """Prompts as the model takes them.

    Attributes
    ----------
    points : (N, 2) float32 ndarray
        (x, y) in image pixels. N may be 0.
    labels : (N,) int32 ndarray
        1 for the object, 0 for background.
    box : (4,) float32 ndarray or None
        x0, y0, x1, y1 in image pixels.
    logits : (h, w) float32 ndarray or None
        Low-resolution logits of the previous answer.
    """

    points: Float32Array
    labels: npt.NDArray[np.int32]
    box: Float32Array | None = None
    logits: Float32Array | None = None

    @property
    def only_box(self) -> bool:
        """Whether a box is all there is."""
        return self.box is not None and not len(self.points)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The model's answers to one set of prompts.

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
        """Name of the model, as a user would give it to `load_model`."""

    @property
    def device(self) -> str:
        """Where it computes, e.g. ``"cpu"`` or ``"cuda:0"``."""

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it gives and takes."""

    def embed(self, image: UInt8Array) -> Embedding:
        """Encode an RGB image of shape (H, W, 3); slow, once per image."""

    def predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        """Decode; quick. One candidate, or three when `multimask` (for an ambiguous prompt)."""


@runtime_checkable
class StorablePredictor(Predictor, Protocol):
    """A predictor whose embeddings can outlive the kernel.

    What comes back from `unpack` gives the same answers, to the bit.
    """

    identity: str
    """Equal for predictors, in whatever kernel, that make the same embedding of an image."""

    def pack(self, embedding: Embedding) -> Mapping[str, npt.NDArray[Any]]:
        """An embedding as arrays."""

    def unpack(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Embedding:
        """What `pack` has packed; ValueError if it is something else."""


@runtime_checkable
class RemotePredictor(Protocol):
    """What a predictor on other machines has beside the methods of `Predictor`."""

    @property
    def parallel(self) -> int:
        """How many images to have encoded at once."""

    def embed_ahead(self, image: UInt8Array) -> bool:
        """Have an image encoded, which need not be kept here; False if it had been before."""

    @property
    def waiting(self) -> str:
        """What is waited for at this moment, one sentence for the user; empty if for nothing."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a bound method called when `waiting` changes, for as long as its object lives.

        Who asks for it again, as a widget does with each load, is called once all the same.
        """
