"""Compares the proposals of one search with examples: objects that exist in the image."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sam2_widget._utils.arrays import Float64Array, UInt8Array
from sam2_widget.annotation.predictions import Prediction
from sam2_widget.proposals.filters import Likeness
from sam2_widget.proposals.likeness import Describer, likeness
from sam2_widget.proposals.proposal import Proposal


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Objects that proposals are compared with.

    Attributes
    ----------
    label : str or None
        The label that all of them have.
    predictions : tuple of Prediction
        Their masks, without empty ones.
    """

    label: str | None = None
    predictions: tuple[Prediction, ...] = ()

    def __len__(self) -> int:
        return len(self.predictions)

    def is_same_as(self, other: Examples) -> bool:
        """Whether these are the same masks with the same label."""
        return (
            self.label == other.label
            and len(self) == len(other)
            and all(a is b for a, b in zip(self.predictions, other.predictions, strict=True))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The result of a comparison.

    Attributes
    ----------
    examples : Examples
    likeness : mapping of int to float
        By number of the proposal; empty without examples.
    """

    examples: Examples = field(default_factory=Examples)
    likeness: Likeness = field(default_factory=dict)


class Comparison:
    """Compares proposals with examples; each mask is described only once. Thread-safe.

    Parameters
    ----------
    image : callable
        Returns the image, (H, W, 3) uint8, which is not kept.
    """

    def __init__(self, image: Callable[[], UInt8Array]) -> None:
        self._image = image
        self._lock = threading.Lock()
        self._proposals: list[Float64Array] = []
        self._examples: dict[int, tuple[Prediction, Float64Array]] = {}
        """The last examples, by the ids of their predictions, and their descriptions."""

    def __call__(self, proposals: Sequence[Proposal], examples: Examples) -> Compared:
        """Compare all that the search has found so far, in order, with examples."""
        if not (proposals and examples):
            return Compared(examples)
        with self._lock:
            self._describe(proposals[len(self._proposals) :], examples.predictions)
            known = [description for _, description in self._examples.values()]
            values = likeness(np.array(self._proposals[: len(proposals)]), np.array(known))
        numbers = (one.number for one in proposals)
        return Compared(examples, dict(zip(numbers, values.tolist(), strict=True)))

    def _describe(self, proposals: Sequence[Proposal], examples: Sequence[Prediction]) -> None:
        """Describe new proposals and new examples, and forget other examples."""
        before = self._examples
        new = [one for one in examples if id(one) not in before]
        if proposals or new:
            image = self._image()
            describer, size = Describer(image), image.shape[:2]
            self._proposals += [describer.proposal(one) for one in proposals]
            for one in new:
                before[id(one)] = one, describer.mask(one.mask.crop(*size))
        self._examples = {id(one): before[id(one)] for one in examples}
