"""SAM 2's architectures, recognised by the names and shapes of weights.

Images need the image encoder, the prompt encoder and the mask decoder of SAM 2, whose architecture
SAM 2 and 2.1 share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from sam2_widget.errors import CheckpointError
from sam2_widget.models.base import weight_files, weight_names

VIDEO_ONLY = frozenset(
    {
        "mask_downsample",
        "maskmem_tpos_enc",
        "memory_attention",
        "memory_encoder",
        "no_mem_pos_enc",
        "no_obj_embed_spatial",
        "no_obj_ptr",
        "obj_ptr_proj",
        "obj_ptr_tpos_proj",
    }
)
"""Parts of SAM 2 that images do not need, as the first component of a weight's name."""

IMAGE_SIZE = 1024
"""Side of the square input in pixels, in all published configurations of SAM 2."""

SIZES = {(96, 12): "tiny", (96, 16): "small", (112, 24): "base-plus", (144, 48): "large"}
"""Sizes by the number of channels and blocks of the image encoder."""


def size_of(weights: Mapping[str, torch.Tensor]) -> str | None:
    """The size in `SIZES` that has so many channels and blocks, or None."""
    prefix = "image_encoder.trunk.blocks."
    numbers = {name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)}
    stem = weights.get("image_encoder.trunk.patch_embed.proj.weight")
    return None if stem is None else SIZES.get((stem.shape[0], len(numbers)))


def unknown(path: Path, weights: Mapping[str, torch.Tensor]) -> CheckpointError:
    """The error for a checkpoint of unknown architecture."""
    some = ", ".join(list(weights)[:3]) or "nothing"
    fault = weight_names.other_model(weights) or (
        f"fits no architecture of SAM 2 or 2.1, it holds {len(weights)} tensors ({some[:200]} …): "
        "pass a checkpoint in SAM 2's own format"
    )
    return CheckpointError(f"the checkpoint {str(path)!r} {fault}")


def is_compact(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights have the bundled model's architecture."""
    return "image_encoder.trunk.stem.weight" in weights


def is_video_only(name: str) -> bool:
    """Whether images do not need a weight."""
    return name.split(".", maxsplit=1)[0] in VIDEO_ONLY


def in_float32(path: Path, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a file in float32.

    Files in the hub's cache are memory-mapped, so that kernels share their memory; others are
    copied.

    Raises
    ------
    CheckpointError
        If a file of the user's own holds NaN or infinity.
    """
    prepared = _as_float if weight_files.is_blob(path) else _owned
    return {name: prepared(name, tensor, path) for name, tensor in weights.items()}


def _as_float(_name: str, tensor: torch.Tensor, _path: Path) -> torch.Tensor:
    return tensor.float()


def _owned(name: str, tensor: torch.Tensor, path: Path) -> torch.Tensor:
    """A copy of the tensor: overwriting a memory-mapped file would crash the kernel."""
    copied = tensor.to(torch.float32, copy=True)
    if not torch.isfinite(copied).all():
        raise CheckpointError(
            f"the checkpoint {str(path)!r} holds NaN or infinity in {name!r}, as after a training "
            "that diverged: pass an earlier checkpoint"
        )
    return copied
