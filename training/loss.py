"""What the model is trained on: masks, scores, and obedience at the clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

AMBIGUOUS_WEIGHT = 0.3
THREE_WEIGHT = 0.25
SCORE_WEIGHT = 0.5
CLICK_WEIGHT = 0.2


def soft_targets(targets: Tensor) -> Tensor:
    """Return the share of each cell that (B, S, S) masks cover, (B, S/4, S/4) float32."""
    return functional.avg_pool2d(targets.float()[:, None], 4)[:, 0]


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (B, T): cross entropy, half of it balanced, plus dice.

    Focal loss at 20:1, as SAM has it, collapses to empty masks in a short run; without the
    balanced half small objects are lost.

    Parameters
    ----------
    logits
        (B, T, h, w) of T tokens.
    targets
        (B, h, w) shares.
    """
    wanted = targets[:, None].expand_as(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    on = (entropy * wanted).sum((-2, -1)) / wanted.sum((-2, -1)).clamp(min=1)
    beside = (entropy * (1 - wanted)).sum((-2, -1)) / (1 - wanted).sum((-2, -1)).clamp(min=1)
    chance = logits.sigmoid()
    overlap = 2 * (chance * wanted).sum((-2, -1)) + 1
    dice = 1 - overlap / (chance.sum((-2, -1)) + wanted.sum((-2, -1)) + 1)
    return 0.25 * (on + beside) + 0.5 * entropy.mean((-2, -1)) + dice


def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (B, T), the IoU of each token's mask with the target's cells."""
    mask, wanted = logits > 0, (targets > 0.5)[:, None]  # noqa: PLR2004
    union = (mask | wanted).sum((-2, -1)).clamp(min=1)
    return (mask & wanted).sum((-2, -1)) / union


def click_loss(logits: Tensor, coords: Tensor, labels: Tensor) -> Tensor:
    """Return (B, T): cross entropy in the cells that were clicked."""
    side = logits.shape[-1]
    cells = ((coords + 0.5) / 4).long().clamp(0, side - 1)
    index = (cells[..., 1] * side + cells[..., 0])[:, None].expand(-1, logits.shape[1], -1)
    chosen = logits.flatten(2).gather(2, index)
    wanted = (labels == 1).float()[:, None].expand_as(chosen)
    entropy = functional.binary_cross_entropy_with_logits(chosen, wanted, reduction="none")
    clicked = ((labels == 0) | (labels == 1)).float()[:, None]
    return (entropy * clicked).sum(-1) / clicked.sum(-1).clamp(min=1)


def round_loss(
    logits: Tensor,
    scores: Tensor,
    targets: Tensor,
    prompts: tuple[Tensor, Tensor],
    ambiguous: Tensor,
) -> Tensor:
    """Return the loss of one round over B dialogues, a scalar.

    Token 0 answers everything, with less weight where a lone click leaves open what is meant;
    there the three others count by the best of them.
    """
    masks = mask_loss(logits, targets) + CLICK_WEIGHT * click_loss(logits, *prompts)
    first = torch.where(ambiguous, AMBIGUOUS_WEIGHT, 1.0)
    three = torch.where(ambiguous, 1.0, THREE_WEIGHT)
    best = masks[:, 1:].min(1).values
    score = (scores - mask_iou(logits.detach(), targets)).square().sum(1)
    return (first * masks[:, 0] + three * best + SCORE_WEIGHT * score).mean()
