"""Checkpoints of SAM 2: files with weights, and the networks that are built from them.

Of a whole SAM 2, images need the encoder, the prompt encoder and the mask decoder. What follows
objects through a video is neither built nor loaded: 29 MiB of weights and 32 MiB of tables.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from sam2.build_sam import build_sam2
from sam2.modeling.sam2_base import SAM2Base
from torch.overrides import TorchFunctionMode

from sam2_widget.errors import CheckpointError
from sam2_widget.models import compact
from sam2_widget.models.recovery import is_out_of_memory

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
"""Parts of `SAM2Base`, as the first word of a weight's name, that no answer for an image reads."""

_OVERRIDES = (
    "++model.memory_attention=null",
    "++model.memory_encoder=null",
    "++model.use_obj_ptrs_in_encoder=false",
    "++model.fixed_no_obj_ptr=false",
    "++model.proj_tpos_enc_in_obj_ptrs=false",
    "++model.no_obj_embed_spatial=false",
    # sam2 computes tables on the GPU, if there is one, also for a model that is to be on the CPU:
    # there would be no way out of a full GPU.
    "++model.image_encoder.neck.position_encoding.warmup_cache=false",
)
"""SAM 2 without `VIDEO_ONLY`; without these, SAM 2 and 2.1 are of one architecture."""


class _WithoutNumbers(TorchFunctionMode):
    """Makes weights that have a shape and no memory; those of a checkpoint take their places.

    `torch.device("meta")` does so with all tensors, and sam2 computes with some while it builds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        is_weight = func in (torch.empty, torch.zeros, torch.ones)
        return func(*args, **{**(kwargs or {}), **({"device": "meta"} if is_weight else {})})


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    if _is_blob(path):
        return path.resolve().name
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _is_blob(path: Path) -> bool:
    """Whether a file is in the hub's own cache, where it never changes, named by its SHA-256."""
    real = path.resolve()
    return real.parent.name == "blobs" and bool(re.fullmatch("[0-9a-f]{64}", real.name))


def read(path: Path) -> Mapping[str, torch.Tensor]:
    """Named weights of a file, ``.safetensors`` or ``.pt``; pickled code is never run.

    Raises
    ------
    CheckpointError
        If the file is broken, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, KeyError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"the checkpoint {str(path)!r} cannot be read: {_first_line(error)}; download it again"
        ) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(
            f"the checkpoint {str(path)!r} is no safetensors file: {error}; download it again"
        ) from error
    weights = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(weights, dict) or not all(isinstance(k, str) for k in weights):
        raise CheckpointError(f"the checkpoint {str(path)!r} holds no named weights")
    return weights


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_compact(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether they are of the bundled model's kind."""
    return "image_encoder.trunk.stem.weight" in weights


def build(path: Path, weights: Mapping[str, torch.Tensor]) -> SAM2Base:
    """Network of the weights that `read` found in a file, on the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        If they fit none of SAM 2's architectures.
    """
    model = _build_compact(path) if is_compact(weights) else _build_whole(path, weights)
    return model.eval().requires_grad_(requires_grad=False)


def _build_compact(path: Path) -> SAM2Base:
    try:
        return compact.load_compact(path)
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} is of the compact kind, but does not fit it: "
            f"{_first_line(error)}; install the package again"
        ) from error


def _build_whole(path: Path, weights: Mapping[str, torch.Tensor]) -> SAM2Base:
    config = recognise(weights)
    if config is None:
        some = ", ".join(list(weights)[:3]) or "nothing"
        raise CheckpointError(
            f"the checkpoint {str(path)!r} fits no architecture of SAM 2 or 2.1, it holds "
            f"{len(weights)} tensors ({some} …): pass a checkpoint in SAM 2's own format"
        )
    named = {name: t.float() for name, t in weights.items() if not _is_video_only(name)}
    if not _is_blob(path):
        # A file of the user's may be written anew, and a mapped one then ends the kernel.
        named = {name: tensor.clone() for name, tensor in named.items()}
    model = _architecture(config)
    try:
        # What is in the hub's cache is mapped, not copied: kernels share its memory.
        model.load_state_dict(named, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} looks like {config}, but does not fit it: "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    return model


def _is_video_only(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in VIDEO_ONLY


def _architecture(config: str) -> SAM2Base:
    """SAM 2 for images, whose weights have no memory yet."""
    with _WithoutNumbers():
        model: SAM2Base = build_sam2(config, device="meta", hydra_overrides_extra=list(_OVERRIDES))
    # `SAM2Base` makes these two in any case.
    del model.maskmem_tpos_enc, model.no_mem_pos_enc
    return model


def recognise(weights: Mapping[str, torch.Tensor]) -> str | None:
    """Packaged configuration of the architecture that has so many channels and blocks, or None."""
    prefix = "image_encoder.trunk.blocks."
    numbers = {name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)}
    stem = weights.get("image_encoder.trunk.patch_embed.proj.weight")
    if stem is None:
        return None
    sizes = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}
    size = sizes.get((stem.shape[0], len(numbers)))
    return size and f"configs/sam2.1/sam2.1_hiera_{size}.yaml"
