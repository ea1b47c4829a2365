"""Many dialogues at once: prompts of simulated users and the model's answers to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sam2_widget.models.base.cpu_decoder import CpuDecoder
from sam2_widget.models.bundled.network import draw_prompts
from sam2_widget.models.sam2.decoder_parts import parts_of
from training.clicks import bounding_box, correcting_click, first_click

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

PADDING = -1
BOX_CHANCE = 0.42
EXTRA_CLICK_CHANCE = 0.2
BOX_JITTER = 0.08
COARSER_CHANCE, COARSER = 0.4, (0.3, 0.8)
SLACKS = (0.0, 0.0, 0.4, 0.9)


def encode(model: SAM2Base, images: Tensor) -> list[Tensor]:
    """Return the features of (B, 3, S, S) images: strides 4 and 8, and the embedding."""
    fine, middle, coarse = model.forward_image(images)["backbone_fpn"]
    return [fine, middle, coarse + model.no_mem_embed.reshape(1, -1, 1, 1)]


def decode(
    model: SAM2Base, features: list[Tensor], coords: Tensor, labels: Tensor, drawn: Tensor
) -> tuple[Tensor, Tensor]:
    """Return logits, (B, 4, S/4, S/4), and scores, (B, 4), of every mask token.

    The B prompts are split evenly over the images that ``features`` are of, in order.
    """
    fine, middle, coarse = (
        feature.repeat_interleave(len(coords) // len(feature), 0) for feature in features
    )
    sparse, dense = model.sam_prompt_encoder((coords, labels), None, drawn)
    logits, scores, _, _ = model.sam_mask_decoder.predict_masks(
        coarse,
        model.sam_prompt_encoder.get_dense_pe(),
        sparse,
        dense,
        repeat_image=False,
        high_res_features=[fine, middle],
    )
    return logits, scores


@torch.no_grad()
def decode_quickly(
    model: SAM2Base, features: list[Tensor], coords: Tensor, labels: Tensor, drawn: Tensor
) -> Tensor:
    """Return the logits of the first mask token as `decode` does, (B, S/4, S/4), in less time."""
    sparse, dense = model.sam_prompt_encoder((coords, labels), None, drawn)
    positions = model.sam_prompt_encoder.get_dense_pe()
    decoder = CpuDecoder(parts_of(model.sam_mask_decoder), positions)
    each = len(coords) // len(features[0])
    logits = []
    for index in range(len(features[0])):
        maps = tuple(feature[index : index + 1] for feature in features)
        prompts = slice(index * each, (index + 1) * each)
        logits.append(decoder(maps, sparse[prompts], dense[prompts], multimask=False)[0][:, 0])
    return torch.cat(logits)


@dataclass
class Dialogues:
    """The prompts so far of B simulated users, each after a mask of their own."""

    targets: NDArray[np.bool_]
    """(B, S, S), what each user is after."""
    void: NDArray[np.bool_]
    """(B, S, S), pixels that no user looks at."""
    rng: Generator
    prompts: list[list[tuple[float, float, int]]] = field(default_factory=list)
    previous: Tensor | None = None
    """(B, S/4, S/4), the last answers."""
    ambiguous: NDArray[np.bool_] = field(init=False)
    """(B,), whether a lone click is all that the model knows."""

    def __post_init__(self) -> None:
        self.prompts = [self._open(target) for target in self.targets]
        self.ambiguous = np.array([len(prompts) == 1 for prompts in self.prompts])

    def _open(self, target: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
        """Start with a box or with a click, sometimes with one click more."""
        box = self.rng.random() < BOX_CHANCE
        prompts = self._box(target) if box else [self._click(target)]
        if self.rng.random() < EXTRA_CLICK_CHANCE:
            prompts.append(self._click(target))
        return prompts

    def _click(self, target: NDArray[np.bool_]) -> tuple[float, float, int]:
        return first_click(target, self.rng, self.rng.choice(SLACKS))

    def _box(self, target: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
        x0, y0, x1, y1 = bounding_box(target)
        scale = self.rng.choice([0.0, BOX_JITTER]) * np.array([x1 - x0, y1 - y0] * 2)
        moved = np.array([x0, y0, x1, y1]) + self.rng.normal(size=4) * scale
        x0, y0, x1, y1 = moved.clip(0, len(target) - 1)
        return [(x0, y0, 2), (max(x0, x1), max(y0, y1), 3)]

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return coordinates, (B, N, 2), and labels, (B, N); a lone click gets a padding row."""
        longest = max(2, *(len(prompts) for prompts in self.prompts))
        padding = [(0.0, 0.0, PADDING)] * longest
        rows = torch.tensor([(prompts + padding)[:longest] for prompts in self.prompts])
        return rows[..., :2].float(), rows[..., 2].long()

    def ask(self, model: SAM2Base, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Put the prompts so far to the model: logits, (B, 4, S/4, S/4), and scores, (B, 4)."""
        return decode(model, features, *self._prompts())

    def ask_quickly(self, model: SAM2Base, features: list[Tensor]) -> None:
        """Put the prompts so far to the model, and accept its masks of token 0, as after `take`."""
        self.previous = decode_quickly(model, features, *self._prompts())

    def _prompts(self) -> tuple[Tensor, Tensor, Tensor]:
        coords, labels = self.tensors()
        drawn = draw_prompts(coords, labels, self._fed_back(), self.targets.shape[-1])
        return coords, labels, drawn

    def _fed_back(self) -> Tensor | None:
        """The last answers; sometimes coarser, as if they had been given before zooming in."""
        if self.previous is None or self.rng.random() > COARSER_CHANCE:
            return self.previous
        side = self.previous.shape[-1]
        cells = int(side * self.rng.uniform(*COARSER))
        few = functional.interpolate(self.previous[:, None], cells, mode="bilinear", antialias=True)
        return functional.interpolate(few, side, mode="bilinear")[:, 0]

    def take(self, logits: Tensor, scores: Tensor) -> None:
        """Accept what the predictor would show: the best of three to a lone click, else token 0."""
        best = 1 + scores[:, 1:].argmax(1)
        token = torch.where(torch.from_numpy(self.ambiguous), best, 0)
        self.previous = logits.detach().float()[torch.arange(len(logits)), token]
        self.ambiguous = np.zeros_like(self.ambiguous)

    def correct(self) -> None:
        """Add the click with which each user corrects the last answer."""
        if self.previous is None:
            raise RuntimeError("there is no answer to correct: call take() first")
        cells = self.previous.shape[-1]
        step = self.targets.shape[-1] // cells
        # Comparing at the answer's own resolution is fast and skips errors thinner than a cell.
        middle = np.s_[:, step // 2 :: step, step // 2 :: step]
        target, void = self.targets[middle], self.void[middle]
        shown = np.where(void, target, self.previous.numpy() > 0)
        for index in range(len(target)):
            slack = self.rng.choice(SLACKS)
            click = correcting_click(shown[index], target[index], self.rng, slack)
            if click is not None:
                x, y = np.array(click[:2]) * step + self.rng.integers(0, step, 2)
                self.prompts[index].append((x, y, click.label))
