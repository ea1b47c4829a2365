"""How good masks are, click by click: our models and the classical methods, in one table.

    python -m benchmarks.quality SET [SET ...] [--model NAME ...] [--longest 640] [--out TABLE.md]

A set is a tar file or a folder with images and label maps, see `training.datasets`. Of each set the
same objects are looked for by every method. Images larger than ``--longest`` pixels on their
longest side, 256 if it is not given, are shrunk to that.
A user clicks the object's innermost pixel and then, up to 20 times, the centre of the largest
error; apart from that the object is looked for with its tight box. Everything is fixed by the seed;
only the times vary. They are those of the processor (on a GPU those of the clock), in one thread if
OMP_NUM_THREADS=1 is set, and medians; an IoU is a mean. Boundary F is the harmonic mean of the
shares of each outline that lie within 2 pixels of the other. The score's error is the model's own
estimate of the IoU, over all clicks up to the fifth, less what it was: the mean of the differences
and, after ±, of their sizes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.classical import CLASSICAL
from benchmarks.methods import Mask, Method, ScoringSegmenter, ours
from sam2_widget import load_model
from sam2_widget.errors import ModelError
from sam2_widget.models.predictors import load_file
from sam2_widget.predictor import Predictor
from training.cases import Case, load_cases
from training.clicks import Click, bounding_box, correcting_click, first_click
from training.datasets import iou, opened

T = TypeVar("T")
Sets = list[tuple[str, list[Case]]]
"""Cases of each set, with the set's name."""

MOST_CLICKS = 20
REPORTED = (1, 3, 5)
LEVELS = (0.85, 0.90)
NEAR = 2
"""Pixels by which an outline may be off."""
HEADINGS = (
    "set", "method", "IoU, box", *(f"{n} click{'s' * (n > 1)}" for n in REPORTED), "best of 3",
    *(f"clicks to {level:.0%}" for level in LEVELS), f"never {LEVELS[-1]:.0%}",
    "boundary F, box", f"{REPORTED[-1]} clicks", "score's error", "ms a click", "ms to encode",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What came of one case.

    Attributes
    ----------
    box_iou, box_boundary : float
        IoU and boundary F of the answer to the tight box.
    ious, boundaries : tuple of float
        The same after each click.
    scores : tuple of float
        The model's own estimate of the IoU after each click; empty for methods without.
    best_of_three : float or None
        Best IoU among the candidates for the first click; None for methods without.
    encode_ms : float
    click_ms : tuple of float
    """

    box_iou: float
    box_boundary: float
    ious: tuple[float, ...]
    boundaries: tuple[float, ...]
    scores: tuple[float, ...]
    best_of_three: float | None
    encode_ms: float
    click_ms: tuple[float, ...]

    def clicks_to(self, level: float) -> int:
        """Clicks until the IoU reached `level`, or the most there can be."""
        return next((n for n, value in enumerate(self.ious, 1) if value >= level), MOST_CLICKS)

    def reached(self, level: float) -> bool:
        """Whether the IoU ever reached `level`."""
        return max(self.ious) >= level

    def score_errors(self) -> list[float]:
        """Estimated less true IoU after each of the first clicks."""
        pairs = zip(self.scores, self.ious, strict=False)
        return [score - value for score, value in pairs][: max(REPORTED)]


def after(values: Sequence[float], count: int) -> float:
    """Value after so many clicks; a mask that needed no more clicks stays."""
    return values[min(count, len(values)) - 1]


def boundary_f(mask: Mask, target: Mask, near: int = NEAR) -> float:
    """Boundary F of a mask, (H, W): how well its outline follows the target's.

    Parameters
    ----------
    mask, target : (H, W) bool ndarray
    near : int
        Pixels by which an outline may be off.
    """
    ours, theirs = _outline(mask), _outline(target)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = np.mean(_distance(theirs)[ours] <= near)
    recall = np.mean(_distance(ours)[theirs] <= near)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _outline(mask: Mask) -> Mask:
    """Pixels of a mask beside one that is not in it; the image's edge is none."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return np.asarray(mask & (inner == 0))


def _distance(outline: Mask) -> NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, 5))


def timed(clock: Callable[[], float], call: Callable[..., T], *args: object) -> tuple[T, float]:
    """Result of a call, and milliseconds."""
    began = clock()
    result = call(*args)
    return result, 1e3 * (clock() - began)


