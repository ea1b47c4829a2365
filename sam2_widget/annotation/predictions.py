"""Predicts the mask of an object from its list of prompts.

The model runs once for each prompt: its inputs are all prompts so far and the previous logits, of
the chosen candidate and with the strokes drawn in. The prediction for a list of prompts therefore
depends on that list alone: undo is the shorter list, and a script with the same list gets the same
mask, bit by bit. Strokes are drawn over the model's mask and need no model run. No prefix can be
skipped, because its logits are the input of the next run: n clicks take n model runs, of which each
is slower than the one before. MAX_CLICKS in `sam2_widget.prompts.collections` limits their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

import numpy as np
from cachetools import LRUCache

from sam2_widget._utils.arrays import Float32Array, UInt8Array
from sam2_widget.annotation.provenance import Maker
from sam2_widget.errors import ClosedError
from sam2_widget.masks.correction import CERTAIN, corrected, given_logits
from sam2_widget.masks.logits import LogitMask
from sam2_widget.masks.regions import cleaned
from sam2_widget.masks.settings import DEFAULTS, Settings
from sam2_widget.masks.strokes import Base, Mask, draw_into, standing_strokes
from sam2_widget.predictor import (
    Candidates,
    Decoding,
    Embedding,
    Predictor,
    PromptArrays,
    StoredEmbedding,
)
from sam2_widget.prompts.types import Box, Choice, MaskPrompt, Point, Prompt, Scribble
from sam2_widget.proposals.proposal import PointMasks

MAX_DERIVED_MASKS = 8192
"""Cleaned and corrected masks in the cache, kept in case the user returns to earlier settings."""

MAX_SPECULATIVE_RUNS = 4
"""Speculative model runs in the cache; a click mostly needs the newest one."""

MAX_FEEDBACK_BYTES = 32 * 2**20
"""Bytes of unquantised logits in the cache, for the next click: 128 predictions of SAM 2."""

PromptList: TypeAlias = tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the masks that the model predicts for an ambiguous prompt.

    Attributes
    ----------
    mask : Mask
    score : float
        The model's estimate of the mask's IoU, within 0..1.
    """

    mask: Mask
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The mask of one object, predicted from its prompts.

    Attributes
    ----------
    mask : Mask
    score : float
        The model's estimate of its mask's IoU, within 0..1; 1 for a mask that was drawn or given,
        unless its file contains a score.
    candidates : tuple of Candidate
        In the model's order, if the newest prompts are ambiguous; else empty.
    choice : int
        Index of the candidate that `mask` is.
    maker : Maker or None
        The model; None for a mask that needed no model.
    """

    mask: Mask
    score: float
    candidates: tuple[Candidate, ...] = ()
    choice: int = 0
    maker: Maker | None = None


@dataclass(frozen=True, slots=True)
class _ModelOutput:
    """The model's masks for some prompts, quantised: a few KiB."""

    masks: tuple[LogitMask, ...]
    scores: tuple[float, ...]
    best: int
    maker: Maker

    def index_of(self, choice: Choice | None) -> int:
        """Index of the chosen candidate, or of the best where none was chosen."""
        usable = choice is not None and choice.index < len(self.masks)
        return choice.index if choice and usable else self.best


@dataclass(frozen=True, slots=True, eq=False)
class _ModelRun:
    """A model run: its output, unquantised logits, start and end time (`perf_counter`)."""

    output: _ModelOutput
    logits: Float32Array
    started: float
    ended: float


_EMPTY = LogitMask.from_quantised(np.full((1, 1), -127, np.int8))

EMPTY_PREDICTION = Prediction(Mask(_EMPTY), 0.0)
"""The prediction where nothing is selected: no positive point, no box, no mask, no stroke."""


