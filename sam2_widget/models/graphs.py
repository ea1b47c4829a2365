"""CUDA graphs: the decoder's hundreds of small kernels, launched as one.

A graph fits one shape of the inputs only, that is, one number of points. It is recorded the second
time that a shape is seen, since recording takes as long as many plain runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

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
    """Gives what `decode` gives, to the bit. Its answers are overwritten by the next call.

    Parameters
    ----------
    decode : Decode
    weights : callable
        Returns the tensors that `decode` reads beside its inputs: a graph knows their addresses, so
        those of before are dropped when a model has left its device and come back.
    """

    def __init__(self, decode: Decode, weights: Callable[[], Iterable[torch.Tensor]]) -> None:
        self._decode = decode
        self._weights = weights
        self._seen: Counter[tuple[object, ...]] = Counter()
        self.clear()

    def clear(self) -> None:
        """Give back the memory of all graphs."""
        self._graphs: LRUCache[tuple[object, ...], _Graph] = LRUCache(GRAPHS_KEPT)
        self._addresses: tuple[int, ...] = ()
        self._maps: tuple[torch.Tensor, ...] = ()

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
        self._seen[kind] += 1
        if self._seen[kind] == 1:
            return self._decode(maps, coords, labels, previous, multimask=multimask)
        self._drop_stale()
        if not self._maps:
            self._maps = tuple(m.clone() for m in maps)
            self._pool = torch.cuda.graph_pool_handle()
        given = [coords, labels, *([] if previous is None else [previous])]
        if kind not in self._graphs:
            self._graphs[kind] = _Graph(self._bound(multimask=multimask), given, self._pool)
        _copy(self._maps, maps)
        return self._graphs[kind](given)

    def _drop_stale(self) -> None:
        addresses = tuple(tensor.data_ptr() for tensor in self._weights())
        if addresses != self._addresses:
            self.clear()
            self._addresses = addresses

    def _bound(self, *, multimask: bool) -> Callable[[_Inputs], Answer]:
        maps = self._maps

        def decode(inputs: _Inputs) -> Answer:
            coords, labels, *previous = inputs
            logits = previous[0] if previous else None
            return self._decode(maps, coords, labels, logits, multimask=multimask)

        return decode


def _copy(own: Iterable[torch.Tensor], given: Iterable[torch.Tensor]) -> None:
    for one, other in zip(own, given, strict=True):
        one.copy_(other)


class _Graph:
    """One recording, with the inputs that it reads.

    All share one pool of memory: they never run at once, and no answer outlives the next call.
    """

    def __init__(self, decode: Callable[[_Inputs], Answer], inputs: _Inputs, pool: Any) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                decode(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._answer = decode(self._inputs)

    def __call__(self, inputs: _Inputs) -> Answer:
        _copy(self._inputs, inputs)
        self._graph.replay()
        return self._answer
