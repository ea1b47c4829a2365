"""Judge a checkpoint as a user would: click, look, correct.

``python -m training.evaluate bundled.safetensors EVAL_SET`` prints one line of JSON. The
set is a folder or a tar file, see `training.cases`. Images are brought to 256 pixels on
their longest side (``--longest``); the first click is at the target's centre, each next one at the
centre of the largest error; a box is the target's tight one. What is judged is what ships: the
predictor and the fold of prompts, not the bare network.
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

from sam2_widget.answers import Answers, to_arrays
from sam2_widget.masks.logits import LogitMask
from sam2_widget.models.sam2_predictor import load
from sam2_widget.prompts import Box, Point
from training.cases import LEAST_AREA, load_cases, opened
from training.clicks import bounding_box, correcting_click, first_click
from training.pseudo import iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sam2_widget.predictor import Embedding, Predictor
    from sam2_widget.prompts import Prompt
    from training.cases import Case
    from training.clicks import Click

    Mask = NDArray[np.bool_]

LONGEST = 256
MOST_CLICKS = 20
LEVELS = (0.85, 0.90)
REPORTED = (1, 2, 3, 5, 10, 20)


def to_mask(mask: LogitMask, size: tuple[int, ...]) -> Mask:
    """Return the pixels, (H, W), of a mask in an image of that size."""
    pixels = np.zeros(size[:2], np.uint8)
    mask.crop(*size[:2]).paste(pixels, 1)
    return pixels > 0


@dataclass
class Segmenter:
    """The predictor with one image, answering prompts."""

    predictor: Predictor
    image: NDArray[np.uint8]
    embedding: Embedding = field(init=False)
    encode_s: float = field(init=False)
    answer_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        began = time.perf_counter()
        self.embedding = self.predictor.embed(self.image)
        self.encode_s = time.perf_counter() - began
        self.answers = Answers(self.predictor, lambda: self.embedding, self.image.shape[:2])

    def mask(self, prompts: tuple[Prompt, ...]) -> Mask:
        """Return the mask, (H, W), that a user is shown."""
        began = time.perf_counter()
        answer = self.answers(prompts)
        self.answer_s.append(time.perf_counter() - began)
        return to_mask(answer.mask, self.image.shape)

    def three(self, click: Click) -> list[Mask]:
        """Return the three candidates for a single click."""
        arrays = to_arrays((to_point(click),))
        found = self.predictor.predict(self.embedding, arrays, multimask=True)
        return [to_mask(LogitMask.from_logits(one), self.image.shape) for one in found.logits]


def to_point(click: Click) -> Point:
    """Return the click as a prompt, in the middle of its pixel."""
    return Point(click.x + 0.5, click.y + 0.5, click.label)


@dataclass
class Trial:
    """What a user saw while correcting click by click."""

    clicks: list[Click]
    masks: list[Mask] = field(default_factory=list)
    """The mask after each click."""

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
    while len(trial.masks) < MOST_CLICKS:
        trial.masks.append(segmenter.mask(tuple(map(to_point, trial.clicks))))
        click = correcting_click(trial.masks[-1], target)
        if click is None:
            break
        trial.clicks.append(click)
    return trial


def judge(predictor: Predictor, case: Case) -> dict[str, float]:
    """Return the figures of one case."""
    segmenter = Segmenter(predictor, case.image)
    trial = click_trial(segmenter, case.target)
    answer_ms = 1e3 * float(np.median(segmenter.answer_s))
    three = segmenter.three(trial.clicks[0])
    x0, y0, x1, y1 = bounding_box(case.target)
    boxed = segmenter.mask((Box(x0, y0, x1 + 1, y1 + 1),))
    counts = range(1, MOST_CLICKS + 1)
    reached = [iou(trial.mask_after(count), case.target) for count in counts]
    return {
        "box": iou(boxed, case.target),
        **{f"iou_{count}": reached[count - 1] for count in REPORTED},
        "best_of_3": max(iou(mask, case.target) for mask in three),
        **{f"clicks_{level:.0%}": _clicks_to(level, reached) for level in LEVELS},
        "never_90%": float(max(reached) < LEVELS[-1]),
        "obeyed": trial.obedience(),
        "encode_ms": 1e3 * segmenter.encode_s,
        "click_ms": answer_ms,
    }


def _clicks_to(level: float, reached: list[float]) -> float:
    return float(next((n for n, value in enumerate(reached, 1) if value >= level), MOST_CLICKS))


def evaluate(predictor: Predictor, chosen: list[Case]) -> dict[str, float]:
    """Return the mean figures over all cases, of times the medians; ``never_90%`` is a share."""
    results = [judge(predictor, case) for case in chosen]
    columns = {key: [result[key] for result in results] for key in results[0]}
    means = {key: np.median if key.endswith("_ms") else np.mean for key in columns}
    return {key: float(means[key](values)) for key, values in columns.items()}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--least-area", type=float, default=LEAST_AREA, help="of the image")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=LONGEST, help="side in pixels")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    predictor = load(args.checkpoint, name=args.checkpoint.stem, device="cpu")
    for path in args.sets:
        with opened(path) as folder:
            chosen = load_cases(
                folder,
                count=args.count,
                seed=args.seed,
                longest=args.longest,
                least_area=args.least_area,
            )
        figures = {key: round(value, 3) for key, value in evaluate(predictor, chosen).items()}
        print(json.dumps({"set": folder.name, "cases": len(chosen), **figures}))


if __name__ == "__main__":
    main()