class PredictionCache:
    """Predictions of one model for one image, each computed once.

    Call it with prompts on the model's thread; `cached` may be called on any thread.

    Parameters
    ----------
    predictor : Predictor
    embedding : callable
        Returns the image's embedding; called only when a prediction is needed. May be a
        `StoredEmbedding`.
    size : (int, int)
        (height, width) of the image in pixels.
    previous : PredictionCache, optional
        The cache of the previous model. Its predictions stay valid, and its logits are used as a
        starting point where their size fits.

    Attributes
    ----------
    seconds : float
        Total time in the predictor.
    size : (int, int)
        (height, width) of the image in pixels.
    """

    def __init__(
        self,
        predictor: Predictor,
        embedding: Callable[[], Embedding],
        size: tuple[int, int],
        *,
        previous: PredictionCache | None = None,
    ) -> None:
        self.predictor = predictor
        self.maker = maker_of(predictor)
        self.seconds = 0.0
        self._embedding = embedding
        self.size = size
        # All are kept, a few KiB each: undo, redo and finished objects never need the model again.
        self._outputs: dict[PromptList, _ModelOutput] = {}
        self._speculative: LRUCache[PromptList, _ModelRun] = LRUCache(MAX_SPECULATIVE_RUNS)
        self._derived: dict[tuple[PromptList, int, tuple[int, int]], Base] = {}
        self._logits: LRUCache[PromptList, Float32Array] = LRUCache(
            MAX_FEEDBACK_BYTES, getsizeof=lambda logits: min(logits.nbytes, MAX_FEEDBACK_BYTES)
        )
        if previous is not None:
            self._copy_from(previous)

    def _copy_from(self, previous: PredictionCache) -> None:
        self._outputs.update(previous._outputs)
        self._derived.update(previous._derived)
        # Logits of another size cannot be fed back: this model runs again on those prompts.
        if previous.predictor.logits_size == self.predictor.logits_size:
            for prompts in list(previous._logits):
                self._logits[prompts] = previous._logits[prompts]

    def detach(self) -> None:
        """Drop the model and the embedding, and keep the predictions. On the model's thread."""
        self.predictor = _DetachedPredictor(self.maker, self.predictor.logits_size)
        self._embedding = self.predictor.no_embedding
        self._logits.clear()
        self._speculative.clear()

    @property
    def is_embedding_loaded(self) -> bool:
        """Whether getting the image's embedding needs no access to the disk."""
        return not isinstance(self._embedding, StoredEmbedding) or self._embedding.is_loaded

    def fetch_embedding(self) -> None:
        """Read the image's embedding from disk if it is stored; not on the model's thread."""
        if isinstance(self._embedding, StoredEmbedding):
            self._embedding.fetch()

    def encode_image(self) -> None:
        """Encode the image now, so that the first prediction does not wait for it."""
        self._embedding()

    def cached(self, prompts: PromptList, settings: Settings = DEFAULTS) -> Prediction | None:
        """The prediction if it needs neither a model run nor post-processing, else None."""
        prediction = predict_without_model(prompts)
        if prediction is not None:
            return prediction
        model_prompts, choice = _split_choice(prompts)
        output = self._outputs.get(model_prompts)
        if output is None:
            return None
        found = [
            self._cached_base(model_prompts, output, index, settings)
            for index in range(len(output.masks))
        ]
        bases = [base for base in found if base is not None]
        return _prediction(prompts, output, bases, choice) if len(bases) == len(found) else None

    def put(self, point: Point, found: PointMasks, maker: Maker) -> None:
        """Store a model's masks for a single point, so that they need no further run."""
        output = _ModelOutput(found.masks, found.scores, found.best, maker)
        self._outputs.setdefault((point,), output)

    def __call__(self, prompts: PromptList, settings: Settings = DEFAULTS) -> Prediction:
        """Return the prediction for `prompts`; runs the model for each prefix that needs it."""
        prediction = self.cached(prompts, settings)
        if prediction is not None:
            return prediction
        model_prompts, choice = _split_choice(prompts)
        if model_prompts not in self._outputs:
            self._run_prefixes(model_prompts)
        output = self._outputs[model_prompts]
        bases = [self._derive(model_prompts, mask, settings) for mask in output.masks]
        for index, base in enumerate(bases):
            self._derived[model_prompts, index, settings.cleaning] = base
        while len(self._derived) > MAX_DERIVED_MASKS:
            del self._derived[next(iter(self._derived))]
        return _prediction(prompts, output, bases, choice)

    def preview(self, prompts: PromptList, settings: Settings = DEFAULTS) -> Prediction:
        """The prediction for prompts that the user may or may not add.

        The model run is cached: if the prompts are added, it is not repeated.
        """
        prediction = self.cached(prompts, settings)
        if prediction is not None:
            return prediction
        model_prompts, choice = _split_choice(prompts)
        prefix, _ = _split_choice(model_prompts[:-1])
        if _needs_model(prefix):
            self._run_prefixes(prefix)
        run = self._speculative.get(model_prompts)
        if run is None:
            run = self._speculative[model_prompts] = self._run(model_prompts)
        bases = [self._derive(model_prompts, mask, settings) for mask in run.output.masks]
        return _prediction(prompts, run.output, bases, choice)

    def speculative_seconds(self, prompts: PromptList, since: float) -> float:
        """Seconds after `since` (`perf_counter`) during which `prompts` ran speculatively."""
        run = self._speculative.get(_split_choice(prompts)[0])
        return max(run.ended - max(run.started, since), 0.0) if run else 0.0

    def decoding(
        self, prompts: PromptList, settings: Settings = DEFAULTS
    ) -> tuple[Decoding, Float32Array] | None:
        """The run that the mask of `prompts` comes from, and its logits, (h, w) float32.

        None if the mask is not the unchanged output of this model: it was given, drawn, cleaned,
        or predicted by another model.
        """
        model_prompts, choice = _split_choice(prompts)
        if not _needs_model(model_prompts) or isinstance(model_prompts[0], MaskPrompt):
            return None
        if settings.cleans or standing_strokes(prompts):
            return None
        output = self._outputs.get(model_prompts)
        if output is not None and output.maker != self.maker:
            return None
        if model_prompts not in self._logits or not self._can_feed_back(model_prompts):
            self._logits.pop(model_prompts, None)
            self._run_prefixes(model_prompts)
        index = self._outputs[model_prompts].index_of(choice)
        arrays = to_arrays(model_prompts, self._feedback(model_prompts))
        decoding = Decoding(arrays, multimask=_is_ambiguous(arrays), choice=index)
        return decoding, self._logits[model_prompts][index]

    def _can_feed_back(self, model_prompts: PromptList) -> bool:
        """Whether the logits that the last of `model_prompts` corrects need no model run."""
        prefix, _ = _split_choice(model_prompts[:-1])
        return not _needs_model(prefix) or prefix in self._logits

    def _run_prefixes(self, model_prompts: PromptList) -> None:
        """Run the model on `model_prompts`, first on all prefixes whose logits are fed back."""
        todo: list[PromptList] = []
        while _needs_model(model_prompts) and model_prompts not in self._logits:
            todo.append(model_prompts)
            model_prompts, _ = _split_choice(model_prompts[:-1])
        for prefix in reversed(todo):
            run = self._speculative.pop(prefix, None) or self._run(prefix)
            self._logits[prefix] = run.logits
            # An output that is already shown, perhaps of another model, is not replaced.
            self._outputs.setdefault(prefix, run.output)

    def _run(self, model_prompts: PromptList) -> _ModelRun:
        """Run the model once; the previous logits must be cached."""
        arrays = to_arrays(model_prompts, self._feedback(model_prompts))
        embedding, start = self._embedding(), perf_counter()
        candidates = self.predictor.predict(embedding, arrays, multimask=_is_ambiguous(arrays))
        end = perf_counter()
        self.seconds += end - start
        scores = np.clip(np.nan_to_num(candidates.scores), 0.0, 1.0)
        masks = tuple(LogitMask.from_logits(logits) for logits in candidates.logits)
        output = _ModelOutput(masks, tuple(scores.tolist()), candidates.best, self.maker)
        return _ModelRun(output, candidates.logits.copy(), start, end)

    def _feedback(self, model_prompts: PromptList) -> Float32Array | None:
        """The logits that the last of `model_prompts` corrects."""
        prefix, choice = _split_choice(model_prompts[:-1])
        # A box defines the object again: earlier logits would interfere.
        if isinstance(model_prompts[-1], Box) or not _selects(prefix):
            return None
        if isinstance(prefix[-1], MaskPrompt):
            logits = given_logits(prefix[-1], self.predictor.logits_size)
        else:
            logits = self._logits[prefix][self._outputs[prefix].index_of(choice)]
        return draw_into(logits, standing_strokes(model_prompts), self.size, CERTAIN)

    def _cached_base(
        self, model_prompts: PromptList, output: _ModelOutput, index: int, settings: Settings
    ) -> Base | None:
        """The mask of a candidate without strokes, if it is cached."""
        if settings.cleans or isinstance(model_prompts[0], MaskPrompt):
            return self._derived.get((model_prompts, index, settings.cleaning))
        return output.masks[index]

    def _derive(self, model_prompts: PromptList, mask: LogitMask, settings: Settings) -> Base:
        """The model's mask, cleaned; for a given mask, applied as a correction."""
        mask = cleaned(mask, settings.cleaning, self.size)
        if isinstance(model_prompts[0], MaskPrompt):
            return corrected(model_prompts[0].pixels, mask, model_prompts, self.size)
        return mask


