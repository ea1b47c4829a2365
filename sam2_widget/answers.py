"""The fold: a list of prompts → the mask of one object.

Each prompt is answered with all prompts so far and the logits of the answer before it, in which a
choice of another candidate and the strokes drawn so far are heeded. So the answer to a list depends
on that list alone, not on how it came about: undo is the shorter list, and a script that is given
the same list gets the same mask, to the bit. What was drawn by hand lies on top of what the model
says, and costs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

import numpy as np
from cachetools import LRUCache

from sam2_widget.errors import ClosedError
from sam2_widget.kinds import Box, Choice, MaskPrompt, Point, Prompt, Scribble
from sam2_widget.masks.correction import CERTAIN, corrected, given_logits
from sam2_widget.masks.logits import Float32Array, LogitMask
from sam2_widget.masks.regions import clean
from sam2_widget.masks.strokes import Base, Mask, draw_into, standing_strokes
from sam2_widget.predictor import Candidates, Embedding, Predictor, PromptArrays, UInt8Array
from sam2_widget.provenance import Maker
from sam2_widget.settings import DEFAULTS, Settings

DERIVED_KEPT = 8192
"""Cleaned and corrected masks that are kept: the settings of a moment ago may come back."""

FORESEEN_KEPT = 4
"""Answers worked out before anybody asks for them: a click mostly asks for the newest."""

FEEDBACK_KEPT = 32 * 2**20
"""Bytes of unquantised logits that are kept for the next click: 128 answers of SAM 2."""

PromptList: TypeAlias = tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the masks that the model offers for an ambiguous prompt.

    Attributes
    ----------
    mask : Mask
    score : float
        The model's estimate of the mask's IoU, within 0..1.
    """

    mask: Mask
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a list of prompts means.

    Attributes
    ----------
    mask : Mask
    score : float
        The model's estimate of its mask's IoU, within 0..1; 1 for what was drawn or given.
    candidates : tuple of Candidate
        In the model's order, if its newest answer was ambiguous; else empty.
    choice : int
        Which of the candidates `mask` is.
    maker : Maker or None
        The model that has answered; None where none was asked.
    """

    mask: Mask
    score: float
    candidates: tuple[Candidate, ...] = ()
    choice: int = 0
    maker: Maker | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """The model's answer to some prompts, quantised: a few KiB."""

    masks: tuple[LogitMask, ...]
    scores: tuple[float, ...]
    best: int
    maker: Maker

    def chosen(self, choice: Choice | None) -> int:
        """Index of the candidate that is meant."""
        usable = choice is not None and choice.index < len(self.masks)
        return choice.index if choice and usable else self.best


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What the model said, its unquantised logits, and when it was at it (of `perf_counter`)."""

    said: _Said
    logits: Float32Array
    started: float
    ended: float


_EMPTY = LogitMask.from_quantised(np.full((1, 1), -127, np.int8))

NOTHING = Answer(Mask(_EMPTY), 0.0)
"""The answer where there is nothing to select: no positive click, no box, no mask, no stroke."""


class Answers:
    """Answers of one predictor for one image, each computed once.

    Call it with prompts on the model thread; `known` may be asked from any thread.

    Parameters
    ----------
    predictor : Predictor
    embedding : callable
        Returns the image's embedding; called only when a prediction is needed.
    size : (int, int)
        (height, width) of the image in pixels.
    before : Answers, optional
        Those of a model that has to be given up: what it has said still holds, and is gone on from.

    Attributes
    ----------
    seconds : float
        Spent in the predictor so far.
    """

    def __init__(
        self,
        predictor: Predictor,
        embedding: Callable[[], Embedding],
        size: tuple[int, int],
        *,
        before: Answers | None = None,
    ) -> None:
        self.predictor = predictor
        self.maker = maker_of(predictor)
        self.seconds = 0.0
        self._embedding = embedding
        self._size = size
        # A few KiB each, so that undo, redo and finished objects never need the model again.
        self._said: dict[PromptList, _Said] = {}
        self._foreseen: LRUCache[PromptList, _Step] = LRUCache(FORESEEN_KEPT)
        self._derived: dict[tuple[PromptList, int, tuple[int, int]], Base] = {}
        self._logits: LRUCache[PromptList, Float32Array] = LRUCache(
            FEEDBACK_KEPT, getsizeof=lambda logits: min(logits.nbytes, FEEDBACK_KEPT)
        )
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: Answers) -> None:
        self._said.update(before._said)
        self._derived.update(before._derived)
        # Others could not be fed back to this model: it answers those prompts anew for itself.
        if before.predictor.logits_size == self.predictor.logits_size:
            for asked in list(before._logits):
                self._logits[asked] = before._logits[asked]

    def retire(self) -> None:
        """Let the model go; what it has said can still be had. On the model thread."""
        self.predictor = _Retired(self.maker, self.predictor.logits_size)
        self._embedding = self.predictor.no_embedding
        self._logits.clear()
        self._foreseen.clear()

    def prepare(self) -> None:
        """Have the image encoded, which else the first answer waits for."""
        self._embedding()

    def known(self, prompts: PromptList, settings: Settings = DEFAULTS) -> Answer | None:
        """The answer, if it can be had without the model and at once."""
        answer = without_model(prompts)
        if answer is not None:
            return answer
        asked, choice = _asked(prompts)
        said = self._said.get(asked)
        if said is None:
            return None
        found = [self._base(asked, said, index, settings) for index in range(len(said.masks))]
        bases = [base for base in found if base is not None]
        return _answer(prompts, said, bases, choice) if len(bases) == len(found) else None

    def __call__(self, prompts: PromptList, settings: Settings = DEFAULTS) -> Answer:
        """Return the answer to `prompts`, a fold over every prefix of them."""
        answer = self.known(prompts, settings)
        if answer is not None:
            return answer
        asked, choice = _asked(prompts)
        if asked not in self._said:
            self._fold(asked)
        said = self._said[asked]
        bases = [self._derive(asked, mask, settings) for mask in said.masks]
        for index, base in enumerate(bases):
            self._derived[asked, index, settings.cleaning] = base
        while len(self._derived) > DERIVED_KEPT:
            del self._derived[next(iter(self._derived))]
        return _answer(prompts, said, bases, choice)

    def preview(self, prompts: PromptList, settings: Settings = DEFAULTS) -> Answer:
        """The answer to `prompts`, which nobody has said yet: kept for a moment, if somebody will.

        Then it is known at once.
        """
        answer = self.known(prompts, settings)
        if answer is not None:
            return answer
        asked, choice = _asked(prompts)
        before, _ = _asked(asked[:-1])
        if _needs_model(before):
            self._fold(before)
        step = self._foreseen.get(asked)
        if step is None:
            step = self._foreseen[asked] = self._step(asked)
        bases = [self._derive(asked, mask, settings) for mask in step.said.masks]
        return _answer(prompts, step.said, bases, choice)

    def waited(self, prompts: PromptList, since: float) -> float:
        """Seconds after `since` in which the model was at what it foresaw for `prompts`."""
        step = self._foreseen.get(_asked(prompts)[0])
        return max(step.ended - max(step.started, since), 0.0) if step else 0.0

    def _fold(self, asked: PromptList) -> None:
        """Have the model's logits for `asked`, and for all prefixes that they rest on."""
        todo: list[PromptList] = []
        while _needs_model(asked) and asked not in self._logits:
            todo.append(asked)
            asked, _ = _asked(asked[:-1])
        for prefix in reversed(todo):
            step = self._foreseen.pop(prefix, None) or self._step(prefix)
            self._logits[prefix] = step.logits
            # What was said before, perhaps by another model, stays as it is shown.
            self._said.setdefault(prefix, step.said)

    def _step(self, asked: PromptList) -> _Step:
        """Ask the model; what the answer rests on must be there."""
        arrays = to_arrays(asked, self._feedback(asked))
        alone = len(arrays.points) == 1 and arrays.box is None
        embedding, start = self._embedding(), perf_counter()
        candidates = self.predictor.predict(
            embedding, arrays, multimask=alone and arrays.logits is None
        )
        end = perf_counter()
        self.seconds += end - start
        scores = np.clip(np.nan_to_num(candidates.scores), 0.0, 1.0)
        masks = tuple(LogitMask.from_logits(logits) for logits in candidates.logits)
        said = _Said(masks, tuple(scores.tolist()), candidates.best, self.maker)
        return _Step(said, candidates.logits.copy(), start, end)

    def _feedback(self, asked: PromptList) -> Float32Array | None:
        """The logits that the newest of `asked` corrects."""
        before, choice = _asked(asked[:-1])
        # A box says anew what the object is: the logits from before it would hold it back.
        if isinstance(asked[-1], Box) or not _selects(before):
            return None
        if isinstance(before[-1], MaskPrompt):
            logits = given_logits(before[-1], self.predictor.logits_size)
        else:
            logits = self._logits[before][self._said[before].chosen(choice)]
        return draw_into(logits, standing_strokes(asked), self._size, CERTAIN)

    def _base(self, asked: PromptList, said: _Said, index: int, settings: Settings) -> Base | None:
        """The mask of a candidate, if it can be had at once."""
        if settings.cleans or isinstance(asked[0], MaskPrompt):
            return self._derived.get((asked, index, settings.cleaning))
        return said.masks[index]

    def _derive(self, asked: PromptList, mask: LogitMask, settings: Settings) -> Base:
        """What the model said, cleaned, and kept to what a given mask is to be corrected by."""
        if settings.cleans:
            cells = mask.width * mask.height / (self._size[0] * self._size[1])
            holes, specks = (area * cells for area in settings.cleaning)
            mask = clean(mask, holes=holes, specks=specks)
        if isinstance(asked[0], MaskPrompt):
            return corrected(asked[0].pixels, mask, asked, self._size)
        return mask


