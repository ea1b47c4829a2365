"""The device of a model: by name, its precision, its free memory, and torch's threads."""

from __future__ import annotations

import torch

from sam2_widget import config
from sam2_widget.errors import DeviceError
from sam2_widget.models import threads

_followed: config.Resources | None = None
"""The settings for which the number of threads was set."""


def set_threads() -> None:
    """Set torch's number of threads, which is per calling thread: called on the model's thread."""
    global _followed  # noqa: PLW0603 - one model thread, one pool
    if _followed is not config.current():
        _followed = config.current()
        torch.set_num_threads(threads.wanted(torch.get_num_threads()))


def resolve_device(device: str | None) -> str:
    """Name of the device to use: the requested one, or the best for None.

    Raises
    ------
    DeviceError
        If the device does not exist.
    """
    if device is None:
        if torch.cuda.is_available():
            return f"cuda:{torch.cuda.current_device()}"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = device.partition(":")
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count(),
    }
    if not there.get(kind, False):
        raise DeviceError(f"there is no device {device!r} on this machine: use device='cpu'")
    return f"cuda:{number or torch.cuda.current_device()}" if kind == "cuda" else kind


def is_half(device: str) -> bool:
    """Whether models on the device are in half precision by default."""
    return device.startswith("cuda") and encoder_dtype(torch.device(device)) != torch.float32


def free_gpu_memory(device: str | None) -> int | None:
    """Free bytes of the GPU `device`; None if it is no GPU."""
    resolved = resolve_device(device)
    return int(torch.cuda.mem_get_info(resolved)[0]) if resolved.startswith("cuda") else None


def encoder_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware supports it, else float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # Private functions: torch has no public test for these instructions.
        tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        fast = any(getattr(torch.cpu, test, bool)() for test in tests)
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32
