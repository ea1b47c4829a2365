"""The fold: a list of prompts → the mask of one object.

Each prompt is answered with all prompts so far and the logits of the answer before it. So the
answer to a list depends on that list alone, not on how it came about: undo is the shorter list, and
a script that is given the same list gets the same mask, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache

from sam2_widget.masks import Float32Array, LogitMask
from sam2_widget.predictor import Embedding, Predictor, PromptArrays
from sam2_widget.prompts import Box, Point, Prompt

FEEDBACK_KEPT = 128
"""Answers whose unquantised logits are kept for the next click: 32 MiB at SAM 2's 256x256."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says to a list of prompts.

    Attributes
    ----------
    mask : LogitMask
    score : float
        The model's estimate of the mask's IoU, within 0..1.
    """

    mask: LogitMask
    score: float


NOTHING = Answer(LogitMask.from_logits(np.full((1, 1), -8, np.float32)), 0.0)
"""The answer where there is nothing to select: no positive point and no box."""


class Answers:
    """Answers of one predictor for one image, each computed once.

    Call it with prompts on the model thread; `known` may be asked from any thread.

    Parameters
    ----------
    predictor : Predictor
    embedding : callable
        Returns the image's embedding; called only when a prediction is needed.
    """

    def __init__(self, predictor: Predictor, embedding: Callable[[], Embedding]) -> None:
        self.predictor = predictor
        self._embedding = embedding
        # A few KiB each, so that undo, redo and finished objects never need the model again.
        self._known: dict[tuple[Prompt, ...], Answer] = {}
        self._feedback: LRUCache[tuple[Prompt, ...], Float32Array] = LRUCache(FEEDBACK_KEPT)

    def prepare(self) -> None:
        """Have the image encoded, which else the first answer waits for."""
        self._embedding()

    def known(self, prompts: tuple[Prompt, ...]) -> Answer | None:
        """The answer, if it can be had without the model."""
        return self._known.get(prompts) if _selects(prompts) else NOTHING

    def __call__(self, prompts: tuple[Prompt, ...]) -> Answer:
        """Return the answer to `prompts`, a fold over every prefix of them."""
        answer = self.known(prompts)
        if answer is not None:
            return answer
        done = len(prompts) - 1
        while _selects(prompts[:done]) and prompts[:done] not in self._feedback:
            done -= 1
        for end in range(done + 1, len(prompts) + 1):
            answer = self._step(prompts[:end])
        return answer or NOTHING

    def _step(self, prompts: tuple[Prompt, ...]) -> Answer:
        # A box says anew what the object is: the logits from before it would hold it back.
        fresh = isinstance(prompts[-1], Box)
        feedback = None if fresh else self._feedback.get(prompts[:-1])
        arrays = to_arrays(prompts, feedback)
        ambiguous = len(arrays.points) == 1 and arrays.box is None and feedback is None
        candidates = self.predictor.predict(self._embedding(), arrays, multimask=ambiguous)
        # A copy, for a view would keep all candidates in memory.
        logits = candidates.logits[candidates.best].copy()
        score = float(np.clip(np.nan_to_num(candidates.scores[candidates.best]), 0.0, 1.0))
        self._feedback[prompts] = logits
        answer = Answer(LogitMask.from_logits(logits), score)
        self._known[prompts] = answer
        return answer


def _selects(prompts: tuple[Prompt, ...]) -> bool:
    return any(isinstance(p, Box) or p.label == 1 for p in prompts)


def to_arrays(prompts: tuple[Prompt, ...], logits: Float32Array | None = None) -> PromptArrays:
    """Prompts as `Predictor.predict` takes them; of several boxes the last counts."""
    points = [p for p in prompts if isinstance(p, Point)]
    boxes = [p for p in prompts if isinstance(p, Box)]
    return PromptArrays(
        points=np.array([(p.x, p.y) for p in points], np.float32).reshape(-1, 2),
        labels=np.array([p.label for p in points], np.int32),
        box=_box_array(boxes[-1]) if boxes else None,
        logits=logits,
    )


def _box_array(box: Box) -> Float32Array:
    return np.array([box.x0, box.y0, box.x1, box.y1], np.float32)