def maker_of(predictor: Predictor) -> Maker:
    """The model's entry in the provenance."""
    optional = (getattr(predictor, name, "") for name in ("precision", "implementation"))
    return Maker(predictor.name, predictor.device, *optional)


NO_MODEL = Maker("")


class _DetachedPredictor:
    """Replaces the model of a closed widget, so that the model's memory can be freed."""

    def __init__(self, maker: Maker, logits_size: tuple[int, int]) -> None:
        self.name, self.device, self.precision = maker.model, maker.device, maker.precision
        self.implementation = maker.implementation
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


def cache_without_model(size: tuple[int, int], maker: Maker = NO_MODEL) -> PredictionCache:
    """A cache for an image of `size`, (height, width), with prompts that need no model.

    `maker` is the model of other masks of the image.
    """
    absent = _DetachedPredictor(maker, (1, 1))
    return PredictionCache(absent, absent.no_embedding, size)


def predict_without_model(prompts: PromptList) -> Prediction | None:
    """The prediction if it needs no model: nothing is selected, or the mask is given or drawn."""
    model_prompts, _ = _split_choice(prompts)
    if _needs_model(model_prompts):
        return None
    given = model_prompts[-1] if model_prompts else None
    strokes = standing_strokes(prompts)
    if isinstance(given, MaskPrompt):
        # Strokes change the mask, so that the file's score does not apply.
        score = 1.0 if given.score is None or strokes else given.score
        return Prediction(Mask(given.pixels, strokes), score)
    return Prediction(Mask(_EMPTY, strokes), 1.0) if strokes else EMPTY_PREDICTION


