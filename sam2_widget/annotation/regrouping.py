"""Merges several objects into one, and splits an object into several, by their masks.

The new objects have their masks as prompts, `MaskPrompt`, so that they can be saved and replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from sam2_widget.annotation.annotator import Annotator
from sam2_widget.annotation.predictions import Prediction
from sam2_widget.annotation.session import AnnotatedObject, Session
from sam2_widget.errors import PromptError
from sam2_widget.masks.combine import parts, union
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.prompts.types import MaskPrompt

MAX_PARTS = 500
"""Largest number of parts that an object can be split into; more are mostly specks."""

PENDING = "A mask is still being computed: try again when it is shown."

Change: TypeAlias = Callable[[Session], None]


def merging(
    annotator: Annotator, ids: Sequence[int], predictions: Iterable[Prediction | None]
) -> Change:
    """Compute the merged mask, which is slow; the returned function edits the session.

    Parameters
    ----------
    annotator : Annotator
    ids : sequence of int
        Ids of the objects.
    predictions : iterable of Prediction or None
        Their predictions, in the same order; None while one is pending.

    Raises
    ------
    PromptError
        If there are less than two of them, or a prediction is pending.
    """
    found = _described(annotator, ids)
    if len({one.id for one in found}) < 2:  # noqa: PLR2004
        raise PromptError("Merging needs two objects or more: select several.")
    (mask,) = _prompts([union(_crops(annotator, predictions))], annotator)
    return partial(_merge, objects=found, mask=mask)


def splitting(annotator: Annotator, object_id: int, prediction: Prediction | None) -> Change:
    """Compute the connected parts of an object; the returned function edits the session.

    Raises
    ------
    PromptError
        If it has only one part or too many, or its prediction is pending.
    """
    (described,) = _described(annotator, [object_id])
    (crop,) = _crops(annotator, [prediction])
    try:
        found = parts(crop, MAX_PARTS)
    except ValueError as error:
        raise PromptError(
            f"{error}, an object can be split into {MAX_PARTS} at most: erase or drop specks first"
        ) from error
    if len(found) < 2:  # noqa: PLR2004
        raise PromptError("The object cannot be split: its mask is in one piece.")
    return partial(_split, described=described, masks=_prompts(found, annotator))


def _described(annotator: Annotator, ids: Sequence[int]) -> list[AnnotatedObject]:
    annotation = annotator.session.annotation
    return [annotation.objects[annotation.index(one)] for one in ids]


def _crops(annotator: Annotator, predictions: Iterable[Prediction | None]) -> list[MaskCrop]:
    crops: list[MaskCrop] = []
    for prediction in predictions:
        if prediction is None:
            raise PromptError(PENDING)
        crops.append(prediction.mask.crop(annotator.session.height, annotator.session.width))
    return crops


def _prompts(crops: Sequence[MaskCrop], annotator: Annotator) -> list[MaskPrompt]:
    size = (annotator.session.height, annotator.session.width)
    return MaskPrompt.from_crops(crops, size, [None] * len(crops))


def _merge(session: Session, *, objects: Sequence[AnnotatedObject], mask: MaskPrompt) -> None:
    _check_unchanged(session, objects)
    session.merge([one.id for one in objects], mask)


def _split(session: Session, *, described: AnnotatedObject, masks: Sequence[MaskPrompt]) -> None:
    _check_unchanged(session, [described])
    session.split(described.id, masks)


def _check_unchanged(session: Session, objects: Iterable[AnnotatedObject]) -> None:
    now = {one.id: one.prompts for one in session.annotation.objects}
    if any(now.get(one.id) != one.prompts for one in objects):
        raise PromptError(PENDING)
