"""CUDA graphs: the decoder's hundreds of small kernels, launched as one.

A graph fits one shape of the inputs only, that is, one number of points. It is recorded the second
time that a shape is seen, since recording takes as long as many plain runs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import torch
from cachetools import LRUCache

logger = logging.getLogger(__name__)

GRAPHS_KEPT = 16
WARM_UPS = 2

Answer: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Logits and scores."""


class Inputs(NamedTuple):
    """What a decoder is asked, all on its device; a batch of one, or of several at once.

    Attributes
    ----------
    maps : tuple of (B, channels, h, w) Tensor
        Of the embeddings, the finest first.
    coords : (B, N, 2) Tensor
        Points and corners of boxes, (x, y) in the network's pixels.
    labels : (B, N) Tensor
    previous : (B, 1, h, w) Tensor or None
        Logits that are fed back.
    multimask : bool
        Whether three masks are asked for.
    """

    maps: tuple[torch.Tensor, ...]
    coords: torch.Tensor
    labels: torch.Tensor
    previous: torch.Tensor | None
    multimask: bool

    @property
    def kind(self) -> tuple[object, ...]:
        """What is equal in questions that one recording can answer."""
        previous = None if self.previous is None else self.previous.shape
        return self.coords.shape, previous, self.multimask

    @property
    def prompts(self) -> tuple[torch.Tensor, ...]:
        """What changes with each question about an image."""
        given = (self.coords, self.labels, self.previous)
        return tuple(tensor for tensor in given if tensor is not None)

    def copied(self) -> Inputs:
        """The same maps, and copies of the prompts."""
        previous = None if self.previous is None else self.previous.clone()
        coords, labels = self.coords.clone(), self.labels.clone()
        return Inputs(self.maps, coords, labels, previous, self.multimask)


Decode: TypeAlias = Callable[[Inputs], Answer]
"""A decoder as a function of tensors."""


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
        self._usable = True
        self.clear()

    def clear(self) -> None:
        """Give back the memory of all graphs."""
        self._graphs: LRUCache[tuple[object, ...], _Graph] = LRUCache(GRAPHS_KEPT)
        self._addresses: tuple[int, ...] = ()
        self._maps: tuple[torch.Tensor, ...] = ()

    def __call__(self, inputs: Inputs) -> Answer:
        """Answer, by a recording if there was a question of this kind before."""
        self._seen[inputs.kind] += 1
        if self._usable and self._seen[inputs.kind] > 1:
            self._drop_stale()
            try:
                return self._replayed(inputs)
            except RuntimeError:  # out of memory, too: there is another way
                logger.warning("the decoder cannot be recorded", exc_info=True)
                self._usable = False
                self.clear()
        return self._decode(inputs)

    def _replayed(self, inputs: Inputs) -> Answer:
        if not self._maps:
            self._maps = tuple(m.clone() for m in inputs.maps)
            self._pool = torch.cuda.graph_pool_handle()
        if inputs.kind not in self._graphs:
            own = inputs._replace(maps=self._maps)
            self._graphs[inputs.kind] = _Graph(self._decode, own, self._pool)
        _copy(self._maps, inputs.maps)
        return self._graphs[inputs.kind](inputs)

    def _drop_stale(self) -> None:
        addresses = tuple(tensor.data_ptr() for tensor in self._weights())
        if addresses != self._addresses:
            self.clear()
            self._addresses = addresses


def _copy(own: Iterable[torch.Tensor], given: Iterable[torch.Tensor]) -> None:
    for one, other in zip(own, given, strict=True):
        one.copy_(other)


class _Graph:
    """One recording, with the inputs that it reads.

    All share one pool of memory: they never run at once, and no answer outlives the next call.
    """

    def __init__(self, decode: Decode, inputs: Inputs, pool: Any) -> None:
        self._inputs = inputs.copied()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                decode(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._answer = decode(self._inputs)

    def __call__(self, inputs: Inputs) -> Answer:
        _copy(self._inputs.prompts, inputs.prompts)
        self._graph.replay()
        return self._answer
