"""Decoding for several users in one run of the model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from sam2_widget.predictor import Candidates, Embedding, Predictor, PromptArrays

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """The arguments of `Predictor.predict`."""

    embedding: Embedding
    prompts: PromptArrays
    multimask: bool

    @property
    def shape(self) -> tuple[int, bool, bool, bool]:
        """Key that is equal for requests that can share a run of the decoder."""
        prompts = self.prompts
        parts = prompts.box is not None, prompts.logits is not None
        return len(prompts.points), *parts, self.multimask


@runtime_checkable
class BatchPredictor(Predictor, Protocol):
    """A predictor that can decode several requests in one run."""

    def predict_many(self, requests: Sequence[DecodeRequest], *, size: int) -> list[Candidates]:
        """Decode in runs of `size`, see `in_batches`."""


def in_batches(
    requests: Sequence[A],
    kind: Callable[[A], Hashable],
    decode: Callable[[Sequence[A]], Sequence[T]],
    *,
    size: int,
) -> list[T]:
    """Results for `requests`, in their order, computed in batches of exactly `size` and one kind.

    A smaller batch is padded by repeating its last request. Libraries use other kernels, and so
    other roundings, for other batch sizes: with a constant size a result does not depend on how
    many requests arrive at the same time.
    """
    kinds: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        kinds.setdefault(kind(request), []).append(index)
    found: dict[int, T] = {}
    for indices in kinds.values():
        for start in range(0, len(indices), size):
            run = indices[start : start + size]
            full = run + run[-1:] * (size - len(run))
            found |= zip(run, decode([requests[index] for index in full])[: len(run)], strict=True)
    return [found[index] for index in range(len(requests))]
