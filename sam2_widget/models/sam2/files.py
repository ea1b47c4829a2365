"""Networks of the package sam2, built from the weights in a file.

Images need the image encoder, the prompt encoder and the mask decoder of SAM 2. The parts for
tracking in videos, 29 MiB of weights, are built and loaded at their first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sam2.build_sam import build_sam2
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch.overrides import TorchFunctionMode

from sam2_widget.errors import CheckpointError
from sam2_widget.models.base import architecture, weight_files

SHARED = ("image_encoder", "no_mem_embed", "sam_mask_decoder", "sam_prompt_encoder")
"""The parts that images and videos share."""

_CONFIGS = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}
"""Sizes as the names of packaged configurations have them."""

# sam2 computes tables on the GPU, if there is one, even for a model on the CPU: on a full GPU that
# would fail.
_NO_TABLE = "position_encoding.warmup_cache=false"

_OVERRIDES = (
    "++model.memory_attention=null",
    "++model.memory_encoder=null",
    "++model.use_obj_ptrs_in_encoder=false",
    "++model.fixed_no_obj_ptr=false",
    "++model.proj_tpos_enc_in_obj_ptrs=false",
    "++model.no_obj_embed_spatial=false",
    f"++model.image_encoder.neck.{_NO_TABLE}",
)
"""SAM 2 without `architecture.VIDEO_ONLY`."""

_VIDEO_OVERRIDES = (
    f"++model.image_encoder.neck.{_NO_TABLE}",
    f"++model.memory_encoder.{_NO_TABLE}",
)


class _WithoutNumbers(TorchFunctionMode):
    """Creates weights without memory, which are replaced by those of a checkpoint.

    `torch.device("meta")` would affect all tensors, and sam2 computes with some while it builds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func is torch.Tensor.to and args[1:] == ("cuda",):
            return args[0]  # sam2 puts tables on the GPU, if there is one, for a CPU, too
        is_weight = func in (torch.empty, torch.zeros, torch.ones)
        return func(*args, **{**(kwargs or {}), **({"device": "meta"} if is_weight else {})})


def build(
    path: Path, weights: Mapping[str, torch.Tensor], image_size: int | None = None
) -> SAM2Base:
    """Build the network for the weights in a file, on the CPU, in evaluation mode.

    `image_size` is the side of its square input in pixels, on which no weight depends; by default
    that of the published configurations.

    Raises
    ------
    CheckpointError
        If the weights fit none of SAM 2's architectures.
    """
    config = recognise(weights)
    if config is None:
        raise architecture.unknown(path, weights)
    named = {n: t for n, t in weights.items() if not architecture.is_video_only(n)}
    model = _architecture(config, image_size or architecture.IMAGE_SIZE)
    try:
        # Not converted yet: weights that do not fit are rejected before they take memory.
        model.load_state_dict(named, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} looks like {config}, but does not fit it: "
            f"{_first_words(error)}"
        ) from error
    model.load_state_dict(architecture.in_float32(path, named), assign=True)
    return model.eval().requires_grad_(requires_grad=False)


def _first_words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _architecture(config: str, image_size: int) -> SAM2Base:
    """SAM 2 for images, with weights without memory."""
    model = _empty(config, image_size, _OVERRIDES)
    # `SAM2Base` makes these two in any case.
    del model.maskmem_tpos_enc, model.no_mem_pos_enc
    return model


def _empty(config: str, image_size: int, overrides: Sequence[str]) -> SAM2Base:
    """A network with weights without memory."""
    every = [*overrides, f"++model.image_size={image_size}"]
    with _WithoutNumbers():
        model: SAM2Base = build_sam2(config, device="meta", hydra_overrides_extra=every)
    return model


def has_video_parts(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights include the parts for tracking."""
    return {"memory_attention", "memory_encoder"} <= {name.split(".")[0] for name in weights}


def with_video_parts(path: Path, checksum: str, images: SAM2Base) -> SAM2Base:
    """The whole network, which shares the parts that `build` has made of a file.

    The further parts are on the CPU.

    Raises
    ------
    CheckpointError
        If the file has changed, cannot be read, or does not fit.
    """
    weights = weight_files.read(path).weights
    if weight_files.sha256_of(path) != checksum:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} has been changed since it was loaded: load it again"
        )
    model = _empty(_video_config(weights), int(images.image_size), _VIDEO_OVERRIDES)
    for name in SHARED:
        setattr(model, name, getattr(images, name))
    named = architecture.in_float32(
        path, {n: t for n, t in weights.items() if architecture.is_video_only(n)}
    )
    expected = {name for name in model.state_dict() if architecture.is_video_only(name)}
    try:
        model.load_state_dict(named, strict=False, assign=True)
    except RuntimeError as error:
        raise _no_video(path, _first_words(error)) from error
    if expected != named.keys():
        some = ", ".join(sorted(expected ^ named.keys())[:3])
        raise _no_video(path, f"{some} … are missing or too many")
    _share_tables(model)
    return model.eval().requires_grad_(requires_grad=False)


def _no_video(path: Path, fault: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {str(path)!r} can segment images, but not track: its parts for videos do "
        f"not fit, {fault}"
    )


def _video_config(weights: Mapping[str, torch.Tensor]) -> str:
    """Packaged configuration of the whole network: SAM 2.1 has weights that SAM 2 lacks."""
    config = recognise(weights)
    assert config is not None  # noqa: S101 - for the type checker: the images' part has been built
    if "no_obj_embed_spatial" in weights:
        return config
    return config.replace("sam2.1/sam2.1_", "sam2/sam2_")


def _share_tables(model: SAM2Base) -> None:
    """Share a table of rotary positions among all layers, which have 32 MiB of equal tables."""
    tables: dict[torch.Size, torch.Tensor] = {}
    for module in model.memory_attention.modules():
        if isinstance(module, RoPEAttention):
            module.freqs_cis = tables.setdefault(module.freqs_cis.shape, module.freqs_cis)


def recognise(weights: Mapping[str, torch.Tensor]) -> str | None:
    """Packaged configuration of the architecture of weights, or None if it is unknown."""
    size = architecture.size_of(weights)
    return size and f"configs/sam2.1/sam2.1_hiera_{_CONFIGS[size]}.yaml"
