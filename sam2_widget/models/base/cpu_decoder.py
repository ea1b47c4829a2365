"""SAM 2's mask decoder on a CPU, in half the time.

The masks are those of the package's own modules, except for rounding. Four things save time:

- Until the first prompts have been attended to, the image is the same for all prompts.
- Eight tokens attend to thousands of cells: projecting the tokens into the cells' space, once for
  each head, needs half the multiplications of projecting the cells.
- Channels come last everywhere, so that nothing is transposed but the finished masks.
- Of three candidates for a point, the mask that is meant for several points is not computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """An attention: projections to queries, keys, values and of the result, and heads."""

    queries: nn.Linear
    keys: nn.Linear
    values: nn.Linear
    result: nn.Linear
    heads: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A block of the two-way transformer.

    Attributes
    ----------
    is_first : bool
        Whether its self-attention takes the tokens as they are.
    self_attention : callable
        Of queries, keys and values.
    to_cells, to_tokens : Attention
        Of tokens to the cells, and of cells to the tokens.
    mlp : Module
    norms : four Modules
        In the order of their use.
    """

    is_first: bool
    self_attention: Callable[[Tensor, Tensor, Tensor], Tensor]
    to_cells: Attention
    to_tokens: Attention
    mlp: nn.Module
    norms: Sequence[nn.Module]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The parts of a mask decoder, whichever names its package has for them.

    Attributes
    ----------
    tokens : sequence of Embedding
        The decoder's own tokens, in their order.
    first_mask : int
        Number of the first mask's token, which follows that of the scores.
    blocks : sequence of Block
    last, last_norm : Attention, Module
        Of tokens to the cells, after the blocks.
    scores : Module
        From the token of the scores to those of all masks.
    upscaling : five Modules
        Transposed convolution, normalisation, activation, and again without normalisation.
    masks : sequence of Module
        From the token of each mask to its weights.
    choose_one : callable
        Of the logits and scores of all masks, those of the one for several points or a box.
    """

    tokens: Sequence[nn.Embedding]
    first_mask: int
    blocks: Sequence[Block]
    last: Attention
    last_norm: nn.Module
    scores: nn.Module
    upscaling: tuple[nn.ConvTranspose2d, Any, nn.Module, nn.ConvTranspose2d, nn.Module]
    masks: Sequence[nn.Module]
    choose_one: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class _Cells:
    """The image as the transformer sees it, (B, cells, channels); B may be 1 for all points.

    Attributes
    ----------
    features : Tensor
    located : Tensor
        The features with the encoding of their positions.
    """

    features: Tensor
    located: Tensor


class CpuDecoder:
    """Masks and scores for each of many prompts of one image.

    Parameters
    ----------
    parts : Parts
        Of a decoder with features of high resolution.
    positions : (1, channels, h, w) Tensor
        Encoding of the cells' positions.
    """

    def __init__(self, parts: Parts, positions: Tensor) -> None:
        self._parts = parts
        self._positions = _channels_last(positions)

    def __call__(
        self, maps: tuple[Tensor, ...], sparse: Tensor, dense: Tensor, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Decode.

        Parameters
        ----------
        maps : tuple of (1, channels, h, w) Tensor
            Feature maps of the image, the finest first.
        sparse : (B, N, channels) Tensor
            Encoded points.
        dense : (B or 1, channels, h, w) Tensor
            Encoded mask prompts.
        multimask : bool
            Whether to return the three candidates for a point, instead of one mask.

        Returns
        -------
        (B, K, h, w) and (B, K) Tensor
            Logits and scores.
        """
        *fine, features = maps
        cells = _channels_last(features + dense)
        tokens, cells = self._attend(cells, self._tokens(sparse))
        first = 1 if multimask else 0
        logits = self._masks(cells, fine, self._mask_weights(tokens, first))
        masks = _as_map(logits, features.shape[-2:])
        scores: Tensor = self._parts.scores(tokens[:, self._parts.first_mask - 1])
        return (masks, scores[:, first:]) if multimask else self._parts.choose_one(masks, scores)

    def _tokens(self, sparse: Tensor) -> Tensor:
        """The decoder's own tokens and those of the points, (B, T, channels)."""
        own = torch.cat([embedding.weight for embedding in self._parts.tokens])
        shared = own.expand(len(sparse), -1, -1)
        return torch.cat([shared, sparse], dim=1)

    def _attend(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The transformer: tokens and cells after they have attended to each other."""
        queries, cells = tokens, self._located(features)
        for block in self._parts.blocks:
            queries, features = _attend_both_ways(block, queries, tokens, cells)
            cells = self._located(features)
        seen = _from_cells(self._parts.last, queries + tokens, cells)
        attended: Tensor = self._parts.last_norm(queries + seen)
        return attended, features

    def _located(self, features: Tensor) -> _Cells:
        return _Cells(features, features + self._positions)

    def _masks(self, cells: Tensor, fine: list[Tensor], weights: Tensor) -> Tensor:
        """Logits, (B, cells, 2, 2, 2, 2, K): rows and columns in a cell, and in a part of it."""
        finest, finer = fine
        first, norm, activate, second, activate_again = self._parts.upscaling
        upscaled = _doubled(first, cells).add_(_in_cells(finer, 1))
        upscaled = functional.layer_norm(
            upscaled, upscaled.shape[-1:], norm.weight, norm.bias, norm.eps
        )
        upscaled = activate_again(_doubled(second, activate(upscaled)).add_(_in_cells(finest, 2)))
        # As one matrix of each prompt: with more axes torch multiplies thousands of small ones.
        logits: Tensor = upscaled.flatten(1, -2) @ weights
        return logits.view(*upscaled.shape[:-1], weights.shape[-1])

    def _mask_weights(self, tokens: Tensor, first: int) -> Tensor:
        """How channels add up to masks, from number `first` on: (B, channels, K)."""
        networks, start = self._parts.masks, self._parts.first_mask
        numbers = range(first, len(networks))
        return torch.stack([networks[i](tokens[:, start + i]) for i in numbers], dim=-1)


def _attend_both_ways(
    block: Block, queries: Tensor, tokens: Tensor, cells: _Cells
) -> tuple[Tensor, Tensor]:
    """A block of the transformer: the new tokens, and the new features of the cells."""
    norm1, norm2, norm3, norm4 = block.norms
    if block.is_first:
        queries = block.self_attention(queries, queries, queries)
    else:
        located = queries + tokens
        queries = queries + block.self_attention(located, located, queries)
    queries = norm1(queries)
    queries = norm2(queries + _from_cells(block.to_cells, queries + tokens, cells))
    queries = norm3(queries + block.mlp(queries))
    seen = _from_tokens(block.to_tokens, cells, queries + tokens, queries)
    return queries, norm4(cells.features + seen)


def _from_cells(attention: Attention, queries: Tensor, cells: _Cells) -> Tensor:
    """Attention of tokens to the cells, (B, T, channels).

    The bias of the keys is left out: it adds the same to all scores of a query.
    """
    projected = _by_head(attention, attention.queries(queries))
    keys, values = (_head_weights(attention, one) for one in (attention.keys, attention.values))
    wanted = (projected @ keys).flatten(1, 2) * _scale(projected)
    seen = (wanted @ cells.located.transpose(1, 2)).softmax(dim=-1) @ cells.features
    heads = seen.view(*projected.shape[:3], -1) @ values.transpose(1, 2)
    joined = heads.transpose(1, 2).flatten(2) + attention.values.bias
    found: Tensor = attention.result(joined)
    return found


def _from_tokens(attention: Attention, cells: _Cells, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of cells to the tokens, (B, cells, channels)."""
    projected = _by_head(attention, attention.keys(keys))
    scale = _scale(projected)
    weights = _head_weights(attention, attention.queries)
    wanted = (projected @ weights).flatten(1, 2) * scale
    bias = attention.queries.bias.view(attention.heads, -1)
    shift = (projected @ bias[..., None]).flatten(1) * scale
    scores = wanted @ cells.located.transpose(1, 2) + shift[..., None]
    shares = scores.view(*projected.shape[:3], -1).softmax(dim=2).flatten(1, 2)
    weight = attention.result.weight
    out = weight.view(len(weight), attention.heads, -1).permute(1, 2, 0)
    given = (_by_head(attention, attention.values(values)) @ out).flatten(1, 2)
    seen: Tensor = shares.transpose(1, 2) @ given + attention.result.bias
    return seen


def _by_head(attention: Attention, tokens: Tensor) -> Tensor:
    """(B, T, channels) as (B, heads, T, channels of a head)."""
    return tokens.view(*tokens.shape[:2], attention.heads, -1).transpose(1, 2)


def _head_weights(attention: Attention, projection: nn.Linear) -> Tensor:
    """Weights of a projection, (heads, channels of a head, channels)."""
    weight = projection.weight
    return weight.view(attention.heads, -1, weight.shape[1])


def _scale(by_head: Tensor) -> float:
    return 1 / math.sqrt(by_head.shape[-1])


def _doubled(convolution: nn.ConvTranspose2d, cells: Tensor) -> Tensor:
    """A transposed convolution of 2 x 2 with stride 2, (..., 2, 2, channels)."""
    weight = convolution.weight.permute(0, 2, 3, 1)
    out = cells.flatten(0, -2) @ weight.flatten(1)
    bias = convolution.bias
    assert bias is not None  # noqa: S101 - those of SAM 2 have one
    return out.view(*cells.shape[:-1], *weight.shape[1:]).add_(bias)


def _in_cells(feature_map: Tensor, halved: int) -> Tensor:
    """A map (1, channels, h, w) by cells halved once or twice: (1, cells, 2, 2, …, channels)."""
    _, channels, height, width = feature_map.shape
    halvings = [2] * halved
    rows, columns = height // 2**halved, width // 2**halved
    split = feature_map.reshape(channels, rows, *halvings, columns, *halvings)
    pairs = [axis + n for n in range(1, halved + 2) for axis in (0, halved + 1)]
    return split.permute(*pairs, 0).flatten(0, 1)[None]


def _channels_last(feature_map: Tensor) -> Tensor:
    """(B, channels, h, w) as (B, cells, channels)."""
    return feature_map.flatten(2).transpose(1, 2).contiguous()


def _as_map(masks: Tensor, size: Sequence[int]) -> Tensor:
    """Logits by cells, (B, cells, 2, 2, 2, 2, K), as (B, K, h, w)."""
    rows, columns = size
    split = masks.view(len(masks), rows, columns, *masks.shape[2:])
    ordered = split.permute(0, 7, 1, 3, 5, 2, 4, 6)
    return ordered.reshape(len(masks), masks.shape[-1], 4 * rows, 4 * columns)
