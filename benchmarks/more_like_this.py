"""More like this: from three given objects, how many of the others can be found by likeness.

    python -m benchmarks.more_like_this SET [--grid 32] [--count 8] [--draws 3]

A set as for `benchmarks.proposals`. Of each image three objects are given. Those proposals count
that pass the model's default thresholds, and a least likeness to one of the three, as by
``w.more_like``; what overlaps with the given ones is left out. Recall is the share of the other
objects that are found at an IoU of 0.5. It is reported twice: with the limit that suits each image
best, as by a slider, at no more than 15 % wrong ones; and with the suggested limit, with the share
of wrong ones. Images with less than six labelled objects, or no more than three that are found,
are skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.proposals import Labelled, load, search
from sam2_widget import load_model
from sam2_widget.proposals.filters import ProposalFilter, default_filter
from sam2_widget.proposals.grid import Grid
from sam2_widget.proposals.likeness import SUGGESTED, SUGGESTED_OVERLAP, Describer, likeness
from sam2_widget.proposals.proposal import Proposal, mask_iou
from training.datasets import opened

GIVEN = 3
LEAST_OBJECTS = 6
MOST_WRONG = 0.15
MAX_OVERLAP = 0.3
"""A proposal that overlaps more with a given object is that object."""
FOUND = 0.5
"""Least IoU of a proposal with the object that it finds."""
LIMITS = np.arange(0.02, 1, 0.02)


class Figures(NamedTuple):
    """Of one choice of given objects."""

    best: float
    """Recall at the limit that suits the image best."""
    suggested: float
    """Recall at the suggested limit."""
    wrong: float
    """Share of wrong ones at the suggested limit."""
    bound: float
    """Recall of all proposals without any filter."""


@dataclass(frozen=True)
class Found:
    """An image and its proposals."""

    labelled: Labelled
    proposals: Sequence[Proposal]
    ious: NDArray[np.float64]
    """Of each object with each proposal."""

    @classmethod
    def of(cls, labelled: Labelled, proposals: Sequence[Proposal]) -> Found:
        """Compare all proposals with all objects."""
        masks = [one.pixels() for one in proposals]
        ious = [[mask_iou(one, mask) for mask in masks] for one in labelled.objects]
        return cls(labelled, proposals, np.array(ious))

    def shares(
        self, chosen: ProposalFilter, values: Mapping[int, float], given: NDArray[np.int64]
    ) -> tuple[float, float]:
        """Share of the other objects that are found, and of the proposals that are wrong."""
        left = [one for one in self.proposals if one.number in values]
        shown = [one.number - 1 for one in chosen(left, values)]
        others = np.delete(self.ious, given, axis=0)[:, shown]
        if not shown:
            return 0.0, 0.0
        right = others.max(axis=0) >= FOUND
        count = len(set(others.argmax(axis=0)[right].tolist()))
        wrong = int((~right).sum())
        return count / len(others), wrong / max(wrong + count, 1)


def measure(found: Found, chosen: ProposalFilter, draws: int) -> list[Figures]:
    """Figures of several choices of given objects in one image."""
    ious = found.ious
    if len(ious) < LEAST_OBJECTS or not found.proposals:
        return []
    there = np.flatnonzero(ious.max(axis=1) >= FOUND)
    if len(there) <= GIVEN:
        return []
    describer = Describer(found.labelled.image)
    described = np.array([describer.proposal(one) for one in found.proposals])
    rng, figures = np.random.default_rng(0), []
    for _ in range(draws):
        given = rng.permutation(there)[:GIVEN]
        examples = np.array([describer.mask(found.labelled.objects[i]) for i in given])
        is_other = ious[given].max(axis=0) < MAX_OVERLAP
        values = {
            one.number: float(value)
            for one, value, other in zip(
                found.proposals, likeness(described, examples), is_other, strict=True
            )
            if other
        }
        at = [found.shares(replace(chosen, min_likeness=x), values, given) for x in LIMITS]
        best = max((recall for recall, wrong in at if wrong <= MOST_WRONG), default=0.0)
        suggested, wrong = found.shares(replace(chosen, min_likeness=SUGGESTED), values, given)
        bound = np.delete(ious, given, axis=0).max(axis=1) >= FOUND
        figures.append(Figures(best, suggested, wrong, float(bound.mean())))
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
    chosen = replace(default_filter(predictor), max_overlap=SUGGESTED_OVERLAP)
    by_image: list[Figures] = []
    with opened(args.set) as folder:
        for labelled in tqdm(list(load(folder, args.count, args.longest)), unit="image"):
            proposals = search(labelled.image, predictor, Grid(args.grid))
            if figures := measure(Found.of(labelled, proposals), chosen, args.draws):
                by_image.append(Figures(*np.mean(figures, axis=0)))
                print(*(f"{figure:.2f}" for figure in by_image[-1]), flush=True)
    print(report(by_image))


def report(by_image: Sequence[Figures]) -> str:
    """Means over the images, and how much these differ."""
    mean = Figures(*np.mean(by_image, axis=0))
    worst, best = min(one.best for one in by_image), max(one.best for one in by_image)
    return (
        f"{len(by_image)} images: {mean.best:.2f} with the best limit ({worst:.2f} to {best:.2f}), "
        f"{mean.suggested:.2f} with {SUGGESTED} and {mean.wrong:.2f} wrong, "
        f"{mean.bound:.2f} among all proposals"
    )


if __name__ == "__main__":
    main()
