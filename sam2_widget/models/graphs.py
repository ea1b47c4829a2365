"""CUDA graphs: the decoder's hundreds of small kernels, launched as one.

A graph fits one shape of the inputs only, that is, one number of points. It is recorded the second
time that a shape is seen, since recording takes as long as many plain runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch
from cachetools import LRUCache

GRAPHS_KEPT = 16
WARM_UPS = 2

Answer: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Logits and scores."""

_Inputs: TypeAlias = list[torch.Tensor]


class Decode(Protocol):
    """A decoder as a function of tensors."""

    def __call__(
        self,
        maps: tuple[torch.Tensor, ...],
        coords: torch.Tensor,
        labels: torch.Tensor,
        previous: torch.Tensor | None,
        *,
        multimask: bool,
    ) -> Answer:
        """Logits and scores."""


class GraphedDecoder:
    """Gives what `decode` gives. Its answers are overwritten by the next call."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._graphs: LRUCache[tuple[object, ...], _Graph] = LRUCache(GRAPHS_KEPT)

    def __call__(
        self,
        maps: tuple[torch.Tensor, ...],
        coords: torch.Tensor,
        labels: torch.Tensor,
        previous: torch.Tensor | None,
        *,
        multimask: bool,
    ) -> Answer:
        """See `Decode`."""
        kind = (coords.shape, None if previous is None else previous.shape, multimask)
        inputs = [*maps, coords, labels, *([] if previous is None else [previous])]
        self._seen[kind] += 1
        if kind not in self._graphs:
            if self._seen[kind] == 1:
                return self._decode(maps, coords, labels, previous, multimask=multimask)
            self._graphs[kind] = _Graph(self._bound(len(maps), multimask=multimask), inputs)
        return self._graphs[kind](inputs)

    def _bound(self, maps: int, *, multimask: bool) -> Callable[[_Inputs], Answer]:
        def decode(inputs: _Inputs) -> Answer:
            coords, labels, *previous = inputs[maps:]
            logits = previous[0] if previous else None
            return self._decode(tuple(inputs[:maps]), coords, labels, logits, multimask=multimask)

        return decode


class _Graph:
    """One recording, with the inputs that it reads."""

    def __init__(self, decode: Callable[[_Inputs], Answer], inputs: _Inputs) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                decode(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._answer = decode(self._inputs)

    def __call__(self, inputs: _Inputs) -> Answer:
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._answer
