"""What the model is trained on: masks, scores, and obedience at the clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

AMBIGUOUS_WEIGHT = 0.3
THREE_WEIGHT = 0.25
SCORE_WEIGHT = 0.5
CLICK_WEIGHT = 0.2
HALF = 0.5


def shares(masks: Tensor) -> Tensor:
    """Return the share of each cell that (B, S, S) masks cover, (B, S/4, S/4) float32."""
    return functional.avg_pool2d(masks.float()[:, None], 4)[:, 0]


@dataclass(frozen=True)
class Targets:
    """What B answers should have been."""

    masks: Tensor
    """(B, h, w), the share of each cell that is covered."""
    certain: Tensor
    """(B, h, w), the share of each cell whose object is certain."""


def mask_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Return (B, T): cross entropy, half of it balanced, plus dice.

    Focal loss at 20:1, as SAM has it, collapses to empty masks in a short run; without the
    balanced half small objects are lost.

    Parameters
    ----------
    logits
        (B, T, h, w) of T tokens.
    targets
        Of B masks.
    """
    wanted = targets.masks[:, None].expand_as(logits)
    certain = targets.certain[:, None]
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    inside, outside = certain * wanted, certain * (1 - wanted)
    on = (entropy * inside).sum((-2, -1)) / inside.sum((-2, -1)).clamp(min=1)
    beside = (entropy * outside).sum((-2, -1)) / outside.sum((-2, -1)).clamp(min=1)
    mean = (entropy * certain).sum((-2, -1)) / certain.sum((-2, -1)).clamp(min=1)
    chance = logits.sigmoid() * certain
    overlap = 2 * (chance * wanted).sum((-2, -1)) + 1
    dice = 1 - overlap / (chance.sum((-2, -1)) + inside.sum((-2, -1)) + 1)
    return 0.25 * (on + beside) + 0.5 * mean + dice


def mask_iou(logits: Tensor, targets: Targets) -> Tensor:
    """Return (B, T), the IoU of each token's mask with the target's cells."""
    certain = (targets.certain > HALF)[:, None]
    mask, wanted = (logits > 0) & certain, (targets.masks > HALF)[:, None] & certain
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
    targets: Targets,
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
