"""How good masks are, click by click: our models and the classical methods, in one table.

    python -m benchmarks.quality SET [SET ...] [--model NAME ...] [--out TABLE.md]

A set is a tar file or a folder with images and label maps, see `training.cases`. Of each set the
same objects are looked for by every method. Images are brought to 256 pixels on their longest side.
A user clicks the object's innermost pixel and then, up to 20 times, the centre of the largest
error; apart from that the object is looked for with its tight box. Everything is fixed by the seed;
only the times vary. They are those of the processor (on a GPU those of the clock), in one thread if
OMP_NUM_THREADS=1 is set, and medians; an IoU is a mean.
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
import torch
from tqdm import tqdm

from benchmarks.classical import CLASSICAL
from benchmarks.methods import Mask, Method, ours
from sam2_widget import load_model
from sam2_widget.errors import ModelError
from training.cases import Case, load_cases, opened
from training.clicks import Click, bounding_box, correcting_click, first_click
from training.pseudo import iou

T = TypeVar("T")
Sets = list[tuple[str, list[Case]]]
"""Cases of each set, with the set's name."""

MOST_CLICKS = 20
REPORTED = (1, 3, 5)
LEVELS = (0.85, 0.90)
HEADINGS = (
    "set", "method", "IoU, box", *(f"{n} click{'s' * (n > 1)}" for n in REPORTED),
    *(f"clicks to {level:.0%}" for level in LEVELS), f"never {LEVELS[-1]:.0%}",
    "ms a click", "ms to encode",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What came of one case.

    Attributes
    ----------
    box_iou : float
        IoU of the answer to the tight box.
    ious : tuple of float
        IoU after each click.
    encode_ms : float
    click_ms : tuple of float
    """

    box_iou: float
    ious: tuple[float, ...]
    encode_ms: float
    click_ms: tuple[float, ...]

    def iou_after(self, count: int) -> float:
        """IoU after so many clicks; a mask that needed no more clicks stays."""
        return self.ious[min(count, len(self.ious)) - 1]

    def clicks_to(self, level: float) -> int:
        """Clicks until the IoU reached `level`, or the most there can be."""
        return next((n for n, value in enumerate(self.ious, 1) if value >= level), MOST_CLICKS)

    def reached(self, level: float) -> bool:
        """Whether the IoU ever reached `level`."""
        return max(self.ious) >= level


def timed(clock: Callable[[], float], call: Callable[..., T], *args: object) -> tuple[T, float]:
    """Result of a call, and milliseconds."""
    began = clock()
    result = call(*args)
    return result, 1e3 * (clock() - began)


def run_trial(method: Method, case: Case) -> Trial:
    """Look for one object by its box, and by clicks until none can change a figure."""
    segmenter, encode_ms = timed(method.clock, method.begin, case.image)
    boxed = segmenter.in_box(bounding_box(case.target))
    ious: list[float] = []
    times: list[float] = []
    mask: Mask | None = None
    click: Click | None = first_click(case.target)
    clicks: tuple[Click, ...] = ()
    while click and len(ious) < MOST_CLICKS and not _all_known(ious):
        clicks = (*clicks, click)
        answer, ms = timed(method.clock, segmenter.clicked, clicks, mask)
        ious.append(iou(answer, case.target))
        times.append(ms)
        mask, click = answer, correcting_click(answer, case.target)
    return Trial(iou(boxed, case.target), tuple(ious), encode_ms, tuple(times))


def _all_known(ious: Sequence[float]) -> bool:
    return len(ious) >= max(REPORTED) and max(ious) >= max(LEVELS)


def table_row(set_name: str, method: Method, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Figures of one method on one set: means over the cases, medians of times."""
    shares = [not trial.reached(LEVELS[-1]) for trial in trials]
    return (
        f"{set_name} ({len(trials)})",
        method.name,
        _mean([trial.box_iou for trial in trials]),
        *(_mean([trial.iou_after(count) for trial in trials]) for count in REPORTED),
        *(f"{statistics.fmean(t.clicks_to(level) for t in trials):.1f}" for level in LEVELS),
        f"{statistics.fmean(shares):.0%}",
        f"{statistics.median(ms for trial in trials for ms in trial.click_ms):.0f}",
        f"{statistics.median(trial.encode_ms for trial in trials):.0f}",
    )


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2f}"


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
    """Methods by the names of the command line, the bundled model first."""
    wanted = [*(["bundled"] if "bundled" in names else []), *models]
    found = [ours(load_model(name, device=device)) for name in wanted]
    return found + [CLASSICAL[name] for name in names if name in CLASSICAL]


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
        help="another model, whatever load_model takes: tiny, large, owner/name, model.pt",
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
