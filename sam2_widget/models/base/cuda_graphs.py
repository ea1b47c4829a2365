"""CUDA graphs: the decoder's hundreds of small kernels, launched as one.

A graph is valid for one shape of the inputs only, that is, for one number of points. It is recorded
when a shape occurs for the second time, because recording takes as long as many plain runs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import torch
from cachetools import LRUCache

from sam2_widget._utils.tracebacks import log_failure

logger = logging.getLogger(__name__)

GRAPHS_KEPT = 16
PAUSE = 64
"""Calls after a failed recording until the next attempt; the number doubles with each failure."""
MAX_PAUSE = 4096
WARM_UPS = 2

Answer: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Logits and scores."""


class Inputs(NamedTuple):
    """Inputs of the decoder, all on its device, as a batch of one or several.

    Attributes
    ----------
    maps : tuple of (B, channels, h, w) Tensor
        Feature maps of the embeddings, the finest first.
    coords : (B, N, 2) Tensor
        Points and corners of boxes, (x, y) in the network's pixels.
    labels : (B, N) Tensor
    previous : (B, 1, h, w) Tensor or None
        Logits that are fed back.
    multimask : bool
        Whether three masks are computed.
    """

    maps: tuple[torch.Tensor, ...]
    coords: torch.Tensor
    labels: torch.Tensor
    previous: torch.Tensor | None
    multimask: bool

    @property
    def kind(self) -> tuple[object, ...]:
        """Key that is equal for inputs that can use the same recording."""
        previous = None if self.previous is None else self.previous.shape
        return self.coords.shape, previous, self.multimask

    @property
    def prompts(self) -> tuple[torch.Tensor, ...]:
        """The inputs that change from call to call for one image."""
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
    """Returns the same as `decode`, bit by bit. Results are overwritten by the next call.

    Parameters
    ----------
    decode : Decode
    weights : callable
        Returns the tensors that `decode` reads beside its inputs. Graphs contain their addresses,
        so they are dropped after a model has been offloaded and reloaded.
    """

    def __init__(self, decode: Decode, weights: Callable[[], Iterable[torch.Tensor]]) -> None:
        self._decode = decode
        self._weights = weights
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._pause, self._paused = PAUSE, 0
        self.clear()

    def clear(self) -> None:
        """Free the memory of all graphs."""
        self._graphs: LRUCache[tuple[object, ...], _Graph] = LRUCache(GRAPHS_KEPT)
        self._addresses: tuple[int, ...] = ()
        self._maps: tuple[torch.Tensor, ...] = ()

    def __call__(self, inputs: Inputs) -> Answer:
        """Decode, by a recording if inputs of this kind have occurred before."""
        self._seen[inputs.kind] += 1
        if self._paused:
            self._paused -= 1
        elif self._seen[inputs.kind] > 1:
            self._drop_stale()
            try:
                found = self._replayed(inputs)
            except RuntimeError as error:  # out of memory, too: there is another way
                log_failure(logger, "the decoder cannot be recorded", error, logging.WARNING)
                self.clear()
                # A recording that failed for lack of memory may succeed later.
                self._paused, self._pause = self._pause, min(2 * self._pause, MAX_PAUSE)
            else:
                self._pause = PAUSE
                return found
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

    All share one memory pool: they never run concurrently, and a result ends with the next call.
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