def _prediction(
    prompts: PromptList, output: _ModelOutput, bases: Sequence[Base], choice: Choice | None
) -> Prediction:
    chosen, strokes = output.index_of(choice), standing_strokes(prompts)
    candidates = tuple(
        Candidate(Mask(base), score) for base, score in zip(bases, output.scores, strict=True)
    )
    return Prediction(
        Mask(bases[chosen], strokes),
        output.scores[chosen],
        candidates if len(candidates) > 1 else (),
        chosen,
        output.maker,
    )


def _split_choice(prompts: PromptList) -> tuple[PromptList, Choice | None]:
    """`prompts` up to the last one for the model, and the candidate that was chosen after it."""
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


def _is_ambiguous(arrays: PromptArrays) -> bool:
    """Whether the model should predict several masks: a single click is ambiguous."""
    return len(arrays.points) == 1 and arrays.box is None and arrays.logits is None


def _needs_model(model_prompts: PromptList) -> bool:
    return _selects(model_prompts) and not isinstance(model_prompts[-1], MaskPrompt)


def to_arrays(prompts: PromptList, logits: Float32Array | None = None) -> PromptArrays:
    """Convert prompts for `Predictor.predict`; of several boxes the last is used."""
    clicks = [p.samples if isinstance(p, Scribble) else (p,) for p in prompts]
    points = [p for some in clicks for p in some if isinstance(p, Point)]
    boxes = [p for p in prompts if isinstance(p, Box)]
    return PromptArrays(
        points=_rounded_within_pixels([(p.x, p.y) for p in points]),
        labels=np.array([p.label for p in points], np.int32),
        box=_box_array(boxes[-1]) if boxes else None,
        logits=logits,
    )


def _rounded_within_pixels(points: list[tuple[float, float]]) -> Float32Array:
    """Points as (N, 2) float32, none of them rounded up into the next pixel."""
    exact = np.array(points, np.float64).reshape(-1, 2)
    rounded = exact.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(np.floor(rounded) > np.floor(exact), below, rounded)


def _box_array(box: Box) -> Float32Array:
    return np.array([box.x0, box.y0, box.x1, box.y1], np.float32)
