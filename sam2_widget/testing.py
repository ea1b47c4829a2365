"""Predictors without a model, for quick tests of whatever stands on this side of the seam.

`FakePredictor` is a fake: its masks are discs and boxes and know nothing of the image. So is
`FakeRemotePredictor`, whose cluster is this process, and `FakeTrackingPredictor`, which follows
colours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam2_widget._utils.arrays import BoolArray, Float32Array, UInt8Array
from sam2_widget._utils.weakrefs import WeakCallbacks
from sam2_widget.models import idle, worker
from sam2_widget.predictor import (
    Candidates,
    Embedding,
    Frame,
    Keyframe,
    PromptArrays,
    Track,
    TrackedMask,
    TrackMemory,
)


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
        Number of calls of `embed` and `predict`.
    fail_with : Exception or None
        Raised by the next calls, until it is set back to None.
    gate : threading.Event
        Calls wait for it; it is set at first. Clear it to keep the "model" busy.
    offloaded : bool
        Whether it has left its device, until the next call.
    """

    proposal_thresholds = (0.5, 0.5)

    def __init__(
        self, *, size: int = 64, radius: float = 0.15, name: str = "fake", device: str = "cpu"
    ) -> None:
        self.name = name
        self.device = device
        self.precision = ""
        self.offloaded = False
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

    def offload(self) -> None:
        """Leave the device."""
        self.offloaded = self.device != "cpu"

    def _called(self) -> None:
        self.gate.wait()
        self.offloaded = False
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
        self._watchers = WeakCallbacks()

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a bound method called when `waiting` changes."""
        self._watchers.add(changed)

    def embed_ahead(self, image: UInt8Array) -> bool:
        """Do as if the image was encoded."""
        self.embed(image)
        return True

    def _called(self) -> None:
        if not self.gate.is_set():
            self._set_waiting("Waiting for the cluster: it cannot be reached")
            self.gate.wait()
            self._set_waiting("")
        super()._called()

    def _set_waiting(self, waiting: str) -> None:
        self.waiting = waiting
        self._watchers()


@dataclass(frozen=True, slots=True, eq=False)
class FakeTrackMemory:
    """What a fake remembers of an object: its mean colour, and the cells where it was last seen."""

    index: int
    color: Float32Array
    cells: BoolArray

    @property
    def nbytes(self) -> int:
        """Memory of both in bytes."""
        return self.color.nbytes + self.cells.nbytes


class FakeTrackingPredictor(FakePredictor):
    """A `FakePredictor` that follows colours: a fake, for tests.

    An object is where a frame has about the colour that it had on the nearest of its keyframes,
    not far from where it was last seen. It is absent where no cell has, and is found again when
    it comes back there. The score is the ratio of its areas on this frame and the one before.

    Parameters
    ----------
    tolerance : float
        Distance in RGB below which a colour is that of the object.
    reach : int
        How far an object may move from frame to frame, in cells of the logits.
    size, radius, name, device : optional
        See `FakePredictor`.

    Attributes
    ----------
    remembered, followed : list of int
        The frame of each object in calls of `remember`, and of `follow`.
    """

    def __init__(
        self,
        *,
        tolerance: float = 48.0,
        reach: int = 6,
        size: int = 64,
        radius: float = 0.15,
        name: str = "fake tracker",
        device: str = "cpu",
    ) -> None:
        super().__init__(size=size, radius=radius, name=name, device=device)
        self.remembered: list[int] = []
        self.followed: list[int] = []
        self._tolerance = tolerance
        self._reach = reach

    def remember(self, frame: Frame, keyframes: Sequence[Keyframe]) -> list[FakeTrackMemory]:
        """Remember colours."""
        return worker.of(self).run(lambda: [self._remember(frame, one) for one in keyframes])

    def _remember(self, frame: Frame, keyframe: Keyframe) -> FakeTrackMemory:
        self._called()
        self.remembered.append(frame.index)
        cells = keyframe.logits > 0
        inside = self._colors(frame)[cells]
        color = inside.mean(axis=0) if len(inside) else np.full(3, np.inf)
        return FakeTrackMemory(frame.index, np.asarray(color, np.float32), cells)

    def follow(
        self, frame: Frame, tracks: Sequence[Track]
    ) -> list[tuple[TrackedMask, FakeTrackMemory]]:
        """Find the colours again."""
        return worker.of(self).run(lambda: [self._follow(frame, one) for one in tracks])

    def _follow(self, frame: Frame, track: Track) -> tuple[TrackedMask, FakeTrackMemory]:
        self._called()
        self.followed.append(frame.index)
        before = _own_memory(track.memory or track.keyframes[0])
        known = (_own_memory(one) for one in track.keyframes)
        color = min(known, key=lambda one: abs(one.index - frame.index)).color
        distance = np.linalg.norm(self._colors(frame) - color, axis=-1)
        near = _grown(before.cells, self._reach)
        logits = np.where(near, np.clip((self._tolerance - distance) / 4, -32, 32), -32)
        cells = logits > 0
        areas = sorted((int(cells.sum()), int(before.cells.sum())))
        found = TrackedMask(
            np.asarray(logits, np.float32),
            score=areas[0] / max(areas[1], 1),
            presence=8.0 if areas[0] else -8.0,
        )
        seen = cells if cells.any() else before.cells
        return found, FakeTrackMemory(frame.index, color, seen)

    def _colors(self, frame: Frame) -> Float32Array:
        """The frame's pixels in the middle of each cell."""
        height, width = frame.size
        middles = (np.arange(self._size) + 0.5) / self._size
        rows, columns = (middles * height).astype(int), (middles * width).astype(int)
        return np.asarray(frame.rgb[rows[:, None], columns], np.float32)


def _own_memory(memory: TrackMemory) -> FakeTrackMemory:
    if not isinstance(memory, FakeTrackMemory):
        raise TypeError(f"a track must hold what remember() or follow() returned, got {memory!r}")
    return memory


def _grown(cells: BoolArray, reach: int) -> BoolArray:
    """The box around some cells, `reach` cells larger on each side."""
    grown = np.zeros_like(cells)
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if len(rows):
        top, left = max(rows[0] - reach, 0), max(columns[0] - reach, 0)
        grown[top : rows[-1] + reach + 1, left : columns[-1] + reach + 1] = True
    return grown
