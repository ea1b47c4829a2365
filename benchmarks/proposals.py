"""Proposals: how many of the labelled objects they find, at several grids, and what that costs.

    python -m benchmarks.proposals SET [SET ...] [--grids 8 16 32] [--count 20] [--out TABLE.md]

A set is a tar file or a folder with images and label maps, see `training.datasets`; images larger
than ``--longest`` pixels on their longest side are shrunk to that. Each object counts by the
proposal that fits it best. Recall is the share of objects with a proposal of at least that IoU;
average recall is the mean over the IoUs 0.5, 0.55, …, 0.95. Objects that cover at least 1 % of
their image are reported apart from all. "all found" are the proposals before the filter. Times are
of the processor, one thread, a mean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from sam2_widget import load_model
from sam2_widget.errors import ModelError
from sam2_widget.masks.logits import MaskCrop, tight
from sam2_widget.predictor import Predictor
from sam2_widget.proposals.filters import ProposalFilter, default_filter
from sam2_widget.proposals.grid import Grid
from sam2_widget.proposals.proposal import Proposal, mask_iou
from sam2_widget.proposals.search import ProposalSearch
from training.datasets import VOID, image_paths, opened, read_image, read_labels, shrink

LARGE = 0.01
"""Share of its image from which on an object counts as large."""
LEVELS = np.arange(0.5, 1, 0.05)
HEADINGS = (
    "set", "points", "proposals", "s an image",
    "1 % and more: IoU .5", "IoU .75", "average", "all objects: IoU .5", "IoU .75", "average",
)  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """An image and its objects."""

    image: NDArray[np.uint8]
    objects: tuple[MaskCrop, ...]
    is_large: NDArray[np.bool_]


@dataclass
class Found:
    """What was found in all images of a set, at one grid, behind one filter."""

    best: list[NDArray[np.float64]]
    """Of each image, each object's best IoU."""
    counts: list[int]
    seconds: list[float]

    def row(self, name: str, points: str, is_large: NDArray[np.bool_]) -> tuple[str, ...]:
        """A row of the table."""
        every = np.concatenate(self.best)
        figures = (
            figure
            for ious in (every[is_large], every)
            for figure in ((ious >= 0.5).mean(), (ious >= 0.75).mean(), average_recall(ious))  # noqa: PLR2004
        )
        return (
            name, points, f"{np.mean(self.counts):.0f}", f"{np.mean(self.seconds):.1f}",
            *(f"{figure:.2f}" for figure in figures),
        )  # fmt: skip


def average_recall(ious: NDArray[np.float64]) -> float:
    """Mean share of objects found, over the IoUs from 0.5 to 0.95."""
    return float(np.mean([(ious >= level).mean() for level in LEVELS]))


def load(folder: Path, count: int, longest: int) -> Iterator[Labelled]:
    """Images of a set, evenly spread over it."""
    paths = image_paths(folder)
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int))
    for path in (paths[index] for index in chosen):
        image = shrink(read_image(path), longest)
        labels = read_labels(folder / "masks" / f"{path.stem}.png")
        labels = np.asarray(cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST))
        objects = [tight(0, 0, labels == one) for one in np.unique(labels) if one not in (0, VOID)]
        is_large = np.array([one.area >= LARGE * labels.size for one in objects], bool)
        yield Labelled(image, tuple(objects), is_large)


def search(image: NDArray[np.uint8], predictor: Predictor, grid: Grid) -> list[Proposal]:
    """All that is found in an image."""
    running = ProposalSearch(image, predictor, grid)
    while not running.is_done:
        running.step()
    return running.proposals


def best_ious(objects: Sequence[MaskCrop], masks: Sequence[MaskCrop]) -> NDArray[np.float64]:
    """Each object's IoU with the mask that fits it best, (N,)."""
    return np.array([max((mask_iou(one, mask) for mask in masks), default=0.0) for one in objects])


def measure(
    name: str, images: Sequence[Labelled], predictor: Predictor, per_side: int
) -> list[tuple[str, ...]]:
    """Rows of one set at one grid: what the default filter leaves, and all that was found."""
    filters: dict[str, ProposalFilter | None] = {"": default_filter(predictor), ", all found": None}
    found = {kind: Found([], [], []) for kind in filters}
    for labelled in tqdm(images, desc=f"{name}, {per_side} x {per_side}", unit="image"):
        began = process_time()
        proposals = search(labelled.image, predictor, Grid(per_side))
        seconds = process_time() - began
        masks = {one.number: one.pixels() for one in proposals}
        for kind, chosen in filters.items():
            left = chosen(proposals) if chosen else proposals
            ious = best_ious(labelled.objects, [masks[one.number] for one in left])
            found[kind].best.append(ious)
            found[kind].counts.append(len(left))
            found[kind].seconds.append(seconds)
    is_large = np.concatenate([labelled.is_large for labelled in images])
    title = f"{name} ({len(images)})"
    points = f"{per_side} x {per_side}"
    return [one.row(title, points + kind, is_large) for kind, one in found.items()]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Lines of a Markdown table whose columns also line up in a terminal."""
    widths = [max(len(cell) for cell in column) for column in zip(HEADINGS, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |\n"
        for row in (HEADINGS, rule, *rows)
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path, nargs="+", metavar="SET")
    parser.add_argument("--model", default="bundled", help="as load_model takes it")
    parser.add_argument("--grids", type=int, nargs="+", default=[8, 16, 32], help="points a side")
    parser.add_argument("--count", type=int, default=50, help="images of each set")
    parser.add_argument("--longest", type=int, default=640, help="side of an image in pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="write the table here as well")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parse(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows: list[tuple[str, ...]] = []
    try:
        predictor = load_model(args.model, device=args.device)
        for path in args.sets:
            with opened(path) as folder:
                images = list(load(folder, args.count, args.longest))
                for per_side in args.grids:
                    rows += measure(folder.name, images, predictor, per_side)
                    print(markdown(rows), flush=True)
    except (ValueError, ModelError) as error:
        sys.exit(f"proposals: {error}")
    if args.out:
        args.out.write_text(markdown(rows))


if __name__ == "__main__":
    main()
