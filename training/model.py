"""The model to train: its starting weights, its input, and what learns at which rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sam2_widget.models.bundled.network import build_compact

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

MEAN = torch.tensor([0.485, 0.456, 0.406])
STD = torch.tensor([0.229, 0.224, 0.225])
GAIN = 1.5
FROZEN_BLOCKS = 3
"""The blocks up to stride 4: edges and textures are as good as ImageNet made them."""


def to_input(images: NDArray[np.uint8]) -> Tensor:
    """Return (B, 3, S, S) float32 of (B, S, S, 3) RGB images."""
    scaled = (torch.from_numpy(images) / 255 - MEAN) / STD
    # Already channels last in memory, which is what the convolutions are fastest with.
    return scaled.permute(0, 3, 1, 2)


def load_trunk(model: SAM2Base, path: Path) -> None:
    """Load the trunk's weights as published for EfficientNet-Lite0, without its classifier."""
    published = torch.load(path, weights_only=True, map_location="cpu")
    renamed = {"_conv_stem": "stem", "_bn0": "bn0", "_blocks": "blocks"}
    state: dict[str, Tensor] = {}
    for name, tensor in published.items():
        first, rest = name.split(".", 1)
        if first in renamed and not rest.endswith("num_batches_tracked"):
            state[f"{renamed[first]}.{rest}"] = tensor
    model.image_encoder.trunk.load_state_dict(state, strict=True)


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
            load_trunk(model, weights)
    else:
        state = {name: tensor.float() for name, tensor in load_file(weights).items()}
        model.load_state_dict(state, strict=True)
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

    At a share of 0 the trunk is frozen.
    """
    trunk = model.image_encoder.trunk
    learning = list(trunk.blocks[FROZEN_BLOCKS:].parameters()) if trunk_share else []
    trunk.requires_grad_(requires_grad=False)
    for parameter in learning:
        parameter.requires_grad_(requires_grad=True)
    rest = [p for n, p in model.named_parameters() if not n.startswith("image_encoder.trunk.")]
    groups: list[dict[str, object]] = [{"params": rest, "share": 1.0}]
    return [*groups, {"params": learning, "share": trunk_share}] if learning else groups
