"""Converts accepted proposals to prompts that give the same masks."""

from __future__ import annotations

from collections.abc import Sequence

from sam2_widget.prompts.collections import ObjectPrompts
from sam2_widget.prompts.types import Choice, MaskPrompt, Point, Prompt
from sam2_widget.proposals.proposal import Proposal


def object_prompts(
    proposals: Sequence[Proposal], size: tuple[int, int], label: str | None = None
) -> tuple[ObjectPrompts, ...]:
    """Prompts of an object for each proposal.

    The prompts are the point that found it and, if it is not the model's best mask for this point,
    the choice. A proposal found in a crop becomes a mask prompt instead, because on the whole image
    the model would give another mask for the point.

    Parameters
    ----------
    proposals : sequence of Proposal
    size : (int, int)
        (height, width) of the image in pixels.
    label : str, optional
    """
    cropped = [one for one in proposals if not one.sees_whole(size)]
    pixels, scores = [one.pixels() for one in cropped], [one.score for one in cropped]
    masks = iter(MaskPrompt.from_crops(pixels, size, scores) if cropped else ())
    return tuple(
        ObjectPrompts(_point(one) if one.sees_whole(size) else (next(masks),), label)
        for one in proposals
    )


def _point(proposal: Proposal) -> tuple[Prompt, ...]:
    point = Point(*proposal.point)
    return (point,) if proposal.choice == proposal.found.best else (point, Choice(proposal.choice))
