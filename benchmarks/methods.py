"""What all methods have in common here, and our models as one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sam2_widget import Box, Point
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.masks.strokes import Mask as StrokedMask
from sam2_widget.predictor import Predictor
from sam2_widget.prompts.collections import Prompt
from training.clicks import Click

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Pixels = tuple[float, float, float, float]


class Segmenter(Protocol):
    """A method that has seen an image."""

    def clicked(self, clicks: tuple[Click, ...], previous: Mask | None) -> Mask:
        """Return the mask, (H, W), after `clicks`; `previous` is the mask before the last one."""

    def in_box(self, box: Pixels) -> Mask:
        """Return the mask, (H, W), in a box of (x0, y0, x1, y1), outermost pixels of the object."""


@runtime_checkable
class ScoringSegmenter(Segmenter, Protocol):
    """A method that estimates the quality of its masks, and offers several."""

    def score(self, clicks: tuple[Click, ...]) -> float:
        """Return the estimated IoU, 0..1, of the mask after `clicks`."""

    def candidates(self, clicks: tuple[Click, ...]) -> list[Mask]:
        """Return the masks, each (H, W), that a user can choose from after `clicks`."""


@dataclass(frozen=True)
class Method:
    """A way to segment, by name.

    Attributes
    ----------
    name : str
    begin : callable
        (H, W, 3) uint8 RGB → `Segmenter`; all work that is done once per image.
    clock : callable
        Seconds. By default those of the processor, which do not depend on what else it has to do
        and are, for one thread, those that a user of a quiet machine waits.
    """

    name: str
    begin: Callable[[Image], Segmenter]
    clock: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class _Ours:
    """The fold that answers the widget and `sam2_widget.segment`, and its masks in pixels."""

    answers: PredictionCache
    size: tuple[int, int]

    def clicked(self, clicks: tuple[Click, ...], previous: Mask | None) -> Mask:
        del previous  # the fold feeds its own logits back
        return self._mask(_points(clicks))

    def in_box(self, box: Pixels) -> Mask:
        x0, y0, x1, y1 = box
        return self._mask((Box(x0, y0, x1 + 1, y1 + 1),))

    def score(self, clicks: tuple[Click, ...]) -> float:
        return self.answers(_points(clicks)).score

    def candidates(self, clicks: tuple[Click, ...]) -> list[Mask]:
        answer = self.answers(_points(clicks))
        offered = [candidate.mask for candidate in answer.candidates] or [answer.mask]
        return [self._pixels(mask) for mask in offered]

    def _mask(self, prompts: tuple[Prompt, ...]) -> Mask:
        return self._pixels(self.answers(prompts).mask)

    def _pixels(self, mask: StrokedMask) -> Mask:
        pixels = np.zeros(self.size, bool)
        mask.crop(*self.size).paste(pixels, 1)
        return pixels


def _points(clicks: tuple[Click, ...]) -> tuple[Prompt, ...]:
    return tuple(Point(c.x + 0.5, c.y + 0.5, c.label) for c in clicks)


def ours(predictor: Predictor) -> Method:
    """Return the model as the widget uses it."""

    def begin(image: Image) -> Segmenter:
        embedding, size = predictor.embed(image), image.shape[:2]
        return _Ours(PredictionCache(predictor, lambda: embedding, size), size)

    # A processor that waits for a GPU takes little time of its own.
    clock = time.process_time if predictor.device == "cpu" else time.perf_counter
    return Method(Path(predictor.name).name, begin, clock)
