"""Questions of several users, answered together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from sam2_widget.predictor import Candidates, Embedding, Predictor, PromptArrays

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """What `Predictor.predict` is asked."""

    embedding: Embedding
    prompts: PromptArrays
    multimask: bool

    @property
    def shape(self) -> tuple[int, bool, bool, bool]:
        """What must be equal in questions that are answered in one run of the decoder."""
        prompts = self.prompts
        parts = prompts.box is not None, prompts.logits is not None
        return len(prompts.points), *parts, self.multimask


@runtime_checkable
class BatchPredictor(Predictor, Protocol):
    """A predictor that can answer several questions in one run."""

    def predict_many(self, asks: Sequence[Ask], *, size: int) -> list[Candidates]:
        """Decode in runs of `size`, see `in_batches`."""


def in_batches(
    asks: Sequence[A],
    kind: Callable[[A], Hashable],
    answer: Callable[[Sequence[A]], Sequence[T]],
    *,
    size: int,
) -> list[T]:
    """Answers to `asks`, in their order, by runs of exactly `size` that are all of one kind.

    A run is filled up by repeating its last question. Libraries compute with other kernels, and so
    with other roundings, for other sizes of a batch: with one size only, an answer does not depend
    on how many others ask at that moment.
    """
    kinds: dict[Hashable, list[int]] = {}
    for index, ask in enumerate(asks):
        kinds.setdefault(kind(ask), []).append(index)
    found: dict[int, T] = {}
    for indices in kinds.values():
        for start in range(0, len(indices), size):
            run = indices[start : start + size]
            full = run + run[-1:] * (size - len(run))
            found |= zip(run, answer([asks[index] for index in full])[: len(run)], strict=True)
    return [found[index] for index in range(len(asks))]
