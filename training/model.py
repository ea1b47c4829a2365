"""The model to train: its starting weights, its input, and what learns at which rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sam2_widget.models.bundled.network import build_compact
from training.layers import replace_layers

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

MEAN = torch.tensor([0.485, 0.456, 0.406])
STD = torch.tensor([0.229, 0.224, 0.225])
GAIN = 1.5
EPSILON = 1e-3
"""Epsilon of the batch normalisations of EfficientNet-Lite."""
NORM_OF = {
    "_conv_stem": "_bn0",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
}
"""The batch normalisation after each convolution, by their published names."""
FROZEN_BLOCKS = 4
"""The blocks up to stride 4: edges and textures are as good as ImageNet made them."""


def to_input(images: NDArray[np.uint8]) -> Tensor:
    """Return (B, 3, S, S) float32 of (B, S, S, 3) RGB images."""
    scaled = (torch.from_numpy(images) / 255 - MEAN) / STD
    # Already channels last in memory, which is what the convolutions are fastest with.
    return scaled.permute(0, 3, 1, 2)


def merge_batch_norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a trunk whose batch normalisations are merged into its convolutions.

    Parameters
    ----------
    state
        Of an EfficientNet-Lite, by the names of its published weights; what is no part of the
        trunk is left out.
    """
    merged: dict[str, Tensor] = {}
    for name, weight in state.items():
        owner, conv = name.removesuffix(".weight").rpartition(".")[::2]
        if conv not in NORM_OF or (owner and not owner.startswith("_blocks")):
            continue
        norm = f"{owner}.{NORM_OF[conv]}" if owner else NORM_OF[conv]
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
        new = "stem" if conv == "_conv_stem" else name.removesuffix(".weight").removeprefix("_")
        merged[f"{new}.weight"] = weight * scale[:, None, None, None]
        merged[f"{new}.bias"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    return merged


def load_trunk(trunk: nn.Module, path: Path) -> None:
    """Load the trunk's weights as published for EfficientNet-Lite, without its classifier."""
    published = torch.load(path, weights_only=True, map_location="cpu")
    trunk.load_state_dict(merge_batch_norms(published), strict=True)


def align_attention(model: nn.Module) -> None:
    """Start every cross attention with equal query and key projections.

    Tokens then look where the image has their own position from the first step on.
    """
    for name, module in model.named_modules():
        if "cross_attn" in name and hasattr(module, "q_proj"):
            nn.init.xavier_uniform_(module.q_proj.weight, gain=GAIN)
            module.k_proj.weight.data.copy_(module.q_proj.weight.data)


def starting_model(image_size: int, weights: Path | None) -> SAM2Base:
    """Build a model to train.

    Parameters
    ----------
    image_size
        Side of its input in pixels.
    weights
        ImageNet weights of the trunk (``.pth``), to learn all else anew; or a whole checkpoint
        as the package ships it (``.safetensors``), to learn on; or None for random ones.
    """
    model = build_compact(image_size)
    if weights is None or weights.suffix == ".pth":
        align_attention(model)
        if weights is not None:
            load_trunk(model.image_encoder.trunk, weights)
    else:
        state = {name: tensor.float() for name, tensor in load_file(weights).items()}
        model.load_state_dict(state, strict=True)
    return prepare(model)


def prepare(model: SAM2Base) -> SAM2Base:
    """Make a model ready to train, in place; `training.layers` says what is different then."""
    for block in model.image_encoder.trunk.blocks:
        replace_layers(block)
    model.image_encoder.to(memory_format=torch.channels_last)
    return model.train()


def set_image_size(model: SAM2Base, size: int) -> None:
    """Make a model take images of another size; no weight depends on it."""
    prompt_encoder, side = model.sam_prompt_encoder, size // model.backbone_stride
    model.image_size = size
    model.sam_image_embedding_size = side
    prompt_encoder.image_embedding_size = (side, side)
    prompt_encoder.input_image_size = (size, size)
    prompt_encoder.mask_input_size = (4 * side, 4 * side)


def parameter_groups(model: SAM2Base, trunk_share: float) -> list[dict[str, object]]:
    """Return the optimizer's groups, each with its share of the learning rate.

    At a share of 0 the trunk is frozen. Its depthwise convolutions keep their weights always.
    """
    trunk = model.image_encoder.trunk
    trunk.requires_grad_(requires_grad=False)
    learning = []
    for block in trunk.blocks[FROZEN_BLOCKS:] if trunk_share else []:
        block.requires_grad_(requires_grad=True)
        block._depthwise_conv.weight.requires_grad_(requires_grad=False)  # noqa: SLF001
        learning += [p for p in block.parameters() if p.requires_grad]
    rest = [p for n, p in model.named_parameters() if not n.startswith("image_encoder.trunk.")]
    groups: list[dict[str, object]] = [{"params": rest, "share": 1.0}]
    return [*groups, {"params": learning, "share": trunk_share}] if learning else groups
