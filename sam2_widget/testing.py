"""Predictors without a model, for quick tests of whatever stands on this side of the seam.

`FakePredictor` is a fake: its masks are discs and boxes and know nothing of the image. So is
`FakeRemotePredictor`, whose cluster is this process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam2_widget.masks.logits import Float32Array
from sam2_widget.models import idle, worker
from sam2_widget.predictor import Candidates, Embedding, PromptArrays, UInt8Array
from sam2_widget.weak import Watchers


@dataclass(frozen=True, slots=True)
class FakeEmbedding:
    """The size of the image, which is all that a fake needs to know."""

    width: int
    height: int
    nbytes: int = 1024


class FakePredictor:
    """Deterministic masks without weights: a fake, for tests.

    A box selects its inside; without one, each positive point selects a disc of `radius` around
    it. Each negative point cuts out a disc of half that radius. With several candidates, their
    discs are of half, the whole and twice the radius, and the second has the best score.

    Parameters
    ----------
    size : int
        Side of the low-resolution logits.
    radius : float
        As a fraction of the image's longer side.
    name, device : str

    Attributes
    ----------
    embedded, predicted : int
        How often the fake was asked.
    fail_with : Exception or None
        Raised by the next calls, until it is set back to None.
    gate : threading.Event
        Calls wait for it; it is set at first. Clear it to keep the "model" busy.
    resting : bool
        Whether it has left its device, until the next call.
    """

    def __init__(
        self, *, size: int = 64, radius: float = 0.15, name: str = "fake", device: str = "cpu"
    ) -> None:
        self.name = name
        self.device = device
        self.precision = ""
        self.resting = False
        self.embedded = 0
        self.predicted = 0
        self.fail_with: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._size = size
        self._radius = radius

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits."""
        return self._size, self._size

    def embed(self, image: UInt8Array) -> FakeEmbedding:
        """Return the image's size."""
        return worker.of(self).run(lambda: self._embed(image))

    def _embed(self, image: UInt8Array) -> FakeEmbedding:
        self._called()
        self.embedded += 1
        return FakeEmbedding(image.shape[1], image.shape[0])

    def predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        """Return discs and boxes."""
        if not isinstance(embedding, FakeEmbedding):
            raise TypeError(f"embedding must be what embed() returned, got {embedding!r}")
        job = partial(self._predict, embedding, prompts, multimask=multimask)
        return worker.of(self).run(job)

    def _predict(
        self, embedding: FakeEmbedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        self._called()
        self.predicted += 1
        factors = (0.5, 1.0, 2.0) if multimask else (1.0,)
        logits = np.stack([self._draw(embedding, prompts, factor) for factor in factors])
        scores = np.array([0.7, 0.9, 0.8] if multimask else [0.95], np.float32)
        return Candidates(logits, scores)

    def rest(self) -> None:
        """Leave the device."""
        self.resting = self.device != "cpu"

    def _called(self) -> None:
        self.gate.wait()
        self.resting = False
        idle.used(self)
        if self.fail_with is not None:
            raise self.fail_with

    def _draw(self, embedding: FakeEmbedding, prompts: PromptArrays, factor: float) -> Float32Array:
        """Distance to the edge of the shape in cells, positive inside."""
        scale = self._size / np.array([embedding.width, embedding.height])
        grid = np.stack(np.meshgrid(*[np.arange(self._size) + 0.5] * 2), axis=-1) / scale
        radius = factor * self._radius * max(embedding.width, embedding.height)
        inside = np.full((self._size, self._size), -np.inf)
        if prompts.box is not None:
            x0, y0, x1, y1 = prompts.box
            x, y = grid[..., 0], grid[..., 1]
            inside = np.minimum.reduce([x - x0, x1 - x, y - y0, y1 - y])
        for point in prompts.points[prompts.labels == 1]:
            inside = np.maximum(inside, radius - np.linalg.norm(grid - point, axis=-1))
        for point in prompts.points[prompts.labels == 0]:
            inside = np.minimum(inside, np.linalg.norm(grid - point, axis=-1) - radius / 2)
        return np.asarray(np.clip(inside * scale.max(), -32, 32), np.float32)


class FakeRemotePredictor(FakePredictor):
    """A `FakePredictor` that seems to be on other machines: a fake, for tests.

    Clear its `gate`, and it waits for its "cluster".

    Attributes
    ----------
    parallel : int
    waiting : str
        What is waited for at this moment, or empty.
    """

    parallel = 2

    def __init__(self, *, name: str = "fake cluster") -> None:
        super().__init__(name=name)
        self.waiting = ""
        self._watchers = Watchers()

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a bound method called when `waiting` changes."""
        self._watchers.add(changed)

    def embed_ahead(self, image: UInt8Array) -> bool:
        """Do as if the image was encoded."""
        self.embed(image)
        return True

    def _called(self) -> None:
        if not self.gate.is_set():
            self._say("Waiting for the cluster: it cannot be reached")
            self.gate.wait()
            self._say("")
        super()._called()

    def _say(self, waiting: str) -> None:
        self.waiting = waiting
        self._watchers()
