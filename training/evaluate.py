"""Judge a checkpoint as a user would: click, look, correct.

``python -m training.evaluate bundled.safetensors EVAL_FOLDER`` prints one line of JSON. The
folder has ``images`` and 16-bit label maps in ``masks``. Images are brought to 256 pixels on
their longest side; the first click is at the target's centre, each next one at the centre of the
largest error; a box is the target's tight one.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch.nn import functional

from sam2_widget.compact import draw_prompts, load_compact
from training.augment import resize
from training.clicks import bounding_box, correcting_click, first_click
from training.dialogue import PADDING, decode, encode
from training.model import to_input
from training.prepare import paths_of, read
from training.pseudo import iou, shrink

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from training.clicks import Click

    Mask = NDArray[np.bool_]
    Row = tuple[float, float, int]

LONGEST = 256
MOST_CLICKS = 20
LEVELS = (0.85, 0.90)
REPORTED = (1, 2, 3, 5, 10, 20)


@dataclass(frozen=True)
class Case:
    """One object to be found in an image."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    target: Mask
    """(H, W)."""


def cases(folder: Path, least_area: float, count: int, seed: int) -> list[Case]:
    """Return a fixed choice of the objects that cover at least ``least_area`` of their image."""
    found: list[Case] = []
    for path in paths_of("instances", folder):
        image = shrink(read(path), LONGEST)
        labels = read(folder / "masks" / f"{path.stem}.png", cv2.IMREAD_UNCHANGED)
        size = image.shape[1::-1]
        small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        masks = (small == label for label in np.unique(small[small > 0]))
        found += [Case(image, mask) for mask in masks if mask.mean() >= least_area]
    chosen = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[index] for index in sorted(chosen)]


@dataclass
class Segmenter:
    """The model with one image, answering prompts in that image's pixels."""

    model: SAM2Base
    image: NDArray[np.uint8]
    features: list[Tensor] = field(init=False)
    encode_s: float = field(init=False)
    decode_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        began = time.perf_counter()
        pixels = resize(self.image, self.model.image_size)
        self.features = encode(self.model, to_input(pixels[None]))
        self.encode_s = time.perf_counter() - began

    def answer(self, rows: list[Row], previous: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits, (4, S/4, S/4), and scores, (4,), of (x, y, label) rows."""
        began = time.perf_counter()
        size, (height, width) = self.model.image_size, self.image.shape[:2]
        points = torch.tensor(rows, dtype=torch.float32)
        coords = (points[None, :, :2] + 0.5) * size / torch.tensor([width, height]) - 0.5
        labels = points[None, :, 2].long()
        if len(rows) == 1:
            coords = functional.pad(coords, (0, 0, 0, 1))
            labels = functional.pad(labels, (0, 1), value=PADDING)
        drawn = draw_prompts(coords, labels, previous, size)
        logits, scores = decode(self.model, self.features, coords, labels, drawn)
        self.decode_s.append(time.perf_counter() - began)
        return logits[0], scores[0]

    def mask(self, logits: Tensor) -> Mask:
        """Return the mask, (H, W), of low-resolution logits."""
        size = self.image.shape[:2]
        full = functional.interpolate(logits[None, None], size, mode="bilinear")
        return np.asarray(full[0, 0].numpy() > 0)


@dataclass
class Trial:
    """What a user saw while correcting click by click."""

    clicks: list[Click]
    masks: list[Mask] = field(default_factory=list)
    """The mask after each click."""
    offered: list[Mask] = field(default_factory=list)
    """The three candidates after the first click."""

    def mask_after(self, count: int) -> Mask:
        """Return the mask after so many clicks; a user stops at a perfect one, and it stays."""
        return self.masks[min(count, len(self.masks)) - 1]

    def obedience(self) -> float:
        """Return the share of all clicks on whose side the mask was right after them."""
        pairs = zip(self.clicks, self.masks, strict=False)
        return float(np.mean([mask[c.y, c.x] == bool(c.label) for c, mask in pairs]))


def click_trial(segmenter: Segmenter, target: Mask) -> Trial:
    """Click the target's centre, then correct the largest error until there is none."""
    trial = Trial([first_click(target)])
    previous = None
    while len(trial.masks) < MOST_CLICKS:
        rows: list[Row] = [(click.x, click.y, click.label) for click in trial.clicks]
        logits, scores = segmenter.answer(rows, previous)
        token = 0 if len(rows) > 1 else 1 + int(scores[1:].argmax())
        previous = logits[token]
        trial.masks.append(segmenter.mask(previous))
        trial.offered = trial.offered or [segmenter.mask(three) for three in logits[1:]]
        click = correcting_click(trial.masks[-1], target)
        if click is None:
            break
        trial.clicks.append(click)
    return trial


def judge(model: SAM2Base, case: Case) -> dict[str, float]:
    """Return the figures of one case."""
    segmenter = Segmenter(model, case.image)
    x0, y0, x1, y1 = bounding_box(case.target)
    boxed, _ = segmenter.answer([(x0, y0, 2), (x1, y1, 3)])
    trial = click_trial(segmenter, case.target)
    counts = range(1, MOST_CLICKS + 1)
    reached = [iou(trial.mask_after(count), case.target) for count in counts]
    return {
        "box": iou(segmenter.mask(boxed[0]), case.target),
        **{f"iou_{count}": reached[count - 1] for count in REPORTED},
        "best_of_3": max(iou(mask, case.target) for mask in trial.offered),
        **{f"clicks_{level:.0%}": _clicks_to(level, reached) for level in LEVELS},
        "never_90%": float(max(reached) < LEVELS[-1]),
        "obeyed": trial.obedience(),
        "encode_ms": 1e3 * segmenter.encode_s,
        "decode_ms": 1e3 * float(np.median(segmenter.decode_s)),
    }


def _clicks_to(level: float, reached: list[float]) -> float:
    return float(next((n for n, value in enumerate(reached, 1) if value >= level), MOST_CLICKS))


@torch.inference_mode()
def evaluate(model: SAM2Base, chosen: list[Case]) -> dict[str, float]:
    """Return the mean figures over all cases; ``never_90%`` is a share."""
    results = [judge(model, case) for case in chosen]
    return {key: float(np.mean([result[key] for result in results])) for key in results[0]}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--least-area", type=float, default=0.01, help="of the image")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = load_compact(args.checkpoint)
    for folder in args.folders:
        chosen = cases(folder, args.least_area, args.count, args.seed)
        figures = {key: round(value, 3) for key, value in evaluate(model, chosen).items()}
        print(json.dumps({"set": folder.name, "cases": len(chosen), **figures}))


if __name__ == "__main__":
    main()