def maker_of(predictor: Predictor) -> Maker:
    """What provenance tells of a model."""
    return Maker(predictor.name, predictor.device, getattr(predictor, "precision", ""))


class _Retired:
    """In the place of the model of a closed widget, which is free to go."""

    def __init__(self, maker: Maker, logits_size: tuple[int, int]) -> None:
        self.name, self.device, self.precision = maker.model, maker.device, maker.precision
        self.logits_size = logits_size

    def embed(self, image: UInt8Array) -> Embedding:
        del image
        return self.no_embedding()

    def predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        del embedding, prompts, multimask
        raise ClosedError("the widget is closed: make another one")

    def no_embedding(self) -> Embedding:
        raise ClosedError("the widget is closed: make another one")


def without_model(prompts: PromptList) -> Answer | None:
    """The answer, if it needs no model: nothing is selected, or all was given or drawn by hand."""
    asked, _ = _asked(prompts)
    if _needs_model(asked):
        return None
    given = asked[-1] if asked else None
    strokes = standing_strokes(prompts)
    if isinstance(given, MaskPrompt):
        return Answer(Mask(given.pixels, strokes), 1.0)
    return Answer(Mask(_EMPTY, strokes), 1.0) if strokes else NOTHING


def _answer(
    prompts: PromptList, said: _Said, bases: Sequence[Base], choice: Choice | None
) -> Answer:
    chosen, strokes = said.chosen(choice), standing_strokes(prompts)
    candidates = tuple(
        Candidate(Mask(base), score) for base, score in zip(bases, said.scores, strict=True)
    )
    return Answer(
        Mask(bases[chosen], strokes),
        said.scores[chosen],
        candidates if len(candidates) > 1 else (),
        chosen,
        said.maker,
    )


