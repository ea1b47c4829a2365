"""Images as the input of a network."""

from __future__ import annotations

import torch
from torch.nn import functional

from sam2_widget._utils.arrays import UInt8Array

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

ROWS_AT_ONCE = (1024, 64)
"""Rows of an image that are scaled at a time: on a GPU, and on a CPU, to fit into its cache."""


def square(image: UInt8Array, side: int, device: torch.device) -> torch.Tensor:
    """Scale an image, (H, W, 3) uint8, to (3, side, side) float32 in 0..1 on a device.

    Rows are scaled first, some at a time, then columns. The result equals a resize of the whole
    image, which would need twelve bytes a pixel.
    """
    rows = ROWS_AT_ONCE[device.type == "cpu"]
    strips = (to_tensor(image[y : y + rows], device) for y in range(0, len(image), rows))
    narrow = torch.cat([_resized(s, (s.shape[1], side)) for s in strips], dim=1)
    return _resized(narrow, (side, side))


def _resized(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(
        image[None], size, mode="bilinear", align_corners=False, antialias=True
    )[0]


def to_tensor(image: UInt8Array, device: torch.device | None = None) -> torch.Tensor:
    """Convert (H, W, 3) uint8 to (3, H, W) float32 in 0..1."""
    to_gpu = device is not None and device.type == "cuda"
    # Copied, because torch warns of read-only arrays; into pinned memory for GPUs, which is faster
    # to transfer, and which torch.tensor does not support for NumPy arrays.
    copied = torch.tensor(image)
    copied = (copied.pin_memory() if to_gpu else copied).to(device, non_blocking=to_gpu)
    return copied.permute(2, 0, 1).float().div_(255)
