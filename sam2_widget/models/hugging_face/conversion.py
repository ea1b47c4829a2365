"""Converts weights of the package sam2 to the names and the configuration of `transformers`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

_RENAMED = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
        (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
        (r"patch_embed\.proj\.", "patch_embed.projection."),
        (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
        (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
        (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
        (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
        (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
        (r"^sam_prompt_encoder\.", "prompt_encoder."),
        (r"^sam_mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
        (r"^sam_mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
        (r"^sam_mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
        (r"^sam_mask_decoder\.", "mask_decoder."),
        (r"(hypernetworks_mlps\.\d|prediction_head|score_head)\.layers\.0\.", r"\1.proj_in."),
        (r"(hypernetworks_mlps\.\d|prediction_head|score_head)\.layers\.1\.", r"\1.layers.0."),
        (r"(hypernetworks_mlps\.\d|prediction_head|score_head)\.layers\.2\.", r"\1.proj_out."),
        (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
        (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
        (r"\.out_proj\.", ".o_proj."),
        (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
        (r"^no_mem_embed$", "no_memory_embedding"),
    )
)
"""Parts of names, replaced one after the other."""

_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_POINT = "prompt_encoder.point_embeddings.{}.weight"
"""What `transformers` has twice, and what it has in one tensor; already with its prefix."""


@dataclass(frozen=True, slots=True)
class _Encoder:
    """The image encoder of one size, as in the configurations of the package sam2.

    Attributes
    ----------
    channels, heads : int
        In the first stage; each further stage has twice as many.
    blocks : tuple of int
        Blocks in each stage.
    unwindowed : tuple of int
        Blocks that attend to the whole image.
    windows : tuple of int
        Side of the windows in each stage.
    background : int
        Side of the position encoding that all windows share.
    """

    channels: int
    heads: int
    blocks: tuple[int, ...]
    unwindowed: tuple[int, ...]
    windows: tuple[int, ...] = (8, 4, 14, 7)
    background: int = 7


_ENCODERS = {
    "tiny": _Encoder(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "small": _Encoder(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "base-plus": _Encoder(112, 2, (2, 3, 16, 3), (12, 16, 20), background=14),
    "large": _Encoder(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8)),
}


def renamed(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights that images need, under the names of `transformers`.

    Raises
    ------
    KeyError
        If one is missing that has to be converted.
    """
    found = {_renamed(name): tensor for name, tensor in weights.items()}
    positions = found.pop(_POSITIONS)
    found["shared_image_embedding.positional_embedding"] = positions
    found["prompt_encoder.shared_embedding.positional_embedding"] = positions.clone()
    points = [found.pop(_POINT.format(i)) for i in range(4)]
    found["prompt_encoder.point_embed.weight"] = torch.cat(points)
    return found


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    return name


def settings(size: str, image_size: int) -> dict[str, Any]:
    """Content of ``config.json`` for a size in `architecture.SIZES`, and a square input."""
    encoder = _ENCODERS[size]
    stages = [2**stage for stage in range(len(encoder.blocks))]
    channels = [encoder.channels * n for n in stages]
    return {
        "model_type": "sam2",
        "vision_config": {
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": encoder.channels,
                "num_attention_heads": encoder.heads,
                "image_size": [image_size, image_size],
                "blocks_per_stage": list(encoder.blocks),
                "embed_dim_per_stage": channels,
                "num_attention_heads_per_stage": [encoder.heads * n for n in stages],
                "window_size_per_stage": list(encoder.windows),
                "global_attention_blocks": list(encoder.unwindowed),
                "window_positional_embedding_background_size": [encoder.background] * 2,
            },
            "backbone_channel_list": channels[::-1],
            "backbone_feature_sizes": [[image_size // n] * 2 for n in (4, 8, 16)],
        },
        "prompt_encoder_config": {"image_size": image_size},
    }