def _asked(prompts: PromptList) -> tuple[PromptList, Choice | None]:
    """`prompts` up to the last that the model is asked, and the choice among its answers."""
    choice = None
    for end in range(len(prompts), 0, -1):
        prompt = prompts[end - 1]
        if isinstance(prompt, (Point, Box, Scribble, MaskPrompt)):
            return prompts[:end], choice
        if isinstance(prompt, Choice):
            choice = choice or prompt
    return (), None


def _selects(prompts: PromptList) -> bool:
    return any(
        isinstance(p, (Box, MaskPrompt)) or (isinstance(p, (Point, Scribble)) and p.label == 1)
        for p in prompts
    )


def _needs_model(asked: PromptList) -> bool:
    return _selects(asked) and not isinstance(asked[-1], MaskPrompt)


def to_arrays(prompts: PromptList, logits: Float32Array | None = None) -> PromptArrays:
    """Prompts as `Predictor.predict` takes them; of several boxes the last counts."""
    clicks = [p.samples if isinstance(p, Scribble) else (p,) for p in prompts]
    points = [p for some in clicks for p in some if isinstance(p, Point)]
    boxes = [p for p in prompts if isinstance(p, Box)]
    return PromptArrays(
        points=_in_their_pixels([(p.x, p.y) for p in points]),
        labels=np.array([p.label for p in points], np.int32),
        box=_box_array(boxes[-1]) if boxes else None,
        logits=logits,
    )


def _in_their_pixels(points: list[tuple[float, float]]) -> Float32Array:
    """(N, 2) float32, where no point has been rounded up into the next pixel."""
    exact = np.array(points, np.float64).reshape(-1, 2)
    rounded = exact.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(np.floor(rounded) > np.floor(exact), below, rounded)


def _box_array(box: Box) -> Float32Array:
    return np.array([box.x0, box.y0, box.x1, box.y1], np.float32)
