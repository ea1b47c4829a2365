"""Training in several processes, each with images of its own and the same weights.

Started by ``torchrun --nproc-per-node 2 -m training.train ...``; otherwise there is one process.
"""

from __future__ import annotations

import torch
import torch.distributed as dist


def connect() -> None:
    """Connect the processes that torchrun has started."""
    if dist.is_torchelastic_launched():
        dist.init_process_group("gloo")


def rank() -> int:
    """The number of this process; process 0 saves and logs."""
    return dist.get_rank() if dist.is_initialized() else 0


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Replace the gradients by their mean over all processes."""
    if not dist.is_initialized():
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(together)
    together /= dist.get_world_size()
    start = 0
    for gradient in gradients:
        end = start + gradient.numel()
        gradient.copy_(together[start:end].view_as(gradient))
        start = end