def run_trial(method: Method, case: Case) -> Trial:
    """Look for one object by its box, and by clicks until none can change a figure."""
    segmenter, encode_ms = timed(method.clock, method.begin, case.image)
    boxed = case.seen(segmenter.in_box(bounding_box(case.target)))
    masks: list[Mask] = []
    ious: list[float] = []
    scores: list[float] = []
    times: list[float] = []
    three = None
    click: Click | None = first_click(case.target)
    clicks: tuple[Click, ...] = ()
    while click and len(ious) < MOST_CLICKS and not _all_known(ious):
        clicks = (*clicks, click)
        shown = masks[-1] if masks else None
        answer, ms = timed(method.clock, segmenter.clicked, clicks, shown)
        masks.append(answer)
        times.append(ms)
        if isinstance(segmenter, ScoringSegmenter):
            scores.append(segmenter.score(clicks))
            three = three or _best(segmenter.candidates(clicks), case)
        ious.append(iou(answer, case.target, case.void))
        click = correcting_click(case.seen(answer), case.target)
    return Trial(
        box_iou=iou(boxed, case.target, case.void),
        box_boundary=boundary_f(boxed, case.target),
        ious=tuple(ious),
        boundaries=tuple(
            boundary_f(case.seen(mask), case.target) for mask in masks[: max(REPORTED)]
        ),
        scores=tuple(scores),
        best_of_three=three,
        encode_ms=encode_ms,
        click_ms=tuple(times),
    )


def _best(candidates: Sequence[Mask], case: Case) -> float:
    return max(iou(mask, case.target, case.void) for mask in candidates)


def _all_known(ious: Sequence[float]) -> bool:
    return len(ious) >= max(REPORTED) and max(ious) >= max(LEVELS)


def table_row(set_name: str, method: Method, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Figures of one method on one set: means over the cases, medians of times."""
    shares = [not trial.reached(LEVELS[-1]) for trial in trials]
    return (
        f"{set_name} ({len(trials)})",
        method.name,
        _mean([trial.box_iou for trial in trials]),
        *(_mean([after(trial.ious, count) for trial in trials]) for count in REPORTED),
        _mean([t.best_of_three for t in trials if t.best_of_three is not None]),
        *(f"{statistics.fmean(t.clicks_to(level) for t in trials):.1f}" for level in LEVELS),
        f"{statistics.fmean(shares):.0%}",
        _mean([trial.box_boundary for trial in trials]),
        _mean([after(trial.boundaries, max(REPORTED)) for trial in trials]),
        _signed([error for trial in trials for error in trial.score_errors()]),
        f"{statistics.median(ms for trial in trials for ms in trial.click_ms):.0f}",
        f"{statistics.median(trial.encode_ms for trial in trials):.0f}",
    )


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2f}" if values else ""


def _signed(errors: Sequence[float]) -> str:
    if not errors:
        return ""
    return f"{statistics.fmean(errors):+.2f} ± {statistics.fmean(map(abs, errors)):.2f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Lines of a Markdown table whose columns also line up in a terminal."""
    columns = zip(HEADINGS, *rows, strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    rule = ["-" * width for width in widths]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |\n"
        for row in (HEADINGS, rule, *rows)
    )


def measure(methods: Sequence[Method], sets: Sets) -> list[tuple[str, ...]]:
    """Rows of the table, set by set."""
    rows = []
    total = len(methods) * sum(len(chosen) for _, chosen in sets)
    with tqdm(total=total, unit="object", smoothing=0.05) as bar:
        for name, chosen in sets:
            for method in methods:
                bar.set_description(f"{method.name}, {name}")
                trials = []
                for case in chosen:
                    trials.append(run_trial(method, case))
                    bar.update()
                rows.append(table_row(name, method, trials))
    return rows


def load_methods(names: Sequence[str], models: Sequence[str], device: str) -> list[Method]:
    """Methods by the names of the command line, the bundled model first.

    A file that ends in ``.safetensors`` is loaded as it is: one in training has no known hash.
    """
    wanted = [*(["bundled"] if "bundled" in names else []), *models]
    found = [ours(_load(name, device)) for name in wanted]
    return found + [CLASSICAL[name] for name in names if name in CLASSICAL]


def _load(name: str, device: str) -> Predictor:
    path = Path(name)
    if path.suffix == ".safetensors":
        return load_file(path, name=path.stem, device=device)
    return load_model(name, device=device)


def load_sets(paths: Sequence[Path], *, count: int, seed: int, longest: int) -> Sets:
    """Read the sets."""
    sets = []
    for path in paths:
        with opened(path) as folder:
            chosen = load_cases(folder, count=count, seed=seed, longest=longest)
        sets.append((folder.name, chosen))
    return sets


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path, nargs="+", metavar="SET")
    known = ["bundled", *CLASSICAL]
    parser.add_argument("--methods", nargs="*", choices=known, default=known, help="default: all")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help="another model, as load_model takes it (tiny, owner/name, model.pt), or .safetensors",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=100, help="objects of each set")
    parser.add_argument("--longest", type=int, default=256, help="side of an image in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="for the models; times are for one thread")
    parser.add_argument("--out", type=Path, help="write the table here as well")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parse(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        sets = load_sets(args.sets, count=args.count, seed=args.seed, longest=args.longest)
        methods = load_methods(args.methods, args.model, args.device)
    except (ValueError, ModelError) as error:
        sys.exit(f"quality: {error}")
    table = markdown(measure(methods, sets))
    print(table, end="")
    if args.out:
        args.out.write_text(table)


if __name__ == "__main__":
    main()
