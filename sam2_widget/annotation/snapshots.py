"""Snapshots of an annotator: its objects and their predictions at one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from sam2_widget.annotation.predictions import (
    Prediction,
    PredictionCache,
    predict_without_model,
)
from sam2_widget.annotation.session import AnnotatedObject, Annotation
from sam2_widget.annotation.tracks import TrackedObject

Pairs: TypeAlias = tuple[tuple[AnnotatedObject, Prediction | None], ...]


@dataclass(frozen=True)
class Snapshot:
    """Objects and predictions of one moment; nothing in it changes later.

    Attributes
    ----------
    annotation : Annotation
    predictions : tuple of Prediction or None
        One for each object, in the order of ``annotation.objects``; None while it is pending.
    cache : PredictionCache or None
        The cache that holds the predictions; None before the first model is loaded.
    tracked : tuple of TrackedObject
        Objects without prompts on this plane, by ascending number.
    """

    annotation: Annotation
    predictions: tuple[Prediction | None, ...]
    cache: PredictionCache | None
    tracked: tuple[TrackedObject, ...] = ()

    @cached_property
    def is_complete(self) -> bool:
        """Whether no prediction is pending."""
        return not any(prediction is None for prediction in self.predictions)

    @cached_property
    def pending(self) -> tuple[AnnotatedObject, ...]:
        """Objects without a prediction, the active one first."""
        if self.is_complete:
            return ()
        pairs = zip(self.annotation.objects, self.predictions, strict=True)
        found = [annotated for annotated, prediction in pairs if prediction is None]
        return tuple(sorted(found, key=lambda o: o.id != self.annotation.active_id))

    @cached_property
    def all_objects(self) -> Pairs:
        """All objects with their predictions, also those that were tracked to this plane."""
        own = zip(self.annotation.objects, self.predictions, strict=True)
        return merged(own, self.tracked)

    @cached_property
    def active_prediction(self) -> Prediction | None:
        """That of the active object; None if there is none, or while it is pending."""
        if self.annotation.candidate is not None:
            return predict_without_model(self.annotation.candidate.prompts)
        active_id = self.annotation.active_id
        return None if active_id is None else self.prediction_of(active_id)

    def prediction_of(self, object_id: int) -> Prediction | None:
        """The prediction of an object; LookupError if there is no such object."""
        return self.predictions[self.annotation.index(object_id)]


def merged(
    own: Iterable[tuple[AnnotatedObject, Prediction | None]], tracked: Sequence[TrackedObject]
) -> Pairs:
    """Objects of a plane from bottom to top, with their predictions.

    One that was tracked to the plane lies below the first of the plane's `own` that has a larger
    number: so objects that were drawn one after the other lie alike on all planes.
    """
    found: list[tuple[AnnotatedObject, Prediction | None]] = []
    waiting = deque(tracked)
    for annotated, prediction in own:
        while waiting and (waiting[0].annotated.number or 0) < (annotated.number or 0):
            found.append(waiting.popleft().pair)
        found.append((annotated, prediction))
    return (*found, *(one.pair for one in waiting))


@dataclass
class Snapshots:
    """Makes snapshots, each from the one before: 500 unchanged objects cost next to nothing.

    Not thread-safe: the annotator's lock guards it.
    """

    _last: Snapshot | None = None
    _found: dict[int, tuple[AnnotatedObject, Prediction]] = field(default_factory=dict)
    """By id, each object as it was when its prediction was found."""

    def take(
        self,
        annotation: Annotation,
        cache: PredictionCache | None,
        tracked: tuple[TrackedObject, ...] = (),
    ) -> Snapshot:
        """The snapshot of this moment: the very same object if nothing has changed."""
        last = self._last
        if last is None or not _has_same_basis(last, annotation, cache):
            self._found = {}
            last = None
        elif last.annotation is annotation and last.is_complete and last.tracked == tracked:
            return last
        found = self._predictions(last, annotation, cache)
        self._last = Snapshot(annotation, found, cache, tracked)
        return self._last

    def _predictions(
        self, last: Snapshot | None, annotation: Annotation, cache: PredictionCache | None
    ) -> tuple[Prediction | None, ...]:
        if last is None or last.annotation.objects is not annotation.objects:
            return tuple(self._prediction(o, annotation, cache) for o in annotation.objects)
        if last.is_complete:
            return last.predictions
        pairs = zip(annotation.objects, last.predictions, strict=True)
        return tuple(had or self._prediction(o, annotation, cache) for o, had in pairs)

    def _prediction(
        self, annotated: AnnotatedObject, annotation: Annotation, cache: PredictionCache | None
    ) -> Prediction | None:
        found = self._found.get(annotated.id)
        if found is not None and found[0] is annotated:
            return found[1]
        prompts = annotated.prompts
        prediction = (
            cache.cached(prompts, annotation.settings) if cache else predict_without_model(prompts)
        )
        if prediction is not None:
            self._found[annotated.id] = (annotated, prediction)
        return prediction


def _has_same_basis(last: Snapshot, annotation: Annotation, cache: PredictionCache | None) -> bool:
    """Whether predictions depend on the same model and the same cleaning as in `last`."""
    cleaning = annotation.settings.cleaning
    return last.cache is cache and last.annotation.settings.cleaning == cleaning
