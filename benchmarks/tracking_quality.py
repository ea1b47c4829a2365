"""How well objects are followed: `track` and simpler methods, on labelled films and volumes.

    python -m benchmarks.tracking_quality --data FOLDER [--model NAME ...]

Each folder in FOLDER with ``images`` and, of the same names, label maps in ``masks`` is a sequence;
ids are constant over its frames. Each object is given by its mask on the first frame where it is,
and judged on all frames after that, up to the last one where it is without a break: mean IoU over
these frames, then over objects. "Next frame" is the mean over all pairs of neighbouring frames and
objects on both, with the mask on the first given. Times are those of the processor for a frame and
an object, in one thread if OMP_NUM_THREADS=1 is set.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_widget import Box, MaskPrompt, Point, segment, track
from sam2_widget.prompts.types import Prompt
from training.clicks import bounding_box, first_click
from training.datasets import iou, read_image, read_labels

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Method = Callable[[Sequence[Image], Mask], Iterator[Mask]]
"""Frames and the mask on the first → the masks on the others, one after another."""


@dataclass(frozen=True)
class Run:
    """An object on the frames where it is: the images and its masks."""

    images: list[Image]
    masks: list[Mask]


def runs_of(folder: Path) -> list[Run]:
    """The objects of a sequence that are on at least two frames, each as long as it is there."""
    paths = sorted((folder / "images").iterdir())
    images = [read_image(path) for path in paths]
    labels = [read_labels(folder / "masks" / f"{path.stem}.png") for path in paths]
    runs = []
    for number in np.unique(np.stack(labels)):
        there = [bool((one == number).any()) for one in labels]
        first = there.index(True)
        stop = next((i for i in range(first, len(there)) if not there[i]), len(there))
        if number and stop - first > 1:
            masks = [one == number for one in labels[first:stop]]
            runs.append(Run(images[first:stop], masks))
    return runs


def copied(images: Sequence[Image], mask: Mask) -> Iterator[Mask]:
    """The first mask on all frames."""
    for _ in images[1:]:
        yield mask


def moved(image: Image, before: Image, mask: Mask) -> Mask:
    """A mask of the frame before, moved by the optical flow."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    now, then = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (image, before))
    found = flow.calc(now, then, np.zeros((*mask.shape, 2), np.float32))
    rows, columns = np.indices(mask.shape, np.float32)
    x, y = columns + found[..., 0], rows + found[..., 1]
    return np.asarray(cv2.remap(mask.astype(np.float32), x, y, cv2.INTER_LINEAR) > 1 / 2)


def by_flow(images: Sequence[Image], mask: Mask) -> Iterator[Mask]:
    """The first mask moved by the flow from frame to frame."""
    for before, image in pairwise(images):
        mask = moved(image, before, mask)
        yield mask


def by_flow_and_prompts(images: Sequence[Image], mask: Mask) -> Iterator[Mask]:
    """What the bundled model makes of the box and the innermost pixel of the moved mask."""
    for before, image in pairwise(images):
        mask = moved(image, before, mask)
        if mask.any():
            x, y, _ = first_click(mask)
            prompts: list[Prompt] = [Box(*bounding_box(mask)), Point(x, y)]
            mask = segment(image, prompts, model="bundled").masks[0]
        yield mask


def by_tracking(images: Sequence[Image], mask: Mask, *, model: str) -> Iterator[Mask]:
    """`track`, with the first mask as its only prompt."""
    results = track(images, {0: [MaskPrompt.from_mask(mask)]}, model=model)
    for result in results:
        if result.frame:
            yield result.masks[0] if len(result.masks) else np.zeros_like(mask)


def ious(method: Method, run: Run) -> list[float]:
    """Of a method's masks on all frames after the first."""
    found = method(run.images, run.masks[0])
    return [iou(mask, truth) for mask, truth in zip(found, run.masks[1:], strict=True)]


def judged(method: Method, runs: Sequence[Run]) -> tuple[float, float, float]:
    """Mean IoU of a method over whole runs, that on the next frame, and milliseconds a frame."""
    start = time.process_time()
    found = [ious(method, run) for run in runs]
    milliseconds = 1000 * (time.process_time() - start) / sum(map(len, found))
    pairs = [
        Run(run.images[i : i + 2], run.masks[i : i + 2])
        for run in runs
        for i in range(len(run.images) - 1)
    ]
    following = np.mean([ious(method, pair) for pair in pairs])
    return float(np.mean([np.mean(one) for one in found])), float(following), milliseconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of sequences")
    parser.add_argument("--model", nargs="*", default=["bundled"])
    given = parser.parse_args()
    methods: dict[str, Method] = {
        "first mask copied": copied,
        "optical flow (DIS)": by_flow,
        "flow, then box and point to the bundled model": by_flow_and_prompts,
        **{f"`track`, {name}": partial(by_tracking, model=name) for name in given.model},
    }
    print("| sequence (objects) | method | mean IoU | next frame | ms a frame |")
    print("|---|---|---:|---:|---:|")
    for folder in sorted(path.parent for path in given.data.glob("*/masks")):
        runs = runs_of(folder)
        for name, method in methods.items():
            whole, following, milliseconds = judged(method, runs)
            row = f"{folder.name} ({len(runs)}) | {name} | {whole:.2f} | {following:.2f}"
            print(f"| {row} | {milliseconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
