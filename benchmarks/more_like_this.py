"""More like this: from three given objects, how many of the others can be found by likeness.

    python -m benchmarks.more_like_this SET [--grid 32] [--count 8] [--draws 3]

A set as for `benchmarks.proposals`. All proposals of an image are ranked by how much they are like
one of three objects that are given: size, shape, colour, and contrast to what surrounds them. Those
that overlap with a better one are left out. Recall is the share of the other objects that are found
at an IoU of 0.5, with the limit of likeness that suits each image best, as by a slider, at no more
than 15 % wrong ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.proposals import Labelled, load, search
from sam2_widget import load_model
from sam2_widget.masks.logits import MaskCrop
from sam2_widget.proposals.grid import Grid
from sam2_widget.proposals.proposal import Proposal, mask_iou
from training.datasets import opened

GIVEN = 3
MOST_WRONG = 0.15
MAX_OVERLAP = 0.3
SCALES = np.array([2.0, 1.0, 1.0, *[100.0] * 3, *[50.0] * 3])
"""How much features may differ: log area, convexity, roundness, colour, contrast."""


def features(lab: NDArray[np.float32], mask: MaskCrop) -> NDArray[np.float64]:
    """Size, shape, colour and contrast of a mask in an image in CIELAB."""
    x0, y0, x1, y1 = mask.bbox
    outlines, _ = cv2.findContours(
        mask.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    outline = max(outlines, key=cv2.contourArea)
    hull, length = cv2.contourArea(cv2.convexHull(outline)), cv2.arcLength(outline, closed=True)
    shape = mask.area / max(hull, 1), 4 * np.pi * mask.area / max(length, 1) ** 2
    margin = max(2, int(0.3 * mask.area**0.5))
    top, left = max(0, y0 - margin), max(0, x0 - margin)
    around = lab[top : y1 + margin, left : x1 + margin]
    outside = np.ones(around.shape[:2], bool)
    outside[y0 - top : y1 - top, x0 - left : x1 - left] &= ~mask.pixels
    colour = lab[y0:y1, x0:x1][mask.pixels].mean(axis=0)
    contrast = colour - (around[outside].mean(axis=0) if outside.any() else colour)
    return np.array([np.log(mask.area), *shape, *colour, *contrast])


def unlikeness(found: NDArray[np.float64], given: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each of (N, F) features differs from the nearest of the given ones."""
    apart = (found[:, None] - given[None]) / SCALES
    size_and_shape = np.abs(apart[..., :3]).sum(axis=-1)
    colours = (np.linalg.norm(apart[..., at : at + 3], axis=-1) for at in (3, 6))
    return np.asarray((size_and_shape + sum(colours)).min(axis=1))


def distinct(order: Sequence[int], proposals: Sequence[Proposal]) -> list[int]:
    """The proposals in this order without those that overlap with an earlier one."""
    kept: list[int] = []
    for one in order:
        cells = proposals[one].cells
        if all(mask_iou(cells, proposals[other].cells) < MAX_OVERLAP for other in kept):
            kept.append(one)
    return kept


def recall(ious: NDArray[np.float64], ranked: Sequence[int], given: Sequence[int]) -> float:
    """Share of the other objects among the first ones that are found, at the best limit."""
    others = np.setdiff1d(np.arange(len(ious)), given)
    found: set[int] = set()
    wrong, best = 0, 0.0
    for one in ranked:
        if ious[given, one].max() >= MAX_OVERLAP:
            continue
        fits = int(others[np.argmax(ious[others, one])])
        if ious[fits, one] >= 0.5:  # noqa: PLR2004
            found.add(fits)
        else:
            wrong += 1
        if found and wrong <= MOST_WRONG * (wrong + len(found)):
            best = max(best, len(found) / len(others))
    return best


def measure(
    labelled: Labelled, proposals: Sequence[Proposal], draws: int
) -> list[tuple[float, float]]:
    """Recall by likeness, and that of all proposals, for several draws of given objects."""
    masks = [one.pixels() for one in proposals]
    ious = np.array([[mask_iou(one, mask) for mask in masks] for one in labelled.objects])
    lab = cv2.cvtColor(labelled.image, cv2.COLOR_RGB2LAB).astype(np.float32)
    known = np.array([features(lab, mask) for mask in masks])
    scores = np.array([0.3 * one.score + 0.1 * one.stability for one in proposals])
    rng, figures = np.random.default_rng(0), []
    there = np.flatnonzero(ious.max(axis=1) >= 0.5)  # noqa: PLR2004
    for _ in range(draws if len(there) > GIVEN else 0):
        given = rng.permutation(there)[:GIVEN]
        apart = unlikeness(known, known[ious[given].argmax(axis=1)]) - scores
        ranked = distinct(np.argsort(apart).tolist(), proposals)
        others = np.setdiff1d(np.arange(len(ious)), given)
        bound = (ious[others].max(axis=1) >= 0.5).mean()  # noqa: PLR2004
        figures.append((recall(ious, ranked, given.tolist()), float(bound)))
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path, metavar="SET")
    parser.add_argument("--model", default="bundled", help="as load_model takes it")
    parser.add_argument("--grid", type=int, default=32, help="points a side")
    parser.add_argument("--count", type=int, default=8, help="images")
    parser.add_argument("--draws", type=int, default=3, help="choices of three objects an image")
    parser.add_argument("--longest", type=int, default=640, help="side of an image in pixels")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    predictor = load_model(args.model, device="cpu")
    figures: list[tuple[float, float]] = []
    with opened(args.set) as folder:
        for labelled in tqdm(list(load(folder, args.count, args.longest)), unit="image"):
            proposals = search(labelled.image, predictor, Grid(args.grid))
            figures += measure(labelled, proposals, args.draws)
    by_likeness, bound = np.mean(figures, axis=0)
    print(f"{by_likeness:.2f} by likeness, {bound:.2f} among all proposals, {len(figures)} draws")


if __name__ == "__main__":
    main()
